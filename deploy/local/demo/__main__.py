"""Runs the demo. The exit code is 0 if every check passed."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from orchestrator.ledger.v1.ledger_pb2 import InvariantResult

from deploy.local import identities, settings
from deploy.local.demo import endings, place, withdrawal
from deploy.local.demo.chain import Chain
from deploy.local.demo.events import PURCHASE, Listener
from deploy.local.demo.purchase import (
    DEPOSIT,
    PRICE,
    TITLE,
    DemoFailedError,
    Purchase,
    Sight,
    minor_units,
)
from deploy.local.demo.two_views import TwoViews
from deploy.local.demo.view import View
from deploy.local.process import NotReadyError
from deploy.local.rest import Marketplace, RefusedError
from deploy.operator.client import Operator
from deploy.operator.reconcile import differing
from kernel.errors import DomainError
from kernel.money import to_text

SETTLE_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The connections of the demo."""

    stack: Mapping[str, Any]
    chain: Chain
    marketplace: Marketplace
    operator: Operator
    listener: Listener

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, run_dir: Path, stack: Mapping[str, Any]) -> AsyncIterator["Sides"]:
        """Connect to all of them for the block."""
        papers = identities.operator_papers(run_dir)
        async with (
            Chain.of(stack) as chain,
            Listener.of(stack=stack) as listener,
            Marketplace.of(url=stack["url"], api_key=stack["apiKey"]) as marketplace,
        ):
            identity = await marketplace.marketplace_id()
            async with Operator.of(
                services=stack["services"], papers=papers, marketplace_id=identity
            ) as operator:
                yield cls(
                    stack=stack,
                    chain=chain,
                    marketplace=marketplace,
                    operator=operator,
                    listener=listener,
                )

    def purchase(self, price: str = PRICE, title: str = TITLE) -> Purchase:
        """Create a purchase between the two users of the guide, without starting it."""
        return Purchase(
            marketplace=self.marketplace,
            chain=self.chain,
            faucet_url=self.stack["faucetUrl"],
            operator=self.operator,
            price=price,
            title=title,
        )


async def show(run_dir: Path, stack: Mapping[str, Any], view: View) -> bool:
    """Run the purchase and the other endings, and check them; returns whether all checks passed."""
    async with Sides.of(run_dir, stack) as sides:
        purchase = sides.purchase()
        sights = []
        view.heading()
        with view.working() as working:
            working.show("Purchase")
            async for sight in purchase.steps():
                view.add(sight)
                sights.append(sight)
                working.show(f"Purchase, after: {sight.step}")
            await sides.listener.wait_for(purchase.order_id, PURCHASE[-1])
            events = sides.listener.of_aggregate(purchase.order_id)
            _tell(view, purchase, events)
            working.show("Other endings, and one order in both APIs")
            ended, seen = await asyncio.gather(
                _endings(sides.purchase, sides.marketplace, view),
                _two_views(stack, sides.marketplace, view),
            )
            working.show("Withdrawal")
            withdrawn = await _withdrawal(stack, sides, view)
            working.show("Checks")
            books_hold = await books(sides.operator)
    view.say()
    view.say("Checks:")
    checks = [*_money(sights), _order_events(events), *ended, *seen, *withdrawn, *books_hold]
    for check in checks:
        view.check(holds=check.holds, name=check.name, details=check.details)
    return all(check.holds for check in checks)


def _tell(view: View, purchase: Purchase, events: Sequence[tuple[str, int]]) -> None:
    """Print the facts that do not fit into the table."""
    view.say()
    view.say(f"Order    {purchase.order_id}")
    view.say(f"Contract {purchase.contract_id}")
    view.say("Transactions:")
    for found in purchase.hashes:
        view.say(f"  {found}")
    view.say("Events that a plain NATS subscriber on order.* received:")
    for event_type, version in events:
        view.say(f"  {version}  {event_type}")


async def _endings(
    new: Callable[[str, str], Purchase], marketplace: Marketplace, view: View
) -> list[InvariantResult]:
    """Show the other ways in which an order can end; returns their checks."""
    ended, checks = await endings.walk(new, marketplace)
    view.say("Three more orders of 5.00, beside each other:")
    for ending in ended:
        view.say(f"  {ending.name:9} {ending.order_id}  {ending.state:16} {ending.seconds:.1f} s")
    return checks


async def _two_views(
    stack: Mapping[str, Any], marketplace: Marketplace, view: View
) -> list[InvariantResult]:
    """Show one order in both APIs; returns the checks.

    Skipped if the stack has another token issuer, or no faucet.
    """
    if not stack.get("jwtSecret") or not stack.get("faucetUrl"):
        return []
    order = TwoViews(document=stack, marketplace=marketplace)
    looks = [look async for look in order.steps()]
    view.say("One order of 150.00 in both APIs:")
    view.say(f"  {'step':8} {'marketplace':18} {'party':16}")
    for look in looks:
        view.say(f"  {look.step:8} {look.marketplace:18} {look.party:16} {look.seconds:.1f} s")
    return order.checks(looks)


async def _withdrawal(stack: Mapping[str, Any], sides: Sides, view: View) -> list[InvariantResult]:
    """Let the seller withdraw the price, and the platform its fees; returns the checks.

    Skipped on a network that is not the local devnet.
    """
    if not stack.get("devnetUrl"):
        return []
    found = await withdrawal.withdraw(stack, sides.marketplace, sides.chain)
    one = found.document
    view.say(f"The seller withdraws {PRICE} to {one['destination'][:8]}…:")
    view.say(f"  {one['id']}  {one['status']}  {found.seconds:.1f} s")
    view.say(f"  {one['transactionHash']}")
    fees = await withdrawal.withdraw_fees(stack, sides.marketplace, sides.chain)
    if fees is None:
        return found.checks()
    one = fees.document
    view.say(f"The platform withdraws {one['amount']} of its fees to {one['destination'][:8]}…:")
    view.say(f"  {one['id']}  {one['status']}  {fees.seconds:.1f} s")
    view.say(f"  {one['transactionHash']}")
    return [*found.checks(), *fees.checks()]


def _money(sights: Sequence[Sight]) -> list[InvariantResult]:
    """Check that the amounts that arrived equal the amounts that were paid."""
    first, last = sights[0], sights[-1]
    price = minor_units(PRICE)
    seller = last.seller_available - first.seller_available
    buyer = last.buyer_available - first.buyer_available
    left = minor_units(DEPOSIT) - price
    held = max(sight.contract for sight in sights)
    return [
        _check(last.state == "CLOSED RELEASED", "the order is CLOSED, RELEASED", last.state),
        _check(seller == price, "the seller received the price", to_text(seller)),
        _check(buyer == left, "the buyer keeps what was left of the deposit", to_text(buyer)),
        _check(
            last.buyer_reserved == first.buyer_reserved,
            "nothing stays reserved",
            to_text(last.buyer_reserved - first.buyer_reserved),
        ),
        _check(
            held == price and last.contract == 0,
            "the contract held the price, and is empty now",
            f"{to_text(held)}, {to_text(last.contract)}",
        ),
    ]


def _order_events(events: Sequence[tuple[str, int]]) -> InvariantResult:
    expected = [(event_type, number) for number, event_type in enumerate(PURCHASE, start=1)]
    return _check(
        list(events) == expected,
        "the nine order events came in order, each once, versions 1 to 9",
        f"{len(events)} events",
    )


async def books(operator: Operator) -> list[InvariantResult]:
    """Check the ledger's invariants. Compare ledger and chain once no command is in progress."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        invariants, holdings = await operator.invariants(), await operator.holdings()
        wrong = differing(holdings)
        moving = any(found.in_motion for found in holdings)
        if time.monotonic() > deadline or not (wrong or moving):
            break
        await asyncio.sleep(0.2)
    details = "; ".join(found.describe() for found in wrong) or f"{len(holdings)} accounts"
    return [*invariants, _check(bool(holdings) and not wrong, "ledger = chain", details)]


def _check(holds: bool, name: str, details: str) -> InvariantResult:  # noqa: FBT001 - a fact, no switch
    return InvariantResult(name=name, holds=holds, details=details)


def main() -> int:
    """Run from the command line; returns the exit code of the program."""
    started = time.monotonic()
    view = View()
    try:
        settings.refuse_unknown()
        with contextlib.ExitStack() as opened:
            with view.working() as working:
                view.say("Starting a fresh stack:")

                def tell(part: str, status: str) -> None:
                    view.say(f"  {part:<11} {status}")
                    working.show(part)

                working.show("stack")
                run_dir, stack = opened.enter_context(place.stack(settings.load(), tell=tell))
            view.say(f"Ready after {time.monotonic() - started:.1f} s: {stack['url']}")
            held = asyncio.run(show(run_dir, stack, view))
    except (NotReadyError, DemoFailedError, RefusedError, DomainError, httpx.HTTPError) as error:
        sys.stderr.write(f"demo: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    result = "All checks passed" if held else "Some checks FAILED"
    view.say()
    view.say(f"{result}; {time.monotonic() - started:.1f} s.")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
