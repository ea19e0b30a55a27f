"""Orders created and reserved per second through REST, on a whole stack.

    python -m bench.rest [--orders 2000] [--connections 16] [--buyers 8]

Uses the stack that runs, or starts a fresh one and stops it. The load generator, PostgreSQL, NATS
and every service share the machine, so CPU milliseconds a request are printed beside the rate:
they say what a machine that does nothing else would do.
"""

import argparse
import asyncio
import os
import sys
import uuid
from typing import Any

import httpx
import uvloop

from bench.load import Answer, Load, Run
from deploy.local import settings
from deploy.local.demo import place
from deploy.local.rest import Marketplace

# The budget on two cores, including the load generator.
LEAST_CREATES, LEAST_RESERVES = 400, 250
DEPOSIT, PRICE = "10000.00", "1.00"
WARM_UP = 200
OK, CREATED = 200, 201
DEADLINE_SECONDS = 60.0


async def measure(stack: dict[str, Any], arguments: argparse.Namespace) -> bool:
    """Measure both; returns whether every request succeeded."""
    load = Load(url=stack["url"], api_key=stack["apiKey"], pids=stack["pids"])
    async with Marketplace.of(url=stack["url"], api_key=stack["apiKey"]) as marketplace:
        buyers, seller = await users(marketplace, stack["faucetUrl"], arguments.buyers)
    bodies = [
        {
            "buyerId": buyers[number % len(buyers)],
            "sellerId": seller,
            "amount": PRICE,
            "title": "Logo design",
            "description": "Design a logo for my startup",
        }
        for number in range(arguments.orders)
    ]
    await load.post([("/orders", body) for body in bodies[:WARM_UP]], connections=4)
    connections = arguments.connections
    created = await load.post([("/orders", body) for body in bodies], connections=connections)
    _tell("orders created", created, LEAST_CREATES)
    orders = [answer.data["id"] for answer in created.answers if answer.status == CREATED]
    reserved = await load.post(
        [(f"/orders/{order}/reserve", {"amount": PRICE}) for order in orders],
        connections=connections,
    )
    _tell("orders reserved", reserved, LEAST_RESERVES)
    return _all(created.answers, CREATED) and _all(reserved.answers, OK)


async def users(marketplace: Marketplace, faucet_url: str, count: int) -> tuple[list[str], str]:
    """Register buyers with money and a seller; returns their ids."""
    mark = uuid.uuid4().hex[:8]
    buyers, seller = [f"buyer{number}_{mark}" for number in range(count)], f"seller_{mark}"
    for user in (*buyers, seller):
        await marketplace.post("/users", {"externalUserId": user, "id": user})
    for user in buyers:
        deposit = await marketplace.get(f"/users/{user}/wallet/deposit")
        async with httpx.AsyncClient(timeout=DEADLINE_SECONDS) as client:
            body = {"address": deposit["address"], "amount": DEPOSIT}
            (await client.post(faucet_url, json=body)).raise_for_status()
    async with asyncio.timeout(DEADLINE_SECONDS):
        for user in buyers:
            await _credited(marketplace, user)
    return buyers, seller


async def _credited(marketplace: Marketplace, user: str) -> None:
    """Wait until a deposit has arrived."""
    available = ""
    while available != DEPOSIT:
        await asyncio.sleep(0.1)
        available = (await marketplace.get(f"/users/{user}/balance"))["available"]


def _tell(what: str, run: Run, least: int) -> None:
    rate = len(run.answers) / run.elapsed
    sys.stdout.write(f"{what:16} {run.figures()}\n")
    verdict = "within" if rate >= least else "BELOW"
    busy = os.getloadavg()[0]
    sys.stdout.write(f"           {verdict} the budget of {least}/s; load average {busy:.1f}\n")


def _all(answers: list[Answer], status: int) -> bool:
    return bool(answers) and all(answer.status == status for answer in answers)


def main() -> int:
    """Run from the command line; returns 1 if a request failed."""
    parser = argparse.ArgumentParser(description="Orders per second through REST")
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--buyers", type=int, default=8)
    arguments = parser.parse_args()
    with place.stack(settings.load(), tell=print) as (_, stack):
        succeeded = uvloop.run(measure(stack, arguments))
    return 0 if succeeded else 1


if __name__ == "__main__":
    sys.exit(main())
