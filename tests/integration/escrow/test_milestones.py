"""A milestone is marked by both sides, long before the release, which does not mark it again."""

import uuid
from dataclasses import replace

import pytest

from kernel.ids import to_public
from services.escrow.domain import CommandInMotion, CommandKind, EscrowNotReady, EscrowState
from services.escrow.service import MilestoneNotFound
from tests.integration.escrow.test_side_by_side import release
from tests.integration.escrow.world import AMOUNT, Order, World, new_escrow, succeeded

PARTS = ("Sketch", "Draft", "Final")


async def divided(world: World) -> Order:
    """Make an order of three milestones whose contract holds its money."""
    order = await world.order()
    new = replace(new_escrow(order), milestones=PARTS)
    answer = await world.escrows.create(world.asked(CommandKind.CREATE), new)
    succeeded(await world.ended(answer))
    await world.do(CommandKind.FUND, order)
    return order


async def complete(world: World, order: Order, index: int) -> None:
    await world.do(CommandKind.COMPLETE_MILESTONE, order, index=index)


async def marked(world: World, order: Order) -> list[bool]:
    """Read which milestones have the marks of both sides on chain."""
    escrow = await world.queries.escrow(marketplace_id=world.marketplace_id, order_id=order.id)
    assert escrow.state is EscrowState.FUNDED
    view = await world.house.chain.read_escrow(escrow.contract_id)
    assert view is not None
    return [one.approved and one.status == "completed" for one in view.milestones]


async def told(world: World, order: Order) -> list[str]:
    events = await world.events(to_public("esc", order.escrow_id))
    assert [version for version, _ in events] == [*range(1, len(events) + 1)]
    return [name for _, name in events]


async def test_completed_milestone_is_marked_and_the_escrow_stays_funded(world: World) -> None:
    order = await divided(world)

    await complete(world, order, 1)

    assert await marked(world, order) == [False, True, False]
    assert (await told(world, order))[-1] == "escrow.milestone_completed"
    assert await world.balance(order.seller.address) == 0


async def test_release_marks_only_the_unmarked_milestones(world: World) -> None:
    order = await divided(world)
    for index in (0, 2):
        await complete(world, order, index)

    sent = await release(world, order)

    marks = [name for name in sent if name.endswith(("_status", "_milestone"))]
    assert sorted(marks) == ["approve_milestone", "change_milestone_status"]
    assert (await told(world, order)).count("escrow.milestone_completed") == 3


@pytest.mark.parametrize("function", ["change_milestone_status", "approve_milestone"])
async def test_mark_that_fails_on_the_ledger_is_sent_again(world: World, function: str) -> None:
    order = await divided(world)
    await world.fault(kind="fail_at_apply", function=function, count=1)

    await complete(world, order, 0)

    assert await marked(world, order) == [True, False, False]
    assert (await told(world, order)).count("escrow.milestone_completed") == 1


async def test_milestone_that_the_contract_does_not_have_is_not_found(world: World) -> None:
    order = await divided(world)

    with pytest.raises(MilestoneNotFound):
        await complete(world, order, len(PARTS))

    assert await marked(world, order) == [False, False, False]


async def test_milestone_is_completed_only_while_the_contract_holds_the_money(world: World) -> None:
    order = await divided(world)
    await release(world, order)

    with pytest.raises(EscrowNotReady):
        await complete(world, order, 0)


async def test_refund_after_a_completed_milestone_pays_the_whole_amount(world: World) -> None:
    order = await divided(world)
    before = await world.balance(order.buyer.address)
    await complete(world, order, 0)

    await world.do(CommandKind.REFUND, order)

    assert await world.balance(order.buyer.address) == before + AMOUNT


async def test_other_commands_wait_until_a_milestone_is_marked(world: World) -> None:
    order = await divided(world)
    await world.pause_worker()
    first = world.asked(CommandKind.COMPLETE_MILESTONE, command_id=uuid.uuid4())
    await world.escrows.complete_milestone(first, order_id=order.id, index=0)

    for kind in (CommandKind.RELEASE, CommandKind.REFUND, CommandKind.FREEZE):
        with pytest.raises(CommandInMotion):
            await world.do(kind, order)
    await world.resume_worker()

    succeeded(await world.ended(first))
    assert await marked(world, order) == [True, False, False]
