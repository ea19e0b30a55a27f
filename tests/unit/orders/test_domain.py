"""The order's transition table, each pair of state and trigger, and the events of its ends."""

import datetime as dt
import itertools
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.errors import DomainError
from kernel.money import CENT
from services.orders import wire
from services.orders.operations import postings
from services.orders.order import domain, endings
from services.orders.order.domain import (
    TRANSITIONS,
    Decision,
    EscrowInfo,
    Order,
    OrderInWrongState,
    Origin,
    Party,
    State,
    Trigger,
    UserName,
)
from services.orders.order.endings import SplitAmountsMismatch
from services.orders.order.settlement import Settlement
from services.orders.peers.ports import Payment

NOW = dt.datetime(2026, 2, 18, 10, tzinfo=dt.UTC)
EIGHTY = 8000 * CENT
# The guide's table, copied by hand, so that the code's table cannot drift from it.
DOCUMENTED = {
    "ORDER_CREATED": {"FUNDS_RESERVED", "CLOSED"},
    "FUNDS_RESERVED": {"ESCROW_CREATING", "CLOSED"},
    "ESCROW_CREATING": {"ESCROW_FUNDING"},
    "ESCROW_FUNDING": {"ESCROW_FUNDED"},
    "ESCROW_FUNDED": {"IN_PROGRESS"},
    "IN_PROGRESS": {"RELEASE_REQUESTED", "REFUND_REQUESTED", "DISPUTED"},
    "RELEASE_REQUESTED": {"RELEASED"},
    "REFUND_REQUESTED": {"REFUNDED"},
    "DISPUTED": {"RELEASED", "REFUNDED"},
    "RELEASED": {"CLOSED"},
    "REFUNDED": {"CLOSED"},
    "CLOSED": set(),
}


def an_order(state: State = State.ORDER_CREATED, amount: int = EIGHTY) -> Order:
    """Make an order in a state."""
    return Order(
        id=uuid.UUID(int=1),
        marketplace_id=uuid.UUID(int=2),
        buyer=UserName(id=uuid.UUID(int=3), public_id="usr_buyer123"),
        seller=UserName(id=uuid.UUID(int=4), public_id="usr_seller456"),
        asset="USDC",
        currency="USDC",
        amount=amount,
        title="Logo design",
        description="",
        state=state,
        origin=Origin.MARKETPLACE,
        created_at=NOW,
        updated_at=NOW,
        version=1,
        escrow=EscrowInfo(id=uuid.UUID(int=5), contract_id="C1"),
    )


def test_table_matches_the_guide_plus_the_return_from_a_failed_escrow() -> None:
    found: dict[str, set[str]] = {state.value: set() for state in State}
    for (before, trigger), after in TRANSITIONS.items():
        if trigger not in {
            Trigger.ESCROW_FAILED,
            Trigger.COMPLETE_MILESTONE,
            Trigger.EXPIRE,
            Trigger.DELIVER,
            Trigger.PAYOUT_ABANDONED,
        }:
            found[before.value].add(after.value)

    assert found == DOCUMENTED
    assert {b for (b, t), a in TRANSITIONS.items() if t is Trigger.ESCROW_FAILED} == {
        State.ESCROW_CREATING,
        State.ESCROW_FUNDING,
    }


@pytest.mark.parametrize(("state", "trigger"), list(itertools.product(State, Trigger)))
def test_a_command_outside_the_table_is_refused_with_the_allowed_states(
    state: State, trigger: Trigger
) -> None:
    order = an_order(state)

    if (state, trigger) in TRANSITIONS:
        assert domain.require(order, trigger) is TRANSITIONS[state, trigger]
        return
    with pytest.raises(OrderInWrongState) as refusal:
        domain.require(order, trigger)
    assert refusal.value.details["currentState"] == state.value
    assert refusal.value.details["allowedStates"] == domain.allowed_states(trigger)


def test_a_second_delivery_is_refused() -> None:
    once, _ = endings.delivered(an_order(State.IN_PROGRESS), notes="", url="", at=NOW)

    with pytest.raises(OrderInWrongState):
        endings.delivered(once, notes="", url="", at=NOW)


def test_a_split_has_events_for_both_payments_and_counts_as_released() -> None:
    order = an_order(State.DISPUTED)

    paid = Settlement(share=50, to_seller=50, to_buyer=30, provider_fee=0, outflow=80)
    after, facts = endings.split(order, paid=paid, at=NOW)

    assert [fact.event_type for fact in facts] == [
        "order.released",
        "order.refunded",
        "order.closed",
    ]
    assert after.final_status is domain.FinalStatus.RELEASED


@given(release=st.integers(-10, EIGHTY + 10), refund=st.integers(-10, EIGHTY + 10))
def test_a_split_needs_two_positive_parts_that_sum_to_the_amount(release: int, refund: int) -> None:
    order = an_order(State.DISPUTED)
    is_split = (
        release > 0
        and refund > 0
        and release % CENT == 0
        and refund % CENT == 0
        and release + refund == order.amount
    )

    try:
        shares = endings.shares(order, decision=Decision.SPLIT, release=release, refund=refund)
    except SplitAmountsMismatch:
        assert not is_split
    else:
        assert is_split
        assert shares == (release, refund)


@pytest.mark.parametrize("decision", [Decision.FULL_RELEASE, Decision.FULL_REFUND])
def test_amounts_with_a_full_decision_are_refused(decision: Decision) -> None:
    with pytest.raises(SplitAmountsMismatch):
        endings.shares(an_order(), decision=decision, release=EIGHTY, refund=None)


def test_the_canceled_event_has_party_and_reason() -> None:
    _, facts = endings.canceled(an_order(), by=Party.BUYER, reason="Changed my mind", at=NOW)

    assert facts[0].payload["canceledBy"] == "BUYER"
    assert facts[0].payload["reason"] == "Changed my mind"
    assert facts[1].payload["finalStatus"] == "CANCELED"


@pytest.mark.parametrize(
    ("by", "is_confirmed", "signal"),
    [
        (Party.BUYER, True, "satisfied"),
        (Party.SYSTEM, True, "neutral"),
        (Party.SELLER, False, "neutral"),
        (Party.SUPPORT, False, "neutral"),
    ],
)
def test_receipt_signal_is_satisfied_only_if_the_buyer_confirmed(
    by: Party, *, is_confirmed: bool, signal: str
) -> None:
    asked, _ = endings.release_requested(an_order(State.IN_PROGRESS), by=by, at=NOW)
    paid = Settlement(share=EIGHTY, to_seller=EIGHTY, to_buyer=0, provider_fee=0, outflow=EIGHTY)

    closed, _ = endings.released(asked, paid=paid, escrow_status="RELEASED", at=NOW)

    assert (closed.confirmed_at is not None) == is_confirmed
    assert wire.receipt_to_proto(uuid.uuid4(), closed).personal_signal == signal


@given(cents=st.integers(1, 10**9), surplus=st.integers(0, 10**6), fee_bps=st.integers(0, 9900))
def test_payout_transfers_take_exactly_the_order_amount_from_escrow(
    cents: int, surplus: int, fee_bps: int
) -> None:
    order = an_order(State.RELEASE_REQUESTED, amount=cents * CENT)
    outflow = order.amount + surplus
    provider, platform = outflow * 30 // 10_000, outflow * fee_bps // 10_000
    payments = [
        _payment("PROVIDER", provider),
        _payment("PLATFORM", platform),
        _payment("SELLER", outflow - provider - platform),
        _payment("SELLER", provider, is_absorbed=True),
    ]

    transfers = postings.payout(order, payments=payments, is_dispute=False)

    account = f"escrow:{order.id}"
    taken = sum(t.amount for t in transfers if t.debit == account)
    given = sum(t.amount for t in transfers if t.credit == account)
    assert taken - given == order.amount
    assert all(t.amount > 0 for t in transfers)
    assert len({t.id for t in transfers}) == len(transfers)


def test_refusals_are_domain_errors_with_a_documented_reason() -> None:
    for error in (domain.OrderNotFound, OrderInWrongState, domain.EscrowAlreadyExists):
        assert issubclass(error, DomainError)
        assert error.reason.isupper()


def _payment(payee: str, amount: int, *, is_absorbed: bool = False) -> Payment:
    return Payment(
        payee=payee,  # type: ignore[arg-type] # a known side
        amount=amount,
        transaction_hash="ab" * 32,
        is_absorbed_fee=is_absorbed,
    )
