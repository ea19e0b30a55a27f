"""Messages on the bus that escrow did not sign change nothing."""

import asyncio
import base64
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from chassis.bus import Bus, Message, publish_all
from chassis.nats_settings import STREAM
from chassis.signature import HEADER, EventSigner, new_key
from deploy.local.nats import NatsServer
from services.ledger.deposits.consumer import SUBJECT
from services.ledger.deposits.service import CONSUMER
from tests.conftest import TestDatabase
from tests.integration.ledger.conftest import serving_ledger
from tests.integration.ledger.test_deposits import told
from tests.integration.ledger.test_requests import balance, opened
from tests.patience import PATIENCE_SECONDS
from tests.serving import EVENT_SIGNING_KEY, Client

ESCROW = EventSigner(EVENT_SIGNING_KEY)
STRANGER = EventSigner(new_key())
Forgery = Callable[[bytes], tuple[bytes, dict[str, str]]]


@pytest.fixture
async def own_ledger(database: TestDatabase, own_nats_server: NatsServer) -> AsyncIterator[Client]:
    """A served ledger whose stream and consumer are these tests' alone."""
    async with serving_ledger(database, own_nats_server.url) as client:
        yield client


@pytest.fixture
async def bus(own_nats_server: NatsServer) -> AsyncIterator[Bus]:
    """A connection without any privilege."""
    made = Bus(url=own_nats_server.url, name="anybody")
    yield made
    await made.close()


async def say(bus: Bus, body: bytes, headers: dict[str, str], *, subject: str = SUBJECT) -> None:
    message = Message(subject=subject, message_id=uuid.uuid4().hex, headers=headers, body=body)
    assert await publish_all(await bus.stream(), [message]) == [True]


async def until_all_was_read(bus: Bus) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            found = await (await bus.stream()).consumer_info(STREAM, CONSUMER)
            if (found.num_pending, found.num_ack_pending) == (0, 0):
                return
            await asyncio.sleep(0.02)


def changed(body: bytes, **changes: Any) -> bytes:
    event = orjson.loads(body)
    event["payload"] |= {k: v for k, v in changes.items() if k in event["payload"]}
    event["metadata"] |= {k: v for k, v in changes.items() if k in event["metadata"]}
    event |= {k: v for k, v in changes.items() if k in event}
    return orjson.dumps(event)


def signed(body: bytes, *, by: EventSigner = ESCROW, subject: str = SUBJECT) -> dict[str, str]:
    return {HEADER: by.sign(subject, body)}


def cut(body: bytes) -> dict[str, str]:
    whole = base64.b64decode(ESCROW.sign(SUBJECT, body))
    return {HEADER: base64.b64encode(whole[:-1]).decode()}


FORGERIES: dict[str, Forgery] = {
    "no signature": lambda body: (body, {}),
    "empty signature": lambda body: (body, {HEADER: ""}),
    "no base64": lambda body: (body, {HEADER: "not base64 ☃".encode().decode("latin-1")}),
    "a stranger's key": lambda body: (body, signed(body, by=STRANGER)),
    "a cut signature": lambda body: (body, cut(body)),
    "another subject's signature": lambda body: (body, signed(body, subject="escrow.funded")),
    "the amount changed": lambda body: (changed(body, minorUnits="1"), signed(body)),
    "the user changed": lambda body: (changed(body, userUuid=str(uuid.uuid4())), signed(body)),
    "the marketplace changed": lambda body: (
        changed(body, marketplaceId=str(uuid.uuid4())),
        signed(body),
    ),
    "the deposit changed": lambda body: (changed(body, depositId=str(uuid.uuid4())), signed(body)),
    "the event's id changed": lambda body: (changed(body, eventId=str(uuid.uuid4())), signed(body)),
    "a space more": lambda body: (body + b" ", signed(body)),
    "empty": lambda _: (b"", {}),
    "text": lambda _: (b"picked up by courier", {}),
    "bytes": lambda _: (bytes(range(256)), {}),
    "a list": lambda _: (b"[]", {}),
    "null": lambda _: (b"null", {}),
    "metadata of another kind": lambda _: (b'{"metadata":"x"}', {}),
    "deep": lambda _: (b"[" * 100_000, {}),
    "huge": lambda _: (b'{"a":"' + b"x" * 200_000 + b'"}', {}),
}


async def test_a_forged_event_is_dropped_once_and_changes_no_balance(
    own_ledger: Client, bus: Bus
) -> None:
    user = await opened(own_ledger, public_id="usr_ann")
    true = orjson.dumps(told(own_ledger.marketplace_id, user))

    with capture_logs() as logs:
        for forge in FORGERIES.values():
            body, headers = forge(true)
            await say(bus, body, headers)
        await say(bus, true, signed(true))
        await until_all_was_read(bus)

    dropped = [line for line in logs if line["event"] == "bus.message_dropped"]
    assert await balance(own_ledger, user) == (250_000_000, 0)
    assert len({line["sequence"] for line in dropped}) == len(dropped) == len(FORGERIES)
    assert [line["refused"] for line in dropped] == list(range(1, len(FORGERIES) + 1))


async def test_a_replayed_signed_event_is_booked_once(own_ledger: Client, bus: Bus) -> None:
    user = await opened(own_ledger, public_id="usr_ann")
    true = orjson.dumps(told(own_ledger.marketplace_id, user))

    for _ in range(4):  # each under a message id of its own
        await say(bus, true, signed(true))
    await until_all_was_read(bus)

    assert await balance(own_ledger, user) == (250_000_000, 0)


async def test_another_signed_event_of_escrow_books_nothing(own_ledger: Client, bus: Bus) -> None:
    user = await opened(own_ledger, public_id="usr_ann")
    event = told(own_ledger.marketplace_id, user) | {"eventType": "escrow.funded"}
    body = orjson.dumps(event)

    await say(bus, body, signed(body, subject="escrow.funded"))
    await say(bus, body, signed(body, subject="escrow.funded"), subject="escrow.funded")
    await until_all_was_read(bus)

    assert await balance(own_ledger, user) == (0, 0)
