"""Pages of the largest orders that are taken: nothing is lost, whatever their size."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import httpx

from tests import people
from tests.shop import Shop, data_of

COUNT = 101
AT_ONCE = 8
# 4096 characters of three bytes; metadata of nearly 16 KiB; the body of a request stays below 64.
DESCRIPTION = "漢" * 4096
METADATA = {"text": "x" * 16_000}
MILESTONES = [{"ref": f"m{n}", "description": "漢" * 255, "amount": "4.00"} for n in range(20)]


async def test_a_hundred_orders_of_the_largest_size_are_listed_whole(shop: Shop) -> None:
    async with contextlib.AsyncExitStack() as opened:
        buyer, seller = await people.pair(opened, shop)
        body = {
            "buyerId": str(buyer.id),
            "sellerId": str(seller.id),
            "amount": "80.00",
            "title": "漢" * 200,
            "description": DESCRIPTION,
            "metadata": METADATA,
            "milestones": MILESTONES,
        }
        made = await many(shop, body)

        listed = await pages(shop.client, {"buyerId": str(buyer.id), "limit": 100})
        whole = await of_person(seller, offset=0)
        rest = await of_person(seller, offset=100)

    assert sorted(order["id"] for order in listed) == sorted(made)
    assert all(order["description"] == DESCRIPTION for order in listed)
    shown = {order["id"] for order in (*whole["items"], *rest["items"])}
    assert len(whole["items"]) == 100
    assert len(shown) == COUNT == whole["total"]


async def many(shop: Shop, body: Mapping[str, Any]) -> list[str]:
    """Create COUNT orders, AT_ONCE at a time; returns their ids."""
    places = asyncio.Semaphore(AT_ONCE)

    async def create() -> str:
        async with places:
            return str(data_of(await shop.post("/orders", body), status=201)["id"])

    return await asyncio.gather(*(create() for _ in range(COUNT)))


async def of_person(person: people.Person, *, offset: int) -> dict[str, Any]:
    """Read a hundred of the orders that a person has to deliver."""
    params = {"limit": 100, "offset": offset}
    return people.answer_of(await person.client.get("/orders", params=params))


async def pages(client: httpx.AsyncClient, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Read a list to its end by its cursors."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await client.get("/orders", params={**params, **cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["data"]
        if not page["hasMore"]:
            return found
        cursor = {"cursor": page["nextCursor"]}
