"""Disputes: what support works on."""

from typing import Any

from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.orders.v1 import orders_pb2

from gateway.call import Answer, Call
from gateway.keys import READ, SUPPORT, WRITE
from gateway.marketplace import commands, envelope, examples, outputs, rendering
from gateway.marketplace.inputs import AddEvidence, AssignDispute, ListDisputes, ResolveDispute
from gateway.routing import Routes
from kernel.errors import InvalidArgument
from kernel.ids import from_public
from kernel.money import to_text

routes = Routes("Disputes")


@routes.get(
    "/disputes", scope=READ, query=ListDisputes, answers={200: envelope.Page[outputs.Dispute]}
)
async def list_disputes(call: Call, query: ListDisputes) -> Answer:
    """List cases, newest first. Several filters are AND."""
    status = rendering.DISPUTE_STATES.by_name[query.status] if query.status else 0
    request = disputes_pb2.ListDisputesRequest(
        page=commands.page_request(query),
        order_id=_order_filter(query.order_id),
        status=status,  # type: ignore[arg-type] # the enum's value
    )
    found = await call.backends.call(call.backends.disputes.ListDisputes, request)
    items = [rendering.dispute(dispute) for dispute in found.disputes]
    return rendering.page(items, next_token=found.next_page_token)


@routes.get(
    "/disputes/{id}",
    scope=READ,
    answers={200: envelope.Success[outputs.DisputeWithOrder]},
    refusals=("DISPUTE_NOT_FOUND",),
)
async def get_dispute(call: Call) -> Answer:
    """Read a case and its order."""
    request = disputes_pb2.GetDisputeRequest(dispute_id=_dispute_id(call))
    dispute = await call.backends.call(call.backends.disputes.GetDispute, request)
    wanted = orders_pb2.GetOrderRequest(order_id=dispute.order_id)
    order = await call.backends.call(call.backends.orders.GetOrder, wanted)
    data, whole = rendering.dispute(dispute), rendering.order(order)
    if whole["dispute"] is not None:
        whole["dispute"]["status"] = data["status"]
    return rendering.success({**data, "order": whole})


@routes.post(
    "/disputes/{id}/assign",
    scope=SUPPORT,
    body=AssignDispute,
    examples=examples.ASSIGN_DISPUTE,
    answers={200: envelope.Success[outputs.Dispute]},
    refusals=("DISPUTE_NOT_FOUND", "INVALID_STATE"),
)
async def assign_dispute(call: Call, body: AssignDispute) -> Answer:
    """Give the case to an agent: UNDER_REVIEW."""
    request = disputes_pb2.AssignDisputeRequest(
        **commands.written(call),
        dispute_id=_dispute_id(call),
        agent_id=body.agent_id,
        notes=body.notes or "",
    )
    dispute = await commands.change(call, call.backends.disputes.AssignDispute, request)
    return rendering.success(rendering.dispute(dispute))


@routes.post(
    "/disputes/{id}/evidence",
    scope=WRITE,
    body=AddEvidence,
    examples=examples.ADD_EVIDENCE,
    answers={200: envelope.Success[outputs.Dispute]},
    refusals=("DISPUTE_NOT_FOUND", "INVALID_STATE"),
)
async def add_evidence(call: Call, body: AddEvidence) -> Answer:
    """Add URLs while the case is not resolved; they are stored, never fetched."""
    request = disputes_pb2.AddEvidenceRequest(
        **commands.written(call), dispute_id=_dispute_id(call), evidence=body.evidence
    )
    dispute = await commands.change(call, call.backends.disputes.AddEvidence, request)
    return rendering.success(rendering.dispute(dispute))


@routes.post(
    "/disputes/{id}/resolve",
    scope=SUPPORT,
    body=ResolveDispute,
    examples=examples.RESOLVE_DISPUTE,
    waits=True,
    answers={
        200: envelope.Success[outputs.ResolvedDispute],
        202: envelope.Success[outputs.ResolvedDispute],
    },
    refusals=("DISPUTE_NOT_FOUND", "INVALID_STATE", "PROVIDER_ERROR"),
)
async def resolve_dispute(call: Call, body: ResolveDispute) -> Answer:
    """Decide, pay the decision out on chain, and close the order."""
    request = orders_pb2.ResolveDisputeRequest(
        **commands.awaited(call),
        dispute_id=_dispute_id(call),
        decision=rendering.DECISIONS.by_name[body.decision],  # type: ignore[arg-type] # the enum's value
        release_amount=commands.money(body.release_amount),
        refund_amount=commands.money(body.refund_amount),
        note=body.note or "",
    )
    order = await commands.change(call, call.backends.orders.ResolveDispute, request)
    return commands.action(order, _resolved(order))


def _resolved(order: orders_pb2.Order) -> dict[str, Any]:
    closed = rendering.moving(order)
    if order.final_status:
        closed["finalStatus"] = rendering.FINALS[order.final_status]
    if order.HasField("closed_at"):
        closed["closedAt"] = rendering.time(order.closed_at)
    # What was decided, as the case has it; what reached the two, after fees, is the order's to say.
    released, is_paid = order.released_share.minor_units, order.HasField("closed_at")
    return {
        "id": rendering.public("dsp", order.dispute.id),
        "status": order.dispute.status,
        "decision": rendering.DECISIONS[order.dispute.decision],
        "releaseAmount": to_text(released) if is_paid else None,
        "refundAmount": to_text(order.amount.minor_units - released) if is_paid else None,
        "resolvedAt": rendering.time_or_none(order.dispute, "resolved_at"),
        "order": closed,
    }


def _dispute_id(call: Call) -> str:
    return commands.dispute_id(call.params["id"])


def _order_filter(text: str | None) -> str:
    if text is None:
        return ""
    value = from_public("ord", text)
    if value is None:
        raise InvalidArgument(
            "Invalid field: orderId", fields=[("orderId", "is not the id of an order")]
        )
    return str(value)
