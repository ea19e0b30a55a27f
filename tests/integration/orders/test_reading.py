"""An order's state and its running operation are read at one moment."""

import uuid
from collections.abc import Sequence

import pytest
from orchestrator.orders.v1 import orders_pb2

from chassis.database import Transaction
from services.orders.operations.operation import Operation
from services.orders.operations.operation_store import OperationStore
from services.orders.order.domain import Party, State
from tests.integration.orders.conftest import Shop, oid


@pytest.mark.parametrize("how", ["one", "list"])
async def test_order_and_operation_are_read_at_one_moment(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    order = await shop.running_order()
    shop.peers.escrow.gate.clear()
    await shop.service.release_funds(shop.ask(wait=0), order_id=oid(order), by=Party.BUYER)
    _end_it_before(monkeypatch, shop, order)

    if how == "one":
        found, operation = await shop.queries.get_order(
            marketplace_id=shop.marketplace_id, order_id=oid(order)
        )
    else:
        (found,), running = await shop.queries.list_orders(
            marketplace_id=shop.marketplace_id,
            state=None,
            buyer="",
            seller="",
            after=None,
            limit=5,
        )
        operation = running.get(found.id)

    # As of the moment before the end: the operation still runs.
    assert (found.state, operation is None) == (State.RELEASE_REQUESTED, False)
    assert (await shop.read(order)).state is State.CLOSED


async def test_pages_hold_each_order_once_while_others_are_created(shop: Shop) -> None:
    await shop.user("usr_buyer")
    await shop.user("usr_seller")
    made = [oid(await shop.order()) for _ in range(7)]

    seen: list[uuid.UUID] = []
    after = None
    while not seen or after is not None:
        page, _ = await shop.queries.list_orders(
            marketplace_id=shop.marketplace_id,
            state=None,
            buyer="",
            seller="",
            after=after,
            limit=3,
        )
        seen += [order.id for order in page]
        after = page[-1].id if len(page) == 3 else None
        await shop.order()

    assert seen == made[::-1]


def _end_it_before(monkeypatch: pytest.MonkeyPatch, shop: Shop, order: orders_pb2.Order) -> None:
    """Let the operation end between the read of the order and the read of its operation."""
    running, running_on = OperationStore.running, OperationStore.running_on

    async def ended() -> None:
        if not shop.peers.escrow.gate.is_set():
            shop.peers.escrow.gate.set()
            await shop.until(order, State.CLOSED)

    async def one(
        self: OperationStore, tx: Transaction, *, marketplace_id: uuid.UUID, order_id: uuid.UUID
    ) -> Operation | None:
        await ended()
        return await running(self, tx, marketplace_id=marketplace_id, order_id=order_id)

    async def several(
        self: OperationStore,
        tx: Transaction,
        *,
        marketplace_id: uuid.UUID,
        order_ids: Sequence[uuid.UUID],
    ) -> dict[uuid.UUID, Operation]:
        await ended()
        return await running_on(self, tx, marketplace_id=marketplace_id, order_ids=order_ids)

    monkeypatch.setattr(OperationStore, "running", one)
    monkeypatch.setattr(OperationStore, "running_on", several)
