"""Followers of the stream get every message once and in order, or notice that one is missing."""

import asyncio
import uuid
from collections.abc import Sequence

import pytest
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from chassis.bus import Bus
from chassis.following import Followed, Place, _some, follow, require_complete
from chassis.nats_settings import STREAM
from deploy.local.nats import NatsServer
from tests.integration.chassis.test_consumer import a_subject, publish
from tests.patience import PATIENCE_SECONDS, until


async def test_a_burst_is_followed_once_and_in_order_by_a_slow_follower(
    nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.following.BATCH", 2)
    bus = Bus(url=nats.url, name="test-follower")
    subject, bodies = a_subject(), [uuid.uuid4().bytes for _ in range(60)]
    places: list[Place] = [Place(made="", sequence=0)]
    seen: list[bytes] = []
    done = asyncio.Event()

    async def start() -> Place:
        return places[-1]

    async def handle(messages: Sequence[Followed], place: Place) -> None:
        assert len(messages) <= 2
        await asyncio.sleep(0)
        seen.extend(message.body for message in messages if message.subject == subject)
        places.append(place)
        if bodies[-1] in seen:
            done.set()

    await publish(bus, subject, *bodies)
    following = asyncio.create_task(follow(bus, start=start, handle=handle))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await done.wait()
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await bus.close()

    assert seen == bodies
    # It never began anew.
    assert [place.sequence for place in places] == sorted({place.sequence for place in places})


async def test_missing_last_messages_of_the_stream_are_detected(nats: NatsServer) -> None:
    bus = Bus(url=nats.url, name="test-follower")
    context = await bus.stream()
    await publish(bus, a_subject(), b"1", b"2", b"3")
    config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL, ack_policy=AckPolicy.NONE)
    consumer = await context.add_consumer(STREAM, config)
    subscription = await context.pull_subscribe_bind(consumer=consumer.name, stream=STREAM)
    taken = len(await subscription.fetch(1_000, timeout=PATIENCE_SECONDS))

    await require_complete(subscription, received=taken)
    # As after a lost connection: the server sent them, and nobody has them.
    with pytest.raises(TimeoutError, match="lost"):
        await require_complete(subscription, received=taken - 1)

    await context.delete_consumer(STREAM, consumer.name)
    await bus.close()


async def test_deletion_of_a_consumer_ends_its_waiting_request(
    nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.following.SILENCE_SECONDS", 2.0)
    bus = Bus(url=nats.url, name="test-follower")
    context = await bus.stream()
    config = ConsumerConfig(deliver_policy=DeliverPolicy.NEW, ack_policy=AckPolicy.NONE)
    consumer = await context.add_consumer(STREAM, config)
    subscription = await context.pull_subscribe_bind(consumer=consumer.name, stream=STREAM)

    async def is_asked() -> bool:
        return (await subscription.consumer_info()).num_waiting == 1

    waiting = asyncio.create_task(_some(subscription, received=0))
    await until(is_asked)
    await context.delete_consumer(STREAM, consumer.name)

    with pytest.raises(NatsError):
        await waiting
    await bus.close()
