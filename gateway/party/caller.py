"""The caller of the party API: their user id, and the order in the path if they may see it."""

import uuid
from contextlib import AbstractAsyncContextManager

from orchestrator.orders.v1 import orders_pb2

from gateway import funds
from gateway.call import Call, order_id
from kernel.errors import PermissionDenied


class NotParty(PermissionDenied):
    """The caller is neither the buyer nor the seller of the order."""

    reason = "NOT_PARTY"


def user_id(call: Call) -> uuid.UUID:
    """Return the caller's user id."""
    found = call.caller.identity.user_id
    if found is None:
        raise RuntimeError("a route of the party view was reached without a person")
    return found


def saying_where_to_pay_in(call: Call) -> AbstractAsyncContextManager[None]:
    """Add the caller's deposit address to INSUFFICIENT_FUNDS; the caller is the payer."""

    async def payer() -> str:
        return str(user_id(call))

    return funds.saying_where_to_pay_in(call, payer)


async def read_order(call: Call) -> orders_pb2.Order:
    """Read the order in the path, for its two parties and for an admin.

    Raises: NotFound: ORDER_NOT_FOUND; PermissionDenied: NOT_PARTY.
    """
    request = orders_pb2.GetOrderRequest(order_id=order_id(call.params["order_id"]))
    return await call.read(call.backends.orders.GetOrder, request)


async def read_own_order(call: Call) -> orders_pb2.Order:
    """Read the order in the path, for its two parties only; an admin is refused.

    Raises: as `read_order`.
    """
    order = await read_order(call)
    if str(user_id(call)) not in {order.buyer.id, order.seller.id}:
        raise NotParty("You are not the personal user or business on this order")
    return order
