"""Users with money, for measurements: registered over REST, paid by the devnet's faucet."""

import asyncio
import uuid
from typing import Any

import httpx

from deploy.local.rest import Marketplace

DEPOSIT, PRICE = "10000.00", "1.00"
DEADLINE_SECONDS = 60.0
POLL_SECONDS = 0.1


async def users(marketplace: Marketplace, faucet_url: str, count: int) -> tuple[list[str], str]:
    """Register buyers with money and a seller; return their ids."""
    mark = uuid.uuid4().hex[:8]
    buyers, seller = [f"buyer{number}_{mark}" for number in range(count)], f"seller_{mark}"
    await asyncio.gather(
        *(
            marketplace.post("/users", {"externalUserId": user, "id": user})
            for user in (*buyers, seller)
        )
    )
    async with httpx.AsyncClient(timeout=DEADLINE_SECONDS) as client:
        for user in buyers:
            deposit = await marketplace.get(f"/users/{user}/wallet/deposit")
            body = {"address": deposit["address"], "amount": DEPOSIT}
            (await client.post(faucet_url, json=body)).raise_for_status()

    async with asyncio.timeout(DEADLINE_SECONDS):
        for user in buyers:
            available = ""
            while available != DEPOSIT:
                await asyncio.sleep(POLL_SECONDS)
                available = (await marketplace.get(f"/users/{user}/balance"))["available"]
    return buyers, seller


def order_between(buyer: str, seller: str) -> dict[str, Any]:
    """Return the body of a new order."""
    return {
        "buyerId": buyer,
        "sellerId": seller,
        "amount": PRICE,
        "title": "Logo design",
        "description": "Design a logo for my startup",
    }
