"""Orders: create, list, read, and the timeline."""

import asyncio
from typing import Any

from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.orders.v1 import orders_pb2

from gateway.body import to_json
from gateway.call import Answer, Call
from gateway.keys import READ, WRITE
from gateway.marketplace import commands, envelope, examples, outputs, rendering
from gateway.marketplace.inputs import CreateOrder, ListOrders, Milestone
from gateway.routing import Routes
from kernel.errors import DeadlineExceeded, InvalidArgument, NotFound, Unavailable
from kernel.money import to_text

METADATA_BYTES_MAX = 16 * 1024
# How long an order waits for word of its case.
CASE_SECONDS = 2.0
routes = Routes("Orders")


@routes.post(
    "/orders",
    scope=WRITE,
    body=CreateOrder,
    examples=examples.CREATE_ORDER,
    answers={201: envelope.Success[outputs.CreatedOrder]},
    refusals=("USER_NOT_FOUND", "INVALID_CURRENCY", "CLIENT_ORDER_REF_TAKEN"),
)
async def create_order(call: Call, body: CreateOrder) -> Answer:
    """Create an order. No money moves."""
    request = orders_pb2.CreateOrderRequest(
        **commands.written(call),
        buyer=body.buyer_id,
        seller=body.seller_id,
        amount=commands.money(body.amount),
        title=body.title,
        description=body.description or "",
        currency=body.currency or "",
        client_order_ref=body.client_order_ref or "",
        milestones=[_milestone(part) for part in body.milestones or ()],
        metadata_json=_metadata(body.metadata),
        origin=orders_pb2.ORIGIN_MARKETPLACE,
    )
    order = await commands.change(call, call.backends.orders.CreateOrder, request)
    return rendering.success(_created(order, body), status=commands.CREATED)


@routes.get(
    "/orders",
    scope=READ,
    query=ListOrders,
    answers={200: envelope.Page[outputs.Order]},
)
async def list_orders(call: Call, query: ListOrders) -> Answer:
    """List the marketplace's orders, newest first. Several filters are AND."""
    request = orders_pb2.ListOrdersRequest(
        page=commands.page_request(query),
        state=rendering.STATES.by_name[query.status] if query.status else 0,  # type: ignore[arg-type] # the enum's value
        buyer=query.buyer_id or "",
        seller=query.seller_id or "",
    )
    found = await call.backends.call(call.backends.orders.ListOrders, request)
    items = await asyncio.gather(*(_whole(call, order) for order in found.orders))
    return rendering.page(items, next_token=found.next_page_token)


@routes.get(
    "/orders/{id}",
    scope=READ,
    answers={200: envelope.Success[outputs.Order]},
    refusals=("ORDER_NOT_FOUND",),
)
async def get_order(call: Call) -> Answer:
    """Read one order, whole: escrow, dispute, milestones, and the operation in motion."""
    request = orders_pb2.GetOrderRequest(order_id=commands.order_id(call.params["id"]))
    order = await call.backends.call(call.backends.orders.GetOrder, request)
    return rendering.success(await _whole(call, order))


@routes.get(
    "/orders/{id}/timeline",
    scope=READ,
    answers={200: envelope.Success[outputs.Timeline]},
    refusals=("ORDER_NOT_FOUND",),
)
async def get_timeline(call: Call) -> Answer:
    """Read every transition, posting and chain transaction of an order, oldest first."""
    order_id = commands.order_id(call.params["id"])
    request = orders_pb2.GetTimelineRequest(order_id=order_id)
    timeline = await call.backends.call(call.backends.orders.GetTimeline, request)
    entries = [
        {
            "at": rendering.time_or_none(entry, "at"),
            "kind": entry.kind,
            "name": entry.name,
            "details": rendering.json_text(entry.details_json) or {},
        }
        for entry in timeline.entries
    ]
    data = {"orderId": rendering.public("ord", order_id), "entries": entries}
    return rendering.success(data)


async def _whole(call: Call, order: orders_pb2.Order) -> dict[str, Any]:
    """Print an order with how far support is, which only the disputes service knows.

    The order is the order's service's: where the case is still being opened, or its service is
    away, the order says what it knows itself.
    """
    data = rendering.order(order)
    if order.state == orders_pb2.ORDER_STATE_DISPUTED:
        request = disputes_pb2.GetDisputeRequest(order_id=order.id)
        try:
            case = await call.backends.call(
                call.backends.disputes.GetDispute, request, timeout_seconds=CASE_SECONDS
            )
        except (NotFound, Unavailable, DeadlineExceeded):
            return data
        data["dispute"]["status"] = rendering.DISPUTE_STATES[case.status]
    return data


def _milestone(part: Milestone) -> orders_pb2.Milestone:
    title = part.title or part.description or ""
    return orders_pb2.Milestone(
        ref=part.ref,
        title=title,
        description=part.description or "",
        amount=commands.money(part.amount),
    )


def _metadata(metadata: dict[str, Any] | None) -> str:
    if metadata is None:
        return ""
    text = to_json(metadata)
    if len(text.encode()) > METADATA_BYTES_MAX:
        raise InvalidArgument(
            "Invalid field: metadata", fields=[("metadata", "is larger than 16 KiB")]
        )
    return text


def _created(order: orders_pb2.Order, body: CreateOrder) -> dict[str, Any]:
    """Print the documented fields, and of the others those that were given."""
    data: dict[str, Any] = {
        "id": rendering.public("ord", order.id),
        "status": rendering.STATES[order.state],
        "buyerId": order.buyer.public_id,
        "sellerId": order.seller.public_id,
        "amount": to_text(order.amount.minor_units),
        "title": order.title,
        "createdAt": rendering.time(order.created_at),
    }
    if body.currency is not None:
        data["currency"] = order.currency
    if body.client_order_ref is not None:
        data["clientOrderRef"] = order.client_order_ref
    if body.milestones is not None:
        data["milestones"] = [rendering.milestone(part) for part in order.milestones]
    if body.metadata is not None:
        data["metadata"] = rendering.json_text(order.metadata_json)
    return data
