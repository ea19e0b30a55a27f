"""Purchases over REST, step by step, as a marketplace's backend makes them."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from bench.load import Client
from bench.people import order_between

# After this time, a step that the gateway has answered early is read again.
POLL_SECONDS = 0.05
STEP_SECONDS = 60.0
ACCEPTED = 202
RESERVE, ESCROW, FUND = "reserve", "escrow", "escrow/fund"
RELEASE, REFUND = "resolution/release", "resolution/refund"
BODIES = {RELEASE: {"requestedBy": "BUYER"}, REFUND: {"requestedBy": "SELLER"}}


class StepFailedError(Exception):
    """A step of a purchase was refused, or did not end in time."""


class Conversation:
    """One connection with one request at a time."""

    def __init__(
        self, client: Client, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.client = client
        self._reader, self._writer = reader, writer

    @classmethod
    @asynccontextmanager
    async def with_(cls, client: Client) -> AsyncIterator["Conversation"]:
        """Open a connection for the block."""
        reader, writer = await asyncio.open_connection(client.host, client.port)
        try:
            yield cls(client, reader, writer)
        finally:
            writer.close()

    async def ask(self, request: bytes) -> tuple[int, dict[str, Any]]:
        """Return the status and the `data` of an answer. Raises: StepFailedError: a refusal."""
        self._writer.write(request)
        async with asyncio.timeout(STEP_SECONDS):
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            body = await self._reader.readexactly(length)
        status, document = int(head[9:12]), json.loads(body)
        if not document.get("success"):
            raise StepFailedError(f"{status} {document}")
        return status, document["data"]

    async def create(self, buyer: str, seller: str) -> str:
        """Create an order; return its id."""
        _, data = await self.ask(self.client.post("/orders", order_between(buyer, seller)))
        return str(data["id"])

    async def step(self, order: str, action: str, *, waits: bool = True) -> None:
        """Do an action on an order. waits: wait until its operation has ended."""
        path = f"/orders/{order}"
        status, _ = await self.ask(self.client.post(f"{path}/{action}", BODIES.get(action, {})))
        deadline = time.monotonic() + STEP_SECONDS
        while waits and status == ACCEPTED:
            await asyncio.sleep(POLL_SECONDS)
            _, data = await self.ask(self.client.get(path))
            if data["operation"] is None:
                return
            if time.monotonic() > deadline:
                raise StepFailedError(f"{action} of {order} did not end")


@dataclass(slots=True, kw_only=True)
class Purchases:
    """Purchases that workers carried from creation to an end. seconds: of each purchase."""

    orders: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    elapsed: float = 0.0


async def carry(
    client: Client,
    pairs: Iterator[tuple[str, str]],
    *,
    actions: tuple[str, ...],
    workers: int,
    seconds: float = float("inf"),
) -> Purchases:
    """Create an order between each pair and do the actions, until the pairs or the time end.

    Purchases that have begun are finished.
    """
    done = Purchases()
    started = time.perf_counter()

    async def work() -> None:
        async with Conversation.with_(client) as talk:
            for buyer, seller in pairs:
                begun = time.perf_counter()
                if begun - started > seconds:
                    return
                try:
                    order = await talk.create(buyer, seller)
                    for action in actions:
                        await talk.step(order, action)
                except (StepFailedError, TimeoutError) as error:
                    done.failures.append(repr(error))
                else:
                    done.orders.append(order)
                    done.seconds.append(time.perf_counter() - begun)

    await asyncio.gather(*(work() for _ in range(workers)))
    done.elapsed = time.perf_counter() - started
    return done


def between(buyers: list[str], seller: str) -> Iterator[tuple[str, str]]:
    """Return pairs without end: each buyer in turn, with the seller."""
    return itertools.cycle((buyer, seller) for buyer in buyers)
