"""What every RPC reads from its call, and how it marks a replayed answer."""

import uuid
from typing import Any

import grpc
from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import orders_pb2

from chassis import deadline, identity
from chassis.idempotency import Answer, request_key
from chassis.identity import REPLAYED_KEY, ROLE_ADMIN
from services.orders import wire
from services.orders.operations.commands import Request
from services.orders.order.domain import Party

Context = grpc.aio.ServicerContext[Any, Any]
# How long a command waits if its caller names no time, and the part of the caller's deadline that
# is kept for sending the answer.
WAIT_SECONDS = 30.0
ANSWER_SECONDS = 0.3


def marketplace() -> uuid.UUID:
    """Return the caller's marketplace."""
    return identity.current().marketplace_id


def user() -> uuid.UUID | None:
    """Return the person who calls; None: a marketplace, which acts for all its users."""
    return identity.current().user_id


def reader() -> uuid.UUID | None:
    """Return the person who must be a side of the order to read it; None: an admin or a key."""
    who = identity.current()
    return None if who.role == ROLE_ADMIN else who.user_id


def party(value: int, field: str) -> Party:
    """Decode the party that asks; UNSPECIFIED means the buyer. Raises: InvalidArgument."""
    return wire.enum_from_proto(Party, common_pb2.Party, value, field=field, default=Party.BUYER)


def request(message: Any) -> Request:
    """Decode the fields that every command on an order has, and how long it may wait."""
    left = deadline.remaining(at_most=WAIT_SECONDS + ANSWER_SECONDS) - ANSWER_SECONDS
    wait = left
    if "wait_seconds" in message.DESCRIPTOR.fields_by_name and message.HasField("wait_seconds"):
        wait = min(left, float(message.wait_seconds))
    return Request(
        marketplace_id=marketplace(),
        key=request_key(message),
        wait_seconds=max(wait, 0.0),
        amount=wire.named_amount(message),
        remarks=wire.remarks(message),
    )


def order(context: Context, answer: Answer) -> orders_pb2.Order:
    """Decode an answer that is an order, and mark it if it is replayed."""
    mark(context, answer)
    return orders_pb2.Order.FromString(answer.body)


def mark(context: Context, answer: Answer) -> None:
    """Mark a replayed answer in the call's trailing metadata."""
    if answer.replayed:
        context.set_trailing_metadata(((REPLAYED_KEY, "true"),))
