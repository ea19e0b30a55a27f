"""An order's state and its running operation are read at one moment."""

import uuid
from typing import Any

import pytest

from chassis.connections import Connection
from services.orders.lookups.filters import Filter, Sort
from services.orders.order.domain import Party, State
from services.orders.order.use_cases import Kind
from tests.integration.orders.conftest import Shop, oid


@pytest.mark.parametrize("how", ["one", "several", "list"])
async def test_order_and_its_operation_are_read_in_one_round_trip(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    order = await shop.running_order()
    shop.peers.escrow.gate.clear()
    await shop.service.release_funds(shop.ask(wait=0), order_id=oid(order), by=Party.BUYER)
    turns = _counted_turns(monkeypatch)

    if how == "one":
        found, operation = await shop.queries.get_order(
            marketplace_id=shop.marketplace_id, order_id=oid(order)
        )
    elif how == "several":
        [(found, operation)] = await shop.queries.get_orders(
            marketplace_id=shop.marketplace_id, order_ids=[oid(order)]
        )
    else:
        page = await shop.queries.list_orders(
            marketplace_id=shop.marketplace_id,
            chosen=Filter(state=State.RELEASE_REQUESTED, buyer="usr_buyer", seller="usr_seller"),
            sort=Sort.NEWEST,
            after=None,
            limit=5,
        )
        [found] = page.orders
        operation = page.operations.get(found.id)

    # One statement sees one moment; a second one could see an end that the first one did not.
    assert turns == [1]
    assert found.state is State.RELEASE_REQUESTED
    assert operation is not None
    assert operation.kind is Kind.RELEASE


async def test_several_orders_are_those_of_the_marketplace_only(shop: Shop) -> None:
    first, second = [oid(await shop.running_order()) for _ in range(2)]
    wanted = [first, uuid.uuid4(), second]

    found = await shop.queries.get_orders(marketplace_id=shop.marketplace_id, order_ids=wanted)
    abroad = await shop.queries.get_orders(marketplace_id=uuid.uuid4(), order_ids=wanted)

    assert {order.id for order, _ in found} == {first, second}
    assert abroad == []


def _counted_turns(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the turns to PostgreSQL from now on."""
    turns, wait = [0], Connection.wait

    async def counting(connection: Connection, *args: Any, **kwargs: Any) -> Any:
        turns[0] += 1
        return await wait(connection, *args, **kwargs)

    monkeypatch.setattr(Connection, "wait", counting)
    return turns
