"""The rules of a case."""

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.errors import InvalidArgument
from kernel.ids import DisputeId, MarketplaceId, OrderId, UserId, to_public
from kernel.money import CENT, USDC, Money
from kernel.urls import InvalidUrl
from services.disputes import domain
from services.disputes.domain import (
    DecisionAlreadyMade,
    Dispute,
    DisputeReason,
    DisputeStatus,
    InvalidState,
    NewCase,
    Side,
    TooMuchEvidence,
)
from services.disputes.rulings import DisputeDecision, Proposal, SplitAmountsMismatch

NOON = dt.datetime(2026, 2, 18, 12, tzinfo=dt.UTC)
LATER = NOON + dt.timedelta(hours=1)
LINK = "https://cdn.example.com/a.png"


def cents(count: int) -> Money:
    return Money(asset=USDC, minor_units=count * CENT)


def a_case(**changes: object) -> NewCase:
    case = NewCase(
        id=DisputeId(uuid.UUID(int=1)),
        order_id=OrderId(uuid.UUID(int=2)),
        buyer_id=UserId(uuid.UUID(int=3)),
        seller_id=UserId(uuid.UUID(int=4)),
        opened_by=Side.BUYER,
        reason=DisputeReason.NOT_DELIVERED,
        description="Nothing came",
        initiated_by=None,
        evidence=(LINK,),
        contract_snapshot_json="",
        amount=cents(8000),
    )
    return replace(case, **changes)  # type: ignore[arg-type] # one test, one field


def a_dispute(**changes: object) -> Dispute:
    marketplace_id = MarketplaceId(uuid.UUID(int=9))
    dispute, _ = domain.open_case(a_case(**changes), marketplace_id=marketplace_id, at=NOON)
    return dispute


def a_split(release: Money | None, refund: Money | None) -> Proposal:
    return a_proposal(DisputeDecision.SPLIT, release, refund)


def a_proposal(
    decision: DisputeDecision, release: Money | None = None, refund: Money | None = None
) -> Proposal:
    return Proposal(
        decision=decision, release=release, refund=refund, note="Half done", resolved_by="agent-1"
    )


def test_a_new_case_is_open_and_has_one_event() -> None:
    dispute, fact = domain.open_case(
        a_case(), marketplace_id=MarketplaceId(uuid.UUID(int=9)), at=NOON
    )

    assert dispute.status is DisputeStatus.OPEN
    assert dispute.version == 1
    assert fact.event_type == "dispute.opened"
    assert fact.payload == {
        "disputeId": to_public("dsp", dispute.id),
        "orderId": to_public("ord", dispute.order_id),
        "openedBy": "BUYER",
        "reason": "NOT_DELIVERED",
    }


@pytest.mark.parametrize("minor_units", [0, 1, CENT - 1, CENT + 1])
def test_a_case_is_about_whole_cents(minor_units: int) -> None:
    case = a_case(amount=Money(asset=USDC, minor_units=minor_units))

    with pytest.raises(InvalidArgument) as refusal:
        domain.open_case(case, marketplace_id=MarketplaceId(uuid.UUID(int=9)), at=NOON)

    assert refusal.value.fields == (("amount", "must be positive and in whole cents"),)


@pytest.mark.parametrize("text", ["[]", "1", "{", "null", '"a"', "[" * 100_000])
def test_a_snapshot_that_is_not_a_json_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        domain.open_case(
            a_case(contract_snapshot_json=text),
            marketplace_id=MarketplaceId(uuid.UUID(int=9)),
            at=NOON,
        )

    assert refusal.value.fields == (("contract_snapshot_json", "must be a JSON object"),)


def test_a_case_is_not_opened_with_a_hidden_link() -> None:
    with pytest.raises(InvalidUrl) as refusal:
        domain.open_case(
            a_case(evidence=(LINK, "http://example.com")),
            marketplace_id=MarketplaceId(uuid.UUID(int=9)),
            at=NOON,
        )

    assert refusal.value.fields[0][0] == "evidence[1]"


@pytest.mark.parametrize(
    ("changed", "is_same"),
    [
        ({}, True),
        ({"evidence": (LINK, LINK)}, True),
        ({"description": "Nothing arrived"}, False),
        ({"opened_by": Side.SELLER}, False),
        ({"amount": cents(8001)}, False),
    ],
)
def test_an_opening_is_a_repeat_if_the_kept_fields_are_equal(
    changed: dict[str, object], *, is_same: bool
) -> None:
    known, _ = domain.assign(a_dispute(), agent_id="agent-1", notes="", at=LATER)

    assert domain.is_same_opening(known, a_dispute(**changed)) is is_same


def test_assigning_puts_the_case_under_review() -> None:
    dispute, fact = domain.assign(a_dispute(), agent_id="agent-1", notes="Urgent", at=LATER)

    assert dispute.status is DisputeStatus.UNDER_REVIEW
    assert (dispute.assigned_to, dispute.assignment_notes) == ("agent-1", "Urgent")
    assert (dispute.version, dispute.updated_at) == (2, LATER)
    assert fact.event_type == "dispute.under_review"
    assert fact.payload["reviewedBy"] == "agent-1"


def test_a_case_can_be_given_to_another_agent() -> None:
    first, _ = domain.assign(a_dispute(), agent_id="agent-1", notes="", at=NOON)

    second, fact = domain.assign(first, agent_id="agent-2", notes="", at=LATER)

    assert second.assigned_to == "agent-2"
    assert second.version == 3
    assert fact.payload["reviewedBy"] == "agent-2"


def test_evidence_is_appended() -> None:
    dispute, fact = domain.add_evidence(a_dispute(), evidence=[LINK + "?2"], at=LATER)

    assert dispute.evidence == (LINK, LINK + "?2")
    assert dispute.status is DisputeStatus.OPEN
    assert fact.event_type == "dispute.evidence_added"
    assert fact.payload["evidenceCount"] == 2


def test_a_case_holds_at_most_100_links() -> None:
    full, _ = domain.add_evidence(a_dispute(), evidence=[LINK] * 99, at=LATER)

    with pytest.raises(TooMuchEvidence):
        domain.add_evidence(full, evidence=[LINK], at=LATER)


def test_a_split_records_both_amounts() -> None:
    dispute = domain.decide(a_dispute(), a_split(cents(5000), cents(3000)), at=LATER)

    assert dispute.ruling is not None
    assert (dispute.ruling.release, dispute.ruling.refund) == (cents(5000), cents(3000))
    assert dispute.status is DisputeStatus.OPEN
    assert dispute.version == 1


@pytest.mark.parametrize(
    ("decision", "release", "refund"),
    [
        (DisputeDecision.FULL_RELEASE, 8000, 0),
        (DisputeDecision.FULL_REFUND, 0, 8000),
    ],
)
def test_a_full_decision_implies_its_amounts(
    decision: DisputeDecision, release: int, refund: int
) -> None:
    implied = domain.decide(a_dispute(), a_proposal(decision), at=LATER)
    said = domain.decide(a_dispute(), a_proposal(decision, cents(release), cents(refund)), at=LATER)

    assert implied == said
    assert implied.ruling is not None
    assert (implied.ruling.release, implied.ruling.refund) == (cents(release), cents(refund))


@pytest.mark.parametrize("decision", [DisputeDecision.FULL_RELEASE, DisputeDecision.FULL_REFUND])
def test_a_full_decision_with_amounts_of_a_split_is_refused(decision: DisputeDecision) -> None:
    proposal = a_proposal(decision, cents(5000), cents(3000))

    with pytest.raises(InvalidArgument) as refusal:
        domain.decide(a_dispute(), proposal, at=LATER)

    assert [field for field, _ in refusal.value.fields] == ["release_amount", "refund_amount"]
    assert refusal.value.reason == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    ("release", "refund", "field", "words"),
    [
        (None, cents(8000), "release_amount", "is required"),
        (cents(8000), None, "refund_amount", "is required"),
        (cents(8000), cents(0), "refund_amount", "use FULL_RELEASE or FULL_REFUND"),
        (cents(0), cents(8000), "release_amount", "use FULL_RELEASE or FULL_REFUND"),
        (cents(-1), cents(8001), "release_amount", "greater than 0"),
        (cents(5000), cents(2999), "release_amount", "80.00 USDC, not 79.99 USDC"),
        (cents(5000), cents(3001), "release_amount", "80.00 USDC, not 80.01 USDC"),
        (Money(asset="EURC", minor_units=CENT), cents(7999), "release_amount", "in USDC"),
        (
            Money(asset=USDC, minor_units=CENT + 1),
            Money(asset=USDC, minor_units=7999 * CENT - 1),
            "release_amount",
            "whole cents",
        ),
    ],
)
def test_a_split_that_does_not_divide_the_case_is_refused(
    release: Money | None, refund: Money | None, field: str, words: str
) -> None:
    with pytest.raises(SplitAmountsMismatch) as refusal:
        domain.decide(a_dispute(), a_split(release, refund), at=LATER)

    assert refusal.value.fields[0][0] == field
    assert words in refusal.value.fields[0][1]


@given(total=st.integers(1, 10**14), release=st.integers(-1, 10**14 + 1))
def test_every_accepted_split_pays_exactly_the_case(total: int, release: int) -> None:
    dispute = replace(a_dispute(), amount=cents(total))
    proposal = a_split(cents(release), cents(total - release))

    if 0 < release < total:
        ruling = domain.decide(dispute, proposal, at=LATER).ruling
        assert ruling is not None
        assert ruling.release + ruling.refund == dispute.amount
    else:
        with pytest.raises(SplitAmountsMismatch):
            domain.decide(dispute, proposal, at=LATER)


def test_the_same_decision_again_changes_nothing() -> None:
    decided = domain.decide(a_dispute(), a_split(cents(5000), cents(3000)), at=NOON)
    again = replace(a_split(cents(5000), cents(3000)), note="Other words", resolved_by="agent-2")

    assert domain.decide(decided, again, at=LATER) == decided


@pytest.mark.parametrize(
    "proposal",
    [
        a_proposal(DisputeDecision.FULL_REFUND),
        a_split(cents(3000), cents(5000)),
    ],
)
def test_another_decision_is_refused_and_the_first_stands(proposal: Proposal) -> None:
    decided = domain.decide(a_dispute(), a_split(cents(5000), cents(3000)), at=NOON)

    with pytest.raises(DecisionAlreadyMade) as refusal:
        domain.decide(decided, proposal, at=LATER)

    assert refusal.value.details["decision"] == "SPLIT"


def test_a_withdrawn_decision_leaves_the_case_to_be_decided_again() -> None:
    decided = domain.decide(a_dispute(), a_split(cents(5000), cents(3000)), at=NOON)

    open_again = domain.withdraw(decided, at=LATER)
    refunded = domain.decide(open_again, a_proposal(DisputeDecision.FULL_REFUND), at=LATER)

    assert (open_again.ruling, open_again.status) == (None, DisputeStatus.OPEN)
    assert refunded.ruling is not None
    assert domain.withdraw(open_again, at=LATER) == open_again


def test_a_paid_decision_cannot_be_withdrawn() -> None:
    decided = domain.decide(a_dispute(), a_split(cents(5000), cents(3000)), at=NOON)
    resolved, _ = domain.complete(decided, at=NOON)

    with pytest.raises(InvalidState):
        domain.withdraw(resolved, at=LATER)


def test_completing_publishes_the_decision() -> None:
    decided = domain.decide(a_dispute(), a_split(cents(5000), cents(3000)), at=NOON)

    dispute, fact = domain.complete(decided, at=LATER)

    assert dispute.status is DisputeStatus.RESOLVED
    assert dispute.resolved_at == LATER
    assert fact is not None
    assert fact.event_type == "dispute.resolved"
    assert fact.payload["decision"] == "SPLIT"
    assert fact.payload["resolvedBy"] == "agent-1"
    assert fact.payload["resolvedAt"] == "2026-02-18T13:00:00.000Z"


def test_completing_twice_publishes_one_event() -> None:
    decided = domain.decide(a_dispute(), a_split(cents(5000), cents(3000)), at=NOON)
    resolved, _ = domain.complete(decided, at=NOON)

    again, fact = domain.complete(resolved, at=LATER)

    assert again == resolved
    assert fact is None


def test_a_case_without_a_decision_is_not_completed() -> None:
    with pytest.raises(InvalidState) as refusal:
        domain.complete(a_dispute(), at=LATER)

    assert refusal.value.message == "The case has not been decided"


@pytest.mark.parametrize(
    "act",
    [
        partial(domain.assign, agent_id="agent-1", notes="", at=LATER),
        partial(domain.add_evidence, evidence=[LINK], at=LATER),
    ],
)
def test_a_resolved_case_cannot_be_changed(act: Callable[[Dispute], object]) -> None:
    decided = domain.decide(a_dispute(), a_proposal(DisputeDecision.FULL_REFUND), at=NOON)
    resolved, _ = domain.complete(decided, at=NOON)

    with pytest.raises(InvalidState) as refusal:
        act(resolved)

    assert refusal.value.reason == "INVALID_STATE"
    assert refusal.value.details == {
        "disputeId": resolved.public_id,
        "currentState": "RESOLVED",
        "allowedStates": ["OPEN", "UNDER_REVIEW"],
    }
