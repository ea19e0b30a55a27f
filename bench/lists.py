"""A party's list of orders among a million: with 100,000 orders it is as fast as with 100.

    python -m bench.lists [--orders 1000000] [--requests 200]

Uses the running stack, or starts a fresh one and stops it. The orders are written to the database
directly. The two lists are requested over REST with tokens, by turns, so that other work on the
machine affects both alike. The result is the ratio of the medians.
"""

import argparse
import asyncio
import statistics
import sys
import time
import uuid
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import uvloop

from deploy.local import settings, token
from deploy.local.demo import place

FEW, MANY = 100, 100_000
RATIO_MAX = 3.0
PAGE = 20
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The personal users with few, with many and with all other orders, and the one business."""

    few: uuid.UUID
    many: uuid.UUID
    others: uuid.UUID
    business: uuid.UUID


async def measure(stack: dict[str, Any], *, orders: int, requests: int) -> bool:
    """Measure; return whether the ratio is within the budget and every total was right."""
    people = People(few=uuid.uuid4(), many=uuid.uuid4(), others=uuid.uuid4(), business=uuid.uuid4())
    async with httpx.AsyncClient(base_url=stack["url"], timeout=TIMEOUT_SECONDS) as client:
        for person in (people.few, people.many, people.others, people.business):
            await _page(client, stack, person)
        started = time.monotonic()
        await asyncio.to_thread(_write, stack["databaseUrl"], people, orders)
        print(f"{orders} orders written in {time.monotonic() - started:.0f} s", flush=True)
        return await _compare(client, stack, people, requests)


async def _compare(
    client: httpx.AsyncClient, stack: dict[str, Any], people: People, requests: int
) -> bool:
    taken: dict[uuid.UUID, list[float]] = {people.few: [], people.many: []}
    totals = {people.few: FEW, people.many: MANY}
    is_right = True
    for number in range(requests + 10):
        for person, times in taken.items():
            started = time.perf_counter()
            page = await _page(client, stack, person)
            if number >= 10:  # noqa: PLR2004 - the first rounds warm everything up
                times.append(time.perf_counter() - started)
            is_right &= page["total"] == totals[person] and len(page["items"]) == PAGE
    few, many = (statistics.median(taken[person]) * 1000 for person in totals)
    ratio = many / few
    verdict = "within" if ratio <= RATIO_MAX else "ABOVE"
    print(f"list of {FEW:>7} orders: median {few:.1f} ms, total included")
    print(f"list of {MANY:>7} orders: median {many:.1f} ms, total included")
    print(f"ratio {ratio:.2f}: {verdict} the budget of {RATIO_MAX:.0f}; totals right: {is_right}")
    return is_right and ratio <= RATIO_MAX


async def _page(
    client: httpx.AsyncClient, stack: dict[str, Any], person: uuid.UUID
) -> dict[str, Any]:
    access = token.mint(stack, subject=person)
    answer = await client.get(
        "/api/v1/orders/",
        params={"role": "personal", "limit": str(PAGE)},
        headers={"Authorization": f"Bearer {access}"},
    )
    answer.raise_for_status()
    page: dict[str, Any] = answer.json()
    return page


def _write(database_url: str, people: People, orders: int) -> None:
    """Write the orders, with the counts that the triggers would have made."""
    with psycopg.connect(database_url) as connection:
        connection.execute("set local session_replication_role = replica")
        connection.execute("set local search_path = orders")
        for person, count in (
            (people.others, orders - MANY - FEW),
            (people.many, MANY),
            (people.few, FEW),
        ):
            connection.execute(_ORDERS, {"buyer": person, "seller": people.business, "n": count})
        for role, column in (("false", "buyer_id"), ("true", "seller_id")):
            connection.execute(_COUNTS.replace("ROLE", role).replace("COLUMN", column))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("vacuum analyze orders.orders")


_ORDERS = """
insert into orders (marketplace_id, id, buyer_id, buyer_public_id, seller_id, seller_public_id,
                    asset, currency, amount, title, description, state, origin, platform_fee_bps,
                    platform_fee, version, created_at, updated_at)
select b.marketplace_id, uuidv7(), b.id, b.public_id, s.id, s.public_id, 'USDC', 'USD', 1500000000,
       'Report', '', 'ORDER_CREATED', 'PARTY', 1000, 150000000, 1, now(), now()
from users b join users s on s.marketplace_id = b.marketplace_id and s.id = %(seller)s,
     generate_series(1, %(n)s)
where b.id = %(buyer)s
"""
_COUNTS = """
insert into party_changes (marketplace_id, user_id, is_seller, status, change)
select marketplace_id, COLUMN, ROLE, party_status, count(*) from orders group by 1, 2, 4
"""


def main() -> int:
    """Run from the command line; return 1 if the budget is missed or a total is wrong."""
    parser = argparse.ArgumentParser(description="Lists among a million orders")
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=200)
    arguments = parser.parse_args()
    with place.stack(settings.load(), tell=print) as (_, stack):
        held = uvloop.run(measure(stack, orders=arguments.orders, requests=arguments.requests))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
