"""A stream that was lost comes back whole from the outbox, in order, while relays go on."""

import uuid

import pytest
from nats.js.api import StreamState

from chassis.bus import Bus
from chassis.nats_settings import STREAM
from chassis.rebuild import rebuild
from deploy.local.nats import NatsServer
from tests.integration.chassis.conftest import SCHEMA, Shop
from tests.integration.chassis.test_relay import (
    an_event,
    append,
    is_published,
    published,
    relaying,
    until,
    versions,
)


async def test_a_wiped_stream_is_published_again_in_order(
    shop: Shop, nats: NatsServer, marketplace_id: uuid.UUID
) -> None:
    things = [f"ord_{n}" for n in range(3)]
    async with relaying(shop, nats):
        for thing in things:
            events = [an_event(marketplace_id, version=v, thing=thing) for v in range(1, 9)]
            await append(shop, *events)
        await until(is_published(shop))
        await _delete_stream(nats)

        count = await rebuild(database_url=shop.url, nats_url=nats.url, schemas=[SCHEMA])
        await append(shop, an_event(marketplace_id, version=9, thing="ord_0"))
        await until(is_published(shop))

    events_again = await published(nats, marketplace_id)
    assert count == 24
    assert versions(events_again, "ord_0") == [*range(1, 10)]
    assert versions(events_again, "ord_1") == versions(events_again, "ord_2") == [*range(1, 9)]


async def test_rebuilding_a_complete_stream_duplicates_nothing(
    shop: Shop, nats: NatsServer, marketplace_id: uuid.UUID
) -> None:
    async with relaying(shop, nats):
        await append(shop, *(an_event(marketplace_id, version=v) for v in range(1, 6)))
        await until(is_published(shop))

        await rebuild(database_url=shop.url, nats_url=nats.url, schemas=[SCHEMA])
        await until(is_published(shop))

    assert versions(await published(nats, marketplace_id)) == [*range(1, 6)]


@pytest.mark.parametrize("is_lost", [False, True])
async def test_rebuilt_stream_does_not_reuse_earlier_positions(
    shop: Shop, nats: NatsServer, marketplace_id: uuid.UUID, *, is_lost: bool
) -> None:
    async with relaying(shop, nats):
        await append(shop, *(an_event(marketplace_id, version=v) for v in range(1, 6)))
        await until(is_published(shop))
        before = await _state(nats)
        if is_lost:
            await _delete_stream(nats)

        await rebuild(database_url=shop.url, nats_url=nats.url, schemas=[SCHEMA])
        await until(is_published(shop))
        again = await _state(nats)
        await rebuild(database_url=shop.url, nats_url=nats.url, schemas=[SCHEMA])
        await until(is_published(shop))

    assert before.last_seq < again.first_seq
    assert again.last_seq < (await _state(nats)).first_seq
    assert versions(await published(nats, marketplace_id)) == [*range(1, 6)]


async def _state(nats: NatsServer) -> StreamState:
    bus = Bus(url=nats.url, name="test-reader")
    state = (await (await bus.stream()).stream_info(STREAM)).state
    await bus.close()
    return state


async def _delete_stream(nats: NatsServer) -> None:
    bus = Bus(url=nats.url, name="test-wiper")
    context = await bus.stream()
    await context.delete_stream(STREAM)
    await bus.close()
