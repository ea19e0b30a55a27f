"""A small marketplace for lists: orders at known instants, and what a list of them must be."""

import datetime as dt
import itertools
import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import psycopg
from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import orders_pb2

from kernel.ids import new_id
from kernel.money import CENT
from services.orders import lists
from services.orders.lookups.indexer import WordIndexer
from tests.integration.orders.conftest import Shop

DAY = dt.datetime(2026, 2, 18, 10, tzinfo=dt.UTC)
STATES = ("ORDER_CREATED", "IN_PROGRESS", "DISPUTED")
SIDES = ("usr_ada", "usr_bo", "usr_cy")
AMOUNTS = (1, 500, 500 + 1, 8000)
TITLES = ("Logo design", "A LOGO, designed", "Façade (blue)", "Logo for a blue bakery", "42")
DESCRIPTION = "In two drafts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What a list sees of an order. amount: in cents."""

    id: uuid.UUID
    buyer: str
    seller: str
    state: str
    ref: str
    amount: int
    created_at: dt.datetime
    title: str


async def stocked(shop: Shop, url: str, *, orders: int = 36) -> list[Listed]:
    """Write orders of every kind into the shop's marketplace, some within one millisecond."""
    users = {name: await shop.user(name) for name in SIDES}
    kinds = itertools.cycle(itertools.product(STATES, AMOUNTS))
    made = []
    for number, (state, amount) in zip(range(orders), kinds, strict=False):
        # Three at an instant, an hour after the last three; ids are made a moment earlier.
        at = DAY + dt.timedelta(hours=number // 3)
        buyer, seller = SIDES[number % 3], SIDES[(number + 1 + number % 2) % 3]
        made.append(
            Listed(
                id=_id(at - dt.timedelta(milliseconds=(0, 1, 900)[number % 3])),
                buyer=buyer,
                seller=seller,
                state=state,
                ref=f"ref-{number}" if number % 2 else "",
                amount=amount,
                created_at=at,
                title=TITLES[number % 5],
            )
        )
    with psycopg.connect(url) as connection:
        connection.execute("set local search_path = orders")
        for one in made:
            _write(connection, shop.marketplace_id, users, one)
    while await WordIndexer(database=shop.database).index():
        pass
    return made


def _id(at: dt.datetime) -> uuid.UUID:
    milliseconds = int(at.timestamp() * 1000)
    return uuid.UUID(int=milliseconds << 80 | new_id().int & ((1 << 80) - 1))


def _write(
    connection: psycopg.Connection[tuple[object, ...]],
    marketplace_id: uuid.UUID,
    users: dict[str, uuid.UUID],
    one: Listed,
) -> None:
    connection.execute(
        _ORDER,
        {
            "marketplace_id": marketplace_id,
            "id": one.id,
            "buyer_id": users[one.buyer],
            "buyer": one.buyer,
            "seller_id": users[one.seller],
            "seller": one.seller,
            "amount": one.amount * CENT,
            "state": one.state,
            "ref": one.ref,
            "at": one.created_at,
            "title": one.title,
            "description": DESCRIPTION,
        },
    )


async def pages(
    shop: Shop, request: orders_pb2.ListOrdersRequest, *, size: int
) -> list[orders_pb2.ListOrdersResponse]:
    """Read every page of a list."""
    found: list[orders_pb2.ListOrdersResponse] = []
    while not found or found[-1].next_page_token:
        token = found[-1].next_page_token if found else ""
        request.page.CopyFrom(common_pb2.PageRequest(page_size=size, page_token=token))
        found.append(await asked(shop, request))
    return found


async def asked(shop: Shop, request: orders_pb2.ListOrdersRequest) -> orders_pb2.ListOrdersResponse:
    """Answer a request as the servicer does."""
    found = await shop.queries.list_orders(
        marketplace_id=shop.marketplace_id,
        chosen=lists.chosen(request),
        sort=lists.sort(request),
        after=lists.after(request),
        limit=request.page.page_size + 1,
    )
    return lists.page(request, found, limit=request.page.page_size)


def ids(found: Iterable[orders_pb2.ListOrdersResponse]) -> list[uuid.UUID]:
    """Return the ids of the orders of some pages."""
    return [uuid.UUID(order.id) for page in found for order in page.orders]


def expected(made: list[Listed], request: orders_pb2.ListOrdersRequest) -> list[uuid.UUID]:
    """Return what a list must be, by looking at every order."""
    asked_for = {field.name for field, _ in request.ListFields()} - {"page", "sort"}
    found = [one for one in made if all(_TESTS[name](one, request) for name in asked_for)]
    name = orders_pb2.OrderSort.Name(request.sort).removeprefix("ORDER_SORT_")
    if name in {"SMALLEST", "LARGEST"}:
        found.sort(key=lambda one: (one.amount, one.id), reverse=name == "LARGEST")
    else:
        found.sort(key=lambda one: one.id, reverse=name != "OLDEST")
    return [one.id for one in found]


def _state(request: orders_pb2.ListOrdersRequest) -> str:
    return orders_pb2.OrderState.Name(request.state).removeprefix("ORDER_STATE_")


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


_TESTS: dict[str, Callable[[Listed, orders_pb2.ListOrdersRequest], bool]] = {
    "state": lambda one, request: one.state == _state(request),
    "buyer": lambda one, request: one.buyer == request.buyer,
    "seller": lambda one, request: one.seller == request.seller,
    "client_order_ref": lambda one, request: one.ref == request.client_order_ref,
    "created_from": lambda one, request: (
        one.created_at >= request.created_from.ToDatetime(tzinfo=dt.UTC)
    ),
    "created_to": lambda one, request: (
        one.created_at < request.created_to.ToDatetime(tzinfo=dt.UTC)
    ),
    "amount": lambda one, request: one.amount * CENT == request.amount.minor_units,
    "amount_from": lambda one, request: one.amount * CENT >= request.amount_from.minor_units,
    "amount_to": lambda one, request: one.amount * CENT <= request.amount_to.minor_units,
    "text": lambda one, request: _words(request.text) <= _words(f"{one.title} {DESCRIPTION}"),
}
_ORDER = """
insert into orders (marketplace_id, id, buyer_id, buyer_public_id, seller_id, seller_public_id,
                    asset, currency, amount, title, description, state, origin, client_order_ref,
                    platform_fee_bps, platform_fee, version, created_at, updated_at)
values (%(marketplace_id)s, %(id)s, %(buyer_id)s, %(buyer)s, %(seller_id)s, %(seller)s, 'USDC',
        'USDC', %(amount)s, %(title)s, %(description)s, %(state)s, 'MARKETPLACE', %(ref)s, 0, 0, 1,
        %(at)s, %(at)s)
"""
