"""What the handlers of this view share: ids from paths, and the fields every change carries."""

import uuid
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message
from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import orders_pb2

from gateway.call import SLACK_SECONDS, Answer, Call
from gateway.marketplace import rendering
from gateway.marketplace.inputs import Paging
from kernel.errors import NotFound
from kernel.ids import from_public
from kernel.money import USDC

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)
OK, CREATED, ACCEPTED = 200, 201, 202


class OrderNotFound(NotFound):
    """No order can have this id."""

    reason = "ORDER_NOT_FOUND"


class DisputeNotFound(NotFound):
    """No dispute can have this id."""

    reason = "DISPUTE_NOT_FOUND"


def order_id(text: str) -> str:
    """Read an order's id in either spelling. Raises: OrderNotFound."""
    value: uuid.UUID | None = from_public("ord", text)
    if value is None:
        raise OrderNotFound("Order not found")
    return str(value)


def dispute_id(text: str) -> str:
    """Read a dispute's id in either spelling. Raises: DisputeNotFound."""
    value: uuid.UUID | None = from_public("dsp", text)
    if value is None:
        raise DisputeNotFound("Dispute not found")
    return str(value)


def money(minor_units: int | None) -> common_pb2.Money | None:
    """Put an amount into a message; None stays unset. Every order is settled in USDC."""
    if minor_units is None:
        return None
    return common_pb2.Money(asset=USDC, minor_units=minor_units)


def written(call: Call) -> dict[str, Any]:
    """Return the fields that make a change repeatable."""
    return {"request_id": call.write_key(), "fingerprint": call.fingerprint()}


def awaited(call: Call) -> dict[str, Any]:
    """Return the fields of a change that is waited for."""
    return {**written(call), "wait_seconds": call.wait_seconds()}


def page_request(query: Paging) -> common_pb2.PageRequest:
    """Put a page's size and cursor into a message."""
    return common_pb2.PageRequest(page_size=query.limit, page_token=query.cursor or "")


async def change(
    call: Call,
    method: "grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT]",
    request: RequestT,
) -> ResponseT:
    """Make a change and wait for it as long as the request does."""
    return await call.backends.change(
        method, request, timeout_seconds=call.wait_seconds() + SLACK_SECONDS, reply=call.reply
    )


def action(order: orders_pb2.Order, data: dict[str, Any]) -> Answer:
    """Answer an action: 200, or 202 while its operation is still in motion."""
    status = ACCEPTED if rendering.in_motion(order) else OK
    return rendering.success(data, status=status)
