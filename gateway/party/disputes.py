"""The dispute of an order: for both parties, and for an admin to read."""

from typing import Annotated

from orchestrator.common.v1 import common_pb2
from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.orders.v1 import orders_pb2
from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from gateway.answers import Answer
from gateway.call import Call, order_id
from gateway.errors import DisputeNotFound
from gateway.party.caller import read_order, read_own_order, user_id
from gateway.party.order import is_in_progress
from gateway.party.shapes import (
    EVIDENCE_MAX,
    Id,
    Output,
    Request,
    StoredObject,
    Time,
    Url,
    enum_name,
    stored_object,
    time,
    time_or_none,
)
from gateway.routing import ANY, Routes
from kernel.errors import NotFound

REASON_MIN = 10
NO_DISPUTE = "No dispute found for this order"
routes = Routes("Disputes")


class Dispute(Output):
    """The dispute of an order. contract_snapshot: the terms when the dispute was opened."""

    id: Id
    order_id: Id
    initiated_by: Id | None
    reason: str
    evidence: list[str]
    contract_snapshot: StoredObject
    status: Annotated[str, WithJsonSchema({"enum": ["open", "under_review", "resolved"]})]
    resolution: Annotated[
        str | None, WithJsonSchema({"enum": ["full_release", "full_refund", "split", None]})
    ]
    resolved_at: Time | None
    created_at: Time
    updated_at: Time


def opened_dispute(
    order: orders_pb2.Order, *, by: str, reason: str, evidence: list[str]
) -> Dispute:
    """Return a new dispute as the API shows it, made from the order that it froze."""
    opened = time(order.dispute.opened_at)
    return {
        "id": order.dispute.id,
        "order_id": order.id,
        "initiated_by": by,
        "reason": reason,
        "evidence": evidence,
        "contract_snapshot": stored_object(order.contract_terms_json),
        "status": "open",
        "resolution": None,
        "resolved_at": None,
        "created_at": opened,
        "updated_at": opened,
    }


def dispute(case: disputes_pb2.Dispute, *, of: orders_pb2.Order) -> Dispute:
    """Return a dispute as the API shows it. of: its order, which has the time of its opening."""
    opened = time(of.dispute.opened_at)
    is_fresh = case.updated_at == case.created_at
    # A marketplace can open a dispute on behalf of one side.
    side = of.seller.id if case.opened_by == common_pb2.PARTY_SELLER else of.buyer.id
    # The decision is shown as the resolution after it has been paid out.
    is_resolved = case.status == disputes_pb2.DISPUTE_STATUS_RESOLVED
    return {
        "id": case.id,
        "order_id": case.order_id,
        "initiated_by": case.initiated_by or side,
        "reason": case.description or enum_name(orders_pb2.DisputeReason, case.reason),
        "evidence": list(case.evidence),
        "contract_snapshot": stored_object(case.contract_snapshot_json),
        "status": enum_name(disputes_pb2.DisputeStatus, case.status),
        "resolution": (
            enum_name(orders_pb2.DisputeDecision, case.decision) if is_resolved else None
        ),
        "resolved_at": time_or_none(case, "resolved_at"),
        "created_at": opened,
        "updated_at": opened if is_fresh else max(opened, time(case.updated_at)),
    }


def _reason(value: str) -> str:
    if len(value.strip()) < REASON_MIN:
        raise PydanticCustomError(
            "reason", f"must have at least {REASON_MIN} characters, spaces at its ends aside"
        )
    return value


class OpenDispute(Request):
    """The reason in the caller's own words, and links as evidence."""

    reason: Annotated[
        str,
        StringConstraints(min_length=REASON_MIN, max_length=4000),
        AfterValidator(_reason),
        Field(description=f"At least {REASON_MIN} characters, spaces at its ends aside."),
    ]
    evidence: Annotated[list[Url], Field(max_length=EVIDENCE_MAX)] = Field(default=[])


@routes.post(
    "/orders/{order_id}/dispute",
    scope=ANY,
    status=201,
    waits=True,
    previews=True,
    examples={
        "dispute": {
            "reason": "The report has none of the agreed figures",
            "evidence": ["https://files.example/missing.png"],
        }
    },
    refusals=(
        "NOT_PARTY",
        "ORDER_NOT_FOUND",
        "INVALID_STATE",
        "DISPUTE_ALREADY_OPEN",
        "INVALID_URL",
    ),
)
async def open_dispute(call: Call, body: OpenDispute) -> Answer[Dispute]:
    """Freeze the order until support decides: `disputed`. For both parties."""
    request = orders_pb2.OpenDisputeRequest(
        **call.written(),
        order_id=order_id(call.params["order_id"]),
        # Ignored for a person, because the service knows the caller's side.
        opened_by=common_pb2.PARTY_BUYER,
        reason=orders_pb2.DISPUTE_REASON_OTHER,
        description=body.reason,
        evidence=body.evidence,
    )
    order = await call.change(call.backends.orders.OpenDispute, request)
    data = opened_dispute(order, by=str(user_id(call)), reason=body.reason, evidence=body.evidence)
    return Answer(body=data, is_accepted=is_in_progress(order))


@routes.get("/orders/{order_id}/dispute", scope=ANY, refusals=("NOT_PARTY", "DISPUTE_NOT_FOUND"))
async def get_dispute(call: Call) -> Answer[Dispute]:
    """Read the dispute of an order, as one of its parties or as an admin."""
    try:
        order = await read_order(call)
    except NotFound:
        raise DisputeNotFound(NO_DISPUTE) from None
    if not order.HasField("dispute"):
        raise DisputeNotFound(NO_DISPUTE)
    request = disputes_pb2.GetDisputeRequest(dispute_id=order.dispute.id)
    case = await call.read(call.backends.disputes.GetDispute, request)
    return Answer(body=dispute(case, of=order))


class AddEvidence(Request):
    """More links. They can be added while the dispute is not resolved."""

    evidence: Annotated[list[Url], Field(min_length=1, max_length=EVIDENCE_MAX)]


@routes.post(
    "/orders/{order_id}/dispute/evidence",
    scope=ANY,
    examples={"evidence": {"evidence": ["https://files.example/contract.pdf"]}},
    refusals=(
        "NOT_PARTY",
        "ORDER_NOT_FOUND",
        "DISPUTE_NOT_FOUND",
        "INVALID_STATE",
        "TOO_MUCH_EVIDENCE",
        "INVALID_URL",
    ),
)
async def add_evidence(call: Call, body: AddEvidence) -> Answer[Dispute]:
    """Add links while the dispute is not resolved. They are stored, and never fetched."""
    order = await read_own_order(call)
    if not order.HasField("dispute"):
        raise DisputeNotFound(NO_DISPUTE)
    request = disputes_pb2.AddEvidenceRequest(
        **call.written(), dispute_id=order.dispute.id, evidence=body.evidence
    )
    case = await call.change(call.backends.disputes.AddEvidence, request)
    return Answer(body=dispute(case, of=order))
