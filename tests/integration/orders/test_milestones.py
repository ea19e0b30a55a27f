"""Milestones on a real database: marked on chain once, and what a release asks of them."""

import asyncio
import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import pytest
from orchestrator.orders.v1 import orders_pb2

from chassis.idempotency import Answer
from kernel.errors import FailedPrecondition
from kernel.ids import new_id
from services.orders.order.domain import (
    FinalStatus,
    Milestone,
    Order,
    OrderInWrongState,
    Party,
    State,
)
from services.orders.order.milestones import MilestoneNotFound, MilestonesIncomplete
from services.orders.peers.ports import ProviderError
from tests import passing
from tests.integration.orders.conftest import (
    EIGHTY,
    Peers,
    Shop,
    oid,
    open_shop,
    order_of,
    outcomes,
)
from tests.integration.orders.test_leases import EXPIRE, execute
from tests.patience import PATIENCE_SECONDS

RUNNING = "select count(*) from operations where state = 'running'"


async def divided(shop: Shop) -> orders_pb2.Order:
    """Create an order of two milestones, and bring it to IN_PROGRESS."""
    await shop.user("usr_buyer")
    await shop.user("usr_seller")
    parts = tuple(
        Milestone(ref=ref, title=ref.title(), minor_units=EIGHTY // 2) for ref in ("draft", "final")
    )
    order = await shop.order(milestones=parts)
    shop.peers.ledger.available[f"user:{order.buyer.id}"] = EIGHTY
    for command in (
        shop.service.reserve_funds,
        shop.service.create_escrow,
        shop.service.fund_escrow,
    ):
        await command(shop.ask(), order_id=oid(order))
    return order


async def complete(
    shop: Shop, order: orders_pb2.Order, ref: str, *, key: str = "", wait: float = 10
) -> Answer:
    return await shop.service.complete_milestone(
        shop.ask(key, wait=wait), order_id=oid(order), ref=ref
    )


async def release(shop: Shop, order: orders_pb2.Order, *, is_forced: bool = False) -> Answer:
    return await shop.service.release_funds(
        shop.ask(), order_id=oid(order), by=Party.BUYER, is_forced=is_forced
    )


def done(order: Order) -> list[str]:
    return [one.ref for one in order.milestones if one.completed_at is not None]


async def running(shop: Shop) -> int:
    async with shop.database.transaction() as tx:
        return int(await tx.fetchval(RUNNING))


async def test_completed_milestone_is_marked_once_and_shown_in_the_order(shop: Shop) -> None:
    order = await divided(shop)

    first = await complete(shop, order, "final", key="once")
    again = await complete(shop, order, "final", key="once")

    assert (again.body, again.replayed) == (first.body, True)
    answered = order_of(first).milestones
    assert [one.HasField("completed_at") for one in answered] == [False, True]
    found = await shop.read(order)
    assert (found.state, done(found)) == (State.IN_PROGRESS, ["final"])
    assert shop.peers.escrow.marked == [1]
    assert (await shop.events(order))[-1][0] == "order.milestone_completed"
    versions = [version for _, version in await shop.events(order)]
    assert versions == [*range(1, len(versions) + 1)]


async def test_unknown_and_completed_milestones_are_refused(shop: Shop) -> None:
    order = await divided(shop)
    await complete(shop, order, "draft")

    with pytest.raises(MilestoneNotFound):
        await complete(shop, order, "other")
    with pytest.raises(OrderInWrongState):
        await complete(shop, order, "draft")

    assert shop.peers.escrow.marked == [0]


async def test_release_waits_for_all_milestones_unless_it_is_forced(shop: Shop) -> None:
    order, forced = await divided(shop), await divided(shop)
    await complete(shop, order, "draft")

    with pytest.raises(MilestonesIncomplete) as refusal:
        await release(shop, order)
    assert (await shop.read(order)).state is State.IN_PROGRESS
    await complete(shop, order, "final")
    await release(shop, order)
    await release(shop, forced, is_forced=True)

    assert refusal.value.details["openMilestones"] == ["final"]
    for closed in (await shop.read(order), await shop.read(forced)):
        assert closed.final_status is FinalStatus.RELEASED


async def test_unanswered_delivery_is_accepted_with_its_open_milestones(
    shop: Shop, postgres_admin: str
) -> None:
    order = await divided(shop)
    await shop.service.deliver(shop.ask(), order_id=oid(order), notes="", url="", user_id=None)
    passing.for_orders(postgres_admin, dt.timedelta(days=7))

    await shop.timers.meet_deadlines()

    await shop.until(order, State.CLOSED)


@pytest.mark.parametrize("reason", ["ABANDONED", "CHAIN_FAILED"])
async def test_milestone_that_the_chain_refuses_can_be_completed_later(
    shop: Shop, reason: str
) -> None:
    order = await divided(shop)
    before = await shop.read(order)
    shop.peers.escrow.fails["complete_milestone"] = reason

    with pytest.raises(ProviderError):
        await complete(shop, order, "draft")
    between = await shop.read(order)
    shop.peers.escrow.fails.clear()
    await complete(shop, order, "draft")

    assert between == before
    assert done(await shop.read(order)) == ["draft"]


async def test_milestone_of_a_frozen_contract_is_refused(shop: Shop) -> None:
    order = await divided(shop)
    shop.peers.escrow.refuses["complete_milestone"] = FailedPrecondition(
        "The escrow is disputed", reason="ESCROW_NOT_READY", details={"state": "DISPUTED"}
    )

    with pytest.raises(ProviderError):
        await complete(shop, order, "draft")

    assert (await shop.read(order)).state is State.IN_PROGRESS
    assert await running(shop) == 0


async def test_same_milestone_completed_twice_at_once_is_marked_once(shop: Shop) -> None:
    for _ in range(20):
        order = await divided(shop)
        shop.peers.escrow.marked.clear()

        answers, refusals = await outcomes(*(complete(shop, order, "draft") for _ in range(3)))

        assert len(answers) == 1
        assert {refusal.reason for refusal in refusals} == {"INVALID_STATE"}
        assert shop.peers.escrow.marked == [0]


async def test_completion_concurrent_with_other_commands_leaves_nothing_running(shop: Shop) -> None:
    for _ in range(20):
        order = await divided(shop)

        answers, refusals = await outcomes(
            complete(shop, order, "draft"),
            complete(shop, order, "final"),
            release(shop, order, is_forced=True),
            shop.service.refund(shop.ask(), order_id=oid(order), by=Party.BUYER, reason=""),
        )

        found = await shop.read(order)
        assert found.state is State.CLOSED
        assert {refusal.reason for refusal in refusals} <= {"INVALID_STATE"}
        assert len(answers) == 1 + len(done(found))
        assert await running(shop) == 0


async def test_completion_of_a_dead_process_is_continued_with_the_same_command(
    database_url: Callable[[str], str],
) -> None:
    url, peers, marketplace_id = database_url("orders"), Peers(), new_id()
    stuck = replace(peers, escrow=replace(peers.escrow, gate=asyncio.Event()))
    async with open_shop(url, peers, marketplace_id, takes_over=False) as builder:
        order = await divided(builder)
    async with open_shop(url, stuck, marketplace_id, takes_over=False) as dying:
        dying.peers.escrow.gate.clear()
        await complete(dying, order, "draft", wait=0)
        await execute(dying, EXPIRE)
    commands = dict(peers.escrow.commands)

    async with open_shop(url, peers, marketplace_id) as successor:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await running(successor):  # noqa: ASYNC110 - asks Postgres
                await asyncio.sleep(0.01)
        found = await successor.read(order)

    assert done(found) == ["draft"]
    assert set(peers.escrow.commands) == set(commands)
