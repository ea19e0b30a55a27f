"""Concurrent commands on one order from two processes: nothing is left behind, whichever wins.

No operation keeps running, no hold outlives a canceled order, and no answer is a fault.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from orchestrator.orders.v1 import orders_pb2

from chassis.idempotency import Answer
from services.orders.order.domain import (
    DisputeReason,
    FinalStatus,
    Order,
    OrderInWrongState,
    Party,
    State,
)
from tests.integration.orders.conftest import Shop, oid, outcomes
from tests.patience import PATIENCE_SECONDS

RICH = 10**12
_numbers = itertools.count(1)
Command = Callable[[Shop, orders_pb2.Order, float], Awaitable[Answer]]


def cancel(shop: Shop, order: orders_pb2.Order, wait: float) -> Awaitable[Answer]:
    return shop.service.cancel(
        shop.ask(wait=wait), order_id=oid(order), by=Party.BUYER, reason="", user_id=None
    )


def reserve(shop: Shop, order: orders_pb2.Order, wait: float) -> Awaitable[Answer]:
    return shop.service.reserve_funds(shop.ask(wait=wait), order_id=oid(order))


def pay(shop: Shop, order: orders_pb2.Order, wait: float) -> Awaitable[Answer]:
    return shop.service.pay(shop.ask(wait=wait), order_id=oid(order), user_id=None)


def create(shop: Shop, order: orders_pb2.Order, wait: float) -> Awaitable[Answer]:
    return shop.service.create_escrow(shop.ask(wait=wait), order_id=oid(order))


def fund(shop: Shop, order: orders_pb2.Order, wait: float) -> Awaitable[Answer]:
    return shop.service.fund_escrow(shop.ask(wait=wait), order_id=oid(order))


def release(shop: Shop, order: orders_pb2.Order, wait: float) -> Awaitable[Answer]:
    return shop.service.release_funds(shop.ask(wait=wait), order_id=oid(order), by=Party.BUYER)


def refund(shop: Shop, order: orders_pb2.Order, wait: float) -> Awaitable[Answer]:
    return shop.service.refund(shop.ask(wait=wait), order_id=oid(order), by=Party.BUYER, reason="")


def deliver(shop: Shop, order: orders_pb2.Order, wait: float) -> Awaitable[Answer]:
    return shop.service.deliver(
        shop.ask(wait=wait), order_id=oid(order), notes="", url="", user_id=None
    )


def dispute(shop: Shop, order: orders_pb2.Order, wait: float) -> Awaitable[Answer]:
    return shop.service.open_dispute(
        shop.ask(wait=wait),
        order_id=oid(order),
        by=Party.BUYER,
        reason=DisputeReason.OTHER,
        description="",
        evidence=(),
        user_id=None,
    )


EARLY: tuple[Command, ...] = (reserve, pay, cancel, create, fund)
LATE: tuple[Command, ...] = (release, refund, deliver, dispute, cancel)


async def quiet(shop: Shop, order: orders_pb2.Order) -> Order:
    """Wait until no operation runs on an order; returns it."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await running(shop, order):  # noqa: ASYNC110 - asks Postgres
            await asyncio.sleep(0.01)
    return await shop.read(order)


async def running(shop: Shop, order: orders_pb2.Order) -> list[object]:
    """Read the operation that runs on an order."""
    async with shop.database.transaction() as tx:
        cursor = await tx.execute(
            "select kind, error from operations where order_id = %s and state = 'running'",
            (oid(order),),
        )
        return list(await cursor.fetchall())


def assert_nothing_left(shop: Shop, order: Order) -> None:
    """Hold an order that is quiet to the ledger: money is held while it is reserved, no longer."""
    held = shop.peers.ledger.reserved(f"user:{order.buyer.id}")
    may_hold = {State.FUNDS_RESERVED, State.ESCROW_CREATING, State.ESCROW_FUNDING}
    assert held == (order.amount if order.state in may_hold else 0), order.state
    if order.final_status is FinalStatus.CANCELED:
        assert shop.peers.ledger.available[f"user:{order.buyer.id}"] == RICH


async def a_rich_order(shop: Shop) -> orders_pb2.Order:
    number = next(_numbers)
    buyer, seller = f"usr_buyer{number}", f"usr_seller{number}"
    for name in (buyer, seller):
        await shop.user(name)
    order = await shop.order(buyer=buyer, seller=seller)
    shop.peers.ledger.available[f"user:{order.buyer.id}"] = RICH
    return order


@pytest.mark.parametrize("first", [reserve, pay])
async def test_cancel_that_waited_for_the_row_sees_the_operation_begun_meanwhile(
    two_shops: tuple[Shop, Shop], first: Command
) -> None:
    one, two = two_shops
    order = await a_rich_order(one)
    async with one.database.transaction() as tx:
        await tx.execute("select 1 from orders where id = %s for update", (oid(order),))
        beginning = asyncio.ensure_future(first(one, order, 5))
        await waiting(one, 1)
        canceling = asyncio.ensure_future(cancel(two, order, 5))
        await waiting(one, 2)

    await outcomes(beginning, canceling)

    assert_nothing_left(one, await quiet(one, order))


async def waiting(shop: Shop, count: int) -> None:
    """Wait until so many statements wait for a lock in the database."""
    statement = (
        "select count(*) from pg_stat_activity"
        " where wait_event_type = 'Lock' and datname = current_database()"
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            async with shop.database.transaction() as tx:
                cursor = await tx.execute(statement)
                row = await cursor.fetchone()
            if row is not None and int(str(row[0])) >= count:
                return
            await asyncio.sleep(0.01)


# Which command, by which process, how long its caller waits, and when.
Step = tuple[int, bool, float, float]
Plan = list[Step]
_PLANS = st.lists(
    st.tuples(st.integers(0, 4), st.booleans(), st.sampled_from([0.0, 2.0]), st.floats(0, 0.01)),
    min_size=2,
    max_size=5,
)
_LEISURE = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@_LEISURE
@given(plan=_PLANS)
async def test_concurrent_commands_before_the_escrow_leave_no_hold_behind(
    two_shops: tuple[Shop, Shop], plan: Plan
) -> None:
    order = await a_rich_order(two_shops[0])

    await collide(two_shops, order, EARLY, plan)

    assert_nothing_left(two_shops[0], await quiet(two_shops[0], order))


@_LEISURE
@given(plan=_PLANS)
async def test_concurrent_commands_after_funding_end_the_order_once(
    two_shops: tuple[Shop, Shop], plan: Plan
) -> None:
    one = two_shops[0]
    order = await a_rich_order(one)
    await pay(one, order, 10)
    one.peers.ledger.available[f"user:{order.seller.id}"] = 0

    await collide(two_shops, order, LATE, plan)

    after = await quiet(one, order)
    assert_nothing_left(one, after)
    seller = one.peers.ledger.available[f"user:{after.seller.id}"]
    buyer = one.peers.ledger.available[f"user:{after.buyer.id}"]
    given_back = after.amount if after.final_status is FinalStatus.REFUNDED else 0
    assert buyer == RICH - after.amount + given_back
    assert seller == (after.amount if after.final_status is FinalStatus.RELEASED else 0)


async def test_a_reservation_outside_its_states_is_refused_and_records_no_operation(
    shop: Shop,
) -> None:
    order = await shop.reserved_order()
    before = await shop.count("operations")

    with pytest.raises(OrderInWrongState) as refused:
        await reserve(shop, order, 0)

    assert refused.value.details["allowedStates"] == ["ORDER_CREATED"]
    assert await shop.count("operations") == before


async def collide(
    shops: tuple[Shop, Shop],
    order: orders_pb2.Order,
    commands: tuple[Command, ...],
    plan: Plan,
) -> None:
    """Send commands at nearly the same moment; refusals are fine, faults are raised."""

    async def later(step: Step) -> Answer:
        which, second, wait, delay = step
        await asyncio.sleep(delay)
        return await commands[which](shops[second], order, wait)

    await outcomes(*(later(step) for step in plan))
