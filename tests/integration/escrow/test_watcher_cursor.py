"""The cursor is saved with each deposit, and from time to time over ledgers without deposits."""

import asyncio

import pytest

from kernel.money import UNIT
from services.escrow.deposits import watcher as watching
from services.escrow.domain import CommandKind
from tests.integration.escrow.strangers import Stranger
from tests.integration.escrow.test_watcher import make_watcher, told
from tests.integration.escrow.world import World, succeeded, usdc
from tests.patience import PATIENCE_SECONDS, until


@pytest.fixture(scope="module")
async def stranger(world: World) -> Stranger:
    """A third party that pays deposits."""
    made = Stranger(world.devnet.info)
    await made.come(amount="1000.00")
    return made


async def cursor(world: World) -> str | None:
    """Read the saved cursor."""
    async with world.house.database.transaction() as tx:
        return await world.house.deposits.cursor(tx, world.house.asset_contract)


async def next_ledger(world: World) -> None:
    """Wait until the chain has gone on."""
    before = (await world.house.chain.latest_ledger()).sequence

    async def is_closed() -> bool:
        return (await world.house.chain.latest_ledger()).sequence > before

    await until(is_closed)


async def test_cursor_is_saved_with_a_deposit_at_once_and_rarely_without_one(
    world: World, stranger: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "KEEP_SECONDS", 10 * PATIENCE_SECONDS)
    monkeypatch.setattr(watching, "PASSED_SECONDS", 10 * PATIENCE_SECONDS)
    wallet = await world.wallet()
    await world.pause_watcher()
    watcher = await make_watcher(world)
    await watcher.look()
    saved = await cursor(world)

    credit = await world.house.wallets().credit(
        world.asked(CommandKind.CREDIT_WALLET), user_id=wallet.user_id, amount=usdc(UNIT)
    )
    succeeded(await world.ended(credit))
    for _ in range(3):
        await next_ledger(world)
        await watcher.look()
    assert await cursor(world) == saved
    assert await told(world, wallet, count=0) == []

    await stranger.send(stranger.payment(wallet.address, "3.00"))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await told(world, wallet, count=0):
            await watcher.look()
    assert len(await told(world, wallet, count=1)) == 1
    assert (await cursor(world) or "") > (saved or "")
    await world.resume_watcher()


async def test_cursor_over_empty_ledgers_is_saved_after_a_while(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "KEEP_SECONDS", 0.0)
    await world.pause_watcher()
    watcher = await make_watcher(world)
    await watcher.look()
    saved = await cursor(world)

    await next_ledger(world)
    await watcher.look()

    assert (await cursor(world) or "") > (saved or "")
    await world.resume_watcher()
