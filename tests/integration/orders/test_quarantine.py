"""Commands with an unknown outcome on chain, which is neither success nor failure.

Money may have moved. So the order, its hold and its key stay as they are, no one can cancel, and
what was asked for goes on when the outcome is known.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable

import pytest
from orchestrator.orders.v1 import orders_pb2

from chassis.idempotency import Answer, IdempotencyKeyInProgress
from services.orders.order.domain import (
    Decision,
    DisputeReason,
    Order,
    OrderInWrongState,
    Party,
    State,
)
from tests.integration.orders.conftest import EIGHTY, Shop, oid, order_of
from tests.patience import PATIENCE_SECONDS

KEY = "the one whose outcome is unknown"
Ask = Callable[[Shop, orders_pb2.Order], Awaitable[Answer]]


def create(shop: Shop, order: orders_pb2.Order) -> Awaitable[Answer]:
    return shop.service.create_escrow(shop.ask(KEY, wait=0), order_id=oid(order))


def fund(shop: Shop, order: orders_pb2.Order) -> Awaitable[Answer]:
    return shop.service.fund_escrow(shop.ask(KEY, wait=0), order_id=oid(order))


def pay(shop: Shop, order: orders_pb2.Order) -> Awaitable[Answer]:
    return shop.service.pay(shop.ask(KEY, wait=0), order_id=oid(order), user_id=None)


async def met_it(shop: Shop, order: orders_pb2.Order) -> int:
    """Wait until the operation met an unknown outcome; returns how often it has been noted."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            async with shop.database.transaction() as tx:
                cursor = await tx.execute(
                    "select attempts from operations where order_id = %s and state = 'running'"
                    " and error like '%%QUARANTINED%%'",
                    (oid(order),),
                )
                row = await cursor.fetchone()
            if row is not None:
                return int(str(row[0]))
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("ask", "unknown", "stays", "ends"),
    [
        (create, "create", State.ESCROW_CREATING, State.ESCROW_CREATING),
        (fund, "fund", State.ESCROW_FUNDING, State.IN_PROGRESS),
        (pay, "create", State.ESCROW_CREATING, State.IN_PROGRESS),
        (pay, "fund", State.ESCROW_FUNDING, State.IN_PROGRESS),
    ],
)
async def test_an_unknown_outcome_changes_nothing_until_it_is_known(
    shop: Shop, ask: Ask, unknown: str, stays: State, ends: State
) -> None:
    order = await shop.reserved_order()
    if ask is fund:
        await shop.service.create_escrow(shop.ask(), order_id=oid(order))
    shop.peers.escrow.quarantined.add(unknown)
    await ask(shop, order)
    await shop.until(order, stays)
    await met_it(shop, order)

    with pytest.raises(OrderInWrongState):
        await shop.service.cancel(
            shop.ask(wait=0), order_id=oid(order), by=Party.BUYER, reason="", user_id=None
        )
    await assert_key_is_kept(shop, order, ask)

    assert (await shop.read(order)).state is stays
    assert shop.peers.ledger.reserved(f"user:{order.buyer.id}") == EIGHTY
    assert "order.escrow_failed" not in [name for name, _ in await shop.events(order)]
    shop.peers.escrow.quarantined.clear()
    found = await ended(shop, order)
    assert found.state is ends
    # The same commands went on; no second one was given.
    kinds = sorted(shop.peers.escrow.kinds.values())
    assert kinds == (["create"] if ask is create else ["create", "fund"])
    assert (await ask(shop, order)).replayed


@pytest.mark.parametrize("unknown", ["release", "refund"])
async def test_payout_with_an_unknown_outcome_is_not_repeated(shop: Shop, unknown: str) -> None:
    order = await shop.running_order()
    shop.peers.escrow.quarantined.add(unknown)
    if unknown == "release":
        await shop.service.release_funds(shop.ask(KEY, wait=0), order_id=oid(order), by=Party.BUYER)
    else:
        await shop.service.refund(
            shop.ask(KEY, wait=0), order_id=oid(order), by=Party.BUYER, reason=""
        )
    await met_it(shop, order)
    moving = await shop.read(order)
    paid = dict(shop.peers.ledger.available)

    shop.peers.escrow.quarantined.clear()
    found = await ended(shop, order)

    assert moving.state in {State.RELEASE_REQUESTED, State.REFUND_REQUESTED}
    assert paid.get(f"user:{order.seller.id}", 0) == 0
    assert found.state is State.CLOSED
    assert len(shop.peers.escrow.commands) == 3, "create, fund, and one that pays out"


@pytest.mark.slow
async def test_a_decision_waits_while_the_freeze_is_unknown(shop: Shop) -> None:
    order = await shop.running_order()
    shop.peers.escrow.quarantined.add("freeze")
    opened = await shop.service.open_dispute(
        shop.ask(),
        order_id=oid(order),
        by=Party.BUYER,
        reason=DisputeReason.OTHER,
        description="",
        evidence=(),
        user_id=None,
    )
    await met_it(shop, order)

    def decide() -> Awaitable[Answer]:
        return shop.service.resolve_dispute(
            shop.ask(),
            dispute_id=uuid.UUID(order_of(opened).dispute.id),
            decision=Decision.FULL_REFUND,
            release=None,
            refund=None,
            note="",
        )

    with pytest.raises(OrderInWrongState):
        await decide()
    shop.peers.escrow.quarantined.clear()
    await ended(shop, order)
    resolved = order_of(await decide())

    assert resolved.state == orders_pb2.ORDER_STATE_CLOSED
    assert sorted(shop.peers.escrow.kinds.values()) == ["create", "freeze", "fund", "resolve"]


async def assert_key_is_kept(shop: Shop, order: orders_pb2.Order, ask: Ask) -> None:
    """Hold the key to what it was: of a creation its answer, of the others that they run."""
    if ask is create:
        again = await ask(shop, order)
        assert again.replayed
        assert order_of(again).escrow.status == "CREATING"
        return
    with pytest.raises(IdempotencyKeyInProgress):
        await ask(shop, order)


async def ended(shop: Shop, order: orders_pb2.Order) -> Order:
    """Wait until no operation runs on an order; returns it."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            found, operation = await shop.queries.get_order(
                marketplace_id=shop.marketplace_id, order_id=oid(order)
            )
            if operation is None:
                return found
            await asyncio.sleep(0.01)
