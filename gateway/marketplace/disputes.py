"""Disputes: the cases that support works on."""

from typing import Annotated, Literal

from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.orders.v1 import orders_pb2
from pydantic import AliasChoices, ConfigDict, Field, StringConstraints, model_validator

from chassis.wire import instant_to_proto
from gateway.answers import Answer
from gateway.call import Call, dispute_id
from gateway.errors import invalid
from gateway.keys import READ, SUPPORT, WRITE
from gateway.marketplace.order import (
    DECISIONS,
    DISPUTE_STATES,
    REASONS,
    ClosedOrder,
    DisputeStatus,
    Order,
    closed,
    is_in_progress,
    order,
)
from gateway.marketplace.shapes import (
    PARTIES,
    Actor,
    Decimal,
    DisputeId,
    OrderId,
    Output,
    Page,
    Paging,
    Success,
    Text,
    Time,
    Url,
    amount,
    amount_or_none,
    money,
    page,
    public,
    success,
    time_or_none,
)
from gateway.models import UUID_PATTERN, Amount, Instant, Nothing, Request, given, typed, unfit
from gateway.routing import Routes
from kernel.ids import from_public
from kernel.money import to_text

_AMOUNTS = ("releaseAmount", "refundAmount")
# Further refusals for a person of support: a dispute in which they are a side themselves.
_OWN = ("DISPUTE_NOT_FOUND", "DISPUTE_IS_OWN")
routes = Routes("Disputes")


class Dispute(Output):
    """A dispute.

    firstAnswerDueAt, decisionDueAt: when support must have given its first answer and its decision,
    by the marketplace's clock; null: there is no limit. overdue: support is late with its next
    step.
    """

    id: DisputeId
    orderId: OrderId
    status: DisputeStatus
    openedBy: Actor
    reason: str
    description: str | None
    evidence: list[str]
    assignedTo: str | None
    assignedToName: str | None
    assignmentNotes: str | None
    amount: Decimal
    decision: str | None
    releaseAmount: Decimal | None
    refundAmount: Decimal | None
    note: str | None
    resolvedBy: str | None
    resolvedByName: str | None
    createdAt: Time | None
    updatedAt: Time | None
    decidedAt: Time | None
    resolvedAt: Time | None
    firstAnswerDueAt: Time | None
    firstAnsweredAt: Time | None
    decisionDueAt: Time | None
    overdue: bool


class DisputeWithOrder(Dispute):
    """A dispute with its order."""

    order: Order


class ResolvedDispute(Output):
    """A decided dispute, which is paid out or being paid out."""

    id: DisputeId
    status: str
    decision: str | None
    releaseAmount: Decimal | None
    refundAmount: Decimal | None
    resolvedAt: Time | None
    order: ClosedOrder


def dispute(message: disputes_pb2.Dispute) -> Dispute:
    """Return a dispute as the API shows it."""
    return {
        "id": public("dsp", message.id),
        "orderId": public("ord", message.order_id),
        "status": DISPUTE_STATES[message.status],
        "openedBy": PARTIES[message.opened_by],
        "reason": REASONS[message.reason],
        "description": message.description or None,
        "evidence": list(message.evidence),
        "assignedTo": message.assigned_to or None,
        "assignedToName": message.assigned_to_name or None,
        "assignmentNotes": message.assignment_notes or None,
        "amount": amount(message.amount),
        "decision": DECISIONS.find(message.decision),
        "releaseAmount": amount_or_none(message, "release_amount"),
        "refundAmount": amount_or_none(message, "refund_amount"),
        "note": message.resolution_note or None,
        "resolvedBy": message.resolved_by or None,
        "resolvedByName": message.resolved_by_name or None,
        "createdAt": time_or_none(message, "created_at"),
        "updatedAt": time_or_none(message, "updated_at"),
        "decidedAt": time_or_none(message, "decided_at"),
        "resolvedAt": time_or_none(message, "resolved_at"),
        "firstAnswerDueAt": time_or_none(message, "first_answer_due_at"),
        "firstAnsweredAt": time_or_none(message, "first_answered_at"),
        "decisionDueAt": time_or_none(message, "decision_due_at"),
        "overdue": message.overdue,
    }


class ListDisputes(Paging):
    """Filters of a list of disputes. Several filters are AND. `openedTo` is exclusive.

    overdue: only disputes with which support is late, the longest overdue first.
    """

    # The handler refuses a text that is not an order's id; it also accepts the other spelling.
    order_id: (
        Annotated[
            str,
            StringConstraints(min_length=1, max_length=64),
            Field(json_schema_extra={"pattern": rf"^(ord_[0-9A-Za-z]{{22}}|{UUID_PATTERN})$"}),
        ]
        | None
    ) = None
    status: DisputeStatus | None = None
    assigned_to: Text | None = None
    opened_by: Literal["BUYER", "SELLER"] | None = None
    opened_from: Instant | None = None
    opened_to: Instant | None = None
    overdue: Literal["true"] | None = None


@routes.get("/disputes", scope=READ, support=True)
async def list_disputes(call: Call, query: ListDisputes) -> Answer[Page[Dispute]]:
    """List disputes, newest first, or with `overdue` the longest overdue first."""
    order_id = None if query.order_id is None else from_public("ord", query.order_id)
    if query.order_id is not None and order_id is None:
        raise invalid("orderId", "is not the id of an order")
    request = disputes_pb2.ListDisputesRequest(
        page=query.message(),
        order_id=str(order_id or ""),
        status=DISPUTE_STATES.value(query.status),
        assigned_to=query.assigned_to or "",
        opened_by=PARTIES.value(query.opened_by),
        opened_from=instant_to_proto(query.opened_from),
        opened_to=instant_to_proto(query.opened_to),
        overdue=query.overdue == "true",
    )
    found = await call.read(call.backends.disputes.ListDisputes, request)
    return page([dispute(one) for one in found.disputes], next_token=found.next_page_token)


@routes.get("/disputes/{id}", scope=READ, support=True, refusals=_OWN)
async def get_dispute(call: Call) -> Answer[Success[DisputeWithOrder]]:
    """Read a dispute and its order."""
    request = disputes_pb2.GetDisputeRequest(dispute_id=dispute_id(call.params["id"]))
    case = await call.read(call.backends.disputes.GetDispute, request)
    data = dispute(case)
    whole = order(await call.backends.order(case.order_id))
    if whole["dispute"] is not None:
        whole["dispute"]["status"] = data["status"]
    return success({**data, "order": whole})


class AssignDispute(Request):
    """The agent who takes the dispute. `assignedTo` means the same."""

    agent_id: Annotated[
        Text,
        Field(validation_alias=AliasChoices("agentId", "agent_id", "assignedTo", "assigned_to")),
    ]
    notes: Annotated[str, StringConstraints(max_length=4000)] | None = None


@routes.post(
    "/disputes/{id}/assign",
    scope=SUPPORT,
    support=True,
    examples={"agent": {"agentId": "agent-7", "notes": "Knows both sides"}},
    refusals=(*_OWN, "INVALID_STATE"),
)
async def assign_dispute(call: Call, body: AssignDispute) -> Answer[Success[Dispute]]:
    """Assign the dispute to an agent. Its status is then UNDER_REVIEW."""
    request = disputes_pb2.AssignDisputeRequest(
        **call.written(),
        dispute_id=dispute_id(call.params["id"]),
        agent_id=body.agent_id,
        notes=body.notes or "",
    )
    return success(dispute(await call.change(call.backends.disputes.AssignDispute, request)))


@routes.post(
    "/disputes/{id}/unassign",
    scope=SUPPORT,
    support=True,
    examples={"nothing": {}},
    refusals=(*_OWN, "INVALID_STATE"),
)
async def unassign_dispute(call: Call, _body: Nothing) -> Answer[Success[Dispute]]:
    """Remove the dispute's agent. Its status is then OPEN."""
    request = disputes_pb2.UnassignDisputeRequest(
        **call.written(), dispute_id=dispute_id(call.params["id"])
    )
    return success(dispute(await call.change(call.backends.disputes.UnassignDispute, request)))


class AddEvidence(Request):
    """https URLs. They are stored, and never fetched."""

    evidence: Annotated[list[Url], Field(min_length=1, max_length=20)]


@routes.post(
    "/disputes/{id}/evidence",
    scope=WRITE,
    examples={"evidence": {"evidence": ["https://files.example/bob/delivery.png"]}},
    refusals=("DISPUTE_NOT_FOUND", "INVALID_STATE"),
)
async def add_evidence(call: Call, body: AddEvidence) -> Answer[Success[Dispute]]:
    """Add URLs while the dispute is not resolved. They are stored, and never fetched."""
    request = disputes_pb2.AddEvidenceRequest(
        **call.written(), dispute_id=dispute_id(call.params["id"]), evidence=body.evidence
    )
    return success(dispute(await call.change(call.backends.disputes.AddEvidence, request)))


class ResolveDispute(Request):
    """The decision. SPLIT needs both amounts; other decisions need none."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {
                "properties": {"decision": {"const": "SPLIT"}},
                "unevaluatedProperties": True,
            },
            "then": given(*_AMOUNTS),
            "else": typed("null", *_AMOUNTS),
        }
    )

    decision: Literal["FULL_RELEASE", "FULL_REFUND", "SPLIT"]
    release_amount: Amount | None = None
    refund_amount: Amount | None = None
    note: Annotated[str, StringConstraints(max_length=4000)] | None = None

    @model_validator(mode="after")
    def _amounts_belong_to_a_split(self) -> "ResolveDispute":
        amounts = zip(_AMOUNTS, (self.release_amount, self.refund_amount), strict=True)
        unlike = [name for name, value in amounts if (value is None) is (self.decision == "SPLIT")]
        if unlike and self.decision == "SPLIT":
            raise unfit("missing", "is required", fields=unlike)
        if unlike:
            raise unfit("split_only", "is allowed with SPLIT only", fields=unlike)
        return self


@routes.post(
    "/disputes/{id}/resolve",
    scope=SUPPORT,
    support=True,
    waits=True,
    previews=True,
    examples={
        "release": {"decision": "FULL_RELEASE", "note": "The work was delivered as agreed"},
        "refund": {"decision": "FULL_REFUND", "note": "Nothing was delivered"},
        "split": {
            "decision": "SPLIT",
            "releaseAmount": "50.00",
            "refundAmount": "30.00",
            "note": "The drafts were never delivered",
        },
    },
    refusals=(*_OWN, "INVALID_STATE", "PROVIDER_ERROR"),
)
async def resolve_dispute(call: Call, body: ResolveDispute) -> Answer[Success[ResolvedDispute]]:
    """Decide the dispute, pay the decision out on chain, and close the order."""
    request = orders_pb2.ResolveDisputeRequest(
        **call.awaited(),
        dispute_id=dispute_id(call.params["id"]),
        decision=DECISIONS.value(body.decision),
        release_amount=money(body.release_amount),
        refund_amount=money(body.refund_amount),
        note=body.note or "",
    )
    message = await call.change(call.backends.orders.ResolveDispute, request)
    # The amounts of the decision, before fees. The order has what each side received after fees.
    released, is_paid = message.released_share.minor_units, message.HasField("closed_at")
    data: ResolvedDispute = {
        "id": public("dsp", message.dispute.id),
        "status": message.dispute.status,
        "decision": DECISIONS.find(message.dispute.decision),
        "releaseAmount": to_text(released) if is_paid else None,
        "refundAmount": to_text(message.amount.minor_units - released) if is_paid else None,
        "resolvedAt": time_or_none(message.dispute, "resolved_at"),
        "order": closed(message),
    }
    return success(data, is_accepted=is_in_progress(message))
