"""Actions of the parties on an order: pay, deliver, confirm, cancel."""

import contextlib
from typing import Annotated

from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import orders_pb2
from pydantic import StringConstraints

from gateway.answers import Answer
from gateway.call import Call, order_id
from gateway.party.caller import read_own_order, saying_where_to_pay_in
from gateway.party.order import Order, currency, moved
from gateway.party.shapes import Nothing, Request, Url
from gateway.routing import ANY, Routes
from kernel.errors import DomainError, FailedPrecondition

_STATE = ("ORDER_NOT_FOUND", "INVALID_STATE")
# The example of an action without a body.
_EXAMPLES = {"nothing": {}}  # type: dict[str, dict[str, object]]
routes = Routes("Orders")


@routes.post(
    "/orders/{order_id}/pay",
    scope=ANY,
    waits=True,
    previews=True,
    examples=_EXAMPLES,
    refusals=(*_STATE, "NOT_PERSONAL", "INSUFFICIENT_FUNDS", "PROVIDER_ERROR"),
)
async def pay_order(call: Call, _body: Nothing) -> Answer[Order]:
    """Reserve the money and lock it in escrow: `paid`. Only for the personal user."""
    wanted = order_id(call.params["order_id"])
    request = orders_pb2.PayOrderRequest(**call.awaited(), order_id=wanted)
    try:
        async with saying_where_to_pay_in(call):
            return moved(await call.change(call.backends.orders.PayOrder, request))
    except FailedPrecondition as error:
        if error.reason == "INSUFFICIENT_FUNDS":
            # The balance is in the settlement asset; the refusal names the order's currency.
            with contextlib.suppress(DomainError):
                order = await read_own_order(call)
                error.details = {**error.details, "currency": currency(order)}
        raise


class DeliverOrder(Request):
    """The delivery: notes and a link."""

    delivery_notes: Annotated[str, StringConstraints(max_length=10_000)] | None = None
    deliverable_url: Url | None = None


@routes.post(
    "/orders/{order_id}/deliver",
    scope=ANY,
    previews=True,
    examples={
        "delivery": {
            "delivery_notes": "The report, with all figures",
            "deliverable_url": "https://files.example/report.pdf",
        }
    },
    refusals=(*_STATE, "NOT_BUSINESS", "INVALID_URL"),
)
async def deliver_order(call: Call, body: DeliverOrder) -> Answer[Order]:
    """Submit a delivery: `delivered`. Only for the business."""
    request = orders_pb2.DeliverOrderRequest(
        **call.written(),
        order_id=order_id(call.params["order_id"]),
        notes=body.delivery_notes or "",
        url=body.deliverable_url or "",
    )
    return moved(await call.change(call.backends.orders.DeliverOrder, request))


@routes.post(
    "/orders/{order_id}/confirm",
    scope=ANY,
    waits=True,
    previews=True,
    examples=_EXAMPLES,
    refusals=(*_STATE, "NOT_PERSONAL", "PROVIDER_ERROR"),
)
async def confirm_order(call: Call, _body: Nothing) -> Answer[Order]:
    """Accept the work and pay the business: `completed`. Only for the personal user."""
    wanted = order_id(call.params["order_id"])
    request = orders_pb2.ConfirmOrderRequest(**call.awaited(), order_id=wanted)
    return moved(await call.change(call.backends.orders.ConfirmOrder, request))


@routes.post(
    "/orders/{order_id}/cancel",
    scope=ANY,
    waits=True,
    previews=True,
    examples=_EXAMPLES,
    refusals=(*_STATE, "NOT_PERSONAL"),
)
async def cancel_order(call: Call, _body: Nothing) -> Answer[Order]:
    """Cancel before the order is paid: `cancelled`. Only for the personal user."""
    request = orders_pb2.CancelOrderRequest(
        **call.awaited(),
        order_id=order_id(call.params["order_id"]),
        canceled_by=common_pb2.PARTY_BUYER,
    )
    return moved(await call.change(call.backends.orders.CancelOrder, request))
