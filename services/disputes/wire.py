"""Translate cases between Protobuf and the domain. UNSPECIFIED is refused here."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import TypeVar

from orchestrator.common.v1 import common_pb2
from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.orders.v1 import orders_pb2

from chassis.wire import (
    bound_token,
    fitting,
    instant_to_proto,
    money_from_proto,
    money_to_proto,
    number_of_place,
    optional_instant,
    place_from_token,
    unknown_cursor,
    uuid_of_place,
)
from kernel.errors import InvalidArgument
from kernel.ids import DisputeId, MarketplaceId, OrderId, UserId
from kernel.money import Money
from services.disputes.domain import (
    Dispute,
    DisputeReason,
    DisputeStatus,
    Filter,
    NewCase,
    Side,
)
from services.disputes.rulings import DisputeDecision, Proposal

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


def _inverted(table: dict[KeyT, ValueT]) -> dict[ValueT, KeyT]:
    return {value: key for key, value in table.items()}


STATUSES = {
    DisputeStatus.OPEN: disputes_pb2.DISPUTE_STATUS_OPEN,
    DisputeStatus.UNDER_REVIEW: disputes_pb2.DISPUTE_STATUS_UNDER_REVIEW,
    DisputeStatus.RESOLVED: disputes_pb2.DISPUTE_STATUS_RESOLVED,
}
SIDES = {
    Side.BUYER: common_pb2.PARTY_BUYER,
    Side.SELLER: common_pb2.PARTY_SELLER,
}
REASONS = {
    DisputeReason.NOT_DELIVERED: orders_pb2.DISPUTE_REASON_NOT_DELIVERED,
    DisputeReason.QUALITY_ISSUE: orders_pb2.DISPUTE_REASON_QUALITY_ISSUE,
    DisputeReason.OTHER: orders_pb2.DISPUTE_REASON_OTHER,
}
DECISIONS = {
    DisputeDecision.FULL_RELEASE: orders_pb2.DISPUTE_DECISION_FULL_RELEASE,
    DisputeDecision.FULL_REFUND: orders_pb2.DISPUTE_DECISION_FULL_REFUND,
    DisputeDecision.SPLIT: orders_pb2.DISPUTE_DECISION_SPLIT,
}
_STATUS_OF = _inverted(STATUSES)
_SIDE_OF = _inverted(SIDES)
_REASON_OF = _inverted(REASONS)
_DECISION_OF = _inverted(DECISIONS)


def dispute_id(text: str) -> DisputeId:
    """Decode a case's id; the contract has checked its spelling."""
    return DisputeId(uuid.UUID(text))


def order_id(text: str) -> OrderId:
    """Decode an order's id."""
    return OrderId(uuid.UUID(text))


def new_case(request: disputes_pb2.OpenDisputeRequest) -> NewCase:
    """Decode a case to open. Raises: InvalidArgument: only one side, or the same side twice."""
    sides = [side for side in (request.buyer_id, request.seller_id) if side]
    if len(sides) == 1 or len(set(sides)) < len(sides):
        fields = [("seller_id", "must be given with buyer_id, and differ from it")]
        raise InvalidArgument("Invalid field: seller_id", fields=fields)
    return NewCase(
        id=dispute_id(request.dispute_id),
        order_id=order_id(request.order_id),
        buyer_id=_user_id(request.buyer_id),
        seller_id=_user_id(request.seller_id),
        opened_by=_SIDE_OF[request.opened_by],
        reason=_REASON_OF[request.reason],
        description=request.description,
        initiated_by=_user_id(request.initiated_by),
        evidence=tuple(request.evidence),
        contract_snapshot_json=request.contract_snapshot_json,
        amount=money_from_proto(request.amount),
        answer_within=_hours(request.first_answer_hours),
        decide_within=_hours(request.decision_hours),
        clock_offset=dt.timedelta(seconds=request.clock_offset_seconds),
    )


def opening(request: disputes_pb2.OpenDisputeRequest) -> disputes_pb2.OpenDisputeRequest:
    """Return the part of a request to open a case that must be the same in a retry.

    The sides follow from the order, and an older orders service did not send them. The hours and
    the clock's offset may have changed since the first attempt.
    """
    asked = disputes_pb2.OpenDisputeRequest()
    asked.CopyFrom(request)
    for field in (
        "buyer_id",
        "seller_id",
        "first_answer_hours",
        "decision_hours",
        "clock_offset_seconds",
    ):
        asked.ClearField(field)
    return asked


def proposal(request: disputes_pb2.DecideDisputeRequest) -> Proposal:
    """Decode a decision."""
    return Proposal(
        decision=_DECISION_OF[request.decision],
        release=_given(request, "release_amount"),
        refund=_given(request, "refund_amount"),
        note=request.note,
        resolved_by=request.resolved_by,
        resolved_by_name=request.resolved_by_name,
    )


def chosen(request: disputes_pb2.ListDisputesRequest, *, marketplace_id: uuid.UUID) -> Filter:
    """Decode the filters of a list. Raises: InvalidArgument: an instant does not exist."""
    return Filter(
        marketplace_id=MarketplaceId(marketplace_id),
        ids=[dispute_id(text) for text in request.dispute_ids] or None,
        order_id=order_id(request.order_id) if request.order_id else None,
        status=_STATUS_OF[request.status] if request.status else None,
        assigned_to=request.assigned_to,
        opened_by=_SIDE_OF[request.opened_by] if request.opened_by else None,
        opened_from=optional_instant(request, "opened_from"),
        opened_to=optional_instant(request, "opened_to"),
    )


def after(request: disputes_pb2.ListDisputesRequest) -> uuid.UUID | None:
    """Decode the case after which the page begins; None: first page. Raises: InvalidArgument."""
    place = place_from_token(request.page.page_token, request)
    return None if place is None else uuid_of_place(place)


def after_overdue(
    request: disputes_pb2.ListDisputesRequest,
) -> tuple[dt.datetime, uuid.UUID] | None:
    """Decode the place of the overdue case after which the page begins; None: first page.

    The token contains the due moment, because the case may no longer be overdue.

    Raises: InvalidArgument.
    """
    place = place_from_token(request.page.page_token, request)
    if place is None:
        return None
    microseconds, _, case = place.partition(".")
    try:
        since = _EPOCH + dt.timedelta(microseconds=number_of_place(microseconds))
    except OverflowError:
        raise unknown_cursor() from None
    return since, uuid_of_place(case)


def page(
    request: disputes_pb2.ListDisputesRequest, found: Sequence[Dispute], *, size: int
) -> disputes_pb2.ListDisputesResponse:
    """Encode a page, with a token if another page follows."""
    cases = fitting((dispute(one) for one in found), size)
    is_cut = len(cases) < len(found)
    token = bound_token(_place(found[len(cases) - 1], request), request) if is_cut else ""
    return disputes_pb2.ListDisputesResponse(disputes=cases, next_page_token=token)


def encode(case: Dispute) -> bytes:
    """Encode a case as the bytes that are stored for retries."""
    return dispute(case).SerializeToString(deterministic=True)


def dispute(case: Dispute) -> disputes_pb2.Dispute:
    """Encode a case."""
    message = disputes_pb2.Dispute(
        id=str(case.id),
        order_id=str(case.order_id),
        status=STATUSES[case.status],
        opened_by=SIDES[case.opened_by],
        reason=REASONS[case.reason],
        description=case.description,
        initiated_by=str(case.initiated_by or ""),
        evidence=case.evidence,
        contract_snapshot_json=case.contract_snapshot_json,
        assigned_to=case.assigned_to,
        assigned_to_name=case.assigned_to_name,
        assignment_notes=case.assignment_notes,
        created_at=instant_to_proto(case.created_at),
        updated_at=instant_to_proto(case.updated_at),
        resolved_at=instant_to_proto(case.resolved_at),
        amount=money_to_proto(case.amount),
        first_answer_due_at=instant_to_proto(case.waits.first_answer_due_at),
        decision_due_at=instant_to_proto(case.waits.decision_due_at),
        first_answered_at=instant_to_proto(case.waits.first_answered_at),
        overdue=case.overdue_since is not None,
    )
    if (ruling := case.ruling) is not None:
        message.decision = DECISIONS[ruling.decision]
        message.release_amount.CopyFrom(money_to_proto(ruling.release))
        message.refund_amount.CopyFrom(money_to_proto(ruling.refund))
        message.resolution_note = ruling.note
        message.resolved_by = ruling.resolved_by
        message.resolved_by_name = ruling.resolved_by_name
        message.decided_at.FromDatetime(ruling.decided_at)
    return message


def _place(case: Dispute, request: disputes_pb2.ListDisputesRequest) -> str:
    if not request.overdue or case.overdue_since is None:
        return str(case.id)
    return f"{(case.overdue_since - _EPOCH) // dt.timedelta(microseconds=1)}.{case.id}"


def _hours(hours: int) -> dt.timedelta | None:
    return dt.timedelta(hours=hours) if hours else None


def _user_id(text: str) -> UserId | None:
    return UserId(uuid.UUID(text)) if text else None


def _given(request: disputes_pb2.DecideDisputeRequest, field: str) -> Money | None:
    return money_from_proto(getattr(request, field)) if request.HasField(field) else None
