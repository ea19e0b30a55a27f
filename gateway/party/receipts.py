"""The receipt of a completed order."""

from typing import Annotated, NotRequired

from orchestrator.orders.v1 import orders_pb2
from pydantic import WithJsonSchema

from gateway.answers import Answer
from gateway.call import Call
from gateway.party import numbers
from gateway.party.caller import read_order
from gateway.party.shapes import Id, Number, Output, Time, time
from gateway.routing import ANY, Routes
from kernel.errors import NotFound

routes = Routes("Receipts")


class ReceiptNotFound(NotFound):
    """The order does not exist or is not completed."""

    reason = "RECEIPT_NOT_FOUND"


class Costs(Output):
    """The deductions from the amount. `provider_fee` is present if the business bears it."""

    base_amount: Number
    platform_fee_rate: Number
    platform_fee: Number
    provider_fee: NotRequired[Number]


class CostBreakdown(Costs):
    """How the amount is divided. `provider_fee` is present if the business bears it."""

    business_payout: Number


class Receipt(Output):
    """The receipt of a completed order. delta_score: 0 to 10, given by the marketplace."""

    id: Id
    order_id: Id
    personal_id: Id
    business_id: Id
    amount: Number
    platform_fee: Number
    business_income: Number
    currency: str
    cost_breakdown: CostBreakdown
    personal_signal: Annotated[
        str, WithJsonSchema({"enum": ["satisfied", "neutral", "dissatisfied"]})
    ]
    delta_score: Number | None
    response_time_ms: int | None
    contract_id: Id | None
    created_at: Time


def receipt(message: orders_pb2.Receipt) -> Receipt:
    """Return a receipt as the API shows it. Its amount is the released part of the order."""
    released = numbers.printed(message.released_share.minor_units)
    fee = numbers.printed(message.platform_fee.minor_units)
    income = numbers.printed(message.seller_income.minor_units)
    costs: Costs = {
        "base_amount": released,
        "platform_fee_rate": numbers.rate(message.platform_fee_bps),
        "platform_fee": fee,
    }
    if message.provider_fee.minor_units:
        costs["provider_fee"] = numbers.printed(message.provider_fee.minor_units)
    score = message.delta_score_tenths
    return {
        "id": message.id,
        "order_id": message.order_id,
        "personal_id": message.buyer.id,
        "business_id": message.seller.id,
        "amount": released,
        "platform_fee": fee,
        "business_income": income,
        "currency": message.currency,
        "cost_breakdown": {**costs, "business_payout": income},
        "personal_signal": message.personal_signal,
        "delta_score": None if score < 0 else numbers.tenths(score),
        "response_time_ms": message.response_time_ms or None,
        "contract_id": message.contract_id or None,
        "created_at": time(message.created_at),
    }


@routes.get("/orders/{order_id}/receipt", scope=ANY, refusals=("NOT_PARTY", "RECEIPT_NOT_FOUND"))
async def get_receipt(call: Call) -> Answer[Receipt]:
    """Read the receipt of a completed order, as one of its parties or as an admin.

    After a split decision, `amount` is the part that was released.
    """
    try:
        order = await read_order(call)
    except NotFound:
        raise ReceiptNotFound("Order has no receipt") from None
    request = orders_pb2.GetReceiptRequest(order_id=order.id)
    return Answer(body=receipt(await call.read(call.backends.orders.GetReceipt, request)))
