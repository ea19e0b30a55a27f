"""Lists of both APIs among a million orders: as fast as among ten thousand.

    python -m bench.lookups [--orders 1000000] [--requests 40] [--only disputes,users]
        [--report docs/reports]

Uses the running stack, or starts a fresh one and stops it. Rows of the same kinds are written to
the database directly (`bench/crowds.py`): those of ten thousand orders into the test marketplace,
all others into the live one. The same lists are requested from both by turns. A person's lists are
requested for a person with 1 of 500 of the live marketplace's orders and for one with nearly all
others. The result is the ratio of the medians of each list.
"""

import argparse
import asyncio
import datetime as dt
import os
import statistics
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvloop

from bench import crowds
from bench.checkout import Checkout
from deploy.local import settings, token
from deploy.local.demo import place

FEW, MANY = 10_000, 1_000_000
RATIO_MAX = 3.0
WARM_UPS = 5
TIMEOUT_SECONDS = 60.0
SEEN = "2026-06-28T00:00:00Z", "2026-06-28T12:00:00Z"
# Half a day of the last 30 days, which is how long events are listed.
_TODAY = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
LATELY = f"from={_TODAY - dt.timedelta(days=9):%FT%TZ}&to={_TODAY - dt.timedelta(days=8.5):%FT%TZ}"
# Each filter and sort of every list, pairs of them, and filters that no row fulfils.
LISTS: Mapping[str, tuple[str, ...]] = {
    "/orders": (
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
    ),
    "/users": (
        "",
        "externalUserId=theirs-7",
        "externalUserId=THEIRS-7",
        "externalUserId=0197B9C8-0000-7000-8000-000000000007",
        "email=USER-7@shop.example",
        "email=shared@shop.example",
        "email=nobody@shop.example",
        "externalUserId=theirs-7&email=shared@shop.example",
    ),
    "/disputes": (
        "",
        "status=OPEN",
        "status=UNDER_REVIEW",
        "status=RESOLVED",
        "assignedTo=agent-often",
        "assignedTo=agent-seldom",
        "assignedTo=agent-none",
        "openedBy=BUYER",
        "openedBy=SELLER",
        f"openedFrom={SEEN[0]}&openedTo={SEEN[1]}",
        f"openedTo={SEEN[1]}",
        f"status=OPEN&openedTo={SEEN[1]}",
        "status=OPEN&openedBy=SELLER",
        "status=RESOLVED&openedBy=SELLER",
        "assignedTo=agent-often&status=OPEN",
        "assignedTo=agent-often&openedBy=SELLER",
        "assignedTo=agent-seldom&openedBy=BUYER",
        "assignedTo=agent-often&status=RESOLVED&openedBy=SELLER",
        f"assignedTo=agent-often&status=OPEN&openedFrom={SEEN[0]}",
        "overdue=true",
        "overdue=true&openedBy=BUYER",
    ),
    "/withdrawals": (
        "",
        "status=COMPLETED",
        "status=FAILED",
        "status=AWAITING_APPROVAL",
        "userId=usr_often",
        "userId=usr_seldom",
        "reference=wd-107",
        "reference=payout",
        "reference=none",
        "userId=usr_often&status=FAILED",
        "userId=usr_seldom&status=COMPLETED",
        "userId=usr_often&reference=wd-107",
        "userId=usr_seldom&reference=payout",
        "reference=payout&status=CANCELED",
        "userId=usr_often&reference=payout&status=FAILED",
    ),
    "/platform/withdrawals": ("", "status=FAILED", "status=CANCELED", "reference=payout"),
    "/platform/entries": ("",),
    "/users/usr_seldom/balance/entries": ("",),
    "/users/usr_often/balance/entries": ("",),
    "/events": (
        "",
        "types=order.created",
        "types=order.*",
        "types=dispute.opened",
        "resourceTypes=Balance",
        "aggregateId=ref-7",
        "aggregateId=usr_often",
        "aggregateId=usr_often&types=user.created",
        "aggregateId=usr_often&types=balance.*",
        LATELY,
        f"types=order.created&{LATELY}",
    ),
    f"/webhooks/{crowds.WEBHOOK}/deliveries": (
        "",
        "status=DELIVERED",
        "status=FAILED",
        "status=PENDING",
    ),
    "/audit": (
        "",
        "actor=key:often",
        "actor=key:seldom",
        "actor=key:none",
        "action=order.create",
        "action=order.cancel",
        "targetId=ref-7",
        f"since={SEEN[0]}&until={SEEN[1]}",
        "actor=key:often&action=order.cancel",
        "actor=key:seldom&action=order.create",
    ),
    "/requests": (
        "",
        "actor=key:often",
        "actor=key:seldom",
        "requestId=ref-7",
        "status=2xx",
        "method=POST&actor=key:often",
    ),
}
# Lists that people of support request, who belong to the live marketplace.
OF_SUPPORT = {
    "/orders": ("status=DISPUTED",),
    "/disputes": ("", "status=OPEN", "assignedTo=agent-often&status=OPEN"),
    "/audit": ("", "action=order.cancel"),
}
# Lists that a person requests of their own objects.
OF_PEOPLE = {
    "/orders/": (
        "role=personal",
        "role=personal&status_filter=completed",
        "role=personal&status_filter=refunded",
    ),
    "/me/balance/entries": ("",),
    "/me/withdrawals": ("", "status=cancelled", "reference=payout"),
}
# Lists that are not measured, and why they do not grow with a marketplace's orders.
OF_ONE_THING = {
    "/orders/{id}/milestones": "at most 50 of one order",
    "/orders/{id}/offers": "those of one order, by its id",
    "/disputes/{id}/messages": "at most 1,000 of one dispute",
    "/disputes/{id}/notes": "at most 1,000 of one dispute",
    "/webhooks": "at most 20 of a marketplace",
    "/auth/api-keys": "the keys that people have made",
    "/orders/{order_id}/offers": "those of one order, by its id",
    "/orders/{order_id}/dispute/messages": "at most 1,000 of one dispute",
}
REPORT = "lists.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """The callers: the headers for lists among few rows, and among many."""

    few: Mapping[str, str]
    many: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One list: medians in milliseconds, and how many rows were shown.

    asked: the caller and query.
    """

    asked: str
    few: float
    many: float
    shown: tuple[int, int]

    @property
    def ratio(self) -> float:
        """The result of the comparison."""
        return self.many / self.few


async def measure(
    stack: dict[str, Any], *, orders: int, requests: int, only: frozenset[str]
) -> list[Compared]:
    """Measure. only: parts of paths; empty: every list."""
    keys = {FEW: _bearer(stack["testKey"]), orders: _bearer(stack["apiKey"])}
    people = {crowds.SELDOM: uuid.uuid4(), crowds.OFTEN: uuid.uuid4()}
    found: list[Compared] = []
    async with httpx.AsyncClient(base_url=stack["url"], timeout=TIMEOUT_SECONDS) as client:
        for count, headers in keys.items():
            marketplace = await _register(client, headers, people if count == orders else {})
            started = time.monotonic()
            await asyncio.to_thread(crowds.write, stack["databaseUrl"], marketplace, count)
            print(f"{count} orders written in {time.monotonic() - started:.0f} s", flush=True)
        support = token.mint(stack, subject=uuid.uuid4(), role="support", name="Ann")
        seldom, often = (_bearer(token.mint(stack, subject=one)) for one in people.values())
        for who, lists, callers in (
            ("", LISTS, Callers(few=keys[FEW], many=keys[orders])),
            ("support ", OF_SUPPORT, Callers(few=keys[FEW], many=_bearer(support))),
            ("person ", OF_PEOPLE, Callers(few=seldom, many=often)),
        ):
            for path, queries in lists.items():
                if not only or any(part in path for part in only):
                    found += [
                        await _compare(client, callers, f"{path}?{query}", requests, who=who)
                        for query in queries
                    ]
    return found


def _bearer(credential: str) -> dict[str, str]:
    # Without this header, the route of events answers with a stream.
    return {"Authorization": f"Bearer {credential}", "Accept": "application/json"}


async def _register(
    client: httpx.AsyncClient, headers: Mapping[str, str], people: Mapping[str, uuid.UUID]
) -> str:
    """Register the users in the lists; return the marketplace. people: the users who sign in."""
    for name in (crowds.SELDOM, crowds.OFTEN, crowds.SHOP):
        body = {"externalUserId": str(people.get(name, name)), "id": name}
        answer = await client.post("/api/v1/users", json=body, headers=headers)
        answer.raise_for_status()
    me = await client.get("/api/v1/me", headers=headers)
    return str(me.json()["data"]["marketplaceId"])


async def _compare(
    client: httpx.AsyncClient, callers: Callers, query: str, requests: int, *, who: str
) -> Compared:
    taken: tuple[list[float], list[float]] = ([], [])
    shown = [0, 0]
    for number in range(WARM_UPS + requests):
        for place_, headers in enumerate((callers.few, callers.many)):
            started = time.perf_counter()
            answer = await client.get(f"/api/v1{query}", headers=headers)
            if number >= WARM_UPS:
                taken[place_].append(time.perf_counter() - started)
            body = answer.raise_for_status().json()
            shown[place_] = len(body["data"] if "data" in body else body["items"])
    few, many = (statistics.median(each) * 1000 for each in taken)
    asked = f"{who}{query.removesuffix('?')}"
    found = Compared(asked=asked, few=few, many=many, shown=(shown[0], shown[1]))
    counts = "/".join(map(str, shown))
    print(
        f"ratio {found.ratio:.2f}: {few:.1f} and {many:.1f} ms, {counts} shown: {asked}", flush=True
    )
    return found


def report(found: Sequence[Compared], *, orders: int) -> str:
    """Return the measurements as a page."""
    now, load = dt.datetime.now(dt.UTC), os.getloadavg()[0]
    lines = [
        "# Lists among a million orders",
        "",
        f"Written by `python -m bench.lookups --report docs/reports` on {now:%Y-%m-%d %H:%M} UTC.",
        f"Commit {Checkout().commit}; {os.cpu_count()} cores, load average at the end {load:.1f}.",
        "",
        f"Each list is asked of a marketplace with {FEW:,} orders and of one with {orders:,} by",
        "turns. Both are in the same database. A person's lists are asked for a person with 1 of",
        "500 of the larger one's orders and for one with nearly all others. The larger marketplace",
        "has as many users, deliveries and lines of its trail as orders, twice as many events, and",
        "a tenth as many disputes and withdrawals. Times are medians over REST, in milliseconds.",
        f"The ratio must be at most {RATIO_MAX:.0f}.",
        "",
        f"The worst of {len(found)} ratios is {max(one.ratio for one in found):.2f}.",
        "",
        f"| list | {FEW:,} | {orders:,} | ratio | rows shown |",
        "|---|---|---|---|---|",
        *(
            f"| `{one.asked}` | {one.few:.1f} | {one.many:.1f} | {one.ratio:.2f} "
            f"| {one.shown[0]}, {one.shown[1]} |"
            for one in found
        ),
        "",
        "## Not measured",
        "",
        "CSV files are streams of whole lists. These lists do not grow with the orders of a",
        "marketplace:",
        "",
        *(f"- `{path}`: {why}" for path, why in OF_ONE_THING.items()),
        "",
        "A person's orders are paged by `offset`, as documented. A page costs as much more as its",
        "offset is large; what is measured is the first page.",
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    """Run from the command line; return 1 if the budget is missed."""
    parser = argparse.ArgumentParser(description="Lists of both APIs among a million orders")
    parser.add_argument("--orders", type=int, default=MANY)
    parser.add_argument("--requests", type=int, default=40)
    parser.add_argument("--only", default="", help="parts of paths: disputes,users")
    parser.add_argument("--report", type=Path, help="write the report into this folder")
    arguments = parser.parse_args()
    only = frozenset(filter(None, arguments.only.split(",")))
    with place.stack(settings.load(), tell=lambda *_: None) as (_, stack):
        found = uvloop.run(
            measure(stack, orders=arguments.orders, requests=arguments.requests, only=only)
        )
    worst = max(one.ratio for one in found)
    verdict = "within" if worst <= RATIO_MAX else "ABOVE"
    print(f"lists among {FEW} and {arguments.orders}: worst {worst:.2f}, {verdict} {RATIO_MAX:.0f}")
    if arguments.report:
        (arguments.report / REPORT).write_text(report(found, orders=arguments.orders))
    return int(worst > RATIO_MAX)


if __name__ == "__main__":
    sys.exit(main())
