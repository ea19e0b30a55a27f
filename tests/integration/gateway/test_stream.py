"""One reader for every stream: what is no event, who does not read, and who comes back late."""

import asyncio
import contextlib
import json
import uuid

import httpx
import nats
import pytest
import structlog

from chassis.bus import STREAM, Message, publish_all
from gateway.settings import GatewaySettings
from gateway.stream import BUFFER_BYTES_MAX, BYTES_PER_BYTE, Live, event_of

from .test_events import DEADLINE_SECONDS, Publisher, publisher, streaming

__all__ = ["publisher"]


def foreign(own: uuid.UUID) -> list[bytes]:
    """Return messages that others may put into the stream."""
    named = {"marketplaceId": str(own)}
    event = {
        "eventId": "evt_1",
        "eventType": "order.note",
        "aggregateType": "Order",
        "payload": {},
        "metadata": named,
    }
    wrong: list[object] = [
        [],
        "text",
        None,
        {"metadata": "x"},
        {"metadata": named},
        {**event, "eventId": 1},
        {**event, "eventId": "evt_1\nid: 2"},
        {**event, "eventType": "order.closed"},
        {**event, "metadata": {"marketplaceId": 1}},
        {**event, "aggregateType": None},
        {**event, "payload": []},
    ]
    return [b"picked up by courier", b"", b"\xff", b"[" * 5000, *map(_spelled, wrong)]


def _spelled(value: object) -> bytes:
    return json.dumps(value).encode()


async def test_what_is_no_event_is_left_out_and_said_once(
    rest: httpx.AsyncClient, publisher: Publisher
) -> None:
    context = await publisher._bus.stream()
    bodies = foreign(publisher.marketplace_id)
    with structlog.testing.capture_logs() as logs:
        async with streaming(rest) as reader:
            begin = await publisher.publish("order.created")
            cursor = (await reader.event())["id"]
            for body in bodies:
                message = Message(
                    subject="order.note", message_id=uuid.uuid4().hex, headers={}, body=body
                )
                assert await publish_all(context, [message]) == [True]
            after = await publisher.publish("order.closed")
            told = json.loads((await reader.event())["data"])["eventId"]
        async with streaming(rest, after=cursor) as reader:
            again = json.loads((await reader.event())["data"])["eventId"]

    said = [line["sequence"] for line in logs if line["event"] == "events.not_an_event"]
    place = int(cursor.partition("-")[0])
    assert begin != told == again == after
    assert said == [place + number for number in range(1, len(bodies) + 1)]


def test_an_event_over_several_lines_is_told_in_one() -> None:
    event = {
        "eventId": "evt_1",
        "eventType": "order.note",
        "aggregateType": "Order",
        "payload": {"text": "a"},
        "metadata": {"marketplaceId": "m"},
    }

    told = event_of("order.note", json.dumps(event, indent=2).encode(), sequence=1)

    assert told is not None
    assert b"\n" not in told.data
    assert json.loads(told.data) == event


async def test_what_does_not_fit_into_a_buffer_ends_it_after_what_did() -> None:
    live = Live(marketplace_id="m", first=1)
    data = b'{"eventId":"evt_1","eventType":"a.b","aggregateType":"A","payload":{"x":"%b"}' % (
        b"y" * 1000
    )
    data += b',"metadata":{"marketplaceId":"m"}}'
    told = event_of("a.b", data, sequence=1)
    assert told is not None

    for _ in range(2 * BUFFER_BYTES_MAX // len(data)):
        live.offer(told)
    async with asyncio.timeout(DEADLINE_SECONDS):
        taken = [one async for one in live.events()]

    assert 0 < len(taken) <= BUFFER_BYTES_MAX // (BYTES_PER_BYTE * len(data)) + 1


async def test_a_client_that_was_slow_is_told_everything_in_order(
    rest: httpx.AsyncClient, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.stream.BUFFER_BYTES_MAX", 2_000)
    monkeypatch.setattr("gateway.stream.REPLAY_BATCH", 3)
    async with streaming(rest) as reader:
        published = [await publisher.publish("order.created")]
        assert json.loads((await reader.event())["data"])["eventId"] == published[0]
        many = [publisher.publish(f"order.{name}") for name in ["created", "closed"] * 50]
        published = await asyncio.gather(*many)

        told = [json.loads((await reader.event())["data"])["eventId"] for _ in published]

    assert sorted(told) == sorted(published)


async def test_many_streams_are_one_reader(
    rest: httpx.AsyncClient, publisher: Publisher, settings: GatewaySettings
) -> None:
    async with contextlib.AsyncExitStack() as opened:
        readers = [await opened.enter_async_context(streaming(rest)) for _ in range(10)]
        event_id = await publisher.publish("order.created")
        told = {json.loads((await reader.event())["data"])["eventId"] for reader in readers}
        client = await nats.connect(settings.nats_url)
        found = await client.jetstream().consumers_info(STREAM)
        await client.close()

    assert told == {event_id}
    assert sum(bool(consumer.push_bound) for consumer in found) == 1
