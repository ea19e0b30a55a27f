"""How long releases take at the pace of the real network: one alone, and 64 at once."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import uvloop

from bench.events import arrivals
from bench.load import quantile
from bench.measured import Measured, Say
from bench.people import users
from bench.purchases import ESCROW, FUND, RELEASE, RESERVE, Conversation, between, carry
from bench.stack import Stack
from deploy.local.rest import Marketplace

ALONE, AT_ONCE, WORKERS, BUYERS = 2, 64, 16, 8
# Source: Stellar closes a ledger about every five seconds. Escrow polls as often as in `make run`.
LEDGER_SECONDS = 5.0
PACE = {"DEVNET_LEDGER_SECONDS": str(LEDGER_SECONDS), "CHAIN_POLL_SECONDS": "0.25"}
# How long to wait for the last release.
PATIENCE_SECONDS = 300.0


class NotReleasedError(Exception):
    """Some orders were not released in time."""


def measure(stack: Stack, say: Say) -> Measured:
    """Fund orders on quick ledgers, then release them on slow ones."""
    say(f"funding {ALONE + AT_ONCE} orders on quick ledgers")
    orders = uvloop.run(_funded(stack, ALONE + AT_ONCE))
    say(f"starting again with ledgers of {LEDGER_SECONDS:.0f} s")
    stack.restart(**PACE)
    alone = []
    for order in orders[:ALONE]:
        say("one release")
        alone.append(uvloop.run(_one(stack, order)))
    say(f"{len(orders) - ALONE} releases at once")
    together = uvloop.run(_burst(stack, orders[ALONE:], say))
    return told(alone, together)


def told(alone: Sequence[float], together: Sequence[float]) -> Measured:
    """Return the figures. alone: seconds of single releases; together: of those of the burst."""
    ledgers = sorted(seconds / LEDGER_SECONDS for seconds in together)
    figures = {
        "release.seconds": max(alone),
        "release.ledgers": max(alone) / LEDGER_SECONDS,
        "release.first": ledgers[0],
        "release.median": quantile(ledgers, 0.5),
        "release.last": ledgers[-1],
    }
    lines = [
        (
            f"one release, ledgers of {LEDGER_SECONDS:.0f} s:"
            f" {', '.join(f'{seconds:.1f}' for seconds in alone)} s until the answer"
        ),
        (
            f"{len(together)} at once, ledgers until the order is closed: first {ledgers[0]:.1f},"
            f" median {figures['release.median']:.1f}, last {ledgers[-1]:.1f}"
        ),
    ]
    return Measured(figures=figures, lines=lines)


async def _funded(stack: Stack, count: int) -> list[str]:
    document = stack.document
    async with Marketplace.of(url=document["url"], api_key=document["apiKey"]) as marketplace:
        buyers, seller = await users(marketplace, document["faucetUrl"], BUYERS)
    pairs = (pair for pair, _ in zip(between(buyers, seller), range(count), strict=False))
    actions = (RESERVE, ESCROW, FUND)
    done = await carry(stack.client, pairs, actions=actions, workers=WORKERS)
    return done.orders


async def _one(stack: Stack, order: str) -> float:
    async with Conversation.with_(stack.client) as talk:
        started = time.perf_counter()
        await talk.step(order, RELEASE)
        return time.perf_counter() - started


async def _burst(stack: Stack, orders: Sequence[str], say: Say) -> list[float]:
    async def ask(order: str) -> None:
        async with Conversation.with_(stack.client) as talk:
            await talk.step(order, RELEASE, waits=False)

    async with arrivals(stack.document, "order.closed") as closed:
        started = time.time()
        deadline, told = started + PATIENCE_SECONDS, 0
        asking = asyncio.gather(*(ask(order) for order in orders))
        while len(_among(orders, closed)) < len(orders):
            if time.time() > deadline:
                raise NotReleasedError(f"{len(_among(orders, closed))} of {len(orders)}")
            await asyncio.sleep(0.1)
            ended = len(_among(orders, closed))
            if ended >= told + len(orders) // 4:
                told = ended
                say(f"{ended} of {len(orders)} are released")
        await asking
        return [at - started for at in _among(orders, closed).values()]


def _among(orders: Sequence[str], closed: Mapping[str, float]) -> dict[str, float]:
    return {order: closed[order] for order in orders if order in closed}
