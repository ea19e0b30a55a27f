"""The shapes of an order in the marketplace API: to create an order, and to show it."""

from typing import Annotated, Any, Literal, NotRequired, TypeVar, cast

from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.orders.v1 import orders_pb2
from pydantic import ConfigDict, Field, StringConstraints, model_validator

from gateway.body import to_json
from gateway.errors import invalid
from gateway.marketplace.shapes import (
    PARTIES,
    Actor,
    Decimal,
    DisputeId,
    EscrowId,
    Names,
    OrderId,
    Output,
    StoredObject,
    Text,
    Time,
    amount,
    amount_or_none,
    money,
    public,
    stored_object,
    time,
    time_or_none,
)
from gateway.models import Amount, Currency, Request, UserName, given, unfit

OrderStatus = Literal[
    "ORDER_CREATED",
    "FUNDS_RESERVED",
    "ESCROW_CREATING",
    "ESCROW_FUNDING",
    "ESCROW_FUNDED",
    "IN_PROGRESS",
    "RELEASE_REQUESTED",
    "RELEASED",
    "REFUND_REQUESTED",
    "REFUNDED",
    "DISPUTED",
    "CLOSED",
]
DisputeStatus = Literal["OPEN", "UNDER_REVIEW", "RESOLVED"]
STATES: Names[OrderStatus] = Names(orders_pb2.OrderState, "ORDER_STATE_")
FINALS: Names[str] = Names(orders_pb2.FinalStatus, "FINAL_STATUS_")
REASONS: Names[str] = Names(orders_pb2.DisputeReason, "DISPUTE_REASON_")
DECISIONS: Names[str] = Names(orders_pb2.DisputeDecision, "DISPUTE_DECISION_")
DISPUTE_STATES: Names[DisputeStatus] = Names(disputes_pb2.DisputeStatus, "DISPUTE_STATUS_")
RUNNING = "RUNNING"
METADATA_BYTES_MAX = 16 * 1024


class Operation(Output):
    """An operation in progress on an order."""

    id: str
    kind: str
    state: str
    step: str
    attempts: int
    startedAt: Time | None


class Milestone(Output):
    """A part of the work. completedAt: when the chain had the marks of both sides."""

    ref: str
    title: str
    description: str | None
    amount: Decimal
    status: Literal["PENDING", "COMPLETED"]
    completedAt: Time | None


class MovingOrder(Output):
    """The answer to an action. `operation` is present only while it is in progress (202)."""

    id: OrderId
    status: OrderStatus
    operation: NotRequired[Operation]


MovingT = TypeVar("MovingT", bound=MovingOrder)


class ClosedOrder(MovingOrder):
    """A closed order."""

    finalStatus: NotRequired[str]
    closedAt: NotRequired[Time]


class OrderEscrow(Output):
    """The escrow, as the order stores it."""

    id: EscrowId
    trustlessContractId: str | None
    status: str
    fundedAt: Time | None
    lastError: str | None


class OpenedDispute(Output):
    """The dispute that was opened."""

    id: DisputeId
    status: DisputeStatus
    openedBy: Actor
    reason: str


class OrderDispute(OpenedDispute):
    """The dispute, as the order stores it."""

    decision: str | None
    openedAt: Time | None
    resolvedAt: Time | None


class Delivery(Output):
    """The seller's delivery."""

    notes: str | None
    url: str | None
    deliveredAt: Time | None


class Order(Output):
    """An order with all its fields."""

    id: OrderId
    status: OrderStatus
    finalStatus: str | None
    buyerId: str
    sellerId: str
    amount: Decimal
    currency: str
    title: str
    description: str | None
    clientOrderRef: str | None
    milestones: list[Milestone]
    metadata: StoredObject | None
    escrow: OrderEscrow | None
    dispute: OrderDispute | None
    delivery: Delivery | None
    operation: Operation | None
    platformFee: Decimal
    platformFeeBps: int
    releasedAmount: Decimal | None
    refundedAmount: Decimal | None
    version: int
    createdAt: Time
    updatedAt: Time | None
    reservedAt: Time | None
    fundedAt: Time | None
    confirmedAt: Time | None
    releasedAt: Time | None
    refundedAt: Time | None
    closedAt: Time | None


def order(message: orders_pb2.Order) -> Order:
    """Return an order with all its fields, as the API shows it."""
    # After the order has ended, the fee is the one that was charged.
    fee = message.charged_fee if message.HasField("charged_fee") else message.platform_fee
    return {
        "id": public("ord", message.id),
        "status": STATES[message.state],
        "finalStatus": FINALS.find(message.final_status),
        "buyerId": message.buyer.public_id,
        "sellerId": message.seller.public_id,
        "amount": amount(message.amount),
        "currency": message.currency or message.amount.asset,
        "title": message.title,
        "description": message.description or None,
        "clientOrderRef": message.client_order_ref or None,
        "milestones": [milestone(part) for part in message.milestones],
        "metadata": stored_object(message.metadata_json),
        "escrow": order_escrow(message.escrow) if message.HasField("escrow") else None,
        "dispute": order_dispute(message.dispute) if message.HasField("dispute") else None,
        "delivery": delivery(message.delivery) if message.HasField("delivery") else None,
        "operation": operation(message.operation) if message.HasField("operation") else None,
        "platformFee": amount(fee),
        "platformFeeBps": message.platform_fee_bps,
        "releasedAmount": amount_or_none(message, "released_amount"),
        "refundedAmount": amount_or_none(message, "refunded_amount"),
        "version": message.version,
        "createdAt": time(message.created_at),
        "updatedAt": time_or_none(message, "updated_at"),
        "reservedAt": time_or_none(message, "reserved_at"),
        "fundedAt": time_or_none(message, "funded_at"),
        "confirmedAt": time_or_none(message, "confirmed_at"),
        "releasedAt": time_or_none(message, "released_at"),
        "refundedAt": time_or_none(message, "refunded_at"),
        "closedAt": time_or_none(message, "closed_at"),
    }


def operation(message: orders_pb2.Operation) -> Operation:
    """Return an operation that is in progress, as the API shows it."""
    return {
        "id": message.id,
        "kind": message.kind,
        "state": message.state,
        "step": message.step,
        "attempts": message.attempts,
        "startedAt": time_or_none(message, "started_at"),
    }


def milestone(message: orders_pb2.Milestone) -> Milestone:
    """Return a milestone as the API shows it."""
    return {
        "ref": message.ref,
        "title": message.title,
        "description": message.description or None,
        "amount": amount(message.amount),
        "status": "COMPLETED" if message.HasField("completed_at") else "PENDING",
        "completedAt": time_or_none(message, "completed_at"),
    }


def order_escrow(message: orders_pb2.OrderEscrow) -> OrderEscrow:
    """Return the escrow with the fields that the order stores."""
    return {
        "id": public("esc", message.id),
        "trustlessContractId": message.contract_id or None,
        "status": message.status,
        "fundedAt": time_or_none(message, "funded_at"),
        "lastError": message.last_error or None,
    }


def delivery(message: orders_pb2.Delivery) -> Delivery:
    """Return the seller's delivery as the API shows it."""
    return {
        "notes": message.notes or None,
        "url": message.url or None,
        "deliveredAt": time_or_none(message, "delivered_at"),
    }


def order_dispute(message: orders_pb2.OrderDispute) -> OrderDispute:
    """Return the dispute with the fields that the order stores."""
    return {
        **opened_dispute(message),
        "decision": DECISIONS.find(message.decision),
        "openedAt": time_or_none(message, "opened_at"),
        "resolvedAt": time_or_none(message, "resolved_at"),
    }


def opened_dispute(message: orders_pb2.OrderDispute) -> OpenedDispute:
    """Return a dispute in the answer to opening it."""
    return {
        "id": public("dsp", message.id),
        "status": cast("DisputeStatus", message.status),
        "openedBy": PARTIES[message.opened_by],
        "reason": REASONS[message.reason],
    }


def moving(message: orders_pb2.Order, kind: type[MovingT]) -> MovingT:
    """Return an order in the answer to an action; `operation` is set while it is in progress.

    kind: the type of the action's answer. The caller sets the type's other fields.
    """
    data = kind(id=public("ord", message.id), status=STATES[message.state])
    if is_in_progress(message):
        data["operation"] = operation(message.operation)
    return data


def closed(message: orders_pb2.Order, *, with_time: bool = True) -> ClosedOrder:
    """Return an order that an action has closed or is closing."""
    data = moving(message, ClosedOrder)
    if message.final_status:
        data["finalStatus"] = FINALS[message.final_status]
    if with_time and message.HasField("closed_at"):
        data["closedAt"] = time(message.closed_at)
    return data


def is_in_progress(message: orders_pb2.Order) -> bool:
    """Return whether an operation on the order is still in progress."""
    return message.HasField("operation") and message.operation.state == RUNNING


class NewMilestone(Request):
    """A part of the work. The amounts of all parts add up to the order's amount."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [given("title"), given("description")]})

    ref: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    title: Text | None = None
    description: Text | None = None
    amount: Amount

    @model_validator(mode="after")
    def _is_named(self) -> "NewMilestone":
        if self.title is None and self.description is None:
            raise unfit("unnamed", "a title or a description is required", fields=["title"])
        return self


class CreateOrder(Request):
    """A purchase. Buyer and seller are named by id."""

    buyer_id: UserName
    seller_id: UserName
    amount: Amount
    title: Text
    description: Annotated[str, StringConstraints(max_length=4096)] | None = None
    currency: Currency | None = None
    client_order_ref: Text | None = None
    milestones: Annotated[list[NewMilestone], Field(max_length=50)] | None = None
    metadata: dict[str, Any] | None = None

    def fields(self) -> dict[str, Any]:
        """Return the fields of the service's request. Raises: InvalidArgument: bad `metadata`."""
        metadata = "" if self.metadata is None else to_json(self.metadata)
        if len(metadata.encode()) > METADATA_BYTES_MAX:
            raise invalid("metadata", "is larger than 16 KiB")
        milestones = [
            orders_pb2.Milestone(
                ref=part.ref,
                title=part.title or part.description or "",
                description=part.description or "",
                amount=money(part.amount),
            )
            for part in self.milestones or ()
        ]
        return {
            "buyer": self.buyer_id,
            "seller": self.seller_id,
            "amount": money(self.amount),
            "title": self.title,
            "description": self.description or "",
            "currency": self.currency or "",
            "client_order_ref": self.client_order_ref or "",
            "milestones": milestones,
            "metadata_json": metadata,
        }


class CreatedOrder(Output):
    """A new order. Optional fields are present if they were given."""

    id: OrderId
    status: OrderStatus
    buyerId: str
    sellerId: str
    amount: Decimal
    title: str
    createdAt: Time
    currency: NotRequired[str]
    clientOrderRef: NotRequired[str]
    milestones: NotRequired[list[Milestone]]
    metadata: NotRequired[StoredObject | None]


def created(message: orders_pb2.Order, body: CreateOrder) -> CreatedOrder:
    """Return a new order: the documented fields, and the optional fields that were given."""
    data: CreatedOrder = {
        "id": public("ord", message.id),
        "status": STATES[message.state],
        "buyerId": message.buyer.public_id,
        "sellerId": message.seller.public_id,
        "amount": amount(message.amount),
        "title": message.title,
        "createdAt": time(message.created_at),
    }
    if body.currency is not None:
        data["currency"] = message.currency
    if body.client_order_ref is not None:
        data["clientOrderRef"] = message.client_order_ref
    if body.milestones is not None:
        data["milestones"] = [milestone(part) for part in message.milestones]
    if body.metadata is not None:
        data["metadata"] = stored_object(message.metadata_json)
    return data
