"""The order: its states, the table of transitions between them, and the decisions. Pure.

TRANSITIONS lists every allowed change of state; a change that is not listed is refused. Each
decision returns the changed order and its events, in order.
"""

import datetime as dt
import enum
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace

from kernel.clock import to_milliseconds_text
from kernel.errors import FailedPrecondition, InvalidArgument, NotFound
from kernel.ids import to_public
from kernel.money import to_text


class State(enum.Enum):
    """The documented twelve states; a value is the state's public name."""

    ORDER_CREATED = "ORDER_CREATED"
    FUNDS_RESERVED = "FUNDS_RESERVED"
    ESCROW_CREATING = "ESCROW_CREATING"
    ESCROW_FUNDING = "ESCROW_FUNDING"
    ESCROW_FUNDED = "ESCROW_FUNDED"
    IN_PROGRESS = "IN_PROGRESS"
    RELEASE_REQUESTED = "RELEASE_REQUESTED"
    RELEASED = "RELEASED"
    REFUND_REQUESTED = "REFUND_REQUESTED"
    REFUNDED = "REFUNDED"
    DISPUTED = "DISPUTED"
    CLOSED = "CLOSED"


class Trigger(enum.Enum):
    """What may happen to an order: a caller's command, or evidence from ledger and chain."""

    RESERVE = "reserve"
    CANCEL = "cancel"
    EXPIRE = "expire"
    CREATE_ESCROW = "create_escrow"
    ESCROW_FAILED = "escrow_failed"
    FUND = "fund"
    FUNDED = "funded"
    START = "start"
    COMPLETE_MILESTONE = "complete_milestone"
    DELIVER = "deliver"
    RELEASE = "release"
    RELEASED = "released"
    REFUND = "refund"
    REFUNDED = "refunded"
    PAYOUT_ABANDONED = "payout_abandoned"
    DISPUTE = "dispute"
    CLOSE = "close"


class FinalStatus(enum.Enum):
    """How a closed order ended."""

    RELEASED = "RELEASED"
    REFUNDED = "REFUNDED"
    CANCELED = "CANCELED"


class Party(enum.Enum):
    """Who acts."""

    BUYER = "BUYER"
    SELLER = "SELLER"
    SUPPORT = "SUPPORT"
    SYSTEM = "SYSTEM"


class Origin(enum.Enum):
    """Which API created the order."""

    MARKETPLACE = "MARKETPLACE"
    PARTY = "PARTY"


class DisputeReason(enum.Enum):
    """Why a dispute was opened."""

    NOT_DELIVERED = "NOT_DELIVERED"
    QUALITY_ISSUE = "QUALITY_ISSUE"
    OTHER = "OTHER"


class Decision(enum.Enum):
    """What support decided."""

    FULL_RELEASE = "FULL_RELEASE"
    FULL_REFUND = "FULL_REFUND"
    SPLIT = "SPLIT"


# The documented transitions, the failures that lead back to FUNDS_RESERVED (reference §3), the
# return from a payout that an operator abandoned, and the expiry of an escrow without funds.
TRANSITIONS: Mapping[tuple[State, Trigger], State] = {
    (State.ORDER_CREATED, Trigger.RESERVE): State.FUNDS_RESERVED,
    (State.ORDER_CREATED, Trigger.CANCEL): State.CLOSED,
    (State.FUNDS_RESERVED, Trigger.CREATE_ESCROW): State.ESCROW_CREATING,
    (State.FUNDS_RESERVED, Trigger.CANCEL): State.CLOSED,
    (State.ESCROW_CREATING, Trigger.FUND): State.ESCROW_FUNDING,
    (State.ESCROW_CREATING, Trigger.ESCROW_FAILED): State.FUNDS_RESERVED,
    (State.ESCROW_CREATING, Trigger.EXPIRE): State.CLOSED,
    (State.ESCROW_FUNDING, Trigger.FUNDED): State.ESCROW_FUNDED,
    (State.ESCROW_FUNDING, Trigger.ESCROW_FAILED): State.FUNDS_RESERVED,
    (State.ESCROW_FUNDED, Trigger.START): State.IN_PROGRESS,
    (State.IN_PROGRESS, Trigger.COMPLETE_MILESTONE): State.IN_PROGRESS,
    (State.IN_PROGRESS, Trigger.DELIVER): State.IN_PROGRESS,
    (State.IN_PROGRESS, Trigger.RELEASE): State.RELEASE_REQUESTED,
    (State.IN_PROGRESS, Trigger.REFUND): State.REFUND_REQUESTED,
    (State.IN_PROGRESS, Trigger.DISPUTE): State.DISPUTED,
    (State.RELEASE_REQUESTED, Trigger.RELEASED): State.RELEASED,
    (State.REFUND_REQUESTED, Trigger.REFUNDED): State.REFUNDED,
    (State.RELEASE_REQUESTED, Trigger.PAYOUT_ABANDONED): State.IN_PROGRESS,
    (State.REFUND_REQUESTED, Trigger.PAYOUT_ABANDONED): State.IN_PROGRESS,
    (State.DISPUTED, Trigger.PAYOUT_ABANDONED): State.DISPUTED,
    (State.DISPUTED, Trigger.RELEASED): State.RELEASED,
    (State.DISPUTED, Trigger.REFUNDED): State.REFUNDED,
    (State.RELEASED, Trigger.CLOSE): State.CLOSED,
    (State.REFUNDED, Trigger.CLOSE): State.CLOSED,
}


class OrderNotFound(NotFound):
    """No such order in the caller's marketplace."""

    reason = "ORDER_NOT_FOUND"


class OrderInWrongState(FailedPrecondition):
    """The order's state does not allow it."""

    reason = "INVALID_STATE"


class EscrowAlreadyExists(FailedPrecondition):
    """The order already has an escrow contract."""

    reason = "ESCROW_ALREADY_EXISTS"


class DisputeAlreadyOpen(FailedPrecondition):
    """The order already has an open dispute."""

    reason = "DISPUTE_ALREADY_OPEN"


class AmountDiffersFromOrder(InvalidArgument):
    """The given amount is not the order's amount."""

    reason = "RESERVE_MISMATCH_AMOUNT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """An event that a decision produces: its type, and its payload by documented field names."""

    event_type: str
    payload: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserName:
    """A user by UUID and by public id."""

    id: uuid.UUID
    public_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """A part of the work; amount in minor units. completed_at: None until it is completed."""

    ref: str
    title: str
    minor_units: int
    description: str = ""
    completed_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowInfo:
    """The order's copy of its escrow. contract_id: the C… address, empty until it is known."""

    id: uuid.UUID
    contract_id: str = ""
    status: str = "CREATING"
    funded_at: dt.datetime | None = None
    last_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeInfo:
    """The order's copy of its dispute."""

    id: uuid.UUID
    opened_by: Party
    reason: DisputeReason
    opened_at: dt.datetime
    decision: Decision | None = None
    resolved_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What the seller handed over."""

    notes: str
    url: str
    delivered_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order. Amounts are in minor units of `asset`. version: the number of its events so far.

    released_share: the part of the amount that was released, before fees. charged_fee: the
    platform fee taken from that part. platform_fee: the fee for the whole amount.
    """

    id: uuid.UUID
    marketplace_id: uuid.UUID
    buyer: UserName
    seller: UserName
    asset: str
    currency: str
    amount: int
    title: str
    description: str
    state: State
    origin: Origin
    created_at: dt.datetime
    updated_at: dt.datetime
    version: int = 0
    final_status: FinalStatus | None = None
    client_order_ref: str = ""
    milestones: tuple[Milestone, ...] = ()
    metadata_json: str = ""
    platform_fee_bps: int = 0
    platform_fee: int = 0
    escrow: EscrowInfo | None = None
    dispute: DisputeInfo | None = None
    delivery: Delivery | None = None
    reserved_at: dt.datetime | None = None
    funded_at: dt.datetime | None = None
    confirmed_at: dt.datetime | None = None
    released_at: dt.datetime | None = None
    refunded_at: dt.datetime | None = None
    closed_at: dt.datetime | None = None
    released_amount: int = 0
    refunded_amount: int = 0
    provider_fee: int = 0
    released_share: int = 0
    charged_fee: int = 0
    delta_score_tenths: int | None = None
    ended_by: Party | None = None
    intention_id: str = ""
    contract_template_id: str = ""
    contract_id: str = ""
    contract_terms_json: str = ""

    @property
    def public_id(self) -> str:
        """The order's public id (`ord_…`)."""
        return to_public("ord", self.id)


Decided = tuple[Order, tuple[Fact, ...]]


def allowed_states(trigger: Trigger) -> list[str]:
    """List the public names of the states in which a trigger is allowed."""
    return [state.value for state, allowed in TRANSITIONS if allowed is trigger]


def require(order: Order, trigger: Trigger) -> State:
    """Return the state after `trigger`. Raises: OrderInWrongState."""
    after = TRANSITIONS.get((order.state, trigger))
    if after is None:
        message = f"Order is {order.state.value}; cannot {trigger.value.replace('_', ' ')}"
        raise wrong_state(order, message, allowed=allowed_states(trigger))
    return after


def wrong_state(
    order: Order, message: str, *, allowed: list[str], **details: str
) -> OrderInWrongState:
    """Make the refusal of a command. allowed: the states in which the command is possible."""
    facts = {"orderId": order.public_id, "currentState": order.state.value}
    return OrderInWrongState(message, details={**facts, "allowedStates": allowed, **details})


def move(order: Order, trigger: Trigger, *, at: dt.datetime, **changes: object) -> Order:
    """Return the order after `trigger`, with `changes` applied. Raises: OrderInWrongState."""
    after = require(order, trigger)
    return replace(order, state=after, updated_at=at, **changes)  # type: ignore[arg-type] # by name


def created(order: Order) -> Decided:
    """Record that an order was created."""
    payload = {
        "orderId": order.public_id,
        "buyerId": order.buyer.public_id,
        "sellerId": order.seller.public_id,
        "amount": to_text(order.amount),
        "title": order.title,
    }
    return order, (Fact(event_type="order.created", payload=payload),)


def require_amount(order: Order, amount: int | None) -> None:
    """Check the amount that a caller names, if any. Raises: AmountDiffersFromOrder."""
    if amount is not None and amount != order.amount:
        raise AmountDiffersFromOrder(
            "The amount must be the order's amount",
            details={"orderAmount": to_text(order.amount), "requested": to_text(amount)},
        )


def reserved(order: Order, *, reserved_balance: int, at: dt.datetime) -> Decided:
    """Record that the ledger holds the buyer's money. Raises: OrderInWrongState."""
    payload = {
        "orderId": order.public_id,
        "amount": to_text(order.amount),
        "buyerId": order.buyer.public_id,
        "reservedBalance": to_text(reserved_balance),
    }
    after = move(order, Trigger.RESERVE, at=at, reserved_at=at)
    return after, (Fact(event_type="order.funds_reserved", payload=payload),)


def escrow_creating(order: Order, *, escrow_id: uuid.UUID, at: dt.datetime) -> Decided:
    """Record that deployment begins. Raises: EscrowAlreadyExists; OrderInWrongState."""
    has_contract = order.escrow is not None and order.state not in {
        State.ORDER_CREATED,
        State.FUNDS_RESERVED,
        State.CLOSED,
    }
    if has_contract:
        details = {"orderId": order.public_id, "currentState": order.state.value}
        raise EscrowAlreadyExists("The order already has its escrow", details=details)
    escrow = EscrowInfo(id=escrow_id)
    payload = {"orderId": order.public_id, "escrowId": to_public("esc", escrow_id)}
    after = move(order, Trigger.CREATE_ESCROW, at=at, escrow=escrow)
    return after, (Fact(event_type="order.escrow_creating", payload=payload),)


def escrow_known(order: Order, *, contract_id: str, status: str, at: dt.datetime) -> Order:
    """Record the contract's address and status. The order's state does not change."""
    escrow = replace(_escrow(order), contract_id=contract_id, status=status)
    return replace(order, escrow=escrow, updated_at=at)


def escrow_failed(order: Order, *, reason: str, at: dt.datetime) -> Decided:
    """Record that the chain refused. The money stays reserved, and the command can be retried."""
    escrow = replace(_escrow(order), status="FAILED", last_error=reason)
    names = {"orderId": order.public_id, "escrowId": to_public("esc", escrow.id)}
    payload = {**names, "reason": reason}
    after = move(order, Trigger.ESCROW_FAILED, at=at, escrow=escrow)
    return after, (Fact(event_type="order.escrow_failed", payload=payload),)


def escrow_funding(order: Order, *, at: dt.datetime) -> Decided:
    """Record that the payment of the buyer's money into the contract begins."""
    escrow = replace(_escrow(order), status="FUNDING") if order.escrow else None
    payload = {
        "orderId": order.public_id,
        "escrowId": to_public("esc", escrow.id) if escrow else "",
        "trustlessContractId": escrow.contract_id if escrow else "",
    }
    after = move(order, Trigger.FUND, at=at, escrow=escrow)
    return after, (Fact(event_type="order.escrow_funding", payload=payload),)


def escrow_funded(order: Order, *, at: dt.datetime) -> Decided:
    """Record that the contract holds the money. The order passes two states; each has an event."""
    escrow = replace(_escrow(order), status="FUNDED", funded_at=at)
    funded = move(order, Trigger.FUNDED, at=at, escrow=escrow, funded_at=at)
    payload = {
        "orderId": order.public_id,
        "escrowId": to_public("esc", escrow.id),
        "fundedAt": to_milliseconds_text(at),
    }
    started = move(funded, Trigger.START, at=at)
    return started, (
        Fact(event_type="order.escrow_funded", payload=payload),
        Fact(event_type="order.in_progress", payload={"orderId": order.public_id}),
    )


def _escrow(order: Order) -> EscrowInfo:
    if order.escrow is None:
        raise OrderInWrongState("The order has no escrow", details={"orderId": order.public_id})
    return order.escrow
