"""Orders: create, list, read."""

from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import orders_pb2

from gateway.body import to_json
from gateway.call import Answer, Call
from gateway.party import commands, examples, outputs, rendering
from gateway.party.inputs import CreateOrder, ListOrders
from gateway.routing import ANY, Routes
from kernel.money import USDC

# The document has no title for an order; the marketplace's view prints one.
TITLE = "Order"
_SIDES = {"personal": common_pb2.PARTY_BUYER, "business": common_pb2.PARTY_SELLER}
routes = Routes("Orders")


@routes.post(
    "/orders/",
    scope=ANY,
    body=CreateOrder,
    examples=examples.CREATE_ORDER,
    answers={201: outputs.Order},
    refusals=("USER_NOT_FOUND", "INVALID_CURRENCY", "BUYER_IS_SELLER"),
)
async def create_order(call: Call, body: CreateOrder) -> Answer:
    """Create an order with a business. No money moves."""
    request = orders_pb2.CreateOrderRequest(
        **commands.written(call),
        buyer=str(commands.user_id(call)),
        seller=str(body.business_id),
        amount=common_pb2.Money(asset=USDC, minor_units=body.amount),
        title=TITLE,
        currency=body.currency,
        origin=orders_pb2.ORIGIN_PARTY,
        intention_id=str(body.intention_id or ""),
        contract_template_id=str(body.contract_template_id or ""),
        contract_id=str(body.contract_id or ""),
        contract_terms_json=to_json(body.contract_terms) if body.contract_terms else "",
    )
    order = await commands.change(call, call.backends.orders.CreateOrder, request)
    return Answer(status=commands.CREATED, body=rendering.order(order))


@routes.get("/orders/", scope=ANY, query=ListOrders, answers={200: outputs.Orders})
async def list_orders(call: Call, query: ListOrders) -> Answer:
    """List the caller's orders on one side, newest first; `total` counts the filter."""
    request = orders_pb2.ListPartyOrdersRequest(
        user_id=str(commands.user_id(call)),
        role=_SIDES[query.role],
        status=query.status_filter or "",
        offset=query.offset,
        limit=query.limit,
    )
    found = await call.backends.call(call.backends.orders.ListPartyOrders, request)
    items = [rendering.order(order) for order in found.orders]
    return Answer(body={"items": items, "total": found.total})


@routes.get(
    "/orders/{order_id}",
    scope=ANY,
    answers={200: outputs.Order},
    refusals=("NOT_PARTY", "ORDER_NOT_FOUND"),
)
async def get_order(call: Call) -> Answer:
    """Read an order. Both its parties may, and an admin."""
    return Answer(body=rendering.order(await commands.read_order(call)))
