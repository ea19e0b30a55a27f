"""One reader for all streams: invalid messages, slow clients, and late clients."""

import asyncio
import contextlib
import json
import uuid
from typing import Any

import httpx
import nats
import pytest
import structlog

import gateway.stream
from chassis.bus import Bus, Message, publish_all
from chassis.events import event_of
from chassis.nats_settings import STREAM
from gateway.settings import GatewaySettings
from gateway.stream import BUFFER_BYTES_MAX, BYTES_PER_BYTE, Live, Stream, newest
from tests.integration import raw_nats
from tests.patience import PATIENCE_SECONDS

from .test_events import DEADLINE_SECONDS, Publisher, publisher, streaming

__all__ = ["publisher"]


EVENT: dict[str, Any] = {
    "eventId": "evt_1",
    "eventType": "order.note",
    "occurredAt": "2026-02-18T10:00:00.000Z",
    "aggregateId": "ord_1",
    "aggregateType": "Order",
    "version": 1,
    "payload": {},
    "metadata": {"marketplaceId": "m"},
}
# Values that an event's field may have if another program writes it.
STRANGE: list[object] = [None, True, 0, -1, 1.5, "", "x", [], {}, [EVENT], {"a": 1}]
RIGHT = {"aggregateId": ("", "x"), "aggregateType": ("", "x"), "payload": ({}, {"a": 1})}


def foreign(own: uuid.UUID) -> list[bytes]:
    """Return message bodies that another program may publish to the stream."""
    event = {**EVENT, "metadata": {"marketplaceId": str(own)}}
    without = [{name: event[name] for name in event if name != left} for left in event]
    changed = [
        {**event, name: value}
        for name in event
        for value in STRANGE
        if value not in RIGHT.get(name, ())
    ]
    wrong: list[object] = [
        *([], "text", None, 7, {}, {"metadata": "x"}, {"metadata": event["metadata"]}),
        *without,
        *changed,
        {**event, "eventId": "evt_1\nid: 2"},
        {**event, "eventType": "order.closed"},
        {**event, "occurredAt": "yesterday"},
        {**event, "version": 10**30},
        {**event, "metadata": {"marketplaceId": 1}},
        {**event, "metadata": {"marketplaceId": [str(own)]}},
    ]
    raw = [b"picked up by courier", b"", b"\xff", b"\x00", b"[" * 5000, b'{"a":1e999}']
    raw += [b"x" * 250_000, b"\xef\xbb\xbf" + _spelled(event), _spelled(event)[:-1]]
    return [*raw, *map(_spelled, wrong)]


def _spelled(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize("subject", ["order.note", "wallet.x"])
async def test_a_message_that_is_not_an_event_is_skipped_and_logged_once(
    rest: httpx.AsyncClient, publisher: Publisher, subject: str
) -> None:
    context = await publisher._bus.stream()
    bodies = foreign(publisher.marketplace_id)
    with structlog.testing.capture_logs() as logs:
        async with streaming(rest) as reader:
            begin = await publisher.publish("order.created")
            cursor = (await reader.event())["id"]
            for body in bodies:
                message = Message(
                    subject=subject, message_id=uuid.uuid4().hex, headers={}, body=body
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


async def test_no_subject_or_header_stops_a_stream(
    rest: httpx.AsyncClient, publisher: Publisher, settings: GatewaySettings
) -> None:
    body = _spelled({**EVENT, "metadata": {"marketplaceId": str(publisher.marketplace_id)}})
    async with contextlib.AsyncExitStack() as opened:
        everything = await opened.enter_async_context(streaming(rest))
        begin = await publisher.publish("order.created")
        cursor = (await everything.event())["id"]
        for subject in raw_nats.SUBJECTS.values():
            await raw_nats.publish(settings.nats_url, subject, body)
        for headers in raw_nats.HEADERS.values():
            await raw_nats.publish(settings.nats_url, b"order.x", body, headers=headers)
        after = await publisher.publish("order.closed")

        told = [json.loads((await everything.event())["data"])["eventId"]]
        for types in ({}, {"types": "order.*"}, {"types": "order.closed,user.*"}):
            again = await opened.enter_async_context(streaming(rest, after=cursor, **types))
            told.append(json.loads((await again.event())["data"])["eventId"])

    assert begin not in told
    assert told == [after] * 4


@pytest.mark.parametrize("types", [(), ("order.*",), ("order.closed",), ("order.*", "user.*")])
async def test_a_replay_from_the_beginning_has_the_last_event(
    publisher: Publisher, settings: GatewaySettings, types: tuple[str, ...]
) -> None:
    # The stream has the subject with byte 127, but NATS does not count it by subject.
    await raw_nats.publish(settings.nats_url, raw_nats.SUBJECTS["DEL"], b"")
    last = await publisher.publish("order.closed")
    bus = Bus(url=settings.nats_url, name="replay")
    stream = Stream(bus)
    _, end = await newest(bus)

    replay = stream.replay(
        marketplace_id=str(publisher.marketplace_id), subjects=types, first=1, end=end + 1
    )
    events = [event async for event in replay]
    await bus.close()

    assert events[-1].event_id == last


async def test_event_that_names_two_marketplaces_is_sent_to_neither(
    rest: httpx.AsyncClient, publisher: Publisher
) -> None:
    own, other = str(publisher.marketplace_id), str(uuid.uuid4())
    context = await publisher._bus.stream()
    async with streaming(rest) as reader:
        await publisher.publish("order.created")
        cursor = (await reader.event())["id"]
        for header, body in ((own, other), (other, own)):
            event = {**EVENT, "metadata": {"marketplaceId": body}}
            message = Message(
                subject="order.note",
                message_id=uuid.uuid4().hex,
                headers={"marketplace-id": header},
                body=_spelled(event),
            )
            assert await publish_all(context, [message]) == [True]
        after = await publisher.publish("order.closed")
        told = json.loads((await reader.event())["data"])["eventId"]
    async with streaming(rest, after=cursor) as reader:
        again = json.loads((await reader.event())["data"])["eventId"]

    assert told == again == after


async def test_message_sent_to_the_readers_inbox_is_ignored(
    rest: httpx.AsyncClient, publisher: Publisher, settings: GatewaySettings
) -> None:
    event = {**EVENT, "metadata": {"marketplaceId": str(publisher.marketplace_id)}}
    client = await nats.connect(settings.nats_url)
    async with streaming(rest) as reader:
        await publisher.publish("order.created")
        await reader.event()
        found = await client.jetstream(timeout=PATIENCE_SECONDS).consumers_info(STREAM)
        inboxes = [one.config.deliver_subject for one in found if one.push_bound]
        for reply in ("", "x", "$JS.ACK.x", "$JS.ACK.a.b.c.d.e.f.g"):
            for inbox in inboxes:
                await client.publish(str(inbox), _spelled(event), reply=reply)
        await client.flush()
        after = await publisher.publish("order.closed")
        told = json.loads((await reader.event())["data"])["eventId"]
    await client.close()

    assert inboxes
    assert told == after


def test_multi_line_event_is_sent_on_one_line() -> None:
    event = {**EVENT, "payload": {"text": "a"}}

    told = event_of("order.note", json.dumps(event, indent=2).encode(), sequence=1)

    assert told is not None
    assert b"\n" not in told.data
    assert json.loads(told.data) == event


async def test_full_buffer_ends_the_stream() -> None:
    live = Live(marketplace_id="m", first=1)
    event = {**EVENT, "payload": {"text": "y" * 1000}}
    data = _spelled(event)
    told = event_of("order.note", data, sequence=1)
    assert told is not None

    for _ in range(2 * BUFFER_BYTES_MAX // len(data)):
        live.offer(told)
    async with asyncio.timeout(DEADLINE_SECONDS):
        taken = [one async for one in live.events()]

    assert 0 < len(taken) <= BUFFER_BYTES_MAX // (BYTES_PER_BYTE * len(data)) + 1


async def test_a_slow_client_gets_every_event_in_order(
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


async def test_many_streams_share_one_consumer(
    rest: httpx.AsyncClient, publisher: Publisher, settings: GatewaySettings
) -> None:
    async with contextlib.AsyncExitStack() as opened:
        readers = [await opened.enter_async_context(streaming(rest)) for _ in range(10)]
        event_id = await publisher.publish("order.created")
        told = {json.loads((await reader.event())["data"])["eventId"] for reader in readers}
        client = await nats.connect(settings.nats_url)
        found = await client.jetstream(timeout=PATIENCE_SECONDS).consumers_info(STREAM)
        await client.close()

    assert told == {event_id}
    assert sum(bool(consumer.push_bound) for consumer in found) == 1


async def test_reader_that_missed_its_cancellation_sends_no_event_twice(
    publisher: Publisher, settings: GatewaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe, begun = gateway.stream._subscribe, asyncio.Event()

    async def swallowing(context: Any, first: int) -> Any:
        if not begun.is_set():
            begun.set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        return await subscribe(context, first)

    monkeypatch.setattr("gateway.stream._subscribe", swallowing)
    bus = Bus(url=settings.nats_url, name="reader")
    stream = Stream(bus)
    async with asyncio.timeout(DEADLINE_SECONDS), contextlib.AsyncExitStack() as second:
        first = contextlib.AsyncExitStack()
        await stream.join(first)
        await begun.wait()
        leaving = asyncio.create_task(first.aclose())
        await asyncio.sleep(0)
        assert stream._reader is None
        await stream.join(second)
        live = stream.attach(str(publisher.marketplace_id))
        published = [await publisher.publish("order.created"), await publisher.publish("order.x")]
        events = live.events()
        told = [(await anext(events)).event_id for _ in published]
        await leaving
    await bus.close()

    assert told == published
