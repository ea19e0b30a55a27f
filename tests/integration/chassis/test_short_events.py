"""While replicas of the previous version may run, an event is stored with its whole body."""

import json
import uuid

from deploy.local.nats import NatsServer
from tests.integration.chassis.conftest import Shop
from tests.integration.chassis.test_relay import (
    an_event,
    append,
    is_published,
    published,
    relaying,
    until,
)
from tests.outboxes import body


async def test_an_old_relay_finds_the_body_until_rows_are_short(
    shop: Shop, nats: NatsServer, marketplace_id: uuid.UUID
) -> None:
    shop.run("update outbox_published set short_from = now() + interval '1 hour'")
    first, second, third = (an_event(marketplace_id, version=version) for version in (1, 2, 3))

    # Nobody has read yet from when on rows are short.
    await append(shop, first)
    async with relaying(shop, nats):
        await until(is_published(shop))
        await append(shop, second)
        await until(is_published(shop))
    shop.run("update outbox_published set short_from = now()")
    shop.database.short_from = None
    async with relaying(shop, nats):
        await until(lambda: shop.database.writes_short)
        await append(shop, third)
        await until(is_published(shop))

    stored = shop.rows("select body, payload from outbox order by version")
    assert stored[:2] == [(body(first).decode(), None), (body(second).decode(), None)]
    assert stored[2] == ("", json.dumps(third.payload, ensure_ascii=False, separators=(",", ":")))
    arrived = await published(nats, marketplace_id)
    for one in arrived:
        del one["headers"]
    assert arrived == [json.loads(body(event)) for event in (first, second, third)]
