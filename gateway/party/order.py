"""The shapes of an order in the party API: to create an order, and to show it."""

import uuid
from typing import Annotated, Any, Literal

from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import orders_pb2
from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from gateway.answers import Answer
from gateway.body import to_json
from gateway.models import UUID_PATTERN
from gateway.party import numbers
from gateway.party.shapes import (
    Id,
    Number,
    Output,
    Request,
    StoredObject,
    Time,
    stored_object,
    time,
    time_or_none,
)
from kernel.ids import parse_uuid
from kernel.money import CENT, LARGEST, USDC, to_text

Status = Literal[
    "pending_payment", "paid", "delivered", "disputed", "completed", "refunded", "cancelled"
]
RUNNING = "RUNNING"
CURRENCIES = ("USD", "USDC")
# Reference §3: the two views name the states of an order differently. `paid` orders can be
# delivered.
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
    """A part of the work, if the marketplace has divided the order."""

    ref: str
    title: str
    amount: Number
    completed_at: Time | None


class Order(Output):
    """An order as its parties see it."""

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
    """Return an order as the API shows it."""
    milestones: list[Milestone] = [
        {
            "ref": part.ref,
            "title": part.title,
            "amount": numbers.printed(part.amount.minor_units),
            "completed_at": time_or_none(part, "completed_at"),
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
    """Return the status of an order, in the party API's words."""
    if message.state == orders_pb2.ORDER_STATE_CLOSED:
        return ENDS[message.final_status]
    found = STATES[message.state]
    return "delivered" if found == "paid" and message.HasField("delivery") else found


def currency(message: orders_pb2.Order) -> str:
    """Return the currency of an order's price."""
    return message.currency or message.amount.asset


def is_in_progress(message: orders_pb2.Order) -> bool:
    """Return whether an operation on the order is still in progress."""
    return message.HasField("operation") and message.operation.state == RUNNING


def moved(message: orders_pb2.Order) -> Answer[Order]:
    """Return the answer to an action: the order."""
    return Answer(body=order(message), is_accepted=is_in_progress(message))


def _amount(value: object) -> int:
    try:
        return numbers.amount(value)
    except ValueError as error:
        raise PydanticCustomError("invalid_amount", "{reason}", {"reason": str(error)}) from None


def _currency(value: object) -> str:
    if value not in CURRENCIES:
        raise PydanticCustomError("invalid_currency", "must be USD or USDC")
    return str(value)


def _uuid(value: object) -> uuid.UUID:
    found = parse_uuid(value) if isinstance(value, str) else None
    if found is None:
        raise PydanticCustomError("uuid", "must be a UUID")
    return found


Amount = Annotated[
    int,
    BeforeValidator(_amount),
    WithJsonSchema(
        {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": float(to_text(LARGEST // CENT * CENT)),
            # No multipleOf: in binary floating point, 19.99 is not a multiple of 0.01.
            "examples": [150.00],
            "description": "At most 2 decimals, no exponent.",
        }
    ),
]
Currency = Annotated[
    str,
    BeforeValidator(_currency),
    WithJsonSchema({"type": "string", "enum": list(CURRENCIES)}),
]
NamedId = Annotated[
    uuid.UUID,
    BeforeValidator(_uuid),
    WithJsonSchema({"type": "string", "format": "uuid", "pattern": f"^{UUID_PATTERN}$"}),
]


class CreateOrder(Request):
    """A purchase from a business by the caller."""

    intention_id: NamedId | None = None
    business_id: NamedId
    contract_template_id: NamedId | None = None
    contract_id: NamedId | None = None
    contract_terms: dict[str, Any] = Field(default={})
    amount: Amount
    currency: Currency = "USD"

    def fields(self) -> dict[str, Any]:
        """Return the fields of the service's request."""
        return {
            "seller": str(self.business_id),
            "amount": common_pb2.Money(asset=USDC, minor_units=self.amount),
            "currency": self.currency,
            "intention_id": str(self.intention_id or ""),
            "contract_template_id": str(self.contract_template_id or ""),
            "contract_id": str(self.contract_id or ""),
            "contract_terms_json": to_json(self.contract_terms) if self.contract_terms else "",
        }
