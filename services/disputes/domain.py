"""The case and its rules. Pure: time and ids are arguments, and events are results."""

import datetime as dt
import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kernel.clock import to_milliseconds_text
from kernel.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from kernel.ids import DisputeId, MarketplaceId, OrderId, UserId, to_public
from kernel.money import CENT, Money
from kernel.urls import require_url
from services.disputes.rulings import Proposal, Ruling, ruling_on
from services.disputes.waits import NO_WAITS, Waits

EVIDENCE_MAX = 100
# The fields that are set when a case is opened and never change. Evidence can be added later.
OPENED_WITH = (
    "id",
    "marketplace_id",
    "order_id",
    "opened_by",
    "reason",
    "description",
    "initiated_by",
    "contract_snapshot_json",
    "amount",
)


class DisputeStatus(enum.StrEnum):
    """The status of a case."""

    OPEN = "OPEN"
    UNDER_REVIEW = "UNDER_REVIEW"
    RESOLVED = "RESOLVED"


class Action(enum.StrEnum):
    """The actions on a case."""

    ASSIGN = "ASSIGN"
    UNASSIGN = "UNASSIGN"
    MESSAGE = "MESSAGE"
    ADD_EVIDENCE = "ADD_EVIDENCE"
    DECIDE = "DECIDE"
    COMPLETE = "COMPLETE"
    WITHDRAW = "WITHDRAW"


class Side(enum.StrEnum):
    """The side of the order that opened the dispute."""

    BUYER = "BUYER"
    SELLER = "SELLER"


class DisputeReason(enum.StrEnum):
    """The reason why the dispute was opened."""

    NOT_DELIVERED = "NOT_DELIVERED"
    QUALITY_ISSUE = "QUALITY_ISSUE"
    OTHER = "OTHER"


# Any other pair is refused. A decision does not change the status: a case is resolved only after
# the decision has been paid.
TRANSITIONS: Mapping[tuple[DisputeStatus, Action], DisputeStatus] = {
    (DisputeStatus.OPEN, Action.ASSIGN): DisputeStatus.UNDER_REVIEW,
    (DisputeStatus.OPEN, Action.MESSAGE): DisputeStatus.OPEN,
    (DisputeStatus.OPEN, Action.ADD_EVIDENCE): DisputeStatus.OPEN,
    (DisputeStatus.OPEN, Action.DECIDE): DisputeStatus.OPEN,
    (DisputeStatus.OPEN, Action.COMPLETE): DisputeStatus.RESOLVED,
    (DisputeStatus.OPEN, Action.WITHDRAW): DisputeStatus.OPEN,
    (DisputeStatus.UNDER_REVIEW, Action.ASSIGN): DisputeStatus.UNDER_REVIEW,
    (DisputeStatus.UNDER_REVIEW, Action.UNASSIGN): DisputeStatus.OPEN,
    (DisputeStatus.UNDER_REVIEW, Action.MESSAGE): DisputeStatus.UNDER_REVIEW,
    (DisputeStatus.UNDER_REVIEW, Action.ADD_EVIDENCE): DisputeStatus.UNDER_REVIEW,
    (DisputeStatus.UNDER_REVIEW, Action.DECIDE): DisputeStatus.UNDER_REVIEW,
    (DisputeStatus.UNDER_REVIEW, Action.COMPLETE): DisputeStatus.RESOLVED,
    (DisputeStatus.UNDER_REVIEW, Action.WITHDRAW): DisputeStatus.UNDER_REVIEW,
}


class DisputeNotFound(NotFound):
    """No such case in this marketplace."""

    reason = "DISPUTE_NOT_FOUND"


class DisputeAlreadyOpen(FailedPrecondition):
    """The order has an open case."""

    reason = "DISPUTE_ALREADY_OPEN"


class DisputeIdTaken(AlreadyExists):
    """The id belongs to another dispute."""

    reason = "DISPUTE_ID_TAKEN"


class InvalidState(FailedPrecondition):
    """The status of the case does not allow it."""


class DecisionAlreadyMade(FailedPrecondition):
    """The dispute already has another decision."""

    reason = "DECISION_ALREADY_MADE"


class TooMuchEvidence(InvalidArgument):
    """The dispute has the maximum number of links."""

    reason = "TOO_MUCH_EVIDENCE"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCase:
    """A case to open. amount: the order's money in escrow.

    buyer_id, seller_id: the order's sides; both or neither are given. answer_within, decide_within:
    the time that support has; None: no limit. clock_offset: of the marketplace's clock.
    """

    id: DisputeId
    order_id: OrderId
    buyer_id: UserId | None
    seller_id: UserId | None
    opened_by: Side
    reason: DisputeReason
    description: str
    initiated_by: UserId | None
    evidence: tuple[str, ...]
    contract_snapshot_json: str
    amount: Money
    answer_within: dt.timedelta | None = None
    decide_within: dt.timedelta | None = None
    clock_offset: dt.timedelta = dt.timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A case. version: the number of its events.

    assigned_to_name: the name of a person of support who has assigned the case to themselves.
    """

    id: DisputeId
    marketplace_id: MarketplaceId
    order_id: OrderId
    buyer_id: UserId | None
    seller_id: UserId | None
    status: DisputeStatus
    opened_by: Side
    reason: DisputeReason
    description: str
    initiated_by: UserId | None
    evidence: tuple[str, ...]
    contract_snapshot_json: str
    amount: Money
    created_at: dt.datetime
    updated_at: dt.datetime
    version: int
    assigned_to: str = ""
    assigned_to_name: str = ""
    assignment_notes: str = ""
    ruling: Ruling | None = None
    resolved_at: dt.datetime | None = None
    waits: Waits = NO_WAITS

    @property
    def public_id(self) -> str:
        """The public id (`dsp_…`)."""
        return to_public("dsp", self.id)

    @property
    def overdue_since(self) -> dt.datetime | None:
        """The due moment of the earliest overdue wait; None: the case is not overdue."""
        return self.waits.overdue_since(is_decided=self.ruling is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """The filters of a list; None: any. opened_from: inclusive. opened_to: exclusive.

    assigned_to: the agent's id; empty: any case.
    """

    marketplace_id: MarketplaceId
    ids: Sequence[DisputeId] | None
    order_id: OrderId | None
    status: DisputeStatus | None
    assigned_to: str
    opened_by: Side | None
    opened_from: dt.datetime | None
    opened_to: dt.datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """An event that a decision produces: its type, and its payload by documented field names."""

    event_type: str
    payload: Mapping[str, object]


def open_case(
    case: NewCase, *, marketplace_id: MarketplaceId, at: dt.datetime, waits: Waits = NO_WAITS
) -> tuple[Dispute, Fact]:
    """Open a case. Raises: InvalidUrl; InvalidArgument: the amount or the snapshot is wrong."""
    if case.amount.minor_units <= 0 or case.amount.minor_units % CENT:
        wrong = ("amount", "must be positive and in whole cents")
        raise InvalidArgument("Invalid field: amount", fields=[wrong])
    if case.contract_snapshot_json:
        try:
            snapshot = json.loads(case.contract_snapshot_json)
        except (ValueError, RecursionError):
            snapshot = None
        if not isinstance(snapshot, dict):
            wrong = ("contract_snapshot_json", "must be a JSON object")
            raise InvalidArgument("Invalid field: contract_snapshot_json", fields=[wrong])
    dispute = Dispute(
        id=case.id,
        marketplace_id=marketplace_id,
        order_id=case.order_id,
        buyer_id=case.buyer_id,
        seller_id=case.seller_id,
        status=DisputeStatus.OPEN,
        opened_by=case.opened_by,
        reason=case.reason,
        description=case.description,
        initiated_by=case.initiated_by,
        evidence=_links(case.evidence),
        contract_snapshot_json=case.contract_snapshot_json,
        amount=case.amount,
        created_at=at,
        updated_at=at,
        version=1,
        waits=waits,
    )
    payload = {"openedBy": dispute.opened_by, "reason": dispute.reason}
    return dispute, fact("opened", dispute, payload)


def is_same_opening(known: Dispute, opened: Dispute) -> bool:
    """Tell whether a known case was opened with the same fields. Later changes do not count."""
    return all(getattr(known, name) == getattr(opened, name) for name in OPENED_WITH)


def assign(
    dispute: Dispute, *, agent_id: str, agent_name: str = "", notes: str, at: dt.datetime
) -> tuple[Dispute, Fact]:
    """Assign the case to an agent, who replaces an earlier one. Raises: InvalidState."""
    dispute = replace(
        dispute,
        status=_next_status(dispute, Action.ASSIGN),
        assigned_to=agent_id,
        assigned_to_name=agent_name,
        assignment_notes=notes,
        updated_at=at,
        version=dispute.version + 1,
    )
    return dispute, fact("under_review", dispute, {"reviewedBy": agent_id})


def unassign(dispute: Dispute, *, at: dt.datetime) -> tuple[Dispute, Fact]:
    """Remove the case's agent. The case is open again. Raises: InvalidState."""
    dispute = replace(
        take_up(dispute, Action.UNASSIGN, at=at),
        assigned_to="",
        assigned_to_name="",
        assignment_notes="",
    )
    return dispute, fact("unassigned", dispute, {})


def take_up(dispute: Dispute, action: Action, *, at: dt.datetime) -> Dispute:
    """Return the case after an action that has an event. Raises: InvalidState."""
    status = _next_status(dispute, action)
    return replace(dispute, status=status, updated_at=at, version=dispute.version + 1)


def add_evidence(
    dispute: Dispute, *, evidence: Sequence[str], at: dt.datetime
) -> tuple[Dispute, Fact]:
    """Add links to the case. Raises: InvalidState; InvalidUrl; TooMuchEvidence."""
    status = _next_status(dispute, Action.ADD_EVIDENCE)
    links = (*dispute.evidence, *_links(evidence))
    if len(links) > EVIDENCE_MAX:
        raise TooMuchEvidence(
            f"A case holds at most {EVIDENCE_MAX} links",
            details={"disputeId": dispute.public_id, "limit": EVIDENCE_MAX},
            fields=[("evidence", f"a case holds at most {EVIDENCE_MAX} links")],
        )
    dispute = replace(
        dispute, status=status, evidence=links, updated_at=at, version=dispute.version + 1
    )
    return dispute, fact("evidence_added", dispute, {"evidenceCount": len(links)})


def decide(dispute: Dispute, proposal: Proposal, *, at: dt.datetime) -> Dispute:
    """Record the decision once. The same decision again changes nothing.

    Raises: DecisionAlreadyMade; InvalidState; SplitAmountsMismatch; InvalidArgument: the amounts
        contradict the decision.
    """
    ruling = ruling_on(dispute.amount, proposal, at=at)
    if dispute.ruling is not None:
        if dispute.ruling.pays_as(ruling):
            return dispute
        raise DecisionAlreadyMade(
            "The case has another decision",
            details={"disputeId": dispute.public_id, "decision": dispute.ruling.decision.value},
        )
    status = _next_status(dispute, Action.DECIDE)
    return replace(dispute, status=status, ruling=ruling, updated_at=at)


def withdraw(dispute: Dispute, *, at: dt.datetime) -> Dispute:
    """Withdraw a decision that will never be paid. Raises: InvalidState: it was paid."""
    status = _next_status(dispute, Action.WITHDRAW)
    if dispute.ruling is None:
        return dispute
    return replace(dispute, status=status, ruling=None, updated_at=at)


def complete(dispute: Dispute, *, at: dt.datetime) -> tuple[Dispute, Fact | None]:
    """Mark the case resolved; return no event if it already was. Raises: InvalidState."""
    if dispute.status is DisputeStatus.RESOLVED:
        return dispute, None
    status = _next_status(dispute, Action.COMPLETE)
    if dispute.ruling is None:
        raise _invalid_state(dispute, Action.COMPLETE, "The case has not been decided")
    payload = {
        "decision": dispute.ruling.decision,
        "resolvedBy": dispute.ruling.resolved_by,
        "resolvedAt": to_milliseconds_text(at),
    }
    dispute = replace(
        dispute, status=status, updated_at=at, resolved_at=at, version=dispute.version + 1
    )
    return dispute, fact("resolved", dispute, payload)


def tell_overdue(
    dispute: Dispute, *, time: dt.datetime, at: dt.datetime
) -> tuple[Dispute, Fact] | None:
    """Return the event of the next due wait that has no event yet; None: there is none.

    time: the present time by the marketplace's clock.
    """
    untold = dispute.waits.untold(is_decided=dispute.ruling is not None)
    if untold is None or untold[0] > time:
        return None
    due_at, wait = untold
    payload = {
        "waitsFor": wait,
        "dueAt": to_milliseconds_text(due_at),
        "assignedTo": dispute.assigned_to,
    }
    dispute = replace(
        dispute, waits=dispute.waits.tell(wait), updated_at=at, version=dispute.version + 1
    )
    return dispute, fact("overdue", dispute, payload)


def _next_status(dispute: Dispute, action: Action) -> DisputeStatus:
    status = TRANSITIONS.get((dispute.status, action))
    if status is None:
        raise _invalid_state(dispute, action, f"A case that is {dispute.status} cannot do this")
    return status


def _invalid_state(dispute: Dispute, action: Action, message: str) -> InvalidState:
    details = {
        "disputeId": dispute.public_id,
        "currentState": dispute.status.value,
        "allowedStates": [status.value for status, known in TRANSITIONS if known is action],
    }
    return InvalidState(message, details=details)


def fact(name: str, dispute: Dispute, payload: Mapping[str, object]) -> Fact:
    """Return an event of a case; the ids of case and order are added to the payload."""
    ids = {"disputeId": dispute.public_id, "orderId": to_public("ord", dispute.order_id)}
    return Fact(event_type=f"dispute.{name}", payload={**ids, **payload})


def _links(evidence: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        require_url(link, field=f"evidence[{index}]") for index, link in enumerate(evidence)
    )
