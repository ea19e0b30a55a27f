"""An order's money adds up to the last stroop, from the contract to the receipt.

The contract's arithmetic is the devnet's, written from its published rules; what is made good is
escrow's, what is booked is the ledger's transfers that orders makes, and the receipt is printed as
parties see it. Nothing of the network is needed to try any order there can be.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from devnet.soroban import payouts
from gateway.party import rendering
from kernel.money import CENT, LARGEST, UNIT, fee_half_up
from services.escrow.steps import FeePolicy, StepName, missing, plan_release, plan_resolve
from services.orders import endings, postings, wire
from services.orders.domain import Order, Origin, State, UserName
from services.orders.ports import Payment

SELLER, BUYER = "seller", "buyer"
FEES = ("fees:platform", "fees:provider", "fees:absorbed")
PARTS = ("business_income", "platform_fee", "provider_fee")
# Half of the largest, so that two of them are an order.
AMOUNTS = st.integers(1, LARGEST // CENT // 2) | st.integers(1, 1000)
RATES = st.integers(0, 9900) | st.sampled_from([0, 100, 250, 1000])


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an order ended. payments: everything the chain reports; shares: before fees."""

    amount: int
    basis_points: int
    is_absorbed: bool
    shares: dict[str, int]
    payments: tuple[Payment, ...]

    def paid(self, payee: str) -> int:
        """Return what somebody received."""
        return postings.total(self.payments, payee)

    @property
    def made_good(self) -> int:
        """What the platform's wallet added."""
        return sum(p.amount for p in self.payments if p.is_absorbed_fee)


def released(amount: int, *, basis_points: int, is_absorbed: bool) -> Ended:
    """Release an order's amount."""
    fees, paid = payouts.released(amount, platform_bps=basis_points)
    policy = FeePolicy(is_absorbed=is_absorbed, platform_fee_bps=basis_points)
    plan = plan_release(milestones=1, amount=amount, fees=policy)
    return _ended(amount, policy, {SELLER: amount}, fees, {SELLER: paid}, plan)


def divided(seller: int, buyer: int, *, basis_points: int, is_absorbed: bool) -> Ended:
    """Divide an order's amount, or refund it where the seller gets nothing."""
    shares = {who: share for who, share in ((SELLER, seller), (BUYER, buyer)) if share}
    fees, paid = payouts.distributed(shares, platform_bps=basis_points)
    policy = FeePolicy(is_absorbed=is_absorbed, platform_fee_bps=basis_points)
    plan = plan_resolve(is_frozen=True, seller=seller, buyer=buyer, fees=policy)
    return _ended(seller + buyer, policy, shares, fees, paid, plan)


def _ended(
    amount: int,
    policy: FeePolicy,
    shares: dict[str, int],
    fees: payouts.Fees,
    paid: dict[str, int],
    plan: Sequence[Any],
) -> Ended:
    payments = [_payment(who.upper(), units) for who, units in paid.items()]
    payments += [_payment("PLATFORM", fees.platform), _payment("PROVIDER", fees.provider)]
    for step in plan:
        if step.name is StepName.MAKE_GOOD:
            payee = str(step.terms["payee"])
            added = missing(due=int(step.terms["due"]), paid=[paid[payee]])
            payments.append(_payment(payee.upper(), added, is_absorbed_fee=True))
    return Ended(
        amount=amount,
        basis_points=policy.platform_fee_bps,
        is_absorbed=policy.is_absorbed,
        shares=shares,
        payments=tuple(payment for payment in payments if payment.amount),
    )


def _payment(payee: Any, amount: int, *, is_absorbed_fee: bool = False) -> Payment:
    return Payment(
        payee=payee, amount=amount, transaction_hash="ab", is_absorbed_fee=is_absorbed_fee
    )


def the_order(ended: Ended) -> Order:
    """Return the order as it was before its end."""
    at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    return Order(
        id=uuid.UUID(int=1),
        marketplace_id=uuid.UUID(int=2),
        buyer=UserName(id=uuid.UUID(int=3), public_id="usr_buyer"),
        seller=UserName(id=uuid.UUID(int=4), public_id="usr_seller"),
        asset="USDC",
        currency="USD",
        amount=ended.amount,
        title="Order",
        description="",
        state=State.DISPUTED,
        origin=Origin.PARTY,
        platform_fee_bps=ended.basis_points,
        platform_fee=fee_half_up(ended.amount, basis_points=ended.basis_points),
        created_at=at,
        updated_at=at,
    )


def booked(ended: Ended) -> dict[str, int]:
    """Post what orders posts for it; returns every account's balance by name."""
    order = the_order(ended)
    names = {f"escrow:{order.id}": "escrow", f"user:{order.buyer.id}": BUYER}
    names |= {f"user:{order.seller.id}": SELLER}
    balances = dict.fromkeys((*names.values(), *FEES), 0) | {"escrow": ended.amount}
    for transfer in postings.payout(order, payments=ended.payments, is_dispute=False):
        balances[names.get(transfer.debit, transfer.debit)] -= transfer.amount
        balances[names.get(transfer.credit, transfer.credit)] += transfer.amount
    return balances


def printed(ended: Ended) -> dict[str, int]:
    """Close the order, print its receipt, and read the figures back, in minor units."""
    order = the_order(ended)
    paid = postings.settlement(ended.payments, share=ended.shares[SELLER])
    closed, _ = endings.split(order, paid=paid, at=order.updated_at)
    data = rendering.receipt(wire.receipt_to_proto(uuid.UUID(int=5), closed))
    figures = {name: data[name] for name in ("amount", "platform_fee", "business_income")}
    read = {name: units_of(figure) for name, figure in figures.items()}
    breakdown = data["cost_breakdown"]
    borne = units_of(breakdown["provider_fee"]) if "provider_fee" in breakdown else 0
    for name, other in (
        ("base_amount", "amount"),
        ("platform_fee", "platform_fee"),
        ("business_payout", "business_income"),
    ):
        assert units_of(breakdown[name]) == read[other]
    return read | {"provider_fee": borne}


def units_of(fragment: Any) -> int:
    """Read a printed number back as minor units, by its digits."""
    whole, _, decimals = orjson.dumps([fragment]).decode()[1:-1].partition(".")
    return int(whole) * UNIT + int(decimals.ljust(7, "0"))


def assert_booked_as_paid(ended: Ended) -> None:
    """Hold the ledger to the chain: nothing left in escrow, each account as it was paid."""
    balances = booked(ended)

    assert balances == {
        "escrow": 0,
        SELLER: ended.paid("SELLER"),
        BUYER: ended.paid("BUYER"),
        "fees:platform": ended.paid("PLATFORM"),
        "fees:provider": ended.paid("PROVIDER"),
        "fees:absorbed": -ended.made_good,
    }
    assert sum(balances.values()) == ended.amount


def assert_receipt_adds_up(ended: Ended) -> None:
    """Hold the receipt to the chain, and its parts to its amount."""
    receipt = printed(ended)
    share = ended.shares[SELLER]
    agreed = fee_half_up(share, basis_points=ended.basis_points)

    assert receipt["amount"] == share
    assert receipt["business_income"] == ended.paid("SELLER")
    assert sum(receipt[name] for name in PARTS) == share
    assert abs(receipt["platform_fee"] - agreed) < CENT
    if ended.is_absorbed:
        # What was agreed; or a little less, where the contract took less than the rounded fee.
        assert receipt["business_income"] >= share - agreed
        assert receipt["business_income"] - (share - agreed) < CENT


@given(cents=AMOUNTS, basis_points=RATES, is_absorbed=st.booleans())
def test_a_release_adds_up(*, cents: int, basis_points: int, is_absorbed: bool) -> None:
    ended = released(cents * CENT, basis_points=basis_points, is_absorbed=is_absorbed)

    assert_booked_as_paid(ended)
    assert_receipt_adds_up(ended)


@given(cents=AMOUNTS, basis_points=RATES, is_absorbed=st.booleans())
def test_a_refund_adds_up_and_costs_no_platform_fee(
    *, cents: int, basis_points: int, is_absorbed: bool
) -> None:
    ended = divided(0, cents * CENT, basis_points=basis_points, is_absorbed=is_absorbed)

    assert_booked_as_paid(ended)
    provider = 0 if is_absorbed else ended.paid("PROVIDER")
    assert ended.paid("BUYER") == ended.amount - provider
    assert ended.paid("SELLER") == 0


@given(seller=AMOUNTS, buyer=AMOUNTS, basis_points=RATES, is_absorbed=st.booleans())
def test_a_split_adds_up_and_costs_a_platform_fee_on_what_is_released(
    *, seller: int, buyer: int, basis_points: int, is_absorbed: bool
) -> None:
    ended = divided(
        seller * CENT,
        buyer * CENT,
        basis_points=basis_points,
        is_absorbed=is_absorbed,
    )

    assert_booked_as_paid(ended)
    assert_receipt_adds_up(ended)
    share = ended.shares[BUYER]
    provider = 0 if is_absorbed else share * payouts.PROVIDER_BPS // payouts.DENOMINATOR
    assert ended.paid("BUYER") == share - provider


def test_the_documents_order_in_figures() -> None:
    absorbed = released(15_000 * CENT, basis_points=1000, is_absorbed=True)
    net = released(15_000 * CENT, basis_points=1000, is_absorbed=False)

    assert printed(absorbed) == {
        "amount": 15_000 * CENT,
        "platform_fee": 1500 * CENT,
        "business_income": 13_500 * CENT,
        "provider_fee": 0,
    }
    assert printed(net) == {
        "amount": 15_000 * CENT,
        "platform_fee": 1500 * CENT,
        "business_income": 13_455 * CENT,
        "provider_fee": 45 * CENT,
    }
