"""The planned steps of each command, and the amounts in their terms."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from devnet.soroban import payouts
from kernel.money import CENT, fee_half_up
from services.escrow.contracts.fees import (
    BUYER,
    GRAIN,
    MOST_FEE_BPS,
    PLATFORM,
    SELLER,
    FeePolicy,
    contract_fee_bps,
    distributions,
    largest_make_good,
    missing,
)
from services.escrow.contracts.plan import plan_freeze, plan_release, plan_resolve
from services.escrow.contracts.steps import StepName

ABSORBED = FeePolicy(is_absorbed=True, platform_fee_bps=0)
NET = FeePolicy(is_absorbed=False, platform_fee_bps=0)
cents = st.integers(min_value=0, max_value=10**12).map(lambda n: n * CENT)
amounts = (st.integers(1, 200) | st.integers(1, 10**10)).map(lambda n: n * CENT)
rates = st.integers(0, 9900) | st.integers(0, 1500)


def test_release_completes_milestones_then_approves_then_pays_then_reimburses() -> None:
    planned = plan_release(milestones=2, amount=8000 * CENT, fees=ABSORBED)

    assert [(step.name, dict(step.terms)) for step in planned] == [
        (StepName.CHANGE_MILESTONE_STATUS, {"milestone": 0}),
        (StepName.CHANGE_MILESTONE_STATUS, {"milestone": 1}),
        (StepName.APPROVE_MILESTONE, {"milestone": 0}),
        (StepName.APPROVE_MILESTONE, {"milestone": 1}),
        (StepName.RELEASE_FUNDS, {}),
        (StepName.MAKE_GOOD, {"payee": SELLER, "due": 8000 * CENT}),
    ]


def test_nothing_is_reimbursed_if_the_receiver_bears_the_provider_fee() -> None:
    planned = plan_release(milestones=1, amount=8000 * CENT, fees=NET)

    assert planned[-1].name is StepName.RELEASE_FUNDS


def test_seller_is_due_the_amount_less_the_platform_fee() -> None:
    fees = FeePolicy(is_absorbed=True, platform_fee_bps=1000)

    assert plan_release(milestones=1, amount=8000 * CENT, fees=fees)[-1].terms["due"] == 7200 * CENT


@pytest.mark.parametrize("is_absorbed", [True, False])
def test_refunded_buyer_is_reimbursed_for_the_platform_fee(*, is_absorbed: bool) -> None:
    fees = FeePolicy(is_absorbed=is_absorbed, platform_fee_bps=1000)

    planned = plan_resolve(is_frozen=True, seller=0, buyer=8000 * CENT, fees=fees)

    expected = 8000 * CENT if is_absorbed else 8000 * CENT * 9970 // 10_000
    assert planned[-1].terms == {"payee": BUYER, "due": expected}


def test_a_frozen_contract_is_not_frozen_again() -> None:
    assert plan_freeze()[0].name is StepName.DISPUTE
    planned = plan_resolve(is_frozen=True, seller=0, buyer=CENT, fees=NET)
    assert [step.name for step in planned] == [StepName.RESOLVE_DISPUTE]
    planned = plan_resolve(is_frozen=False, seller=0, buyer=CENT, fees=NET)
    assert [step.name for step in planned] == [StepName.DISPUTE, StepName.RESOLVE_DISPUTE]


def test_unabsorbed_provider_fee_reduces_what_seller_and_buyer_are_due() -> None:
    fees = FeePolicy(is_absorbed=False, platform_fee_bps=1000)

    planned = plan_resolve(is_frozen=True, seller=165 * CENT, buyer=35 * CENT, fees=fees)

    borne = 165 * CENT * 30 // 10_000
    assert [dict(step.terms) for step in planned] == [
        {
            "seller_share": 165 * CENT,
            "buyer_share": 35 * CENT,
            "seller_due": 148 * CENT - borne,
        },
        {"payee": SELLER, "due": 148 * CENT - borne},
        {"payee": BUYER, "due": 35 * CENT * 9970 // 10_000},
    ]


@pytest.mark.parametrize(
    ("amount", "agreed", "contract"),
    [
        (8000, 1000, 1000),
        (8000, 0, 0),
        (1, 0, 0),
        # 0.17 of 1.65; 1.66 is rounded to the same and needs less; 1.64 is rounded down.
        (165, 1000, 1031),
        (166, 1000, 1025),
        (164, 1000, 1000),
        (5, 1000, 2000),
        (4, 1000, 1000),
        # The rounded fee is the whole amount: more than the contract's highest rate.
        (1, 5000, 9900),
        (8000, 9900, 9900),
    ],
)
def test_contract_fee_rate_is_the_agreed_rate_or_the_rate_of_the_rounded_fee(
    amount: int, agreed: int, contract: int
) -> None:
    assert contract_fee_bps(amount=amount * CENT, agreed_bps=agreed) == contract


@given(amount=amounts, agreed=rates)
def test_contract_fee_rate_is_the_lowest_that_takes_the_agreed_fee(
    amount: int, agreed: int
) -> None:
    fee = fee_half_up(amount, basis_points=agreed)

    found = contract_fee_bps(amount=amount, agreed_bps=agreed)

    assert agreed <= found <= MOST_FEE_BPS
    if found < MOST_FEE_BPS:
        assert payouts.fees_of(amount, platform_bps=found).platform >= fee
    if found > agreed:
        assert payouts.fees_of(amount, platform_bps=found - 1).platform < fee


@given(
    seller=cents,
    buyer=cents,
    dust=st.integers(min_value=0, max_value=10**10),
    fee_bps=st.integers(0, 9900),
)
def test_whole_balance_is_distributed_and_the_surplus_goes_to_the_buyer(
    seller: int, buyer: int, dust: int, fee_bps: int
) -> None:
    assume(seller or buyer)

    parts = distributions(
        balance=seller + buyer + dust,
        seller=seller,
        buyer=buyer,
        seller_due=seller,
        fee_bps=fee_bps,
    )

    expected = {SELLER: seller, BUYER: buyer + dust}
    assert parts == {party: part for party, part in expected.items() if part}


@given(data=st.data(), amount=amounts, agreed=rates, is_absorbed=st.booleans())
def test_contract_pays_no_party_more_than_it_is_due(
    *, data: Any, amount: int, agreed: int, is_absorbed: bool
) -> None:
    seller = data.draw(st.integers(0, amount // CENT), label="seller") * CENT
    buyer = amount - seller
    fees = FeePolicy(is_absorbed=is_absorbed, platform_fee_bps=agreed)
    fee_bps = contract_fee_bps(amount=amount, agreed_bps=agreed)
    due = {SELLER: fees.due_to_seller(seller), BUYER: fees.due_to_buyer(buyer)}

    parts = distributions(
        balance=amount, seller=seller, buyer=buyer, seller_due=due[SELLER], fee_bps=fee_bps
    )

    assert sum(parts.values()) == amount
    assert parts.get(BUYER, 0) == buyer
    assert all(part > 0 and part % GRAIN == 0 for part in parts.values())
    _, paid = payouts.distributed(parts, platform_bps=fee_bps)
    for party, share in ((SELLER, seller), (BUYER, buyer)):
        left = due[party] - paid.get(party, 0)
        assert left >= 0
        # The limit of the reimbursement is the missing amount, plus a tenth of a cent at most.
        most = largest_make_good(due=due[party], share=share, amount=amount, fee_bps=fee_bps)
        assert left <= most <= left + GRAIN
    if PLATFORM in parts:
        # The platform's part is as small as possible: a larger seller's part would pay too much.
        more = parts.get(SELLER, 0) + GRAIN
        assert more - sum(_kept(more, bps) for bps in (30, fee_bps)) > due[SELLER]


@given(data=st.data(), amount=amounts, agreed=rates, dust=st.integers(1, GRAIN - 1))
def test_contract_with_dust_pays_the_seller_exactly_what_is_due(
    data: Any, amount: int, agreed: int, dust: int
) -> None:
    seller = data.draw(st.integers(1, amount // CENT), label="seller") * CENT
    fees = FeePolicy(is_absorbed=False, platform_fee_bps=agreed)
    fee_bps = contract_fee_bps(amount=amount, agreed_bps=agreed)
    due = fees.due_to_seller(seller)

    parts = distributions(
        balance=amount + dust,
        seller=seller,
        buyer=amount - seller,
        seller_due=due,
        fee_bps=fee_bps,
    )

    assert sum(parts.values()) == amount + dust
    _, paid = payouts.distributed(parts, platform_bps=fee_bps)
    assert paid.get(SELLER, 0) == due or PLATFORM not in parts
    assert paid.get(SELLER, 0) <= due


def test_balance_below_the_shares_cannot_be_distributed() -> None:
    with pytest.raises(ValueError, match="holds"):
        distributions(balance=CENT - 1, seller=0, buyer=CENT, seller_due=0, fee_bps=0)


def test_reimbursement_is_limited_to_the_fees_of_the_contract() -> None:
    release = largest_make_good(
        due=7200 * CENT, share=8000 * CENT, amount=8000 * CENT, fee_bps=1000
    )
    refund = largest_make_good(due=8000 * CENT, share=8000 * CENT, amount=8000 * CENT, fee_bps=1000)

    assert release == 24 * CENT + GRAIN
    assert refund == 824 * CENT + GRAIN


def test_overpaid_party_is_not_reimbursed() -> None:
    assert missing(due=5, paid=[3, 4]) == 0


def _kept(part: int, basis_points: int) -> int:
    return part * basis_points // payouts.DENOMINATOR
