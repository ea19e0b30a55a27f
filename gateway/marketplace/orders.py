"""Orders: create an order, list orders, read an order and its timeline."""

from collections.abc import Sequence
from typing import Annotated, Literal

import orjson
from orchestrator.common.v1 import common_pb2
from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.orders.v1 import orders_pb2
from pydantic import Field, StringConstraints

from chassis.wire import instant_to_proto
from gateway.answers import Answer
from gateway.call import Call, order_id
from gateway.keys import READ, WRITE
from gateway.marketplace.order import (
    DISPUTE_STATES,
    STATES,
    CreatedOrder,
    CreateOrder,
    Order,
    OrderStatus,
    created,
    order,
)
from gateway.marketplace.shapes import (
    Names,
    OrderId,
    Output,
    Page,
    Paging,
    StoredObject,
    Success,
    Text,
    Time,
    money,
    page,
    public,
    success,
    time_or_none,
)
from gateway.models import Amount, Instant, UserName
from gateway.routing import Routes
from kernel.errors import DeadlineExceeded, Unavailable

# How long reading an order waits for the disputes service.
CASE_SECONDS = 2.0
OrderSort = Literal["NEWEST", "OLDEST", "SMALLEST", "LARGEST"]
SORTS: Names[OrderSort] = Names(orders_pb2.OrderSort, "ORDER_SORT_")
Words = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100),
    Field(description="Words of the title or the description, all of them, in any order."),
]
routes = Routes("Orders")


@routes.post(
    "/orders",
    scope=WRITE,
    status=201,
    examples={
        "order": {
            "buyerId": "usr_alice",
            "sellerId": "usr_bob",
            "amount": "80.00",
            "title": "Logo design",
            "description": "A logo for a bakery",
        },
        "milestones": {
            "buyerId": "usr_alice",
            "sellerId": "usr_bob",
            "amount": "80.00",
            "title": "Logo design",
            "milestones": [
                {"ref": "draft", "title": "Three drafts", "amount": "30.00"},
                {"ref": "final", "title": "The final files", "amount": "50.00"},
            ],
            "metadata": {"cart": 1041},
        },
    },
    refusals=("USER_NOT_FOUND", "INVALID_CURRENCY", "CLIENT_ORDER_REF_TAKEN"),
)
async def create_order(call: Call, body: CreateOrder) -> Answer[Success[CreatedOrder]]:
    """Create an order. No money moves."""
    request = orders_pb2.CreateOrderRequest(
        **call.written(), **body.fields(), origin=orders_pb2.ORIGIN_MARKETPLACE
    )
    message = await call.change(call.backends.orders.CreateOrder, request)
    return success(created(message, body))


class ListOrders(Paging):
    """Filters of a list.

    Several filters are AND. `createdTo` is exclusive, `amountTo` inclusive.
    """

    status: OrderStatus | None = None
    buyer_id: UserName | None = None
    seller_id: UserName | None = None
    client_order_ref: Text | None = None
    created_from: Instant | None = None
    created_to: Instant | None = None
    amount: Amount | None = None
    amount_from: Amount | None = None
    amount_to: Amount | None = None
    text: Words | None = None
    sort: OrderSort = "NEWEST"


@routes.get("/orders", scope=READ, support=True)
async def list_orders(call: Call, query: ListOrders) -> Answer[Page[Order]]:
    """List the marketplace's orders, newest first or as `sort` says. Several filters are AND.

    One request reads a limited number of orders. A page can therefore have fewer orders than
    `limit`, even none, while `hasMore` is true. `nextCursor` continues the list.
    """
    request = orders_pb2.ListOrdersRequest(
        page=query.message(),
        state=STATES.value(query.status),
        buyer=query.buyer_id or "",
        seller=query.seller_id or "",
        client_order_ref=query.client_order_ref or "",
        created_from=instant_to_proto(query.created_from),
        created_to=instant_to_proto(query.created_to),
        amount=money(query.amount),
        amount_from=money(query.amount_from),
        amount_to=money(query.amount_to),
        text=query.text or "",
        # The default sort is left out, so that its cursors are the same as in older versions.
        sort=SORTS.value(None if query.sort == "NEWEST" else query.sort),
    )
    found = await call.read(call.backends.orders.ListOrders, request)
    return page(await whole(call, found.orders), next_token=found.next_page_token)


@routes.get("/orders/{id}", scope=READ, support=True, refusals=("ORDER_NOT_FOUND",))
async def get_order(call: Call) -> Answer[Success[Order]]:
    """Read an order with its escrow, dispute, milestones, and the operation in progress."""
    wanted = order_id(call.params["id"])
    [data] = await whole(call, [await call.backends.order(wanted)])
    return success(data)


async def whole(call: Call, messages: Sequence[orders_pb2.Order]) -> list[Order]:
    """Return orders as the API shows them, with their disputes' progress.

    Only the disputes service knows this progress. It is asked once for all orders; if its answer
    has no room for all disputes, it is asked again for the rest. While a dispute is being opened,
    or that service is unavailable, an order shows what the orders service knows of the dispute.
    """
    printed = [order(message) for message in messages]
    waiting = {
        message.dispute.id: data["dispute"]
        for message, data in zip(messages, printed, strict=True)
        if message.state == orders_pb2.ORDER_STATE_DISPUTED and data["dispute"] is not None
    }
    while waiting:
        request = disputes_pb2.ListDisputesRequest(
            page=common_pb2.PageRequest(page_size=len(waiting)), dispute_ids=waiting
        )
        try:
            found = await call.read(
                call.backends.disputes.ListDisputes, request, timeout_seconds=CASE_SECONDS
            )
        except (Unavailable, DeadlineExceeded):
            break
        known = [case for case in found.disputes if case.id in waiting]
        for case in known:
            waiting.pop(case.id)["status"] = DISPUTE_STATES[case.status]
        if not (known and found.next_page_token):
            break
    return printed


class TimelineEntry(Output):
    """A transition, a posting, or a chain transaction."""

    at: Time | None
    kind: str
    name: str
    details: StoredObject


class Timeline(Output):
    """Everything that happened to an order, oldest first."""

    orderId: OrderId
    entries: list[TimelineEntry]


@routes.get("/orders/{id}/timeline", scope=READ, support=True, refusals=("ORDER_NOT_FOUND",))
async def get_timeline(call: Call) -> Answer[Success[Timeline]]:
    """List all transitions, postings and chain transactions of an order, oldest first."""
    wanted = order_id(call.params["id"])
    request = orders_pb2.GetTimelineRequest(order_id=wanted)
    timeline = await call.read(call.backends.orders.GetTimeline, request)
    entries: list[TimelineEntry] = [
        {
            "at": time_or_none(entry, "at"),
            "kind": entry.kind,
            "name": entry.name,
            "details": orjson.Fragment(entry.details_json or "{}"),
        }
        for entry in timeline.entries
    ]
    return success({"orderId": public("ord", wanted), "entries": entries})
