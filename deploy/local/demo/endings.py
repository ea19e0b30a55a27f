"""The other endings of an order: canceled, refunded, split by a dispute. All three run at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from orchestrator.ledger.v1.ledger_pb2 import InvariantResult

from deploy.local.demo.purchase import BUYER, SELLER, Purchase, minor_units
from deploy.local.rest import Marketplace
from kernel.money import to_text

# The rest of the deposit is enough for all three.
PRICE = "5.00"
TO_SELLER, TO_BUYER = "3.00", "2.00"
NewPurchase = Callable[[str, str], Purchase]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How one order ended, and how long it took."""

    name: str
    order_id: str
    expected: str
    state: str
    seconds: float


async def walk(
    new: NewPurchase, marketplace: Marketplace
) -> tuple[list[Ending], list[InvariantResult]]:
    """Run the three endings at the same time; returns them, and the checks of the money.

    new: creates a purchase between the guide's two users, with a price and a title.
    """
    before = await _balances(marketplace)
    endings = await asyncio.gather(
        _timed("canceled", "CLOSED CANCELED", new(PRICE, "Changed my mind"), _cancel),
        _timed("refunded", "CLOSED REFUNDED", new(PRICE, "Not needed any more"), _refund),
        _timed("split", "CLOSED RELEASED", new(PRICE, "Half a logo"), _split(marketplace)),
    )
    after = await _balances(marketplace)
    return list(endings), _checks(endings, before, after)


async def _timed(
    name: str, expected: str, purchase: Purchase, end: Callable[[Purchase], Awaitable[None]]
) -> Ending:
    started = time.monotonic()
    await purchase.create()
    await purchase.reserve()
    await end(purchase)
    return Ending(
        name=name,
        order_id=purchase.order_id,
        expected=expected,
        state=await purchase.state(),
        seconds=time.monotonic() - started,
    )


async def _cancel(purchase: Purchase) -> None:
    await purchase.act("cancel", {"canceledBy": "BUYER", "reason": "Changed my mind"})


async def _refund(purchase: Purchase) -> None:
    await purchase.create_escrow()
    await purchase.fund()
    await purchase.act("resolution/refund", {"requestedBy": "BUYER"})


def _split(marketplace: Marketplace) -> Callable[[Purchase], Awaitable[None]]:
    async def end(purchase: Purchase) -> None:
        await purchase.create_escrow()
        await purchase.fund()
        await purchase.act("resolution/dispute", {"openedBy": "BUYER", "reason": "QUALITY_ISSUE"})
        order = await marketplace.get(f"/orders/{purchase.order_id}")
        dispute = f"/disputes/{order['dispute']['id']}"
        await marketplace.post(f"{dispute}/assign", {"agentId": "agent_7"})
        decision = {
            "decision": "SPLIT",
            "releaseAmount": TO_SELLER,
            "refundAmount": TO_BUYER,
            "note": "Half of the work was done",
        }
        await marketplace.post(f"{dispute}/resolve", decision)

    return end


async def _balances(marketplace: Marketplace) -> tuple[int, int, int]:
    buyer = await marketplace.get(f"/users/{BUYER}/balance")
    seller = await marketplace.get(f"/users/{SELLER}/balance")
    return (
        minor_units(buyer["available"]),
        minor_units(buyer["reserved"]),
        minor_units(seller["available"]),
    )


def _checks(
    endings: tuple[Ending, ...], before: tuple[int, int, int], after: tuple[int, int, int]
) -> list[InvariantResult]:
    paid, earned = before[0] - after[0], after[2] - before[2]
    share = minor_units(TO_SELLER)
    states = ", ".join(f"{ending.name}: {ending.state}" for ending in endings)
    return [
        InvariantResult(
            name="cancellation, refund and split ended as asked",
            holds=all(ending.state == ending.expected for ending in endings),
            details=states,
        ),
        InvariantResult(
            name="the buyer paid only for the split",
            holds=paid == share and after[1] == before[1],
            details=to_text(paid),
        ),
        InvariantResult(
            name="the seller received its part of the split",
            holds=earned == share,
            details=to_text(earned),
        ),
    ]
