"""Consumers: at least once from the bus, once in effect by the inbox."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from nats.aio.msg import Msg
from structlog.testing import capture_logs

from chassis.bus import Bus, Message, publish_all
from chassis.consumer import Delivery, MessageRefused, consume, redelivery_seconds
from chassis.inbox import is_first_time
from chassis.nats_settings import STREAM
from deploy.local.nats import NatsServer
from tests.integration import raw_nats
from tests.integration.chassis.conftest import Shop
from tests.patience import PATIENCE_SECONDS

WAIT_SECONDS = PATIENCE_SECONDS


@asynccontextmanager
async def consuming(
    server: NatsServer,
    subject: str,
    handle: Callable[[Delivery], Awaitable[None]],
    *,
    durable: str = "",
) -> AsyncIterator[Bus]:
    """Consume a subject with a durable consumer of its own; yields a bus to publish on."""
    bus = Bus(url=server.url, name="test-consumer")
    durable = durable or f"test-{uuid.uuid4().hex}"
    task = asyncio.create_task(consume(bus, durable=durable, subject=subject, handle=handle))
    try:
        yield bus
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await bus.close()


async def publish(bus: Bus, subject: str, *bodies: bytes) -> None:
    """Publish, again and again until the server has it."""
    messages = [
        Message(subject=subject, message_id=uuid.uuid4().hex, headers={}, body=body)
        for body in bodies
    ]
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            with contextlib.suppress(Exception):
                if all(await publish_all(await bus.stream(), messages)):
                    return


def a_subject() -> str:
    return f"user.{uuid.uuid4().hex}"


async def test_a_message_is_delivered_until_it_is_handled(nats: NatsServer) -> None:
    seen: list[bytes] = []
    done = asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        body = delivery.body
        seen.append(body)
        if seen.count(body) == 1 and body == b"2":
            raise RuntimeError("not yet")
        if len(seen) == 4:
            done.set()

    subject = a_subject()
    async with consuming(nats, subject, handle) as bus, asyncio.timeout(WAIT_SECONDS):
        await publish(bus, subject, b"1", b"2", b"3")
        await done.wait()

    assert seen == [b"1", b"2", b"3", b"2"]


async def test_failing_messages_do_not_block_those_behind_them(nats: NatsServer) -> None:
    done = asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        if delivery.body.startswith(b"poison"):
            raise ValueError("nobody can read this")
        done.set()

    subject = a_subject()
    async with consuming(nats, subject, handle) as bus, asyncio.timeout(WAIT_SECONDS):
        # More failing messages than one batch, each redelivered before the good message arrives.
        await publish(bus, subject, *(b"poison %d" % n for n in range(70)))
        await publish(bus, subject, b"good")
        await done.wait()


async def test_a_refused_message_is_dropped_named_and_counted(nats: NatsServer) -> None:
    seen: list[Delivery] = []
    done = asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        seen.append(delivery)
        if delivery.body != b"good":
            raise MessageRefused("nobody vouches for it")
        done.set()

    subject = a_subject()
    durable = f"test-{uuid.uuid4().hex}"
    with capture_logs() as logs:
        async with (
            consuming(nats, subject, handle, durable=durable) as bus,
            asyncio.timeout(WAIT_SECONDS),
        ):
            await publish(bus, subject, b"bad", b"worse", b"good")
            await done.wait()
            while not await everything_was_handled(bus, durable):  # noqa: ASYNC110 - NATS knows
                await asyncio.sleep(0.02)

    dropped = [line for line in logs if line["event"] == "bus.message_dropped"]
    assert [delivery.body for delivery in seen] == [b"bad", b"worse", b"good"]
    assert [line["sequence"] for line in dropped] == [one.sequence for one in seen[:2]]
    assert [line["refused"] for line in dropped] == [1, 2]


async def test_no_subject_and_no_header_blocks_a_consumer(nats: NatsServer) -> None:
    seen: list[tuple[str, bytes]] = []
    done = asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        seen.append((delivery.headers.get("Status", ""), delivery.body))
        if delivery.body == b"good":
            done.set()

    async with consuming(nats, "order.*", handle) as bus, asyncio.timeout(WAIT_SECONDS):
        await bus.stream()
        for name, subject in raw_nats.SUBJECTS.items():
            await raw_nats.publish(nats.url, subject, name.encode())
        for name, headers in raw_nats.HEADERS.items():
            await raw_nats.publish(nats.url, b"order.x", name.encode(), headers=headers)
        await publish(bus, "order.x", b"good")
        await done.wait()

    sent = [*raw_nats.SUBJECTS, *raw_nats.HEADERS, "good"]
    assert seen[-len(sent) :] == [("", name.encode()) for name in sent]


async def test_message_sent_outside_the_stream_does_not_block_a_consumer(nats: NatsServer) -> None:
    subject, seen, done = a_subject(), list[bytes](), asyncio.Event()
    inboxes: asyncio.Queue[str] = asyncio.Queue()

    async def heard(message: Msg) -> None:
        inboxes.put_nowait(message.reply)

    async def handle(delivery: Delivery) -> None:
        seen.append(delivery.body)
        if delivery.body == b"good":
            done.set()

    with capture_logs() as logs:
        async with consuming(nats, subject, handle) as bus, asyncio.timeout(WAIT_SECONDS):
            client = await bus.client()
            await client.subscribe("$JS.API.CONSUMER.MSG.NEXT.>", cb=heard)
            await publish(bus, subject, b"first")
            for reply in ("", "x", "$JS.ACK.x", "$JS.ACK.a.b.c.d.e.f.g"):
                await client.publish(await inboxes.get(), b"bad", reply=reply)
            await publish(bus, subject, b"good")
            await done.wait()

    assert [body for body in seen if body != b"bad"] == [b"first", b"good"]
    assert b"bad" not in seen
    assert not [line for line in logs if line["event"] == "bus.consumer_waits"]


async def everything_was_handled(bus: Bus, durable: str) -> bool:
    found = await (await bus.stream()).consumer_info(STREAM, durable)
    return (found.num_pending, found.num_ack_pending) == (0, 0)


def test_a_failing_message_is_redelivered_with_growing_pauses() -> None:
    assert [redelivery_seconds(n) for n in (1, 2, 3, 5, 6, 10**6)] == [1, 2, 4, 16, 30, 30]


async def test_a_consumer_goes_on_after_nats_was_killed(nats: NatsServer) -> None:
    seen: set[bytes] = set()
    first, second = asyncio.Event(), asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        seen.add(delivery.body)
        (first if delivery.body == b"before" else second).set()

    subject = a_subject()
    async with consuming(nats, subject, handle) as bus, asyncio.timeout(WAIT_SECONDS):
        await publish(bus, subject, b"before")
        await first.wait()
        nats.kill()
        nats.start()
        await publish(bus, subject, b"after")
        await second.wait()

    assert seen == {b"before", b"after"}


async def test_an_event_has_its_effect_once(shop: Shop) -> None:
    event_id = uuid.uuid4()

    async def deliver(consumer: str) -> None:
        async with shop.database.transaction() as tx:
            if await is_first_time(tx, consumer=consumer, event_id=event_id):
                await tx.execute("update things set value = value + 1 where id = 1")

    await asyncio.gather(*(deliver("deposits") for _ in range(8)))
    await deliver("another")

    assert shop.rows("select value from things where id = 1") == [(2,)]


async def test_a_rolled_back_effect_is_made_at_the_next_delivery(shop: Shop) -> None:
    event_id = uuid.uuid4()

    async def undone() -> None:
        async with shop.database.transaction() as tx:
            assert await is_first_time(tx, consumer="deposits", event_id=event_id)
            raise KeyError

    with pytest.raises(KeyError):
        await undone()

    async with shop.database.transaction() as tx:
        assert await is_first_time(tx, consumer="deposits", event_id=event_id)
