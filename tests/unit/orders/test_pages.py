"""Pages of the largest orders: they end sooner, and nothing is lost."""

import uuid
from dataclasses import replace

from orchestrator.orders.v1 import orders_pb2

from chassis.wire import PAGE_BYTES
from services.orders import lists
from services.orders.lookups.store import Page
from tests.unit.orders.test_domain import an_order

LIMIT, COUNT, LETTERS = 100, 105, "\u8a2d" * 20_000


def test_a_page_of_the_largest_orders_ends_where_the_next_one_begins() -> None:
    orders = [
        replace(an_order(), id=uuid.UUID(int=number), description=LETTERS)
        for number in range(1, COUNT + 1)
    ]

    found: list[str] = []
    pages = 0
    while len(found) < COUNT:
        # A store gives one more than a page holds, where there is one.
        given = orders[len(found) : len(found) + LIMIT + 1]
        answer = lists.page(
            orders_pb2.ListOrdersRequest(),
            Page(orders=given, operations={}, looked_to=None),
            limit=LIMIT,
        )
        assert answer.ByteSize() < PAGE_BYTES + 1000
        found += [order.id for order in answer.orders]
        pages += 1
        assert bool(answer.next_page_token) is (len(found) < COUNT)

    assert found == [str(order.id) for order in orders]
    assert pages > COUNT // LIMIT + 1
