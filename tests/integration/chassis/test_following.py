"""Followers of the stream: every message in order, also those that did not fit and were dropped."""

import asyncio
import uuid
from collections.abc import Sequence

import pytest

from chassis.bus import Bus
from chassis.following import Followed, Place, follow
from deploy.local.nats import NatsServer
from tests.integration.chassis.test_consumer import a_subject, publish
from tests.patience import PATIENCE_SECONDS


async def test_the_last_messages_of_a_burst_are_read_again_where_they_were_dropped(
    nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.following.SILENCE_SECONDS", 0.2)
    monkeypatch.setattr("chassis.following.RETRY_SECONDS", 0.02)
    monkeypatch.setattr("chassis.following.PENDING_MAX", 4)
    monkeypatch.setattr("chassis.following.BATCH", 1)
    bus = Bus(url=nats.url, name="test-follower")
    subject, bodies = a_subject(), [uuid.uuid4().bytes for _ in range(30)]
    places, seen = [Place(made="", sequence=0)], []
    done = asyncio.Event()

    async def start() -> Place:
        return places[-1]

    async def handle(messages: Sequence[Followed], place: Place) -> None:
        # Slower than the server sends: what does not fit meanwhile is dropped.
        await asyncio.sleep(0)
        seen.extend(message.body for message in messages if message.subject == subject)
        places.append(place)
        if bodies[-1] in seen:
            done.set()

    # Nothing comes after them, so no later message shows that the last ones are missing.
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
