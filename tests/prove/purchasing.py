"""Whole purchases, one after another, through restarts and kills of the programs."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator

import httpx

from tests.prove.steady import AGAIN_SECONDS, AWAY
from tests.shop import Pair, Shop, until

PURCHASERS = 2


@contextlib.asynccontextmanager
async def buying(shop: Shop, pairs: list[Pair], *, over: asyncio.Event) -> AsyncIterator[list[str]]:
    """Carry purchases from beginning to end meanwhile; yields the ids of those that are done."""
    done: list[str] = []

    async def buy() -> None:
        while not over.is_set():
            pair = pairs[len(done) % len(pairs)]
            order_id = await _order(shop, pair)
            for command in ("reserve", "escrow", "fund", "release"):
                await _persistently(shop, f"{order_id} {command}", order_id, command)
            done.append(order_id)

    async with asyncio.TaskGroup() as group:
        for _ in range(PURCHASERS):
            group.create_task(buy())
        yield done


async def _order(shop: Shop, pair: Pair) -> str:
    key = str(uuid.uuid4())
    body = {"buyerId": pair.buyer, "sellerId": pair.seller, "amount": "2.00", "title": "Whole"}
    while True:
        with contextlib.suppress(httpx.TransportError):
            answer = await shop.post("/orders", body, key=key)
            if answer.is_success:
                return str(answer.json()["data"]["id"])
        await asyncio.sleep(AGAIN_SECONDS)


async def _persistently(shop: Shop, what: str, order_id: str, command: str) -> None:
    """Do a command, asking again with the same key until it is done."""
    key = str(uuid.uuid4())

    async def is_done() -> bool:
        try:
            answer = await shop.act(order_id, command, key=key)
        except httpx.TransportError:
            return False
        if answer.status_code in {202, 409, *AWAY}:
            return False
        assert answer.is_success, answer.text
        return True

    await until(is_done, what=f"{what} did not end")
