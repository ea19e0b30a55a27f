"""A restored database has forgotten a payout, and then a different payout is decided."""

import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.escrow.commands.acceptance import Request
from services.escrow.domain import Command, CommandKind, CommandState, EscrowState, Wallet
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.test_faults import is_quarantined
from tests.integration.escrow.test_restored import OPERATOR, held, hold_of, house_on
from tests.integration.escrow.world import AMOUNT, Order, World, succeeded, usdc

HALF = usdc(AMOUNT // 2)
TO_SELLER = {"seller": usdc(AMOUNT), "buyer": usdc(0)}
HALVES = {"seller": HALF, "buyer": HALF}
Decision = tuple[CommandKind, Mapping[str, Any]]


async def accept(world: World, order: Order, decision: Decision) -> Request:
    """Accept a payout command for an order, without waiting for its end."""
    kind, shares = decision
    asked = world.asked(kind)
    await getattr(world.escrows, kind.value.lower())(asked, order_id=order.id, **shares)
    return asked


async def decided(world: World, order: Order, decision: Decision) -> Command:
    """Accept a payout command and wait for its end."""
    return await world.ended(await accept(world, order, decision))


async def abandoned(world: World, asked: Request) -> Command:
    """Abandon a command, and wait until it has ended or is quarantined again."""
    await world.house.rulings().abandon(
        marketplace_id=world.marketplace_id, command_id=asked.command_id, ruling=OPERATOR
    )
    return await world.until(
        asked.command_id, lambda c: c.state is not CommandState.RUNNING or bool(c.waits)
    )


@asynccontextmanager
async def restored(
    make_database: Callable[[], TestDatabase],
    devnet: RunningDevnet,
    folder: Path,
    *,
    is_frozen: bool,
    then: Decision,
) -> AsyncIterator[tuple[World, Order, list[tuple[int, int]]]]:
    """Restore the database to a moment before a payout was decided and paid."""
    database, marketplace_id = make_database(), uuid.uuid4()
    async with house_on(database, devnet, folder, marketplace_id=marketplace_id) as world:
        order = await world.funded(platform_fee_bps=250)
        if is_frozen:
            await world.do(CommandKind.FREEZE, order)
    copy = TestDatabase(f"{database.name}_restored", database.server)
    database.server.execute("create database {} template {}", copy.name, database.name)
    async with house_on(database, devnet, folder, marketplace_id=marketplace_id) as world:
        succeeded(await decided(world, order, then))
        money = await held(world, [order])
    async with house_on(copy, devnet, folder, marketplace_id=marketplace_id) as world:
        yield world, order, money
    copy.drop()
    database.drop()


@pytest.mark.parametrize(
    ("is_frozen", "then", "now", "is_confirmed_first"),
    [
        (True, (CommandKind.RESOLVE, HALVES), (CommandKind.RESOLVE, TO_SELLER), True),
        (True, (CommandKind.RESOLVE, TO_SELLER), (CommandKind.RESOLVE, HALVES), False),
        (True, (CommandKind.REFUND, {}), (CommandKind.RESOLVE, HALVES), True),
        (False, (CommandKind.REFUND, {}), (CommandKind.RELEASE, {}), False),
        (False, (CommandKind.RELEASE, {}), (CommandKind.REFUND, {}), True),
    ],
    ids=["split-release", "release-split", "refund-split", "refund-release", "release-refund"],
)
async def test_different_decision_after_a_restore_is_abandoned_and_the_paid_one_succeeds(
    make_database: Callable[[], TestDatabase],
    devnet: RunningDevnet,
    tmp_path: Path,
    *,
    is_frozen: bool,
    then: Decision,
    now: Decision,
    is_confirmed_first: bool,
) -> None:
    made = restored(make_database, devnet, tmp_path, is_frozen=is_frozen, then=then)
    async with made as (world, order, money):
        wrong = await accept(world, order, now)
        await world.until(wrong.command_id, lambda c: c.error_reason == "CHAIN_AHEAD")
        if is_confirmed_first:
            await world.house.rulings().confirm(OPERATOR)
            stopped = await world.until(wrong.command_id, is_quarantined)
            assert "has paid out" in stopped.error_message
            ended = await abandoned(world, wrong)
        else:
            await abandoned(world, wrong)
            await world.house.rulings().confirm(OPERATOR)
            ended = await world.ended(wrong)
        again = succeeded(await decided(world, order, then))

        assert (ended.state, ended.error_reason) == (CommandState.FAILED, "ABANDONED")
        assert ended.escrow is not None
        assert ended.escrow.state is (EscrowState.DISPUTED if is_frozen else EscrowState.FUNDED)
        assert await held(world, [order]) == money
        parties = [order.buyer.address, order.seller.address]
        # The reimbursements of the forgotten payout are claimed too, and not paid again.
        assert [
            sum(p.minor_units for p in again.payments if p.to_address == one) for one in parties
        ] == [money[0][0] - (100 * 10_000_000 - AMOUNT), money[0][1]]


async def test_sequence_number_used_by_a_forgotten_step_holds_the_chain(
    make_database: Callable[[], TestDatabase], devnet: RunningDevnet, tmp_path: Path
) -> None:
    database, marketplace_id = make_database(), uuid.uuid4()
    running: dict[str, Any] = {"marketplace_id": marketplace_id, "channel_accounts": 1}

    async def credit(world: World, wallet: Wallet, minor_units: int) -> Request:
        asked = world.asked(CommandKind.CREDIT_WALLET)
        amount = usdc(minor_units)
        await world.house.wallets().credit(asked, user_id=wallet.user_id, amount=amount)
        return asked

    async with house_on(database, devnet, tmp_path, **running) as world:
        first, second = await world.wallet(), await world.wallet()
    copy = TestDatabase(f"{database.name}_restored", database.server)
    database.server.execute("create database {} template {}", copy.name, database.name)
    async with house_on(database, devnet, tmp_path, **running) as world:
        succeeded(await world.ended(await credit(world, first, 3)))
        # The node shows the old sequence numbers: first to the comparison of the books with the
        # chain, then to the signing of the next step.
        await world.fault(kind="stale_sequence", count=1_000_000)

    async with house_on(copy, devnet, tmp_path, **running) as world:
        other = await credit(world, second, 5)
        await world.until_signed(other)
        assert await hold_of(world) is None
        await world.clear_faults()
        await world.until(other.command_id, lambda c: c.error_reason == "CHAIN_AHEAD")
        again = succeeded(await world.ended(await credit(world, first, 3)))
        await world.house.rulings().confirm(OPERATOR)
        succeeded(await world.ended(other))

        assert await held_by(world, first, second) == [3, 5]
        assert len(again.payments) == 1
    copy.drop()
    database.drop()


async def held_by(world: World, *wallets: Wallet) -> list[int]:
    """Return the balances of wallets on chain, in minor units."""
    return [await world.balance(wallet.address) for wallet in wallets]
