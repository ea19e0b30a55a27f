"""A steady load: so many requests a second, whatever happens, and what became of each.

A request without an answer, or refused because a part is unavailable, is retried with the same
idempotency key, as docs/marketplace.md tells clients to. What is counted is how often that was
needed, and during what.
"""

import asyncio
import itertools
import random
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.shop import Pair, Shop

# How long one request is asked again before it counts as failed.
PATIENCE_SECONDS = 30.0
AGAIN_SECONDS = 0.2
AWAY = frozenset({502, 503, 504})
IN_PROGRESS = 409
# `GET /events` is a stream otherwise.
AS_LIST = {"Accept": "application/json"}


@dataclass(slots=True)
class Load:
    """What happened. phase: what is being done to the programs now.

    again: by phase, requests that were asked again, with why. failed: those that never got a
    definite answer. seconds: how long each took, in the order in which they ended.
    """

    phase: str = "calm"
    answered: Counter[str] = field(default_factory=Counter)
    again: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    seconds: list[tuple[str, float]] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)


class Steady:
    """Sends requests of a marketplace at a rate."""

    def __init__(self, shop: Shop, pairs: list[Pair], load: Load, *, seed: int) -> None:
        self._shop = shop
        self._pairs = pairs
        self._load = load
        self._random = random.Random(seed)

    async def run(self, *, per_second: int, until: asyncio.Event) -> None:
        """Send until told to stop; then wait for what is under way."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in itertools.count():
                if until.is_set():
                    return
                group.create_task(self._one())
                wait = began + (number + 1) / per_second - time.monotonic()
                await asyncio.sleep(max(wait, 0))

    async def _one(self) -> None:
        name, ask = self._drawn()
        began = time.monotonic()
        phases = {self._load.phase}
        while True:
            why = await self._asked(ask)
            if not why:
                self._load.answered[name] += 1
                self._load.seconds.append((self._load.phase, time.monotonic() - began))
                return
            phases.add(self._load.phase)
            self._load.again[" / ".join(sorted(phases)), f"{name}: {why}"] += 1
            if time.monotonic() - began > PATIENCE_SECONDS:
                self._load.failed.append(f"{name}: {why}")
                return
            await asyncio.sleep(AGAIN_SECONDS)

    async def _asked(self, ask: Callable[[], Awaitable[httpx.Response]]) -> str:
        """Ask once; returns why it has to be asked again, "" where it was answered."""
        try:
            answer = await ask()
        except httpx.TransportError as error:
            return type(error).__name__
        body: Any = answer.json()
        if answer.status_code in AWAY:
            return f"{answer.status_code} {_code(body)}: {body.get('error', {}).get('message', '')}"
        if answer.status_code == IN_PROGRESS and _code(body) == "IDEMPOTENCY_KEY_IN_PROGRESS":
            return "in progress"
        if answer.is_success:
            return ""
        return f"{answer.status_code} {_code(body)}"

    def _drawn(self) -> tuple[str, Callable[[], Awaitable[httpx.Response]]]:
        """Draw a request: mostly reads, many new orders, a purchase now and then."""
        drawn, pair = self._random.random(), self._random.choice(self._pairs)
        known = self._load.orders
        if drawn < 0.3 or not known:
            return "create", self._create(pair)
        order_id = self._random.choice(known)
        if drawn < 0.7:
            return "read", lambda: self._shop.client.get(f"/orders/{order_id}")
        if drawn < 0.75:
            return "events", lambda: self._shop.client.get("/events?limit=20", headers=AS_LIST)
        if drawn < 0.85:
            return "balance", lambda: self._shop.client.get(f"/users/{pair.buyer}/balance")
        return "list", lambda: self._shop.client.get("/orders", params={"limit": 20})

    def _create(self, pair: Pair) -> Callable[[], Awaitable[httpx.Response]]:
        key = str(uuid.uuid4())
        body = {
            "buyerId": pair.buyer,
            "sellerId": pair.seller,
            "amount": "1.00",
            "title": "Rolling",
        }

        async def ask() -> httpx.Response:
            answer = await self._shop.post("/orders", body, key=key)
            if answer.is_success:
                self._load.orders.append(str(answer.json()["data"]["id"]))
            return answer

        return ask


def _code(body: Any) -> str:
    return str(body.get("error", {}).get("code", ""))
