"""What is done to an order: reserve, lock in escrow, release, cancel, refund, dispute."""

from typing import Any

from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import orders_pb2

from gateway.call import Answer, Call
from gateway.keys import WRITE
from gateway.marketplace import commands, envelope, examples, outputs, rendering
from gateway.marketplace.inputs import OpenDispute, OrderAction, ReleaseFunds
from gateway.routing import Routes

routes = Routes("Orders")
_STATE = ("ORDER_NOT_FOUND", "INVALID_STATE", "RESERVE_MISMATCH_AMOUNT")
_CHAIN = ("PROVIDER_ERROR",)


def _order_id(call: Call) -> str:
    return commands.order_id(call.params["id"])


def _party(name: str | None) -> Any:
    return rendering.PARTIES.by_name[name] if name else common_pb2.PARTY_UNSPECIFIED


@routes.post(
    "/orders/{id}/reserve",
    scope=WRITE,
    body=OrderAction,
    examples=examples.ACTION,
    optional_body=True,
    waits=True,
    answers={
        200: envelope.Success[outputs.ReservedOrder],
        202: envelope.Success[outputs.ReservedOrder],
    },
    refusals=(*_STATE, "INSUFFICIENT_FUNDS"),
)
async def reserve_funds(call: Call, body: OrderAction) -> Answer:
    """Hold the buyer's money: `available -= amount`, `reserved += amount`."""
    request = orders_pb2.ReserveFundsRequest(
        **commands.awaited(call),
        order_id=_order_id(call),
        amount=commands.money(body.amount),
        requested_by=_party(body.by),
        reason=body.reason or "",
    )
    order = await commands.change(call, call.backends.orders.ReserveFunds, request)
    data = rendering.moving(order)
    if order.HasField("reserved_at"):
        data["reservedAt"] = rendering.time(order.reserved_at)
    return commands.action(order, data)


@routes.post(
    "/orders/{id}/escrow",
    scope=WRITE,
    body=OrderAction,
    examples=examples.ACTION,
    optional_body=True,
    waits=True,
    answers={
        200: envelope.Success[outputs.EscrowedOrder],
        202: envelope.Success[outputs.EscrowedOrder],
    },
    refusals=(*_STATE, "ESCROW_ALREADY_EXISTS", *_CHAIN),
)
async def create_escrow(call: Call, body: OrderAction) -> Answer:
    """Deploy the order's escrow contract; answers when its address is known."""
    request = orders_pb2.CreateEscrowRequest(
        **commands.awaited(call),
        order_id=_order_id(call),
        amount=commands.money(body.amount),
        requested_by=_party(body.by),
        reason=body.reason or "",
    )
    order = await commands.change(call, call.backends.orders.CreateEscrow, request)
    if not order.HasField("escrow") or not order.escrow.contract_id:
        return rendering.success(rendering.moving(order), status=commands.ACCEPTED)
    # The contract is still being deployed: that is what the documented answer says.
    data = rendering.named(order)
    data["escrow"] = {
        "id": rendering.public("esc", order.escrow.id),
        "trustlessContractId": order.escrow.contract_id,
        "status": order.escrow.status,
    }
    return rendering.success(data)


@routes.post(
    "/orders/{id}/escrow/fund",
    scope=WRITE,
    body=OrderAction,
    examples=examples.ACTION,
    optional_body=True,
    waits=True,
    answers={
        200: envelope.Success[outputs.FundedOrder],
        202: envelope.Success[outputs.FundedOrder],
    },
    refusals=(*_STATE, "ESCROW_NOT_READY", *_CHAIN),
)
async def fund_escrow(call: Call, body: OrderAction) -> Answer:
    """Lock the reserved money in the contract; work can begin."""
    request = orders_pb2.FundEscrowRequest(
        **commands.awaited(call),
        order_id=_order_id(call),
        amount=commands.money(body.amount),
        requested_by=_party(body.by),
        reason=body.reason or "",
    )
    order = await commands.change(call, call.backends.orders.FundEscrow, request)
    data = rendering.moving(order)
    if order.HasField("escrow"):
        data["escrow"] = {
            "id": rendering.public("esc", order.escrow.id),
            "status": order.escrow.status,
        }
        if order.escrow.HasField("funded_at"):
            data["escrow"]["fundedAt"] = rendering.time(order.escrow.funded_at)
    return commands.action(order, data)


@routes.post(
    "/orders/{id}/cancel",
    scope=WRITE,
    body=OrderAction,
    examples=examples.CANCEL_ORDER,
    optional_body=True,
    waits=True,
    answers={
        200: envelope.Success[outputs.ClosedOrder],
        202: envelope.Success[outputs.ClosedOrder],
    },
    refusals=_STATE,
)
async def cancel_order(call: Call, body: OrderAction) -> Answer:
    """Cancel before the escrow exists; what was held is available again."""
    request = orders_pb2.CancelOrderRequest(
        **commands.awaited(call),
        order_id=_order_id(call),
        amount=commands.money(body.amount),
        canceled_by=_party(body.by),
        reason=body.reason or "",
    )
    order = await commands.change(call, call.backends.orders.CancelOrder, request)
    return commands.action(order, _closed(order, with_time=False))


@routes.post(
    "/orders/{id}/resolution/release",
    scope=WRITE,
    body=ReleaseFunds,
    examples=examples.RELEASE_FUNDS,
    optional_body=True,
    waits=True,
    answers={
        200: envelope.Success[outputs.ClosedOrder],
        202: envelope.Success[outputs.ClosedOrder],
    },
    refusals=(*_STATE, *_CHAIN),
)
async def release_funds(call: Call, body: ReleaseFunds) -> Answer:
    """Pay the seller and close the order."""
    request = orders_pb2.ReleaseFundsRequest(
        **commands.awaited(call),
        order_id=_order_id(call),
        amount=commands.money(body.amount),
        requested_by=_party(body.by),
        reason=body.reason or "",
        delta_score_tenths=body.delta_score,
    )
    order = await commands.change(call, call.backends.orders.ReleaseFunds, request)
    return commands.action(order, _closed(order, with_time=True))


@routes.post(
    "/orders/{id}/resolution/refund",
    scope=WRITE,
    body=OrderAction,
    examples=examples.REFUND_ORDER,
    optional_body=True,
    waits=True,
    answers={
        200: envelope.Success[outputs.ClosedOrder],
        202: envelope.Success[outputs.ClosedOrder],
    },
    refusals=(*_STATE, *_CHAIN),
)
async def refund_order(call: Call, body: OrderAction) -> Answer:
    """Pay the buyer back and close the order."""
    request = orders_pb2.RefundOrderRequest(
        **commands.awaited(call),
        order_id=_order_id(call),
        amount=commands.money(body.amount),
        requested_by=_party(body.by),
        reason=body.reason or "",
    )
    order = await commands.change(call, call.backends.orders.RefundOrder, request)
    return commands.action(order, _closed(order, with_time=True))


@routes.post(
    "/orders/{id}/resolution/dispute",
    scope=WRITE,
    body=OpenDispute,
    examples=examples.OPEN_DISPUTE,
    optional_body=True,
    answers={200: envelope.Success[outputs.DisputedOrder]},
    refusals=(*_STATE, "DISPUTE_ALREADY_OPEN"),
)
async def open_dispute(call: Call, body: OpenDispute) -> Answer:
    """Freeze the order until support decides."""
    request = orders_pb2.OpenDisputeRequest(
        **commands.written(call),
        order_id=_order_id(call),
        amount=commands.money(body.amount),
        opened_by=_party(body.by),
        reason=rendering.REASONS.by_name[body.reason or "OTHER"],  # type: ignore[arg-type] # the enum's value
        description=body.description or "",
        evidence=body.evidence or (),
    )
    order = await commands.change(call, call.backends.orders.OpenDispute, request)
    data = rendering.named(order)
    if order.HasField("dispute"):
        data["dispute"] = rendering.order_dispute(order.dispute)
    return rendering.success(data)


def _closed(order: orders_pb2.Order, *, with_time: bool) -> dict[str, Any]:
    data = rendering.moving(order)
    if order.final_status:
        data["finalStatus"] = rendering.FINALS[order.final_status]
    if with_time and order.HasField("closed_at"):
        data["closedAt"] = rendering.time(order.closed_at)
    return data
