"""A process may die after any effect: another process continues, and the money moves once."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from chassis.leases import Lease
from kernel.ids import to_public
from services.escrow.domain import CommandKind, CommandState, Wallet
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.conftest import running
from tests.integration.escrow.crashes import die_and_resume
from tests.integration.escrow.strangers import Stranger
from tests.integration.escrow.test_redirects import redirect
from tests.integration.escrow.world import (
    AMOUNT,
    Order,
    World,
    command_of,
    new_escrow,
)

pytestmark = pytest.mark.slow

# An upper bound of a release's effects; the test fails if it is too small.
MORE_THAN_ENOUGH = 90
AT_ONCE = 10
UNIT = 10_000_000


@pytest.fixture(scope="module")
async def still(
    make_database: Callable[[], TestDatabase],
    devnet: RunningDevnet,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """A house whose worker can be stopped: these tests execute commands themselves."""
    folder = tmp_path_factory.mktemp("escrow")
    async with running(make_database(), devnet, folder, channel_accounts=AT_ONCE) as made:
        yield made


async def funded_orders(world: World, count: int, *, buyer: Wallet) -> list[Order]:
    """Make orders of one buyer, each with a seller of its own, with their money in contracts."""
    sellers = await asyncio.gather(*(world.wallet() for _ in range(count)))
    orders = [
        Order(id=uuid.uuid4(), escrow_id=uuid.uuid4(), buyer=buyer, seller=seller)
        for seller in sellers
    ]

    async def fund(order: Order) -> None:
        answer = await world.escrows.create(world.asked(CommandKind.CREATE), new_escrow(order))
        await world.ended(answer)
        await world.do(CommandKind.FUND, order)

    await asyncio.gather(*(fund(order) for order in orders))
    return orders


async def lease_anew(world: World, lease: Lease) -> Lease:
    """Take over the command of a dead worker, as the claim does after the lease has expired."""
    async with world.house.database.transaction() as tx:
        claimed = "update commands set lease_epoch = lease_epoch + 1 where id = %(id)s"
        await tx.execute(claimed, {"id": lease.id})
    return replace(lease, epoch=lease.epoch + 1)


async def accept(world: World, kind: CommandKind, order: Order, **fields: int) -> Lease:
    """Accept a command and take it."""
    use_case = getattr(world.escrows, kind.value.lower())
    answer = await use_case(world.asked(kind), order_id=order.id, **fields)
    lease = Lease(marketplace_id=world.marketplace_id, id=command_of(answer), epoch=0)
    return await lease_anew(world, lease)


async def death_at_every_boundary(
    world: World,
    kind: CommandKind,
    *,
    before: Callable[[Order], Awaitable[None]] | None = None,
    **fields: int,
) -> tuple[int, list[Order]]:
    """Die after the first thing, then after the second, …, until one lives to the end.

    before: what is done to an order first. Returns after how many things it lived, and the orders.
    """
    buyer = await world.wallet()
    await world.pay_in(buyer, f"{80 * MORE_THAN_ENOUGH}.00")
    orders: list[Order] = []
    for start in range(1, MORE_THAN_ENOUGH, AT_ONCE):
        batch = await funded_orders(world, AT_ONCE, buyer=buyer)
        orders += batch
        if before is not None:
            await asyncio.gather(*map(before, batch))
        await world.pause_worker()
        leases = [await accept(world, kind, order, **fields) for order in batch]

        async def run(lease: Lease, after: int) -> tuple[CommandState, bool]:
            return await die_and_resume(
                world, lease, after=after, again=lambda: lease_anew(world, lease)
            )

        results = await asyncio.gather(*(run(x, start + i) for i, x in enumerate(leases)))
        await world.resume_worker()
        assert {state for state, _ in results} == {CommandState.SUCCEEDED}
        lived = [start + i for i, (_, died) in enumerate(results) if not died]
        if lived:
            return lived[0], orders
    raise AssertionError(f"a command does more than {MORE_THAN_ENOUGH} things")


async def test_release_pays_once_after_a_crash_at_any_boundary(still: World) -> None:
    lived, orders = await death_at_every_boundary(still, CommandKind.RELEASE)

    assert lived > 24
    for order in orders:
        assert await still.balance(order.seller.address) == AMOUNT
        escrow = await still.queries.escrow(marketplace_id=still.marketplace_id, order_id=order.id)
        assert await still.balance(escrow.contract_id) == 0
    sent = 80 * 10_000_000 * len(orders)
    assert await still.balance(orders[0].buyer.address) == MORE_THAN_ENOUGH * AMOUNT - sent


async def test_redirected_release_pays_once_after_a_crash_at_any_boundary(still: World) -> None:
    outside = Stranger(still.devnet.info)
    await outside.come(amount="1.00")

    async def redirected(order: Order) -> None:
        await redirect(still, order, outside.address)

    lived, orders = await death_at_every_boundary(still, CommandKind.RELEASE, before=redirected)

    assert lived > 16
    assert await still.balance(outside.address) == UNIT + AMOUNT * len(orders)
    for order in orders:
        assert await still.balance(order.seller.address) == 0
        escrow = await still.queries.escrow(marketplace_id=still.marketplace_id, order_id=order.id)
        assert await still.balance(escrow.contract_id) == 0
    sent = AMOUNT * len(orders)
    assert await still.balance(orders[0].buyer.address) == MORE_THAN_ENOUGH * AMOUNT - sent


async def test_milestone_is_marked_once_after_a_crash_at_any_boundary(still: World) -> None:
    lived, orders = await death_at_every_boundary(still, CommandKind.COMPLETE_MILESTONE, index=0)

    assert lived > 8
    for order in orders:
        events = await still.events(to_public("esc", order.escrow_id))
        assert [name for _, name in events].count("escrow.milestone_completed") == 1
        assert [version for version, _ in events] == [*range(1, len(events) + 1)]
        await still.do(CommandKind.RELEASE, order)
        assert await still.balance(order.seller.address) == AMOUNT


async def test_refund_pays_once_after_a_crash_at_any_boundary(still: World) -> None:
    lived, orders = await death_at_every_boundary(still, CommandKind.REFUND)

    assert lived > 16
    assert await still.balance(orders[0].buyer.address) == MORE_THAN_ENOUGH * AMOUNT
