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
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from devnet.soroban import payouts
from gateway.party.receipts import receipt
from kernel.money import CENT, LARGEST, UNIT, fee_half_up
from services.escrow.contracts.fees import (
    MOST_FEE_BPS,
    FeePolicy,
    contract_fee_bps,
    distributions,
    largest_make_good,
    missing,
)
from services.escrow.contracts.plan import PlannedStep, plan_release, plan_resolve
from services.escrow.contracts.steps import StepName
from services.orders import wire
from services.orders.operations import postings
from services.orders.order import endings
from services.orders.order.domain import Order, Origin, State, UserName
from services.orders.peers.ports import Payment

SELLER, BUYER, PLATFORM = "seller", "buyer", "platform"
FEES = ("fees:platform", "fees:provider", "fees:absorbed")
OUTSIDE = "external:stellar"
PARTS = ("business_income", "platform_fee", "provider_fee")
# Half of the largest, so that two of them are an order. Of little money the roundings are much.
LITTLE = st.integers(1, 200)
AMOUNTS = LITTLE | LITTLE | st.integers(1, 100_000) | st.integers(1, LARGEST // CENT // 2)
RATES = st.integers(0, 9900) | st.sampled_from([0, 100, 250, 1000]) | st.integers(0, 3000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an order ended. payments: everything the chain reports; shares: before fees."""

    amount: int
    basis_points: int
    is_absorbed: bool
    shares: dict[str, int]
    payments: tuple[Payment, ...]

    @property
    def agreed(self) -> int:
        """The platform's fee on what was released."""
        return fee_half_up(self.shares[SELLER], basis_points=self.basis_points)

    def paid(self, payee: str) -> int:
        """Return the amount that a wallet received."""
        return postings.total(self.payments, payee)

    @property
    def made_good(self) -> int:
        """What the platform's wallet added."""
        return sum(p.amount for p in self.payments if p.is_absorbed_fee)


def released(amount: int, *, basis_points: int, is_absorbed: bool) -> Ended:
    """Release an order's amount."""
    policy = FeePolicy(is_absorbed=is_absorbed, platform_fee_bps=basis_points)
    contract_bps = contract_fee_bps(amount=amount, agreed_bps=basis_points)
    fees, paid = payouts.released(amount, platform_bps=contract_bps)
    plan = plan_release(milestones=1, amount=amount, fees=policy)
    return _ended({SELLER: amount, BUYER: 0}, policy, fees, {SELLER: paid}, plan)


def divided(
    seller: int, buyer: int, *, basis_points: int, is_absorbed: bool, surplus: int = 0
) -> Ended:
    """Divide an order's amount, or refund the amount if the seller gets nothing."""
    policy = FeePolicy(is_absorbed=is_absorbed, platform_fee_bps=basis_points)
    plan = plan_resolve(is_frozen=True, seller=seller, buyer=buyer, fees=policy)
    contract_bps = contract_fee_bps(amount=seller + buyer, agreed_bps=basis_points)
    parts = distributions(
        balance=seller + buyer + surplus,
        seller=seller,
        buyer=buyer,
        seller_due=int(plan[0].terms["seller_due"]),
        fee_bps=contract_bps,
    )
    if not surplus:
        assert all(part % 10_000 == 0 for part in parts.values())
    fees, paid = payouts.distributed(parts, platform_bps=contract_bps)
    return _ended({SELLER: seller, BUYER: buyer}, policy, fees, paid, plan)


def _ended(
    shares: dict[str, int],
    policy: FeePolicy,
    fees: payouts.Fees,
    paid: dict[str, int],
    plan: Sequence[PlannedStep],
) -> Ended:
    amount = sum(shares.values())
    contract_bps = contract_fee_bps(amount=amount, agreed_bps=policy.platform_fee_bps)
    payments = [_payment("PROVIDER", fees.provider), _payment("PLATFORM", fees.platform)]
    payments += [_payment(who.upper(), units) for who, units in paid.items()]
    for step in plan:
        if step.name is StepName.MAKE_GOOD:
            payee, due = str(step.terms["payee"]), int(step.terms["due"])
            added = missing(due=due, paid=[paid.get(payee, 0)])
            assert added <= largest_make_good(
                due=due, share=shares[payee], amount=amount, fee_bps=contract_bps
            )
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
    balances = dict.fromkeys((*names.values(), *FEES, OUTSIDE), 0) | {"escrow": ended.amount}
    for transfer in postings.payout(order, payments=ended.payments, is_dispute=False):
        balances[names.get(transfer.debit, transfer.debit)] -= transfer.amount
        balances[names.get(transfer.credit, transfer.credit)] += transfer.amount
    return balances


def printed(ended: Ended) -> dict[str, int]:
    """Close the order, print its receipt, and read the figures back, in minor units."""
    order = the_order(ended)
    paid = postings.settlement(ended.payments, share=ended.shares[SELLER])
    closed, _ = endings.split(order, paid=paid, at=order.updated_at)
    data = receipt(wire.receipt_to_proto(uuid.UUID(int=5), closed))
    figures = {name: data[name] for name in ("amount", "platform_fee", "business_income")}
    read = {name: units_of(figure) for name, figure in figures.items()}
    breakdown = data["cost_breakdown"]
    borne = units_of(breakdown["provider_fee"]) if "provider_fee" in breakdown else 0
    assert units_of(breakdown["base_amount"]) == read["amount"]
    assert units_of(breakdown["platform_fee"]) == read["platform_fee"]
    assert units_of(breakdown["business_payout"]) == read["business_income"]
    return read | {"provider_fee": borne}


def units_of(fragment: Any) -> int:
    """Read a printed number back as minor units, by its digits."""
    whole, _, decimals = orjson.dumps([fragment]).decode()[1:-1].partition(".")
    return int(whole) * UNIT + int(decimals.ljust(7, "0"))


def assert_booked_as_paid(ended: Ended) -> None:
    """Assert that the ledger matches the chain: escrow is empty, each account has its payments."""
    balances = booked(ended)
    surplus = sum(p.amount for p in ended.payments if not p.is_absorbed_fee) - ended.amount

    assert balances == {
        "escrow": 0,
        SELLER: ended.paid("SELLER"),
        BUYER: ended.paid("BUYER"),
        "fees:platform": ended.paid("PLATFORM"),
        "fees:provider": ended.paid("PROVIDER"),
        "fees:absorbed": -ended.made_good,
        OUTSIDE: -surplus,
    }
    assert sum(balances.values()) == ended.amount


def assert_receipt_adds_up(ended: Ended) -> None:
    """Assert that the receipt matches the chain, and each of its parts the agreed terms."""
    receipt = printed(ended)
    share = ended.shares[SELLER]

    assert receipt["amount"] == share
    assert receipt["business_income"] == ended.paid("SELLER")
    assert sum(receipt[name] for name in PARTS) == share
    assert receipt["platform_fee"] == ended.agreed
    # Where the rounded fee is the whole share, nothing is left to bear the provider's.
    assert receipt["provider_fee"] == min(borne(share, ended), share - ended.agreed)


def borne(share: int, ended: Ended) -> int:
    """Return the provider fee of a share, or 0 if the fee is absorbed."""
    return 0 if ended.is_absorbed else share * payouts.PROVIDER_BPS // payouts.DENOMINATOR


def contract_can_take(amount: int, *, basis_points: int) -> bool:
    """Return whether the contract's highest rate is enough for the agreed fee."""
    highest = amount * MOST_FEE_BPS // payouts.DENOMINATOR
    return fee_half_up(amount, basis_points=basis_points) <= highest


@given(cents=AMOUNTS, basis_points=RATES, is_absorbed=st.booleans())
def test_a_release_adds_up_and_costs_the_agreed_fee(
    *, cents: int, basis_points: int, is_absorbed: bool
) -> None:
    assume(contract_can_take(cents * CENT, basis_points=basis_points))
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
def test_a_split_adds_up_and_costs_the_agreed_fee_on_what_is_released(
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
    assert ended.paid("BUYER") == share - borne(share, ended)
    assert ended.paid("PROVIDER") == ended.amount * payouts.PROVIDER_BPS // payouts.DENOMINATOR


# Of one minor unit too much, the contract keeps a minor unit less of the seller's part.
@example(seller=5000, buyer=3000, surplus=1, basis_points=1000, is_absorbed=False)
@given(
    seller=AMOUNTS,
    buyer=st.just(0) | AMOUNTS,
    surplus=st.integers(1, 100) | st.integers(1, UNIT),
    basis_points=RATES,
    is_absorbed=st.booleans(),
)
def test_surplus_in_the_contract_changes_no_receipt(
    *, seller: int, buyer: int, surplus: int, basis_points: int, is_absorbed: bool
) -> None:
    ended = divided(
        seller * CENT,
        buyer * CENT,
        basis_points=basis_points,
        is_absorbed=is_absorbed,
        surplus=surplus,
    )

    assert_booked_as_paid(ended)
    assert_receipt_adds_up(ended)
    share = ended.shares[BUYER]
    assert ended.paid("BUYER") >= share - borne(share, ended)


@pytest.mark.parametrize("is_absorbed", [True, False])
def test_release_with_a_fee_above_the_contracts_limit_adds_up_to_the_paid_amounts(
    *, is_absorbed: bool
) -> None:
    # Half of a cent is a cent, rounded; the contract takes 99 % of it at the most.
    ended = released(CENT, basis_points=5000, is_absorbed=is_absorbed)

    assert_booked_as_paid(ended)
    assert printed(ended) == {
        "amount": CENT,
        "platform_fee": CENT * 99 // 100,
        "provider_fee": CENT * 3 // 1000,
        "business_income": CENT * 7 // 1000,
    }


@pytest.mark.parametrize("cents", [1, 4, 5, 14, 15, 25, 95, 115, 155, 165, 166, 199])
def test_small_order_costs_the_business_the_rounded_fee(cents: int) -> None:
    ended = released(cents * CENT, basis_points=1000, is_absorbed=True)

    fee = (cents + 5) // 10
    assert printed(ended) == {
        "amount": cents * CENT,
        "platform_fee": fee * CENT,
        "business_income": (cents - fee) * CENT,
        "provider_fee": 0,
    }


def test_documented_roundings_have_their_exact_figures() -> None:
    little = released(165 * CENT, basis_points=1000, is_absorbed=True)
    split = divided(5 * CENT, 195 * CENT, basis_points=1000, is_absorbed=False)

    assert little.paid("PLATFORM") == 1_701_150
    # Of 0.006 for the platform the contract keeps 0.30 %; 10 % of 2.00 are its other payment.
    of_split = [p.amount for p in split.payments if p.payee == "PLATFORM"]
    assert sorted(of_split) == [60_000 - 180 - 6000, 20 * CENT]
    assert printed(split)["business_income"] == 4 * CENT - 5 * CENT * 3 // 1000


@pytest.mark.parametrize("is_absorbed", [True, False])
@pytest.mark.parametrize("surplus", [0, 1])
def test_a_rounded_fee_can_take_the_whole_share(*, is_absorbed: bool, surplus: int) -> None:
    # Half of a cent is a cent, rounded.
    ended = divided(CENT, 9 * CENT, basis_points=5000, is_absorbed=is_absorbed, surplus=surplus)

    assert_booked_as_paid(ended)
    assert printed(ended) == {
        "amount": CENT,
        "platform_fee": CENT,
        "business_income": 0,
        "provider_fee": 0,
    }


def test_documented_order_has_its_exact_figures() -> None:
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
