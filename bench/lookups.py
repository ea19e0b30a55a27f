"""Lists of the marketplace API among a million orders: as fast as among ten thousand.

    python -m bench.lookups [--orders 1000000] [--requests 40]

Uses the stack that runs, or starts a fresh one and stops it. Orders of the same kinds are written
to the database directly: ten thousand into the test marketplace, all others into the live one. The
same lists are asked of both by turns. What counts is the ratio of the medians of each list.
"""

import argparse
import asyncio
import statistics
import sys
import time
from typing import Any

import httpx
import psycopg
import uvloop

from deploy.local import settings
from deploy.local.demo import place

FEW, MANY = 10_000, 1_000_000
RATIO_MAX = 3.0
WARM_UPS = 5
TIMEOUT_SECONDS = 60.0
SEEN = "2026-06-28T00:00:00Z", "2026-06-28T12:00:00Z"
# Each filter and sort, pairs of them, and what no order fulfils.
LISTS = (
    "",
    "sort=OLDEST",
    "sort=SMALLEST",
    "sort=LARGEST",
    "status=CLOSED",
    "status=DISPUTED",
    "buyerId=usr_seldom",
    "buyerId=usr_often",
    "sellerId=usr_shop",
    "clientOrderRef=ref-7",
    "clientOrderRef=ref-none",
    f"createdFrom={SEEN[0]}&createdTo={SEEN[1]}",
    f"createdTo={SEEN[1]}&sort=OLDEST",
    "amount=70.07",
    "amountFrom=70.07&amountTo=70.08&sort=SMALLEST",
    "amountFrom=70.00&amountTo=80.00",
    "amountFrom=9999.00",
    "text=report",
    "text=report%20seldom",
    "text=seldom&status=DISPUTED",
    "text=report&buyerId=usr_seldom",
    "status=DISPUTED&buyerId=usr_often",
    "status=RELEASED&buyerId=usr_often",
    "status=DISPUTED&amountFrom=70.00",
    "buyerId=usr_seldom&sort=LARGEST",
    f"sellerId=usr_shop&createdFrom={SEEN[0]}&createdTo={SEEN[1]}&status=DISPUTED",
)


async def measure(stack: dict[str, Any], *, orders: int, requests: int) -> bool:
    """Measure; returns whether every ratio is within the budget."""
    keys = {FEW: stack["testKey"], orders: stack["apiKey"]}
    async with httpx.AsyncClient(base_url=stack["url"], timeout=TIMEOUT_SECONDS) as client:
        for count, key in keys.items():
            headers = {"Authorization": f"Bearer {key}"}
            for name in ("usr_seldom", "usr_often", "usr_shop"):
                body = {"externalUserId": name, "id": name}
                answer = await client.post("/api/v1/users", json=body, headers=headers)
                answer.raise_for_status()
            marketplace = (await client.get("/api/v1/me", headers=headers)).json()["data"]
            started = time.monotonic()
            await asyncio.to_thread(
                _write, stack["databaseUrl"], marketplace["marketplaceId"], count
            )
            print(f"{count} orders written in {time.monotonic() - started:.0f} s", flush=True)
        ratios = [await _compare(client, keys, query, requests=requests) for query in LISTS]
    worst = max(ratios)
    verdict = "within" if worst <= RATIO_MAX else "ABOVE"
    print(f"list routes at {FEW} and {orders}: worst ratio {worst:.2f}, {verdict} {RATIO_MAX:.0f}")
    return worst <= RATIO_MAX


async def _compare(
    client: httpx.AsyncClient, keys: dict[int, str], query: str, *, requests: int
) -> float:
    taken: dict[int, list[float]] = {count: [] for count in keys}
    shown: dict[int, int] = {}
    for number in range(WARM_UPS + requests):
        for count, key in keys.items():
            started = time.perf_counter()
            answer = await client.get(
                f"/api/v1/orders?{query}", headers={"Authorization": f"Bearer {key}"}
            )
            if number >= WARM_UPS:
                taken[count].append(time.perf_counter() - started)
            shown[count] = len(answer.raise_for_status().json()["data"])
    few, many = (statistics.median(times) * 1000 for times in taken.values())
    found = "/".join(map(str, shown.values()))
    print(f"ratio {many / few:.2f}: {few:.1f} and {many:.1f} ms, {found} orders: {query or 'all'}")
    return many / few


def _write(database_url: str, marketplace_id: str, orders: int) -> None:
    """Write orders; what they count for their parties is left out."""
    with psycopg.connect(database_url) as connection:
        connection.execute("set local session_replication_role = replica")
        connection.execute("set local search_path = orders")
        connection.execute(_ORDERS, {"marketplace_id": marketplace_id, "n": orders})
        connection.execute(_WORDS, {"marketplace_id": marketplace_id})
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("vacuum analyze orders.orders, orders.words")


# One order a minute until the end of June, in the order of their ids: 1 of 100 is disputed, 3 are
# in progress; usr_seldom buys 1 of 500.
_ORDERS = """
insert into orders (marketplace_id, id, buyer_id, buyer_public_id, seller_id, seller_public_id,
                    asset, currency, amount, title, description, state, final_status, origin,
                    client_order_ref, platform_fee_bps, platform_fee, version, created_at,
                    updated_at, closed_at)
select b.marketplace_id, uuidv7(t.at - now()), b.id, b.public_id, s.id, s.public_id, 'USDC', 'USD',
       (1 + i * 7919::bigint %% 500000) * 100000, 'Report', '', k.state,
       case k.state when 'CLOSED' then 'RELEASED' end, 'MARKETPLACE', 'ref-' || i, 0, 0, 1, t.at,
       t.at, case k.state when 'CLOSED' then t.at end
from generate_series(1, %(n)s) as i
cross join lateral (
    values ('2026-07-01Z'::timestamptz - make_interval(mins => %(n)s - i))
) as t (at)
cross join lateral (
    values (case when i %% 100 = 0 then 'DISPUTED' when i %% 100 < 4 then 'IN_PROGRESS'
            else 'CLOSED' end)
) as k (state)
join users b on b.marketplace_id = %(marketplace_id)s
    and b.public_id = case i %% 500 when 0 then 'usr_seldom' else 'usr_often' end
join users s on s.marketplace_id = b.marketplace_id and s.public_id = 'usr_shop'
"""
# Every title is "Report"; as if 1 of 500 had a second word.
_WORDS = """
insert into words (marketplace_id, word, order_id)
select marketplace_id, word, id from orders cross join (values ('report'), ('seldom')) as w (word)
where marketplace_id = %(marketplace_id)s and (word = 'report' or buyer_public_id = 'usr_seldom')
order by 1, 2, 3
"""


def main() -> int:
    """Run from the command line; returns 1 if the budget is missed."""
    parser = argparse.ArgumentParser(description="Lists of a marketplace among a million orders")
    parser.add_argument("--orders", type=int, default=MANY)
    parser.add_argument("--requests", type=int, default=40)
    arguments = parser.parse_args()
    with place.stack(settings.load(), tell=lambda *_: None) as (_, stack):
        held = uvloop.run(measure(stack, orders=arguments.orders, requests=arguments.requests))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
