"""What parties do to an order: pay, deliver, confirm, cancel."""

import contextlib

from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import orders_pb2

from gateway.call import Answer, Call
from gateway.party import commands, examples, outputs, rendering
from gateway.party.inputs import DeliverOrder, Nothing
from gateway.routing import ANY, Routes
from kernel.errors import DomainError, FailedPrecondition

routes = Routes("Orders")
_STATE = ("ORDER_NOT_FOUND", "INVALID_STATE")
_MOVED = {200: outputs.Order, 202: outputs.Order}


@routes.post(
    "/orders/{order_id}/pay",
    scope=ANY,
    body=Nothing,
    examples=examples.ACTION,
    optional_body=True,
    waits=True,
    answers=_MOVED,
    refusals=(*_STATE, "NOT_PERSONAL", "INSUFFICIENT_FUNDS", "PROVIDER_ERROR"),
)
async def pay_order(call: Call, _body: Nothing) -> Answer:
    """Reserve the money and lock it in escrow: `paid`. Personal user only."""
    request = orders_pb2.PayOrderRequest(**commands.awaited(call), order_id=commands.order_id(call))
    try:
        order = await commands.change(call, call.backends.orders.PayOrder, request)
    except FailedPrecondition as error:
        if error.reason == "INSUFFICIENT_FUNDS":
            # Accounts are kept in the asset that settles; the order is priced in its currency.
            with contextlib.suppress(DomainError):
                order = await commands.read_own_order(call)
                error.details = {**error.details, "currency": rendering.currency(order)}
        raise
    return commands.moved(order)


@routes.post(
    "/orders/{order_id}/deliver",
    scope=ANY,
    body=DeliverOrder,
    examples=examples.DELIVER_ORDER,
    optional_body=True,
    answers={200: outputs.Order},
    refusals=(*_STATE, "NOT_BUSINESS", "INVALID_URL"),
)
async def deliver_order(call: Call, body: DeliverOrder) -> Answer:
    """Submit a delivery: `delivered`. Business only."""
    request = orders_pb2.DeliverOrderRequest(
        **commands.written(call),
        order_id=commands.order_id(call),
        notes=body.delivery_notes or "",
        url=body.deliverable_url or "",
    )
    return commands.moved(await commands.change(call, call.backends.orders.DeliverOrder, request))


@routes.post(
    "/orders/{order_id}/confirm",
    scope=ANY,
    body=Nothing,
    examples=examples.ACTION,
    optional_body=True,
    waits=True,
    answers=_MOVED,
    refusals=(*_STATE, "NOT_PERSONAL", "PROVIDER_ERROR"),
)
async def confirm_order(call: Call, _body: Nothing) -> Answer:
    """Accept the work and pay the business: `completed`. Personal user only."""
    request = orders_pb2.ConfirmOrderRequest(
        **commands.awaited(call), order_id=commands.order_id(call)
    )
    return commands.moved(await commands.change(call, call.backends.orders.ConfirmOrder, request))


@routes.post(
    "/orders/{order_id}/cancel",
    scope=ANY,
    body=Nothing,
    examples=examples.ACTION,
    optional_body=True,
    waits=True,
    answers=_MOVED,
    refusals=(*_STATE, "NOT_PERSONAL"),
)
async def cancel_order(call: Call, _body: Nothing) -> Answer:
    """Cancel before the order is paid: `cancelled`. Personal user only."""
    request = orders_pb2.CancelOrderRequest(
        **commands.awaited(call),
        order_id=commands.order_id(call),
        canceled_by=common_pb2.PARTY_BUYER,
    )
    return commands.moved(await commands.change(call, call.backends.orders.CancelOrder, request))
