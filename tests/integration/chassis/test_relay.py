"""Outbox → relay → NATS: every event once, in its aggregate's order, despite any failure."""

import asyncio
import contextlib
import datetime as dt
import json
import os
import signal
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from nats.js.api import ConsumerConfig, DeliverPolicy

from chassis import bus as bus_module
from chassis import relay
from chassis.bus import Bus, Message, publish_all
from chassis.nats_settings import STREAM
from chassis.outbox import Event, Outbox
from chassis.signature import EventSigner, EventVerifier, new_key
from deploy.local.nats import NatsServer
from kernel.ids import to_public
from tests.integration.chassis.conftest import Shop
from tests.outboxes import body
from tests.patience import PATIENCE_SECONDS

WAIT_SECONDS = PATIENCE_SECONDS
NOON = dt.datetime(2026, 2, 18, 12, tzinfo=dt.UTC)
UNPUBLISHED = "select count(*) from outbox_waiting"
PUBLISHED = "select count(*) from outbox, outbox_published where ids @> id"
# The number of connected relays, and of those with the lock; the others request the lock.
RELAYS = """
select count(*), count(locks.pid) from pg_stat_activity
left join pg_locks as locks on locks.pid = pg_stat_activity.pid and locktype = 'advisory'
where datname = current_database() and application_name = 'shop-listener'
"""


# When the relays without the lock last requested it.
ASKED = """
select query_start from pg_stat_activity where datname = current_database()
and application_name = 'shop-listener' and query like '%pg_try_advisory_lock%'
"""


@pytest.fixture(name="nats_server")
def of_these_tests_alone(own_nats_server: NatsServer) -> NatsServer:
    """A NATS of its own: these tests read the whole stream, so others' events cost time."""
    return own_nats_server


def an_event(marketplace_id: uuid.UUID, *, version: int, thing: str = "ord_1") -> Event:
    return Event(
        event_type="order.created",
        aggregate_type="Order",
        aggregate_id=thing,
        version=version,
        marketplace_id=marketplace_id,
        occurred_at=NOON,
        payload={"orderId": thing, "title": "Logo, größer"},
        correlation_id="req-1",
    )


async def append(shop: Shop, *events: Event) -> None:
    """Write each event in a transaction of its own."""
    for event in events:
        async with shop.database.transaction() as tx:
            await Outbox().append(tx, [event])


@asynccontextmanager
async def relaying(
    shop: Shop,
    server: NatsServer,
    *,
    bus: Bus | None = None,
    signer: EventSigner | None = None,
) -> AsyncIterator[asyncio.Task[None]]:
    """Run a relay with a connection of its own, as a service does."""
    bus = bus or Bus(url=server.url, name="test-relay")
    task = asyncio.create_task(relay.run(database=shop.database, bus=bus, signer=signer))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await bus.close()


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not is_so():  # noqa: ASYNC110 - the condition is in another process
            await asyncio.sleep(0.02)


async def published(server: NatsServer, marketplace_id: uuid.UUID) -> list[dict[str, Any]]:
    """Read a marketplace's events from the stream, from its beginning.

    Other tests of the server leave messages there, some without a marketplace.
    """
    bus = Bus(url=server.url, name="test-reader")
    context = await bus.stream()
    # Without a filter: for one, NATS does not count every message, and the last would be missing.
    everything = ConsumerConfig(deliver_policy=DeliverPolicy.ALL)
    subscription = await context.subscribe(
        "", stream=STREAM, ordered_consumer=True, config=everything
    )
    messages = [await subscription.next_msg(timeout=WAIT_SECONDS)]
    while messages[-1].metadata.num_pending:
        messages.append(await subscription.next_msg(timeout=WAIT_SECONDS))
    await bus.close()
    return [
        {**json.loads(message.data), "headers": message.headers}
        for message in messages
        if (message.headers or {}).get("marketplace-id") == str(marketplace_id)
    ]


def is_published(shop: Shop) -> Callable[[], bool]:
    return lambda: shop.rows(UNPUBLISHED) == [(0,)]


def versions(events: list[dict[str, Any]], thing: str = "ord_1") -> list[int]:
    return [event["version"] for event in events if event["aggregateId"] == thing]


async def test_an_event_arrives_as_it_was_written(
    shop: Shop, nats: NatsServer, marketplace_id: uuid.UUID
) -> None:
    event = an_event(marketplace_id, version=1)

    async with relaying(shop, nats):
        await append(shop, event)
        await until(is_published(shop))

    [arrived] = await published(nats, marketplace_id)
    headers = arrived.pop("headers")
    event_id = to_public("evt", event.event_id)
    assert arrived == json.loads(body(event))
    assert arrived["eventId"] == event_id
    assert headers["Nats-Msg-Id"] == headers["ce-id"] == event_id
    assert headers["ce-type"] == "order.created"
    assert headers["ce-source"] == "/orchestrator/shop"
    assert headers["ce-time"] == "2026-02-18T12:00:00.000Z"
    assert headers["ce-specversion"] == "1.0"


async def test_an_event_is_signed_if_its_writer_has_a_key(
    shop: Shop, nats: NatsServer, marketplace_id: uuid.UUID
) -> None:
    signer = EventSigner(new_key())
    event = an_event(marketplace_id, version=1)

    async with relaying(shop, nats, signer=signer):
        await append(shop, event)
        await until(is_published(shop))

    [arrived] = await published(nats, marketplace_id)
    assert EventVerifier(signer.public_key).is_signed(
        subject="order.created",
        headers=arrived["headers"],
        body=body(event),
    )


async def test_an_event_whose_id_is_taken_is_published_under_another(
    shop: Shop, nats: NatsServer, marketplace_id: uuid.UUID
) -> None:
    events = [an_event(marketplace_id, version=version) for version in (1, 2)]
    bus = Bus(url=nats.url, name="test-somebody")
    taken = [
        Message(
            subject="dispute.opened", message_id=to_public("evt", e.event_id), headers={}, body=b""
        )
        for e in events
    ]
    assert all(await publish_all(await bus.stream(), taken))
    await bus.close()

    async with relaying(shop, nats):
        await append(shop, *events)
        await until(is_published(shop))

    assert versions(await published(nats, marketplace_id)) == [1, 2]


async def test_a_full_stream_makes_the_relay_wait_and_leaves_no_subscription_behind(
    shop: Shop, nats: NatsServer, marketplace_id: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "AWAY_SECONDS", 0.01)
    monkeypatch.setattr(bus_module, "ACK_TIMEOUT_SECONDS", 0.1)
    bus = Bus(url=nats.url, name="test-relay")
    with monkeypatch.context() as patient:
        patient.setattr(bus_module, "ACK_TIMEOUT_SECONDS", 5)
        context = await bus.stream()
    whole = (await context.stream_info(STREAM)).config
    await context.update_stream(whole, max_bytes=1)
    client = await bus.client()

    async with relaying(shop, nats, bus=bus):
        await append(shop, *(an_event(marketplace_id, version=v) for v in range(1, 4)))
        await until(lambda: client.stats["out_msgs"] > 10)
        early = len(client._subs)
        sent = client.stats["out_msgs"]
        await until(lambda: client.stats["out_msgs"] > sent + 20)
        late = len(client._subs)
        assert shop.rows(UNPUBLISHED) == [(3,)]
        await context.update_stream(whole)
        await until(is_published(shop))

    assert late <= early
    assert versions(await published(nats, marketplace_id)) == [1, 2, 3]


async def test_versions_arrive_in_order_and_once(
    shop: Shop, nats: NatsServer, marketplace_id: uuid.UUID
) -> None:
    things = [f"ord_{n}" for n in range(5)]

    async with relaying(shop, nats):
        await asyncio.gather(
            *(
                append(
                    shop,
                    *(an_event(marketplace_id, version=v, thing=thing) for v in range(1, 13)),
                )
                for thing in things
            )
        )
        await until(is_published(shop))

    events = await published(nats, marketplace_id)
    for thing in things:
        assert versions(events, thing) == [*range(1, 13)]


async def test_an_event_that_commits_late_is_not_lost(
    shop: Shop, nats: NatsServer, marketplace_id: uuid.UUID
) -> None:
    def is_second_published() -> bool:
        return shop.rows(PUBLISHED) == [(1,)]

    async with relaying(shop, nats):
        async with shop.database.transaction() as late:
            await Outbox().append(late, [an_event(marketplace_id, version=1, thing="ord_late")])
            await append(shop, an_event(marketplace_id, version=1, thing="ord_early"))
            await until(is_second_published)
        await until(is_published(shop))

    order = [event["aggregateId"] for event in await published(nats, marketplace_id)]
    assert order == ["ord_early", "ord_late"]


async def test_a_rolled_back_change_publishes_nothing(
    shop: Shop, nats: NatsServer, marketplace_id: uuid.UUID
) -> None:
    async def undone() -> None:
        async with shop.database.transaction() as tx:
            await Outbox().append(tx, [an_event(marketplace_id, version=1)])
            raise KeyError

    async with relaying(shop, nats):
        with pytest.raises(KeyError):
            await undone()
        await append(shop, an_event(marketplace_id, version=1, thing="ord_2"))
        await until(is_published(shop))

    assert [event["aggregateId"] for event in await published(nats, marketplace_id)] == ["ord_2"]


async def test_of_two_relays_one_publishes_and_the_other_takes_over(
    shop: Shop, nats: NatsServer, marketplace_id: uuid.UUID
) -> None:
    async with relaying(shop, nats) as first:
        await until(lambda: shop.rows(RELAYS) == [(1, 1)])
        bus = Bus(url=nats.url, name="test-second-relay")
        client = await bus.client()
        sent = client.stats["out_msgs"]
        async with relaying(shop, nats, bus=bus):
            await until(lambda: len(shop.rows(ASKED)) == 1)
            asked = shop.rows(ASKED)
            await append(shop, *(an_event(marketplace_id, version=v) for v in range(1, 6)))
            await until(is_published(shop))
            # The second relay requests the lock repeatedly, and has sent nothing to NATS.
            await until(lambda: len(shop.rows(ASKED)) == 1 and shop.rows(ASKED) != asked)
            assert shop.rows(RELAYS) == [(2, 1)]
            assert client.stats["out_msgs"] == sent
            first.cancel()
            await append(shop, *(an_event(marketplace_id, version=v) for v in range(6, 11)))
            await until(is_published(shop))

    assert versions(await published(nats, marketplace_id)) == [*range(1, 11)]


async def test_an_event_sent_but_not_marked_is_not_duplicated(
    shop: Shop, nats: NatsServer, marketplace_id: uuid.UUID
) -> None:
    async with relaying(shop, nats):
        await append(shop, *(an_event(marketplace_id, version=v) for v in range(1, 6)))
        await until(is_published(shop))
        # As after a crash between the acknowledgement and the mark.
        shop.run("update outbox_published set ids = '{}'")
        await until(is_published(shop))

    assert versions(await published(nats, marketplace_id)) == [1, 2, 3, 4, 5]


async def test_events_wait_for_nats_and_keep_their_order(
    shop: Shop, nats: NatsServer, marketplace_id: uuid.UUID
) -> None:
    async with relaying(shop, nats):
        await append(shop, *(an_event(marketplace_id, version=v) for v in range(1, 4)))
        await until(is_published(shop))
        nats.kill()
        await append(shop, *(an_event(marketplace_id, version=v) for v in range(4, 21)))
        assert shop.rows(UNPUBLISHED) == [(17,)]
        nats.start()
        await until(is_published(shop))

    assert versions(await published(nats, marketplace_id)) == [*range(1, 21)]


async def test_an_unacknowledged_event_is_resent_before_its_successors(
    shop: Shop, nats: NatsServer, marketplace_id: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "ACK_TIMEOUT_SECONDS", 0.5)
    bus = Bus(url=nats.url, name="test-relay")

    async with relaying(shop, nats, bus=bus):
        await append(shop, an_event(marketplace_id, version=1))
        await until(is_published(shop))
        client = await bus.client()
        sent = client.stats["out_msgs"]
        # NATS accepts the bytes and dies before it has processed them.
        os.kill(nats.process.pid, signal.SIGSTOP)
        await append(shop, *(an_event(marketplace_id, version=v) for v in range(2, 7)))
        await until(lambda: client.stats["out_msgs"] > sent)
        nats.kill()
        nats.start()
        await until(is_published(shop))

    assert versions(await published(nats, marketplace_id)) == [1, 2, 3, 4, 5, 6]


async def test_repeated_kills_of_nats_neither_lose_nor_repeat_events(
    shop: Shop, nats: NatsServer, marketplace_id: uuid.UUID
) -> None:
    things = [f"ord_{n}" for n in range(4)]

    async def write(thing: str) -> None:
        for version in range(1, 31):
            await append(shop, an_event(marketplace_id, version=version, thing=thing))
            await asyncio.sleep(0.02)

    async with relaying(shop, nats):
        writing = asyncio.gather(*(write(thing) for thing in things))
        for round_ in range(3):
            await until(lambda seen=round_: _sent(shop) > 8 * seen)  # type: ignore[misc] # bound now
            nats.kill()
            nats.start()
        await writing
        await until(is_published(shop))

    events = await published(nats, marketplace_id)
    for thing in things:
        assert versions(events, thing) == [*range(1, 31)]


def _sent(shop: Shop) -> int:
    [(count,)] = shop.rows(PUBLISHED)
    return int(str(count))


async def test_a_version_cannot_be_written_twice(shop: Shop, marketplace_id: uuid.UUID) -> None:
    await append(shop, an_event(marketplace_id, version=1))

    with pytest.raises(Exception, match="duplicate key"):
        await append(shop, an_event(marketplace_id, version=1))
