"""The receipt of a completed order."""

from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.orders.v1 import orders_pb2

from gateway.call import Answer, Call
from gateway.party import commands, outputs, rendering
from gateway.routing import ANY, Routes
from kernel.errors import NotFound

routes = Routes("Receipts")


class ReceiptNotFound(NotFound):
    """The order is not completed, or does not exist."""

    reason = "RECEIPT_NOT_FOUND"


@routes.get(
    "/orders/{order_id}/receipt",
    scope=ANY,
    answers={200: outputs.Receipt},
    refusals=("NOT_PARTY", "RECEIPT_NOT_FOUND"),
)
async def get_receipt(call: Call) -> Answer:
    """Read what a completed order cost. Both parties may.

    Where support divided the money, `amount` is what was released of it.
    """
    try:
        order = await commands.read_own_order(call)
    except NotFound:
        raise ReceiptNotFound("Order has no receipt") from None
    request = orders_pb2.GetReceiptRequest(order_id=order.id)
    receipt = await call.backends.call(call.backends.orders.GetReceipt, request)
    return Answer(body=rendering.receipt(receipt, released=await _released(call, order)))


async def _released(call: Call, order: orders_pb2.Order) -> int:
    """Return what of the order's amount was released, in minor units."""
    if order.dispute.decision != orders_pb2.DISPUTE_DECISION_SPLIT:
        return order.amount.minor_units
    request = disputes_pb2.GetDisputeRequest(dispute_id=order.dispute.id)
    case = await call.backends.call(call.backends.disputes.GetDispute, request)
    return case.release_amount.minor_units
