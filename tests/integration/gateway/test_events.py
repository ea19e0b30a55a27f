"""Server-sent events from a real JetStream."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import nats
import pytest

from chassis.bus import Bus, Message, publish_all
from chassis.nats_settings import STREAM
from deploy.local.nats import NatsServer
from deploy.local.ports import free_port
from gateway import keys as key_format
from gateway.app import open_gateway
from gateway.settings import GatewaySettings
from kernel.ids import new_id, to_public
from tests.patience import PATIENCE_SECONDS

from .conftest import Keys, serving

DEADLINE_SECONDS = PATIENCE_SECONDS


class Publisher:
    """Publishes events as the services do."""

    def __init__(self, bus: Bus, marketplace_id: uuid.UUID) -> None:
        self._bus = bus
        self.marketplace_id = marketplace_id

    async def publish(
        self, event_type: str, *, aggregate: str = "Order", marketplace_id: uuid.UUID | None = None
    ) -> str:
        event_id = to_public("evt", new_id())
        owner = marketplace_id or self.marketplace_id
        body = {
            "eventId": event_id,
            "eventType": event_type,
            "occurredAt": "2026-02-18T10:00:00.000Z",
            "aggregateId": "ord_1",
            "aggregateType": aggregate,
            "version": 1,
            "payload": {},
            "metadata": {"marketplaceId": str(owner)},
        }
        message = Message(
            subject=event_type, message_id=event_id, headers={}, body=json.dumps(body).encode()
        )
        assert await publish_all(await self._bus.stream(), [message]) == [True]
        return event_id


class Reader:
    """Reads a stream of events."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()

    async def event(self) -> dict[str, str]:
        """Return the next event that is no ping, as its fields."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                fields: dict[str, str] = {}
                async for line in self._lines:
                    if not line:
                        break
                    name, _, value = line.partition(": ")
                    fields[name] = value
                else:
                    raise EOFError
                if fields["event"] != "ping":
                    return fields


@pytest.fixture
async def publisher(settings: GatewaySettings, keys: Keys) -> AsyncIterator[Publisher]:
    bus = Bus(url=settings.nats_url, name="test")
    marketplace_id = await keys.store.marketplace("demo", environment="live")
    yield Publisher(bus, marketplace_id)
    await bus.close()


@asynccontextmanager
async def streaming(
    rest: httpx.AsyncClient, *, after: str | None = None, key: str | None = None, **query: str
) -> AsyncIterator[Reader]:
    headers = {"last-event-id": after} if after else {}
    headers |= {"authorization": f"Bearer {key}"} if key else {}
    async with rest.stream(
        "GET", "/api/v1/events", params=query, headers=headers, timeout=DEADLINE_SECONDS
    ) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        yield Reader(answer)


async def test_events_arrive_as_they_were_published(
    rest: httpx.AsyncClient, publisher: Publisher
) -> None:
    async with streaming(rest) as reader:
        event_id = await publisher.publish("order.created")

        event = await reader.event()

    assert event["event"] == "order.created"
    assert json.loads(event["data"])["eventId"] == event_id


async def test_another_marketplaces_events_are_not_sent(
    rest: httpx.AsyncClient, publisher: Publisher
) -> None:
    async with streaming(rest) as reader:
        await publisher.publish("order.created", marketplace_id=uuid.uuid4())
        own = await publisher.publish("order.closed")

        event = await reader.event()

    assert json.loads(event["data"])["eventId"] == own


@pytest.mark.parametrize(
    "query",
    [
        {"types": "order.closed"},
        {"types": "order.*,order.closed"},
        {"resourceTypes": "Order"},
        {"types": "order.closed,balance.*", "resourceTypes": "Order"},
    ],
)
async def test_filters_leave_out_other_events(
    rest: httpx.AsyncClient, publisher: Publisher, query: dict[str, str]
) -> None:
    async with streaming(rest, **query) as reader:
        await publisher.publish("balance.credited", aggregate="Balance")
        await publisher.publish("wallet.created", aggregate="Wallet")
        wanted = await publisher.publish("order.closed")

        event = await reader.event()

    assert json.loads(event["data"])["eventId"] == wanted


async def test_last_event_id_replays_everything_after_it(
    rest: httpx.AsyncClient, publisher: Publisher
) -> None:
    async with streaming(rest) as reader:
        await publisher.publish("order.created")
        cursor = (await reader.event())["id"]
    missed = [await publisher.publish("order.funds_reserved") for _ in range(50)]

    async with streaming(rest, after=cursor) as reader:
        told = [json.loads((await reader.event())["data"])["eventId"] for _ in missed]

    assert told == missed


async def test_a_cursor_of_an_older_stream_replays_everything(
    rest: httpx.AsyncClient, publisher: Publisher
) -> None:
    async with streaming(rest) as reader:
        event_id = await publisher.publish("order.created")
        sequence = (await reader.event())["id"].partition("-")[0]

    async with streaming(rest, after=f"{sequence}-evt_ofAnotherStream") as reader:
        told = ""
        while told != event_id:
            told = json.loads((await reader.event())["data"])["eventId"]


async def test_a_rebuilt_stream_is_replayed_from_its_beginning(
    rest: httpx.AsyncClient,
    publisher: Publisher,
    settings: GatewaySettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.stream.SILENCE_SECONDS", 0.2)
    async with streaming(rest) as reader:
        await publisher.publish("order.created")
        await reader.event()
        client = await nats.connect(settings.nats_url)
        await client.jetstream(timeout=PATIENCE_SECONDS).delete_stream(STREAM)
        await client.close()

        again = [await publisher.publish("order.closed") for _ in range(2)]

        told = [json.loads((await reader.event())["data"])["eventId"] for _ in again]
    assert told == again


async def test_last_events_of_a_burst_beyond_the_buffer_are_sent(
    rest: httpx.AsyncClient, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.stream.SILENCE_SECONDS", 0.2)
    monkeypatch.setattr("gateway.stream.READER_PENDING_MAX", 2)
    async with streaming(rest) as reader:
        published = await asyncio.gather(*(publisher.publish("order.created") for _ in range(40)))
        told = [json.loads((await reader.event())["data"])["eventId"] for _ in published]

    assert sorted(told) == sorted(published)


async def test_a_client_gets_pings_while_others_get_events(
    settings: GatewaySettings, publisher: Publisher, demo_key: str
) -> None:
    changed = settings.model_copy(update={"ping_seconds": 1, "gateway_port": free_port()})
    async with (
        open_gateway(changed) as app,
        serving(app, changed.gateway_port) as url,
        httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {demo_key}"}) as client,
        client.stream("GET", "/api/v1/events") as answer,
        asyncio.timeout(DEADLINE_SECONDS),
    ):
        noise = asyncio.create_task(noisy(publisher))
        pings = 0
        try:
            async for line in answer.aiter_lines():
                pings += line == "event: ping"
                if pings == 3:  # the first ping is sent at once
                    break
        finally:
            noise.cancel()

    assert pings == 3


async def noisy(publisher: Publisher) -> None:
    """Publish for another marketplace, without a pause."""
    while True:
        await publisher.publish("order.created", marketplace_id=uuid.uuid4())


@pytest.mark.parametrize(
    ("query", "headers", "field"),
    [
        ({"types": "order"}, {}, "types"),
        ({"types": "nothing.*"}, {}, "types"),
        ({"types": "order.>"}, {}, "types"),
        ({"resourceTypes": "Order,Nothing"}, {}, "resourceTypes"),
        ({}, {"last-event-id": "17"}, "Last-Event-ID"),
        ({}, {"last-event-id": "0-evt_abc"}, "Last-Event-ID"),
        ({}, {"last-event-id": "01-evt_abc"}, "Last-Event-ID"),
        ({}, {"last-event-id": "1-evt_"}, "Last-Event-ID"),
        ({"since": "1"}, {}, "since"),
    ],
)
async def test_an_invalid_stream_request_is_refused(
    rest: httpx.AsyncClient, query: dict[str, str], headers: dict[str, str], field: str
) -> None:
    answer = await rest.get("/api/v1/events", params=query, headers=headers)

    assert answer.status_code == 400
    assert answer.json()["error"]["details"]["fields"][0]["field"] == field


async def test_a_disconnected_client_leaves_no_consumer(
    rest: httpx.AsyncClient, publisher: Publisher, settings: GatewaySettings
) -> None:
    async with streaming(rest) as reader:
        await publisher.publish("order.created")
        await reader.event()

    client = await nats.connect(settings.nats_url)
    async with asyncio.timeout(DEADLINE_SECONDS):
        while any(  # noqa: ASYNC110 - the server sends no event for it
            consumer.push_bound
            for consumer in await client.jetstream(timeout=PATIENCE_SECONDS).consumers_info(STREAM)
        ):
            await asyncio.sleep(0.05)
    await client.close()


async def test_a_stream_goes_on_when_nats_comes_back(
    rest: httpx.AsyncClient,
    publisher: Publisher,
    nats_server: NatsServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.stream.SILENCE_SECONDS", 0.2)
    async with streaming(rest) as reader:
        first = await publisher.publish("order.created")
        assert json.loads((await reader.event())["data"])["eventId"] == first
        nats_server.kill()
        nats_server.start()
        nats_server.wait_ready()
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                try:
                    second = await publisher.publish("order.closed")
                except (OSError, nats.errors.Error, AssertionError):
                    await asyncio.sleep(0.1)
                else:
                    break

        told = json.loads((await reader.event())["data"])["eventId"]

    assert told == second


async def test_a_stream_ends_at_once_when_its_key_is_revoked_here(
    gateway: str, rest: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.auth.WATCH_SECONDS", 2.0 * DEADLINE_SECONDS)
    key = await keys.make("read")
    async with (
        httpx.AsyncClient(base_url=gateway) as client,
        streaming(client, key=key) as reader,
    ):
        answer = await rest.delete(f"/api/v1/auth/api-keys/{key_format.id_of(key)}")
        assert answer.status_code == 200

        with pytest.raises(EOFError):
            await reader.event()


async def test_a_stream_ends_soon_when_its_key_is_revoked_elsewhere(
    gateway: str, keys: Keys, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.auth.WATCH_SECONDS", 0.1)
    key, other = await keys.make("read"), await keys.make("read")
    async with (
        httpx.AsyncClient(base_url=gateway) as client,
        streaming(client, key=key) as reader,
        streaming(client, key=other) as kept,
    ):
        await keys.store.revoke(
            key_format.id_of(key) or "", marketplace_id=publisher.marketplace_id
        )

        with pytest.raises(EOFError):
            await reader.event()
        told = await publisher.publish("order.created")
        assert json.loads((await kept.event())["data"])["eventId"] == told


async def test_a_cursor_beyond_the_end_of_the_stream_replays_everything(
    rest: httpx.AsyncClient, publisher: Publisher
) -> None:
    event_id = await publisher.publish("order.created")

    async with streaming(rest, after=f"{'9' * 18}-evt_abc") as reader:
        told = ""
        while told != event_id:
            told = json.loads((await reader.event())["data"])["eventId"]
