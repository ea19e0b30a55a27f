"""Lists of orders and users on the wire: decode filters and page tokens, encode pages."""

import uuid
from collections.abc import Sequence

from orchestrator.orders.v1 import orders_pb2

from chassis.wire import (
    bound_token,
    fitting,
    number_of_place,
    optional_instant,
    place_from_token,
    uuid_of_place,
)
from services.orders import wire
from services.orders.lookups.filters import Filter, Place, Sort
from services.orders.lookups.store import Page
from services.orders.order.domain import State
from services.orders.people.users import User


def chosen(request: orders_pb2.ListOrdersRequest) -> Filter:
    """Decode the filters. Raises: InvalidArgument: an amount in another asset, or no instant."""
    state = orders_pb2.OrderState.Name(request.state).removeprefix("ORDER_STATE_")
    return Filter(
        state=State(state) if request.state else None,
        buyer=request.buyer,
        seller=request.seller,
        client_order_ref=request.client_order_ref,
        created_from=optional_instant(request, "created_from"),
        created_to=optional_instant(request, "created_to"),
        amount=wire.optional_amount(request, "amount"),
        amount_from=wire.optional_amount(request, "amount_from"),
        amount_to=wire.optional_amount(request, "amount_to"),
        text=request.text,
    )


def sort(request: orders_pb2.ListOrdersRequest) -> Sort:
    """Decode the sort; the default is newest first."""
    return wire.enum_from_proto(
        Sort, orders_pb2.OrderSort, request.sort, field="sort", default=Sort.NEWEST
    )


def after(request: orders_pb2.ListOrdersRequest) -> Place | None:
    """Decode the place after which the page begins; None: first page. Raises: InvalidArgument."""
    place = place_from_token(request.page.page_token, request)
    if place is None:
        return None
    amount, _, order_id = place.rpartition(":") if sort(request).is_by_amount else ("0", "", place)
    return Place(amount=number_of_place(amount), order_id=uuid_of_place(order_id))


def page(
    request: orders_pb2.ListOrdersRequest, found: Page, *, limit: int
) -> orders_pb2.ListOrdersResponse:
    """Encode a page, with a token if more orders may follow. found: up to `limit` + 1 orders."""
    orders, looked_to = found.orders, found.looked_to
    messages = (wire.order_to_proto(one, found.operations.get(one.id)) for one in orders)
    shown = fitting(messages, limit)
    if len(shown) < len(orders):
        last = orders[len(shown) - 1]
        looked_to = Place(amount=last.amount, order_id=last.id)
    token = ""
    if looked_to is not None:
        amount = f"{looked_to.amount}:" if sort(request).is_by_amount else ""
        token = bound_token(f"{amount}{looked_to.order_id}", request)
    return orders_pb2.ListOrdersResponse(orders=shown, next_page_token=token)


def user_after(request: orders_pb2.ListUsersRequest) -> uuid.UUID | None:
    """Decode the user after whom the page begins; None: first page. Raises: InvalidArgument."""
    place = place_from_token(request.page.page_token, request)
    return None if place is None else uuid_of_place(place)


def users(
    request: orders_pb2.ListUsersRequest, found: Sequence[User], *, limit: int
) -> orders_pb2.ListUsersResponse:
    """Encode a page, with a token if more users follow. found: up to `limit` + 1 users."""
    is_cut = len(found) > limit
    return orders_pb2.ListUsersResponse(
        users=[wire.user_to_proto(user) for user in found[:limit]],
        next_page_token=bound_token(str(found[limit - 1].id), request) if is_cut else "",
    )
