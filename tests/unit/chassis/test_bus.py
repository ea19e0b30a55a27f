"""A consumer ends when it is cancelled, even if its NATS client loses the cancellation."""

import asyncio
from typing import Any, cast

import nats.errors

from chassis.bus import Bus
from chassis.consumer import Delivery, consume

WAIT_SECONDS = 10


class Deaf:
    """A subscription that turns a cancellation into a timeout, as `wait_for` can."""

    def __init__(self) -> None:
        self.is_fetching = asyncio.Event()

    async def unsubscribe(self) -> None:
        """Do nothing."""

    async def fetch(self, _batch: int, *, timeout: float) -> list[Any]:  # noqa: ASYNC109 - the client's own
        self.is_fetching.set()
        try:
            await asyncio.sleep(timeout * 1000)
        except asyncio.CancelledError:
            raise nats.errors.TimeoutError from None
        return []


class OneSubscription:
    """A bus whose one subscription is given."""

    def __init__(self, subscription: Deaf) -> None:
        self._subscription = subscription

    async def stream(self) -> "OneSubscription":
        return self

    async def pull_subscribe(self, *_: Any, **__: Any) -> Deaf:
        return self._subscription


async def test_consumer_ends_although_its_client_lost_the_cancellation() -> None:
    subscription = Deaf()
    bus = cast("Bus", OneSubscription(subscription))

    async def handle(_: Delivery) -> None:
        raise AssertionError("nothing was sent")

    task = asyncio.create_task(consume(bus, durable="d", subject="s", handle=handle))
    await subscription.is_fetching.wait()
    task.cancel()

    done, _ = await asyncio.wait({task}, timeout=WAIT_SECONDS)

    assert done == {task}
    assert task.cancelled()
