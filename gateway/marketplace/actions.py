"""Actions on an order: reserve, lock in escrow, deliver, release, cancel, refund, dispute."""

from typing import Annotated, Any, Literal, NotRequired, get_args

from orchestrator.orders.v1 import orders_pb2
from pydantic import ConfigDict, Field, StringConstraints, model_validator

from gateway.answers import Answer
from gateway.call import Call, order_id
from gateway.keys import WRITE
from gateway.marketplace.order import (
    REASONS,
    STATES,
    ClosedOrder,
    Delivery,
    MovingOrder,
    OpenedDispute,
    closed,
    delivery,
    is_in_progress,
    moving,
    opened_dispute,
)
from gateway.marketplace.shapes import (
    PARTIES,
    Actor,
    EscrowId,
    Output,
    Success,
    Time,
    Url,
    money,
    public,
    success,
    time,
)
from gateway.models import Amount, Request, Score, agreeing, unfit
from gateway.routing import Routes

Side = Literal["BUYER", "SELLER"]
REASON_MAX = 1000
_ASKERS = ("requestedBy", "canceledBy")
_OPENERS = ("openedBy", *_ASKERS)
_STATE = ("ORDER_NOT_FOUND", "INVALID_STATE", "RESERVE_MISMATCH_AMOUNT")
_CHAIN = ("PROVIDER_ERROR",)
# The examples of an action that needs no more than its path.
_EXAMPLES = {"amount": {"amount": "80.00"}}
routes = Routes("Orders")


class OrderAction(Request):
    """The fields of every action on an order. All are optional.

    `amount` must equal the order's amount. `requestedBy` and `canceledBy` both name the side that
    asks; without them, it is the buyer.
    """

    model_config = ConfigDict(json_schema_extra=agreeing(_ASKERS, get_args(Actor)))

    amount: Amount | None = None
    requested_by: Actor | None = None
    canceled_by: Actor | None = None
    reason: Annotated[str, StringConstraints(max_length=REASON_MAX)] | None = None

    @model_validator(mode="after")
    def _one_asks(self) -> "OrderAction":
        if self.requested_by and self.canceled_by and self.requested_by != self.canceled_by:
            raise unfit("two_askers", "requestedBy and canceledBy differ", fields=_ASKERS)
        return self

    def fields(self, call: Call) -> dict[str, Any]:
        """Return the request fields that all actions have."""
        return {
            **call.awaited(),
            "order_id": order_id(call.params["id"]),
            "amount": money(self.amount),
            "reason": self.reason or "",
        }

    @property
    def by(self) -> Any:
        """The side that asks, as the contract's enum value."""
        return PARTIES.value(self.requested_by or self.canceled_by)


class ReservedOrder(MovingOrder):
    """The buyer's money is held."""

    reservedAt: NotRequired[Time]


@routes.post(
    "/orders/{id}/reserve",
    scope=WRITE,
    waits=True,
    previews=True,
    examples=_EXAMPLES,
    refusals=(*_STATE, "INSUFFICIENT_FUNDS"),
)
async def reserve_funds(call: Call, body: OrderAction) -> Answer[Success[ReservedOrder]]:
    """Hold the buyer's money: `available -= amount`, `reserved += amount`."""
    request = orders_pb2.ReserveFundsRequest(**body.fields(call), requested_by=body.by)
    order = await call.change(call.backends.orders.ReserveFunds, request)
    data = moving(order, ReservedOrder)
    if order.HasField("reserved_at"):
        data["reservedAt"] = time(order.reserved_at)
    return success(data, is_accepted=is_in_progress(order))


class CreatingEscrow(Output):
    """The contract that is being deployed."""

    id: EscrowId
    trustlessContractId: str | None
    status: str


class EscrowedOrder(MovingOrder):
    """An order whose escrow contract is being created."""

    escrow: NotRequired[CreatingEscrow]


@routes.post(
    "/orders/{id}/escrow",
    scope=WRITE,
    waits=True,
    previews=True,
    examples=_EXAMPLES,
    refusals=(*_STATE, "ESCROW_ALREADY_EXISTS", *_CHAIN),
)
async def create_escrow(call: Call, body: OrderAction) -> Answer[Success[EscrowedOrder]]:
    """Deploy the order's escrow contract. The answer is sent when its address is known."""
    request = orders_pb2.CreateEscrowRequest(**body.fields(call), requested_by=body.by)
    order = await call.change(call.backends.orders.CreateEscrow, request)
    if not order.escrow.contract_id:
        return success(moving(order, EscrowedOrder), is_accepted=True)
    # The documented answer has the address and this status, although the deployment still runs.
    escrow: CreatingEscrow = {
        "id": public("esc", order.escrow.id),
        "trustlessContractId": order.escrow.contract_id,
        "status": order.escrow.status,
    }
    return success({"id": public("ord", order.id), "status": STATES[order.state], "escrow": escrow})


class FundedEscrow(Output):
    """The contract that holds the money."""

    id: EscrowId
    status: str
    fundedAt: NotRequired[Time]


class FundedOrder(MovingOrder):
    """An order whose money is locked on chain."""

    escrow: NotRequired[FundedEscrow]


@routes.post(
    "/orders/{id}/escrow/fund",
    scope=WRITE,
    waits=True,
    previews=True,
    examples=_EXAMPLES,
    refusals=(*_STATE, "ESCROW_NOT_READY", *_CHAIN),
)
async def fund_escrow(call: Call, body: OrderAction) -> Answer[Success[FundedOrder]]:
    """Lock the reserved money in the contract. The work can then begin."""
    request = orders_pb2.FundEscrowRequest(**body.fields(call), requested_by=body.by)
    order = await call.change(call.backends.orders.FundEscrow, request)
    data = moving(order, FundedOrder)
    if order.HasField("escrow"):
        data["escrow"] = {"id": public("esc", order.escrow.id), "status": order.escrow.status}
        if order.escrow.HasField("funded_at"):
            data["escrow"]["fundedAt"] = time(order.escrow.funded_at)
    return success(data, is_accepted=is_in_progress(order))


@routes.post(
    "/orders/{id}/cancel",
    scope=WRITE,
    waits=True,
    previews=True,
    examples={"cancel": {"canceledBy": "BUYER", "reason": "Ordered by mistake"}},
    refusals=_STATE,
)
async def cancel_order(call: Call, body: OrderAction) -> Answer[Success[ClosedOrder]]:
    """Cancel an order before its escrow exists. The held money is available again."""
    request = orders_pb2.CancelOrderRequest(**body.fields(call), canceled_by=body.by)
    order = await call.change(call.backends.orders.CancelOrder, request)
    return success(closed(order, with_time=False), is_accepted=is_in_progress(order))


class DeliverOrder(Request):
    """The seller's delivery: notes and a link, both optional."""

    notes: Annotated[str, StringConstraints(max_length=10_000)] | None = None
    url: Url | None = None


class DeliveredOrder(MovingOrder):
    """A delivered order. If the buyer does not answer in time, the delivery counts as accepted."""

    delivery: NotRequired[Delivery]


@routes.post(
    "/orders/{id}/deliver",
    scope=WRITE,
    previews=True,
    examples={"delivery": {"notes": "All files", "url": "https://files.example/logo.zip"}},
    refusals=("ORDER_NOT_FOUND", "INVALID_STATE", "INVALID_URL"),
)
async def deliver_order(call: Call, body: DeliverOrder) -> Answer[Success[DeliveredOrder]]:
    """Record the seller's delivery. The days until automatic acceptance count from now."""
    request = orders_pb2.DeliverOrderRequest(
        **call.written(),
        order_id=order_id(call.params["id"]),
        notes=body.notes or "",
        url=body.url or "",
    )
    order = await call.change(call.backends.orders.DeliverOrder, request)
    data = moving(order, DeliveredOrder)
    if order.HasField("delivery"):
        data["delivery"] = delivery(order.delivery)
    return success(data)


class ReleaseFunds(OrderAction):
    """The fields of every action, and `deltaScore`: the marketplace's rating of the work.

    `force`: release although milestones are not completed; without it, such a release is refused.
    """

    delta_score: Score | None = None
    force: bool | None = None


@routes.post(
    "/orders/{id}/resolution/release",
    scope=WRITE,
    waits=True,
    previews=True,
    examples={"release": {"requestedBy": "BUYER", "reason": "The work is accepted"}},
    refusals=(*_STATE, "MILESTONES_INCOMPLETE", *_CHAIN),
)
async def release_funds(call: Call, body: ReleaseFunds) -> Answer[Success[ClosedOrder]]:
    """Pay the seller and close the order."""
    request = orders_pb2.ReleaseFundsRequest(
        **body.fields(call),
        requested_by=body.by,
        delta_score_tenths=body.delta_score,
        force=bool(body.force),
    )
    order = await call.change(call.backends.orders.ReleaseFunds, request)
    return success(closed(order), is_accepted=is_in_progress(order))


@routes.post(
    "/orders/{id}/resolution/refund",
    scope=WRITE,
    waits=True,
    previews=True,
    examples={"refund": {"requestedBy": "SELLER", "reason": "Cannot deliver"}},
    refusals=(*_STATE, *_CHAIN),
)
async def refund_order(call: Call, body: OrderAction) -> Answer[Success[ClosedOrder]]:
    """Pay the buyer back and close the order."""
    request = orders_pb2.RefundOrderRequest(**body.fields(call), requested_by=body.by)
    order = await call.change(call.backends.orders.RefundOrder, request)
    return success(closed(order), is_accepted=is_in_progress(order))


class OpenDispute(Request):
    """The side that opens the dispute, and the reason; by default the buyer, and OTHER.

    `amount` must equal the order's amount. `requestedBy` and `canceledBy` mean the same as
    `openedBy`.
    """

    model_config = ConfigDict(json_schema_extra=agreeing(_OPENERS, get_args(Side)))

    opened_by: Side | None = None
    requested_by: Side | None = None
    canceled_by: Side | None = None
    reason: Literal["NOT_DELIVERED", "QUALITY_ISSUE", "OTHER"] | None = None
    amount: Amount | None = None
    description: Annotated[str, StringConstraints(max_length=4000)] | None = None
    evidence: Annotated[list[Url], Field(max_length=20)] | None = None

    @model_validator(mode="after")
    def _one_opens(self) -> "OpenDispute":
        named = {self.opened_by, self.requested_by, self.canceled_by} - {None}
        if len(named) > 1:
            raise unfit("two_askers", "names a different side", fields=_OPENERS)
        return self

    @property
    def by(self) -> Side:
        """The side that opens the dispute."""
        return self.opened_by or self.requested_by or self.canceled_by or "BUYER"


class DisputedOrder(MovingOrder):
    """An order that is frozen by a dispute."""

    dispute: NotRequired[OpenedDispute]


@routes.post(
    "/orders/{id}/resolution/dispute",
    scope=WRITE,
    previews=True,
    examples={
        "dispute": {
            "openedBy": "BUYER",
            "reason": "QUALITY_ISSUE",
            "description": "The files cannot be opened",
            "evidence": ["https://files.example/alice/screenshot.png"],
        }
    },
    refusals=(*_STATE, "DISPUTE_ALREADY_OPEN"),
)
async def open_dispute(call: Call, body: OpenDispute) -> Answer[Success[DisputedOrder]]:
    """Freeze the order until support decides."""
    request = orders_pb2.OpenDisputeRequest(
        **call.written(),
        order_id=order_id(call.params["id"]),
        amount=money(body.amount),
        opened_by=PARTIES.value(body.by),
        reason=REASONS.value(body.reason or "OTHER"),
        description=body.description or "",
        evidence=body.evidence or (),
    )
    order = await call.change(call.backends.orders.OpenDispute, request)
    data: DisputedOrder = {"id": public("ord", order.id), "status": STATES[order.state]}
    if order.HasField("dispute"):
        data["dispute"] = opened_dispute(order.dispute)
    return success(data)
