"""The first start of escrow, and the upkeep of the channel accounts."""

import asyncio
import math
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kernel.money import UNIT
from services.escrow.domain import CommandKind, CommandState, WalletState
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.conftest import running
from tests.integration.escrow.strangers import Stranger
from tests.integration.escrow.world import (
    Order,
    World,
    command_of,
    new_escrow,
    succeeded,
)
from tests.patience import until


@pytest.fixture
async def alone(
    make_database: Callable[[], TestDatabase], devnet: RunningDevnet, tmp_path: Path
) -> AsyncIterator[World]:
    """A house of this test alone."""
    async with running(make_database(), devnet, tmp_path) as made:
        yield made


@pytest.fixture
async def rich(
    make_database: Callable[[], TestDatabase], devnet: RunningDevnet, tmp_path: Path
) -> AsyncIterator[World]:
    """A house of this test alone, whose channel accounts pay."""
    async with running(make_database(), devnet, tmp_path, fees_paid_by="channels") as made:
        yield made


async def channels_of(world: World) -> list[str]:
    """Read the channel accounts in use."""
    async with world.house.database.transaction() as tx:
        return [channel.address for channel in await world.house.accounts.channels(tx)]


async def test_second_start_changes_no_account(alone: World) -> None:
    before = await channels_of(alone)
    platform = (await alone.house.keyring.platform()).address
    held = await alone.balance(platform)

    await alone.house.bootstrap().run()

    assert await channels_of(alone) == before
    assert await alone.balance(platform) == held == 10_000 * UNIT


async def test_watcher_has_its_cursor_after_bootstrap(alone: World) -> None:
    async with alone.house.database.transaction() as tx:
        cursor = await alone.house.deposits.cursor(tx, alone.house.asset_contract)

    assert cursor is not None


async def test_platform_pays_network_fees_of_channel_accounts_without_lumens(alone: World) -> None:
    channels, chain = await channels_of(alone), alone.house.chain
    platform = (await alone.house.keyring.platform()).address
    before = await chain.account(platform)
    assert before is not None
    assert before.sponsored == 2 * len(channels)

    await alone.funded()
    await alone.house.bootstrap().renew()

    after = await chain.account(platform)
    assert after is not None
    assert after.lumens < before.lumens
    assert set((await chain.lumens(channels)).values()) == {0}
    used = (await chain.sequences([*channels, platform])).used
    assert used[platform] == before.sequence
    assert max(used[channel] & 0xFFFF_FFFF for channel in channels) > 0


async def test_bootstrap_transaction_is_resent_after_try_again_later(alone: World) -> None:
    bootstrap = alone.house.bootstrap()
    bootstrap._plan = replace(bootstrap._plan, channels=5)
    await alone.fault(kind="try_again_later", function="create_account", count=3)

    await bootstrap.renew()

    assert len(await channels_of(alone)) == 5


async def test_channel_accounts_keep_their_lumens_after_the_platform_starts_paying_fees(
    rich: World,
) -> None:
    channels, chain = await channels_of(rich), rich.house.chain
    await rich.funded()
    had = await chain.lumens(channels)
    object.__setattr__(rich.house.settings, "fees_paid_by", "platform")
    await rich.pause_worker()
    await rich.resume_worker()

    await rich.funded()
    await rich.house.bootstrap().renew()

    assert await chain.lumens(channels) == had
    assert set(await channels_of(rich)) == set(channels)


async def test_channel_accounts_are_funded_when_they_are_set_to_pay_fees(alone: World) -> None:
    channels, chain = await channels_of(alone), alone.house.chain
    platform = (await alone.house.keyring.platform()).address
    object.__setattr__(alone.house.settings, "fees_paid_by", "channels")
    await alone.pause_worker()
    await alone.house.bootstrap().run()
    before = await chain.account(platform)
    await alone.resume_worker()

    await alone.funded()

    after = await chain.account(platform)
    assert before is not None
    assert after is not None
    assert after.lumens == before.lumens
    assert all(left > 0 for left in (await chain.lumens(channels)).values())


@pytest.mark.parametrize(
    ("setting", "lumens"),
    [
        pytest.param("escrow_max_fee_lumens", 20, id="the-dearest-transaction"),
        pytest.param("channel_lumens", 50, id="half-of-what-they-begin-with"),
    ],
)
async def test_channel_accounts_below_their_minimum_are_all_topped_up(
    setting: str, lumens: int, rich: World
) -> None:
    before, chain = await channels_of(rich), rich.house.chain
    had = await chain.lumens(before)
    object.__setattr__(rich.house.settings, setting, lumens)
    bootstrap = rich.house.bootstrap()

    await bootstrap.renew()
    await bootstrap.renew()

    has = await chain.lumens(before)
    assert await channels_of(rich) == before
    given = rich.house.settings.channel_lumens * UNIT
    assert {has[each] - had[each] for each in before} == {given}
    await rich.funded()


async def test_running_service_adds_and_tops_up_channel_accounts(rich: World) -> None:
    before, chain = await channels_of(rich), rich.house.chain
    bootstrap = rich.house.bootstrap()
    bootstrap._keeper._look_at = math.inf
    assert not await bootstrap._is_due()

    async def is_one_made() -> bool:
        return len(await channels_of(rich)) == len(before) + 1

    async def is_topped_up() -> bool:
        return min((await chain.lumens(before)).values()) > 21 * UNIT

    bootstrap._plan = replace(bootstrap._plan, channels=len(before) + 1, renew_seconds=0)
    keeping = asyncio.create_task(bootstrap.keep())
    await until(is_one_made)
    bootstrap._plan = replace(bootstrap._plan, channel_least=21 * UNIT)
    await until(is_topped_up)

    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def test_deployment_waits_until_both_parties_have_wallets(alone: World) -> None:
    buyer = await alone.wallet()
    await alone.pause_worker()
    seller_id = uuid.uuid4()
    await alone.house.wallets().create(
        key=alone.key("seller"), user_id=seller_id, user_public_id="usr_late", wait_seconds=0
    )
    seller = await alone.queries.wallet(marketplace_id=alone.marketplace_id, user_id=seller_id)
    order = Order(id=uuid.uuid4(), escrow_id=uuid.uuid4(), buyer=buyer, seller=seller)
    answer = await alone.escrows.create(alone.asked(CommandKind.CREATE), new_escrow(order))
    await alone.fault(kind="try_again_later", function="create_account", count=1000)

    await alone.resume_worker()
    await alone.until_resting(command_of(answer))
    sent = await alone.queries.transactions(marketplace_id=alone.marketplace_id, order_id=order.id)
    await alone.clear_faults()

    assert sent == []
    succeeded(await alone.ended(answer))
    found = await alone.queries.wallet(marketplace_id=alone.marketplace_id, user_id=seller_id)
    assert seller.state is WalletState.CREATING
    assert found.state is WalletState.ACTIVE


async def test_wallet_creation_waits_while_its_transaction_fails_on_the_ledger(
    alone: World,
) -> None:
    await alone.fault(kind="fail_at_apply", function="create_account", count=3)
    await alone.pause_worker()
    user_id = uuid.uuid4()
    await alone.house.wallets().create(
        key=alone.key("poor"), user_id=user_id, user_public_id="usr_poor", wait_seconds=0
    )
    async with alone.house.database.transaction() as tx:
        statement = "select id from commands where kind = 'CREATE_WALLET' and state = %(s)s"
        command_id = await tx.fetchval(statement, {"s": "RUNNING"})
    await alone.resume_worker()
    await alone.until_resting(command_id)

    await alone.clear_faults()
    await alone.wake(command_id)

    assert (await alone.ended(command_id)).state is CommandState.SUCCEEDED


@pytest.mark.parametrize("lumens", ["1", "5"])
async def test_account_created_by_a_third_party_becomes_the_wallet(
    alone: World, devnet: RunningDevnet, lumens: str
) -> None:
    stranger = Stranger(devnet.info)
    await stranger.come(amount="1.00")
    await alone.pause_worker()
    user_id = uuid.uuid4()
    await alone.house.wallets().create(
        key=alone.key(f"made {lumens}"), user_id=user_id, user_public_id="usr_made", wait_seconds=0
    )
    wallet = await alone.queries.wallet(marketplace_id=alone.marketplace_id, user_id=user_id)
    await stranger.make_account(wallet.address, lumens=lumens)

    await alone.resume_worker()

    assert (await alone.wallet(user_id=user_id)).address == wallet.address
