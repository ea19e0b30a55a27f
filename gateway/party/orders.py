"""Orders: create an order, list orders, read an order."""

import re
from typing import Annotated, Literal

from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import orders_pb2
from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from gateway.answers import Answer
from gateway.call import Call
from gateway.models import PageSize
from gateway.party.caller import read_order, user_id
from gateway.party.order import CreateOrder, Order, Status, order
from gateway.party.shapes import Output, Request
from gateway.routing import ANY, Routes

OFFSET_MAX = 1_000_000
# The document gives an order no title, but the marketplace view shows one.
TITLE = "Order"
_SIDES = {"personal": common_pb2.PARTY_BUYER, "business": common_pb2.PARTY_SELLER}
_DIGITS = re.compile(r"[0-9]{1,7}", re.ASCII)
routes = Routes("Orders")


def _offset(value: object) -> int:
    count = int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else -1
    if not 0 <= count <= OFFSET_MAX:
        raise PydanticCustomError("offset", f"must be a whole number from 0 to {OFFSET_MAX}")
    return count


Offset = Annotated[
    int,
    BeforeValidator(_offset),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": OFFSET_MAX, "default": 0}),
]


@routes.post(
    "/orders/",
    scope=ANY,
    status=201,
    examples={
        "order": {
            # A business that the marketplace knows: registered, or seen with a token.
            "business_id": "b2c3d4e5-f6a7-8901-bcde-f12345678901",
            "amount": 150.00,
            "currency": "USD",
            "contract_terms": {"delivery_days": 3, "revisions": 2},
        }
    },
    refusals=("USER_NOT_FOUND", "INVALID_CURRENCY", "BUYER_IS_SELLER"),
)
async def create_order(call: Call, body: CreateOrder) -> Answer[Order]:
    """Create an order with a business. No money moves."""
    request = orders_pb2.CreateOrderRequest(
        **call.written(),
        **body.fields(),
        buyer=str(user_id(call)),
        title=TITLE,
        origin=orders_pb2.ORIGIN_PARTY,
    )
    return Answer(body=order(await call.change(call.backends.orders.CreateOrder, request)))


class ListOrders(Request):
    """Orders of one side, newest first."""

    role: Literal["personal", "business"] = "business"
    status_filter: Status | None = None
    offset: Offset = 0
    limit: PageSize = 20


class Orders(Output):
    """A page of a list. total: all orders that match the filter, not only those of the page."""

    items: list[Order]
    total: int


@routes.get("/orders/", scope=ANY)
async def list_orders(call: Call, query: ListOrders) -> Answer[Orders]:
    """List the caller's orders on one side, newest first. `total` counts all that match."""
    request = orders_pb2.ListPartyOrdersRequest(
        user_id=str(user_id(call)),
        role=_SIDES[query.role],
        status=query.status_filter or "",
        offset=query.offset,
        limit=query.limit,
    )
    found = await call.read(call.backends.orders.ListPartyOrders, request)
    return Answer(body={"items": [order(one) for one in found.orders], "total": found.total})


@routes.get("/orders/{order_id}", scope=ANY, refusals=("NOT_PARTY", "ORDER_NOT_FOUND"))
async def get_order(call: Call) -> Answer[Order]:
    """Read an order, as one of its parties or as an admin."""
    return Answer(body=order(await read_order(call)))
