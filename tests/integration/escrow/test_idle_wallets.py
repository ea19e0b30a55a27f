"""Idle wallets are merged to free their reserves, and no money is lost."""

import datetime as dt
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from kernel.ids import to_public
from services.escrow.domain import CommandKind, CommandState, Wallet, WalletState
from services.escrow.wallets.idle import IdleWallets
from tests.integration.escrow.world import AMOUNT, Order, World, succeeded, usdc
from tests.patience import until

# The failure codes of a wallet's merges that failed on the ledger.
_CODES = """
select a.code from attempts a join steps s on s.id = a.step_id
where s.name = 'merge_account' and a.state = 'FAILED'
  and s.command_id in (select id from commands where wallet_id = %(wallet)s)
"""
TEN = 10 * 10_000_000
_MERGES = """
select id from commands where wallet_id = %(wallet)s and kind = 'MERGE_WALLET' order by created_at
"""


def idle(world: World) -> IdleWallets:
    return world.house.idle()


def later(world: World) -> dt.datetime:
    """Return an instant after everything that has happened so far."""
    return world.house.clock.now() + dt.timedelta(seconds=1)


async def state_of(world: World, wallet: Wallet) -> WalletState:
    """Read a wallet's state; unlike a query, this does not wake it."""
    async with world.house.database.statement() as connection:
        found = await world.house.wallet_store.wallet_of_user(
            connection, marketplace_id=wallet.marketplace_id, user_id=wallet.user_id
        )
    return found.state


async def merging(world: World, wallet: Wallet) -> bool:
    return await idle(world).merge(wallet, before=later(world))


async def merge_ended(world: World, wallet: Wallet) -> tuple[CommandState, str]:
    """Wait for the end of a wallet's newest merge; returns how it ended, and why."""
    async with world.house.database.statement() as connection:
        rows = await connection.fetch(_MERGES, {"wallet": wallet.id})
    ended = await world.ended(rows[-1].id)
    return ended.state, ended.error_reason


async def merged(world: World) -> Wallet:
    """Make a wallet and merge it."""
    wallet = await world.wallet()
    assert await merging(world, wallet)
    assert await merge_ended(world, wallet) == (CommandState.SUCCEEDED, "")
    assert await state_of(world, wallet) is WalletState.MERGED
    return wallet


@asynccontextmanager
async def merge_in_flight(world: World, wallet: Wallet) -> AsyncIterator[None]:
    """Sign a merge and keep the network from taking it until the block ends."""
    await world.fault(kind="try_again_later", count=100_000)
    try:
        assert await merging(world, wallet)
        async with world.house.database.statement() as connection:
            rows = await connection.fetch(_MERGES, {"wallet": wallet.id})
        await world.until_signed(rows[-1].id)
        yield
    finally:
        await world.clear_faults()


async def back(world: World, wallet: Wallet) -> None:
    async def is_back() -> bool:
        return await state_of(world, wallet) is WalletState.ACTIVE

    await until(is_back)


async def sponsored(world: World) -> int:
    platform = await world.house.chain.account((await world.house.keyring.platform()).address)
    assert platform is not None
    return platform.sponsored


async def test_merged_wallet_frees_its_reserves_and_is_restored_when_its_address_is_read(
    world: World,
) -> None:
    wallet = await world.wallet()
    with_it = await sponsored(world)
    assert await merging(world, wallet)
    assert await merge_ended(world, wallet) == (CommandState.SUCCEEDED, "")
    assert await world.house.chain.account(wallet.address) is None
    # Two reserves of the account and one of its trustline.
    assert await sponsored(world) == with_it - 3

    told = await world.queries.wallet(marketplace_id=wallet.marketplace_id, user_id=wallet.user_id)

    assert (told.address, told.state) == (wallet.address, WalletState.CREATING)
    await back(world, wallet)
    assert await sponsored(world) == with_it
    await world.pay_in(wallet, "10.00")
    assert await world.balance(wallet.address) == TEN


async def test_payment_before_the_merge_keeps_the_wallet(world: World) -> None:
    wallet = await world.wallet()
    await world.pause_worker()
    assert await merging(world, wallet)
    await world.pay_in(wallet, "10.00")
    await world.resume_worker()

    assert await merge_ended(world, wallet) == (CommandState.FAILED, "WALLET_NOT_EMPTY")

    assert await state_of(world, wallet) is WalletState.ACTIVE
    assert await world.balance(wallet.address) == TEN


async def test_wallet_in_use_or_recently_used_is_not_merged(world: World) -> None:
    order = await world.order()
    unused = await world.wallet()
    await world.created(order)

    # Both wallets of an open order are in use; the third wallet has just been created.
    assert not await merging(world, order.buyer)
    assert not await merging(world, order.seller)
    assert not await idle(world).merge(unused, before=unused.created_at)
    assert await state_of(world, order.seller) is WalletState.ACTIVE


async def test_order_restores_the_merged_wallet_of_its_seller(world: World) -> None:
    seller, buyer = await merged(world), await world.wallet()
    await world.pay_in(buyer, "100.00")
    order = Order(id=uuid.uuid4(), escrow_id=uuid.uuid4(), buyer=buyer, seller=seller)

    await world.created(order)
    await world.do(CommandKind.FUND, order)
    before = world.house.clock.now()
    await world.do(CommandKind.RELEASE, order)

    assert await world.balance(seller.address) == AMOUNT
    # Their order has ended, but not before that instant.
    assert not await idle(world).merge(seller, before=before)
    assert not await idle(world).merge(buyer, before=before)


async def test_credit_restores_a_merged_wallet(world: World) -> None:
    wallet = await merged(world)

    asked = world.asked(CommandKind.CREDIT_WALLET)
    await world.house.wallets().credit(asked, user_id=wallet.user_id, amount=usdc(TEN))

    succeeded(await world.ended(asked))
    assert await world.balance(wallet.address) == TEN


async def test_wallet_needed_before_its_merge_is_signed_is_kept(world: World) -> None:
    wallet = await world.wallet()
    await world.pause_worker()
    assert await merging(world, wallet)
    await world.queries.wallet(marketplace_id=wallet.marketplace_id, user_id=wallet.user_id)
    assert await state_of(world, wallet) is WalletState.RETURNING
    await world.resume_worker()

    assert await merge_ended(world, wallet) == (CommandState.FAILED, "WALLET_WANTED")
    assert await state_of(world, wallet) is WalletState.ACTIVE


async def test_wallet_needed_while_its_merge_lands_is_restored(world: World) -> None:
    wallet = await world.wallet()
    async with merge_in_flight(world, wallet):
        await world.queries.wallet(marketplace_id=wallet.marketplace_id, user_id=wallet.user_id)

    assert await merge_ended(world, wallet) == (CommandState.SUCCEEDED, "")
    await back(world, wallet)
    assert await world.house.chain.account(wallet.address) is not None


async def test_payment_after_the_merge_is_signed_makes_the_merge_fail_on_the_ledger(
    world: World,
) -> None:
    wallet = await world.wallet()
    async with merge_in_flight(world, wallet):
        await world.pay_in(wallet, "10.00")

    assert await merge_ended(world, wallet) == (CommandState.FAILED, "WALLET_NOT_EMPTY")
    async with world.house.database.statement() as connection:
        codes = await connection.fetch(_CODES, {"wallet": wallet.id})
    assert [row.code for row in codes] == ["CHANGE_TRUST_INVALID_LIMIT"]
    assert await state_of(world, wallet) is WalletState.ACTIVE
    assert await world.balance(wallet.address) == TEN


async def test_restored_wallet_publishes_no_second_wallet_created_event(world: World) -> None:
    wallet = await merged(world)
    await world.queries.wallet(marketplace_id=wallet.marketplace_id, user_id=wallet.user_id)
    await back(world, wallet)

    async with world.house.database.statement() as connection:
        told = await connection.fetchval(
            "select count(*) from outbox where event_type = 'wallet.created'"
            " and aggregate_id = %(id)s",
            {"id": to_public("wal", wallet.id)},
        )
    assert told == 1


async def test_each_merge_leaves_a_line_in_the_audit_trail(world: World) -> None:
    wallet = await merged(world)

    async with world.house.database.statement() as connection:
        lines = await connection.fetch(
            "select action from audit where target_id = %(id)s",
            {"id": to_public("wal", wallet.id)},
        )
    assert [line.action for line in lines] == ["wallet.merge"]


class Tomorrow:
    """A clock that is two days ahead."""

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + dt.timedelta(days=2)


async def test_walk_merges_empty_wallets_and_keeps_wallets_with_money(world: World) -> None:
    empty, paid = await world.wallet(), await world.wallet()
    await world.pay_in(paid, "10.00")
    walk = replace(idle(world), days=1, clock=Tomorrow())

    assert await walk.look() > 0

    assert await merge_ended(world, empty) == (CommandState.SUCCEEDED, "")
    assert await state_of(world, paid) is WalletState.ACTIVE
    assert await walk.look() == 0


async def test_walk_recreates_a_missing_account_of_a_wallet_that_the_books_call_active(
    world: World,
) -> None:
    wallet = await merged(world)
    async with world.house.database.transaction() as tx:
        await world.house.wallet_store.set_wallet_state(tx, wallet=wallet, state=WalletState.ACTIVE)

    await replace(idle(world), days=1).look()

    async def is_there() -> bool:
        return await world.house.chain.account(wallet.address) is not None

    await until(is_there)
    await back(world, wallet)


async def test_wallet_with_a_recent_deposit_is_not_merged(world: World) -> None:
    wallet = await world.wallet()
    before = world.house.clock.now()
    await world.pay_in(wallet, "10.00")

    async def is_recorded() -> bool:
        async with world.house.database.statement() as connection:
            return bool(
                await connection.fetchval(
                    "select count(*) from deposits where wallet_id = %(id)s", {"id": wallet.id}
                )
            )

    await until(is_recorded)
    assert not await idle(world).merge(wallet, before=before)
