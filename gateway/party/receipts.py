"""The receipt of a completed order."""

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
    """Read what a completed order cost. Both parties may, and an admin.

    Where support divided the money, `amount` is what was released of it.
    """
    try:
        order = await commands.read_order(call)
    except NotFound:
        raise ReceiptNotFound("Order has no receipt") from None
    request = orders_pb2.GetReceiptRequest(order_id=order.id)
    receipt = await call.backends.call(call.backends.orders.GetReceipt, request)
    return Answer(body=rendering.receipt(receipt))
