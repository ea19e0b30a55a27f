"""A blind watcher alarms the log and the operators, and continues when it can read again."""

import asyncio

import pytest
from structlog.testing import capture_logs

from services.escrow.contracts.evidence import TransfersPage
from services.escrow.deposits.store import Blindness
from services.escrow.ports import ChainRefused, HistoryUnavailable, WrongNetwork
from services.escrow.sending.bootstrap import start_of
from tests.integration.escrow.strangers import Stranger
from tests.integration.escrow.test_watcher import set_cursor, told, watched_to_the_end
from tests.integration.escrow.world import World
from tests.patience import PATIENCE_SECONDS


async def test_cursor_far_ahead_of_the_chain_alarms_operators(world: World) -> None:
    await watched_to_the_end(world)
    await world.pause_watcher()
    newest = (await world.house.chain.latest_ledger()).sequence
    far = newest + 1_000_000
    await set_cursor(world, start_of(far))

    with capture_logs() as logs:
        await world.resume_watcher()
        blindness = await until_blind(world)
        await world.pause_watcher()
    await set_cursor(world, start_of(newest))
    await world.resume_watcher()
    await watched_to_the_end(world)

    [alarm] = [line for line in logs if line["log_level"] == "error"]
    assert (alarm["event"], alarm["cursor_ledger"]) == ("watcher.cursor_ahead", far)
    assert newest <= alarm["latest_ledger"] < far
    assert not alarm["exc_info"]
    assert blindness is not None
    assert str(far) in blindness.why
    await until_blind(world, is_blind=False)


@pytest.mark.slow
async def test_watcher_waits_for_a_node_that_lags_a_little(world: World) -> None:
    stranger = Stranger(world.devnet.info)
    await stranger.come(amount="10.00")
    wallet = await world.wallet()
    await watched_to_the_end(world)
    await world.pause_watcher()
    newest = (await world.house.chain.latest_ledger()).sequence
    await set_cursor(world, start_of(newest + 10))

    with capture_logs() as logs:
        await world.resume_watcher()
        await moved_on(world, start_of(newest + 10))

    said = {(line["event"], line["log_level"]) for line in logs}
    assert said <= {("watcher.waits", "warning"), ("chain.event_left_out", "warning")}
    assert ("watcher.waits", "warning") in said
    await stranger.send(stranger.payment(wallet.address, "2.00"))
    await told(world, wallet, count=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trouble", "event", "has_traceback"),
    [
        (ChainRefused("no such filter"), "watcher.refused", False),
        (HistoryUnavailable("too old"), "watcher.history_lost", False),
        (WrongNetwork("another one"), "watcher.wrong_network", False),
        (RuntimeError("never seen"), "watcher.failed", True),
    ],
)
async def test_trouble_that_needs_an_operator_is_logged_once_a_minute(
    world: World, trouble: Exception, event: str, *, has_traceback: bool
) -> None:
    await watched_to_the_end(world)
    await world.pause_watcher()
    real = world.house.chain.transfers_since

    async def refusing(*_: object, **__: object) -> TransfersPage:
        raise trouble

    world.house.chain.transfers_since = refusing  # type: ignore[method-assign] # another node
    try:
        with capture_logs() as logs:
            await world.resume_watcher()
            blindness = await until_blind(world)
            await world.pause_watcher()
    finally:
        world.house.chain.transfers_since = real  # type: ignore[method-assign] # back again
    await world.resume_watcher()
    await watched_to_the_end(world)

    [alarm] = [line for line in logs if line["log_level"] == "error"]
    assert (alarm["event"], alarm["exc_info"]) == (event, has_traceback)
    assert blindness is not None
    assert str(trouble) in blindness.why
    await until_blind(world, is_blind=False)


@pytest.mark.slow
async def test_watcher_that_has_not_looked_for_minutes_is_reported(world: World) -> None:
    await watched_to_the_end(world)
    await world.pause_watcher()
    async with world.house.database.transaction() as tx:
        await tx.execute("update cursors set looked_at = looked_at - interval '3 minutes'")

    found = await blindness_of(world)

    assert found is not None
    assert found.why == ""
    await world.resume_watcher()
    await until_blind(world, is_blind=False)


async def moved_on(world: World, cursor: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            async with world.house.database.transaction() as tx:
                now = await world.house.deposits.cursor(tx, world.house.asset_contract)
            if now is not None and now > cursor:
                return
            await asyncio.sleep(0.02)


async def blindness_of(world: World) -> Blindness | None:
    attention = world.house.attention()
    return (await attention.concerns(marketplace_id=world.marketplace_id)).blindness


async def until_blind(world: World, *, is_blind: bool = True) -> Blindness | None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            found = await blindness_of(world)
            if (found is not None) is is_blind:
                return found
            await asyncio.sleep(0.02)
