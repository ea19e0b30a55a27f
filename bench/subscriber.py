"""How long after its commit an event reaches a plain NATS subscriber, at 100 orders a second."""

import asyncio
import itertools
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import uvloop

from bench.events import arrivals
from bench.load import quantile
from bench.measured import Measured, Say
from bench.people import users
from bench.purchases import Conversation, between
from bench.stack import Stack
from deploy.local.rest import Marketplace
from kernel.ids import from_public

PER_SECOND, SECONDS, CONNECTIONS = 100, 15, 16
# Idle connections are opened in this time; its orders are not counted.
WARM_SECONDS = 1
WAIT_SECONDS = 10.0
# PostgreSQL records the time before it waits for the disk, so that wait is part of the figure.
_COMMITTED = """
select id, extract(epoch from pg_xact_commit_timestamp(xmin))::float8 from orders.orders
where id = any(%s)
"""
# Listens for a block; yields the time of each arrival by order.
Arriving = Callable[[], AbstractAsyncContextManager[dict[str, float]]]


class LostEventsError(Exception):
    """Some events did not arrive in time."""


def measure(stack: Stack, say: Say) -> Measured:
    """Create orders at a steady pace, and compare the commits with the arrivals."""
    return told(waited(stack, say, partial(arrivals, stack.document, "order.created")))


def waited(stack: Stack, say: Say, arriving: Arriving) -> list[float]:
    """Create orders at a steady pace; return the seconds from each commit to its arrival.

    The orders of the first WARM_SECONDS are left out.
    """
    say(f"{PER_SECOND} orders a second for {SECONDS} s")
    arrived = uvloop.run(_arrived(stack, arriving))
    by_id = {from_public("ord", public): at for public, at in arrived.items()}
    with stack.connect() as connection:
        committed = connection.execute(_COMMITTED, (list(by_id),)).fetchall()
    return [by_id[order] - at for order, at in committed]


def told(delays: list[float], *, named: str = "subscriber") -> Measured:
    """Return the figures. delays: in seconds."""
    figures = {
        f"{named}.{name}": 1000 * quantile(delays, share)
        for name, share in (("p50", 0.5), ("p99", 0.99))
    }
    line = (
        f"{len(delays)} events: p50 {figures[f'{named}.p50']:.1f} ms,"
        f" p99 {figures[f'{named}.p99']:.1f} ms, longest {1000 * max(delays):.1f} ms"
    )
    return Measured(figures=figures, lines=[line])


async def _arrived(stack: Stack, arriving: Arriving) -> dict[str, float]:
    document, client = stack.document, stack.client
    async with Marketplace.of(url=document["url"], api_key=document["apiKey"]) as marketplace:
        buyers, seller = await users(marketplace, document["faucetUrl"], 1)
    pairs, numbers = between(buyers, seller), itertools.count()
    created: list[str] = []
    started = time.monotonic()

    async def work() -> None:
        async with Conversation.with_(client) as talk:
            while (due := next(numbers) / PER_SECOND) < SECONDS:
                await asyncio.sleep(max(0.0, started + due - time.monotonic()))
                order = await talk.create(*next(pairs))
                if due >= WARM_SECONDS:
                    created.append(order)

    async with arriving() as arrived:
        await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
        deadline = time.monotonic() + WAIT_SECONDS
        while not arrived.keys() >= set(created):
            if time.monotonic() > deadline:
                raise LostEventsError(f"{len(created)} orders, {len(arrived)} events")
            await asyncio.sleep(0.05)
        return {order: arrived[order] for order in created}
