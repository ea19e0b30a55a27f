"""An order's shape in the party API."""

from typing import Literal

from orchestrator.orders.v1 import orders_pb2

from gateway.answers import Answer
from gateway.party import numbers
from gateway.party.shapes import (
    Id,
    Number,
    Output,
    StoredObject,
    Time,
    stored_object,
    time,
    time_or_none,
)

Status = Literal[
    "pending_payment", "paid", "delivered", "disputed", "completed", "refunded", "cancelled"
]
RUNNING = "RUNNING"
# Reference §3: one order, two vocabularies. An order that is paid may be delivered.
STATES: dict[int, Status] = {
    orders_pb2.ORDER_STATE_ORDER_CREATED: "pending_payment",
    orders_pb2.ORDER_STATE_FUNDS_RESERVED: "pending_payment",
    orders_pb2.ORDER_STATE_ESCROW_CREATING: "pending_payment",
    orders_pb2.ORDER_STATE_ESCROW_FUNDING: "pending_payment",
    orders_pb2.ORDER_STATE_ESCROW_FUNDED: "paid",
    orders_pb2.ORDER_STATE_IN_PROGRESS: "paid",
    orders_pb2.ORDER_STATE_RELEASE_REQUESTED: "paid",
    orders_pb2.ORDER_STATE_RELEASED: "paid",
    orders_pb2.ORDER_STATE_REFUND_REQUESTED: "paid",
    orders_pb2.ORDER_STATE_REFUNDED: "paid",
    orders_pb2.ORDER_STATE_DISPUTED: "disputed",
}
ENDS: dict[int, Status] = {
    orders_pb2.FINAL_STATUS_RELEASED: "completed",
    orders_pb2.FINAL_STATUS_REFUNDED: "refunded",
    orders_pb2.FINAL_STATUS_CANCELED: "cancelled",
}


class Milestone(Output):
    """A part of the work, of an order that the marketplace divided."""

    ref: str
    title: str
    amount: Number


class Order(Output):
    """One order, as its parties see it."""

    id: Id
    intention_id: Id | None
    personal_id: Id
    business_id: Id
    contract_template_id: Id | None
    contract_id: Id | None
    contract_terms: StoredObject
    amount: Number
    platform_fee: Number
    currency: str
    status: Status
    paid_at: Time | None
    delivered_at: Time | None
    confirmed_at: Time | None
    delivery_notes: str | None
    deliverable_url: str | None
    milestones: list[Milestone] | None
    created_at: Time
    updated_at: Time


def order(message: orders_pb2.Order) -> Order:
    """Print one order."""
    milestones: list[Milestone] = [
        {
            "ref": part.ref,
            "title": part.title,
            "amount": numbers.printed(part.amount.minor_units),
        }
        for part in message.milestones
    ]
    return {
        "id": message.id,
        "intention_id": message.intention_id or None,
        "personal_id": message.buyer.id,
        "business_id": message.seller.id,
        "contract_template_id": message.contract_template_id or None,
        "contract_id": message.contract_id or None,
        "contract_terms": stored_object(message.contract_terms_json),
        "amount": numbers.printed(message.amount.minor_units),
        "platform_fee": numbers.printed(message.platform_fee.minor_units),
        "currency": currency(message),
        "status": status(message),
        "paid_at": time_or_none(message, "funded_at"),
        "delivered_at": time_or_none(message.delivery, "delivered_at"),
        "confirmed_at": time_or_none(message, "confirmed_at"),
        "delivery_notes": message.delivery.notes or None,
        "deliverable_url": message.delivery.url or None,
        "milestones": milestones or None,
        "created_at": time(message.created_at),
        "updated_at": time(message.updated_at),
    }


def status(message: orders_pb2.Order) -> Status:
    """Return where an order stands, in the parties' words."""
    if message.state == orders_pb2.ORDER_STATE_CLOSED:
        return ENDS[message.final_status]
    found = STATES[message.state]
    return "delivered" if found == "paid" and message.HasField("delivery") else found


def currency(message: orders_pb2.Order) -> str:
    """Return what an order is priced in."""
    return message.currency or message.amount.asset


def is_in_progress(message: orders_pb2.Order) -> bool:
    """Tell whether an operation on the order is still in progress."""
    return message.HasField("operation") and message.operation.state == RUNNING


def moved(message: orders_pb2.Order) -> Answer[Order]:
    """Answer an action with its order."""
    return Answer(body=order(message), is_accepted=is_in_progress(message))
