"""An operator's stop and daily limits: nothing is signed that they forbid, and nothing is lost."""

import asyncio
import uuid
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from chassis import identity
from chassis.audit import EVERYBODY
from kernel.money import to_text
from services.escrow.app import House
from services.escrow.contracts.steps import StepName
from services.escrow.domain import CommandKind, CommandState
from services.escrow.sending.flows import Change, Flow, FlowClosed, FlowState, Passage
from tests.conftest import RunningDevnet
from tests.integration.escrow.test_faults import attempts_of
from tests.integration.escrow.test_setbacks import concern, replaced
from tests.integration.escrow.world import AMOUNT, Order, World, succeeded, usdc
from tests.lines import lines
from tests.patience import PATIENCE_SECONDS

REASON = "A drill of the runbook"


async def change(
    world: World, flow: Flow, to: Change, *, of_all: bool = False, limit: int | None = None
) -> None:
    """Do to a flow what an operator does."""
    marketplace = world.marketplace_id
    who = identity.operator(name="ann", marketplace_id=marketplace)
    identity.bind(who, request_id="req-operator")
    await world.house.controls().change(
        marketplace_id=None if of_all else marketplace,
        flow=flow,
        change=to,
        reason=REASON,
        daily_limit=limit,
    )


async def state(world: World, flow: Flow) -> FlowState:
    """Return a flow as an operator sees it."""
    report = await world.house.controls().report(marketplace_id=world.marketplace_id)
    [found] = [state for state in report.states if state.flow is flow]
    return found


async def waiting(world: World, asked: Any) -> str:
    """Wait until a command rests; returns what it waits for."""
    command = await world.until(asked.command_id, lambda command: command.waits > 0)
    assert command.state is CommandState.RUNNING
    found = await concern(world, asked)
    assert found is not None
    assert found[2] == command.error_reason
    return command.error_reason


async def begun(world: World, kind: CommandKind, order: Order) -> Any:
    """Ask for a command on an order."""
    asked, fields = world.asked(kind), {}
    if kind is CommandKind.RESOLVE:
        fields = {"seller": usdc(AMOUNT), "buyer": usdc(0)}
    await getattr(world.escrows, kind.value.lower())(asked, order_id=order.id, **fields)
    return asked


@pytest.mark.parametrize(
    ("kind", "flow"),
    [
        (CommandKind.RELEASE, Flow.RELEASES),
        (CommandKind.REFUND, Flow.REFUNDS),
        (CommandKind.RESOLVE, Flow.REFUNDS),
    ],
)
@pytest.mark.parametrize("whose", ["one", "all"])
async def test_stopped_payout_waits_and_is_paid_after_resume(
    world: World, kind: CommandKind, flow: Flow, whose: str
) -> None:
    order = await world.funded()
    await change(world, flow, Change.STOP, of_all=whose == "all")
    asked = await begun(world, kind, order)

    assert await waiting(world, asked) == "FLOW_STOPPED"
    assert await signed(world, asked) == 0
    await change(world, flow, Change.RESUME, of_all=whose == "all")

    succeeded(await world.ended(asked))


async def signed(world: World, asked: Any) -> int:
    """Count the envelopes of a command."""
    statement = (
        "select count(*) from attempts a join steps s on s.id = a.step_id"
        " where s.command_id = %(id)s"
    )
    async with world.house.database.transaction() as tx:
        return int(await tx.fetchval(statement, {"id": asked.command_id}))


async def test_stop_affects_one_flow_of_one_marketplace_only(world: World) -> None:
    other = World(house=world.house, devnet=world.devnet)
    order, theirs = await world.order(), await other.order()
    await asyncio.gather(world.created(order), other.created(theirs))
    await change(world, Flow.FUNDING, Change.STOP)
    asked = await begun(world, CommandKind.FUND, order)

    await other.do(CommandKind.FUND, theirs)
    await other.do(CommandKind.RELEASE, theirs)

    assert await waiting(world, asked) == "FLOW_STOPPED"
    await change(world, Flow.FUNDING, Change.RESUME)
    succeeded(await world.ended(asked))


async def test_freeze_is_never_stopped(world: World) -> None:
    order = await world.funded()
    for flow in Flow:
        await change(world, flow, Change.STOP)

    await world.do(CommandKind.FREEZE, order)

    for flow in Flow:
        await change(world, flow, Change.RESUME)


async def test_stop_for_all_marketplaces_needs_a_resume_for_all(world: World) -> None:
    await change(world, Flow.PAYMENTS, Change.STOP)
    await change(world, Flow.PAYMENTS, Change.STOP, of_all=True)
    await change(world, Flow.PAYMENTS, Change.RESUME)
    assert (await state(world, Flow.PAYMENTS)).is_stopped
    await change(world, Flow.PAYMENTS, Change.RESUME, of_all=True)
    assert not (await state(world, Flow.PAYMENTS)).is_stopped
    told = await lines(world.house.database, EVERYBODY, target_id="PAYMENTS")
    assert [(line.actor, line.action) for line in told[-2:]] == [
        ("operator:ann", "flow.stop"),
        ("operator:ann", "flow.resume"),
    ]


async def test_envelope_signed_before_a_stop_is_settled(world: World) -> None:
    order = await world.order()
    await world.created(order)
    await world.fault(kind="not_found", function="fund_escrow", count=20)
    asked = await begun(world, CommandKind.FUND, order)
    await world.until_signed(asked)

    await change(world, Flow.FUNDING, Change.STOP)

    succeeded(await world.ended(asked))
    await change(world, Flow.FUNDING, Change.RESUME)


async def test_envelope_signed_during_a_stop_is_neither_stored_nor_sent(world: World) -> None:
    order = await world.order()
    await world.created(order)
    real, sent = world.house.chain.verify_and_sign, []

    async def slow(*arguments: Any, **named: Any) -> Any:
        prepared = await real(*arguments, **named)
        await change(world, Flow.FUNDING, Change.STOP)
        sent.append(prepared.hash)
        return prepared

    async with replaced(world.house.chain, "verify_and_sign", slow):
        asked = await begun(world, CommandKind.FUND, order)
        assert await waiting(world, asked) == "FLOW_STOPPED"

    assert len(sent) == 1
    assert await attempts_of(world, order, StepName.FUND) == []
    await change(world, Flow.FUNDING, Change.RESUME)
    succeeded(await world.ended(asked))


async def test_payout_beyond_the_daily_limit_waits_for_the_next_day_or_a_new_limit(
    world: World,
) -> None:
    mine = World(house=world.house, devnet=world.devnet)
    first, second = await mine.funded(), await mine.funded()
    await change(mine, Flow.RELEASES, Change.LIMIT, limit=AMOUNT)
    await mine.do(CommandKind.RELEASE, first)
    asked = await begun(mine, CommandKind.RELEASE, second)

    assert await waiting(mine, asked) == "DAILY_LIMIT_REACHED"
    shown = await state(mine, Flow.RELEASES)
    assert (shown.daily_limit, shown.used_today) == (AMOUNT, AMOUNT)
    assert await mine.balance(second.seller.address) == 0

    # The next day begins: the counted uses become yesterday's.
    await in_books(mine, "update escrow.flow_uses set day = day - 1")
    await mine.wake(asked.command_id)
    succeeded(await mine.ended(asked))
    third = await mine.funded()
    asked = await begun(mine, CommandKind.RELEASE, third)
    assert await waiting(mine, asked) == "DAILY_LIMIT_REACHED"
    await change(mine, Flow.RELEASES, Change.LIMIT, limit=None)
    succeeded(await mine.ended(asked))
    told = await lines(mine.house.database, mine.marketplace_id, action="flow.limit")
    assert [line.before for line in told] == [
        '{"isStopped":false,"dailyLimit":null}',
        f'{{"isStopped":false,"dailyLimit":"{to_text(AMOUNT)}"}}',
    ]


async def in_books(world: World, statement: str) -> None:
    """Change the books as the passage of time would."""
    async with world.house.database.transaction() as tx:
        await tx.execute(statement)


async def test_limit_for_all_applies_to_marketplaces_without_their_own(world: World) -> None:
    one, two = (World(house=world.house, devnet=world.devnet) for _ in range(2))
    await change(one, Flow.PAYMENTS, Change.LIMIT, of_all=True, limit=7)
    await change(two, Flow.PAYMENTS, Change.LIMIT, limit=9)

    assert (await state(one, Flow.PAYMENTS)).daily_limit == 7
    assert (await state(two, Flow.PAYMENTS)).daily_limit == 9
    await change(one, Flow.PAYMENTS, Change.LIMIT, of_all=True, limit=None)
    assert (await state(one, Flow.PAYMENTS)).daily_limit is None


async def test_refused_payment_does_not_count_against_the_limit(world: World) -> None:
    mine = World(house=world.house, devnet=world.devnet)
    poor = await mine.order(funds="1.00")
    await mine.created(poor)
    answer = await mine.escrows.fund(mine.asked(CommandKind.FUND), order_id=poor.id)
    assert (await mine.ended(answer)).state is CommandState.FAILED

    assert (await state(mine, Flow.FUNDING)).used_today == 0


async def test_concurrent_replicas_never_exceed_the_daily_limit(
    world: World, devnet: RunningDevnet
) -> None:
    mine = World(house=world.house, devnet=devnet)
    orders = await asyncio.gather(*(mine.order() for _ in range(6)))
    await asyncio.gather(*(mine.created(order) for order in orders))
    await change(mine, Flow.FUNDING, Change.LIMIT, limit=3 * AMOUNT + 1)
    other = World(
        house=House(world.house.settings), devnet=devnet, marketplace_id=mine.marketplace_id
    )
    await other.start()
    try:
        asks = [await begun(mine, CommandKind.FUND, order) for order in orders]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                if sorted(await seen(mine, asks)) == ["DAILY_LIMIT_REACHED"] * 3 + ["done"] * 3:
                    break
                await asyncio.sleep(0.05)
    finally:
        await other.stop()

    assert (await state(mine, Flow.FUNDING)).used_today == 3 * AMOUNT
    await change(mine, Flow.FUNDING, Change.LIMIT, limit=None)
    for asked in asks:
        succeeded(await mine.ended(asked))


async def seen(world: World, asks: list[Any]) -> list[str]:
    """Return what each command waits for, or that it is done."""
    found = []
    for asked in asks:
        command = await world.queries.command(
            marketplace_id=world.marketplace_id, command_id=asked.command_id, wait_seconds=0
        )
        found.append("done" if command.finished_at else command.error_reason)
    return found


async def test_concurrent_uses_of_a_limit_are_serialized(world: World) -> None:
    mine = World(house=world.house, devnet=world.devnet)
    await change(mine, Flow.FUNDING, Change.LIMIT, limit=10)
    flows, database = world.house.flows, world.house.database
    steps = await some_steps(world, 2)
    first, second = (
        Passage(
            marketplace_id=mine.marketplace_id,
            flow=Flow.FUNDING,
            step_id=step,
            minor_units=6,
            is_counted=False,
        )
        for step in steps
    )

    async def count(passage: Passage) -> bool:
        try:
            async with database.transaction() as tx:
                await flows.admit(tx, passage)
                await asyncio.sleep(0.2)
        except FlowClosed:
            return False
        return True

    assert sorted(await asyncio.gather(count(first), count(second))) == [False, True]
    # A repeated admission passes again and is counted once.
    async with database.transaction() as tx:
        await flows.admit(tx, replace(first, is_counted=True))
    assert (await state(mine, Flow.FUNDING)).used_today == 6


async def some_steps(world: World, size: int) -> list[uuid.UUID]:
    """Return steps that succeeded and are not counted. The use of a refused step never counts."""
    await world.funded()
    async with world.house.database.transaction() as tx:
        rows = await tx.fetch(
            "select id from steps where state = 'SUCCEEDED'"
            " and id not in (select step_id from flow_uses) limit %(size)s",
            {"size": size},
        )
        return [row.id for row in rows]


async def test_history_of_changes_says_who_why_and_when_and_is_immutable(world: World) -> None:
    mine = World(house=world.house, devnet=world.devnet)
    await change(mine, Flow.REFUNDS, Change.STOP)
    await change(mine, Flow.REFUNDS, Change.RESUME)

    report = await mine.house.controls().report(marketplace_id=mine.marketplace_id)
    own = [line for line in report.history if line.marketplace_id == mine.marketplace_id]
    assert [(line.change, line.by, line.reason) for line in own] == [
        (Change.RESUME, "operator:ann", REASON),
        (Change.STOP, "operator:ann", REASON),
    ]
    for statement in ("update flow_changes set reason = 'x'", "delete from flow_changes"):
        with pytest.raises(psycopg.Error, match="permission denied"):
            await in_books(mine, statement)
