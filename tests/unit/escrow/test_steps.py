"""The steps of each command, and the sums in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.money import CENT, fee_half_up
from services.escrow.steps import (
    BUYER,
    SELLER,
    FeePolicy,
    StepName,
    distributions,
    largest_make_good,
    missing,
    plan_freeze,
    plan_release,
    plan_resolve,
)

ABSORBED = FeePolicy(is_absorbed=True, platform_fee_bps=0)
NET = FeePolicy(is_absorbed=False, platform_fee_bps=0)
cents = st.integers(min_value=0, max_value=10**12).map(lambda n: n * CENT)


def test_a_release_completes_then_approves_then_pays_then_makes_good() -> None:
    planned = plan_release(milestones=2, amount=8000 * CENT, fees=ABSORBED)

    assert [(step.name, dict(step.terms)) for step in planned] == [
        (StepName.CHANGE_MILESTONE_STATUS, {"milestone": 0}),
        (StepName.CHANGE_MILESTONE_STATUS, {"milestone": 1}),
        (StepName.APPROVE_MILESTONE, {"milestone": 0}),
        (StepName.APPROVE_MILESTONE, {"milestone": 1}),
        (StepName.RELEASE_FUNDS, {}),
        (StepName.MAKE_GOOD, {"payee": SELLER, "due": 8000 * CENT}),
    ]


def test_nothing_is_made_good_where_the_receiver_bears_the_fee() -> None:
    planned = plan_release(milestones=1, amount=8000 * CENT, fees=NET)

    assert planned[-1].name is StepName.RELEASE_FUNDS


def test_the_platforms_fee_is_not_due_to_the_seller() -> None:
    fees = FeePolicy(is_absorbed=True, platform_fee_bps=1000)

    assert plan_release(milestones=1, amount=8000 * CENT, fees=fees)[-1].terms["due"] == 7200 * CENT


@pytest.mark.parametrize("is_absorbed", [True, False])
def test_the_platforms_fee_is_given_back_to_the_buyer(*, is_absorbed: bool) -> None:
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


@given(seller=cents, buyer=cents, dust=st.integers(min_value=0, max_value=10**10))
def test_the_whole_balance_is_divided_and_the_seller_gets_the_share(
    seller: int, buyer: int, dust: int
) -> None:
    shares = distributions(balance=seller + buyer + dust, seller=seller, buyer=buyer)

    assert sum(shares.values()) == seller + buyer + dust
    assert shares.get(SELLER, 0) == seller
    assert all(share > 0 for share in shares.values())


def test_a_contract_with_too_little_cannot_be_divided() -> None:
    with pytest.raises(ValueError, match="holds"):
        distributions(balance=CENT - 1, seller=0, buyer=CENT)


@given(
    share=st.integers(min_value=1, max_value=10**10).map(lambda n: n * CENT),
    fee_bps=st.integers(min_value=0, max_value=9900),
)
def test_what_fees_take_is_within_what_may_be_made_good(share: int, fee_bps: int) -> None:
    due = share - fee_half_up(share, basis_points=fee_bps)
    paid = share - share * 30 // 10_000 - share * fee_bps // 10_000

    left = missing(due=due, paid=[paid])

    assert left <= largest_make_good(due=due, platform_fee_bps=fee_bps) + CENT
    assert due - paid <= left


@given(share=st.integers(min_value=1, max_value=10**10).map(lambda n: n * CENT))
def test_a_refund_makes_both_fees_good(share: int) -> None:
    paid = share - share * 30 // 10_000 - share * 1000 // 10_000

    assert missing(due=share, paid=[paid]) <= largest_make_good(due=share, platform_fee_bps=1000)


def test_nothing_is_missing_where_more_was_paid() -> None:
    assert missing(due=5, paid=[3, 4]) == 0
