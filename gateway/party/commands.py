"""What the handlers of this view share: the order of a path, its parties, and every change."""

import uuid
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message
from orchestrator.orders.v1 import orders_pb2

from gateway.call import SLACK_SECONDS, Answer, Call
from gateway.party import rendering
from kernel.errors import NotFound, PermissionDenied
from kernel.ids import from_public

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)
OK, CREATED, ACCEPTED = 200, 201, 202


class OrderNotFound(NotFound):
    """No order can have this id."""

    reason = "ORDER_NOT_FOUND"


class NotParty(PermissionDenied):
    """The caller is neither the personal user nor the business of the order."""

    reason = "NOT_PARTY"


def order_id(call: Call) -> str:
    """Read the path's order id in either spelling. Raises: OrderNotFound."""
    value = from_public("ord", call.params["order_id"])
    if value is None:
        raise OrderNotFound("No order with this ID")
    return str(value)


def user_id(call: Call) -> uuid.UUID:
    """Return the caller's id."""
    found = call.caller.identity.user_id
    if found is None:
        raise RuntimeError("a route of the party view was reached without a person")
    return found


async def read_order(call: Call) -> orders_pb2.Order:
    """Read the path's order, which is the caller's, or any where the caller is an admin.

    Raises: NotFound: ORDER_NOT_FOUND; PermissionDenied: NOT_PARTY.
    """
    request = orders_pb2.GetOrderRequest(order_id=order_id(call))
    return await call.backends.call(call.backends.orders.GetOrder, request)


async def read_own_order(call: Call) -> orders_pb2.Order:
    """Read the path's order for one of its two parties: an admin is none.

    Raises: as `read_order`.
    """
    order = await read_order(call)
    require_party(call, order)
    return order


def require_party(call: Call, message: orders_pb2.Order | orders_pb2.Receipt) -> None:
    """Check that the caller is a party to an order. Raises: NotParty."""
    if str(user_id(call)) not in {message.buyer.id, message.seller.id}:
        raise NotParty("You are not a party to this order")


def written(call: Call) -> dict[str, Any]:
    """Return the fields that make a change repeatable."""
    return {"request_id": call.write_key(), "fingerprint": call.fingerprint()}


def awaited(call: Call) -> dict[str, Any]:
    """Return the fields of a change that is waited for."""
    return {**written(call), "wait_seconds": call.wait_seconds()}


async def change(
    call: Call,
    method: "grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT]",
    request: RequestT,
) -> ResponseT:
    """Make a change and wait for it as long as the request does."""
    return await call.backends.change(
        method, request, timeout_seconds=call.wait_seconds() + SLACK_SECONDS, reply=call.reply
    )


def moved(order: orders_pb2.Order) -> Answer:
    """Answer an action with its order: 200, or 202 while it is still in motion."""
    status = ACCEPTED if rendering.in_motion(order) else OK
    return Answer(status=status, body=rendering.order(order))
