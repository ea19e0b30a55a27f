"""The dispute of an order, for both its parties, and for an admin to read."""

from orchestrator.common.v1 import common_pb2
from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.orders.v1 import orders_pb2

from gateway.call import Answer, Call
from gateway.party import commands, examples, outputs, rendering
from gateway.party.inputs import AddEvidence, OpenDispute
from gateway.routing import ANY, Routes
from kernel.errors import NotFound

routes = Routes("Disputes")


class DisputeNotFound(NotFound):
    """The order has no dispute, or does not exist."""

    reason = "DISPUTE_NOT_FOUND"


@routes.post(
    "/orders/{order_id}/dispute",
    scope=ANY,
    body=OpenDispute,
    examples=examples.OPEN_DISPUTE,
    waits=True,
    answers={201: outputs.Dispute, 202: outputs.Dispute},
    refusals=(
        "NOT_PARTY",
        "ORDER_NOT_FOUND",
        "INVALID_STATE",
        "DISPUTE_ALREADY_OPEN",
        "INVALID_URL",
    ),
)
async def open_dispute(call: Call, body: OpenDispute) -> Answer:
    """Freeze the order until support decides: `disputed`. Both parties may."""
    request = orders_pb2.OpenDisputeRequest(
        **commands.written(call),
        order_id=commands.order_id(call),
        # The service knows which side the caller is on, and keeps that.
        opened_by=common_pb2.PARTY_BUYER,
        reason=orders_pb2.DISPUTE_REASON_OTHER,
        description=body.reason,
        evidence=body.evidence,
    )
    order = await commands.change(call, call.backends.orders.OpenDispute, request)
    status = commands.ACCEPTED if rendering.in_motion(order) else commands.CREATED
    data = rendering.opened_dispute(
        order, by=str(commands.user_id(call)), reason=body.reason, evidence=body.evidence
    )
    return Answer(status=status, body=data)


@routes.get(
    "/orders/{order_id}/dispute",
    scope=ANY,
    answers={200: outputs.Dispute},
    refusals=("NOT_PARTY", "DISPUTE_NOT_FOUND"),
)
async def get_dispute(call: Call) -> Answer:
    """Read the dispute of an order. Both parties may, and an admin."""
    try:
        order = await commands.read_order(call)
    except NotFound:
        raise DisputeNotFound("No dispute found for this order") from None
    return Answer(body=rendering.dispute(await _case(call, order), of=order))


@routes.post(
    "/orders/{order_id}/dispute/evidence",
    scope=ANY,
    body=AddEvidence,
    examples=examples.ADD_EVIDENCE,
    answers={200: outputs.Dispute},
    refusals=(
        "NOT_PARTY",
        "ORDER_NOT_FOUND",
        "DISPUTE_NOT_FOUND",
        "INVALID_STATE",
        "TOO_MUCH_EVIDENCE",
        "INVALID_URL",
    ),
)
async def add_evidence(call: Call, body: AddEvidence) -> Answer:
    """Add links while the dispute is not resolved; they are stored, never fetched."""
    order = await commands.read_own_order(call)
    if not order.HasField("dispute"):
        raise DisputeNotFound("No dispute found for this order")
    request = disputes_pb2.AddEvidenceRequest(
        **commands.written(call), dispute_id=order.dispute.id, evidence=body.evidence
    )
    case = await commands.change(call, call.backends.disputes.AddEvidence, request)
    return Answer(body=rendering.dispute(case, of=order))


async def _case(call: Call, order: orders_pb2.Order) -> disputes_pb2.Dispute:
    if not order.HasField("dispute"):
        raise DisputeNotFound("No dispute found for this order")
    request = disputes_pb2.GetDisputeRequest(dispute_id=order.dispute.id)
    return await call.backends.call(call.backends.disputes.GetDispute, request)
