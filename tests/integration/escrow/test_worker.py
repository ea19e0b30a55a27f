"""Leases: one worker executes a command at a time, and another continues a dead one's work."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from chassis.leases import Lease, LeaseLost
from services.escrow.app import House
from services.escrow.commands.store import CommandStore
from services.escrow.domain import Command, CommandKind, CommandState
from services.escrow.sending.journal import Journal
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.conftest import running
from tests.integration.escrow.world import AMOUNT, World, command_of, new_escrow, settings
from tests.patience import PATIENCE_SECONDS


@pytest.fixture
async def alone(
    make_database: Callable[[], TestDatabase], devnet: RunningDevnet, tmp_path: Path
) -> AsyncIterator[World]:
    """A house of this test alone, whose worker may be stopped."""
    async with running(make_database(), devnet, tmp_path) as made:
        yield made


async def lease_of(world: World, command_id: Any) -> tuple[int, bool]:
    """Read a command's epoch, and whether its lease is held."""
    statement = """
        select lease_epoch, lease_until > clock_timestamp() as is_held from commands
        where id = %(id)s"""
    async with world.house.database.transaction() as tx:
        row = await tx.fetchrow(statement, {"id": command_id})
        return int(row.lease_epoch), bool(row.is_held)


async def claim(world: World) -> Lease:
    """Claim the only due command; waits while a write has its row locked."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            async with world.house.database.transaction() as tx:
                leases = await world.house.journal.claim(tx, shares=of(world, 2), seconds=60)
            if leases:
                [lease] = leases
                return lease
            await asyncio.sleep(0.01)


def of(world: World, places: int) -> dict[uuid.UUID, int]:
    """Return a share of `places` slots for the world's marketplace."""
    return {world.marketplace_id: places}


async def expire(world: World, lease: Lease) -> None:
    """Let a lease run out."""
    statement = "update commands set lease_until = 'epoch' where id = %(id)s"
    async with world.house.database.transaction() as tx:
        await tx.execute(statement, {"id": lease.id})


async def test_worker_paused_beyond_its_lease_writes_nothing(alone: World) -> None:
    order = await alone.funded()
    await alone.pause_worker()
    await alone.escrows.release(alone.asked(CommandKind.RELEASE), order_id=order.id)
    stale, sent, go_on = await claim(alone), asyncio.Event(), asyncio.Event()
    sleepy = _PausedAfterSubmit(alone.house.chain, sent, go_on)
    zombie = asyncio.ensure_future(_pipeline(alone.house, sleepy).carry_out(stale))
    await sent.wait()
    await expire(alone, stale)

    state = await alone.house.pipeline().carry_out(await claim(alone))
    go_on.set()

    with pytest.raises(LeaseLost):
        await zombie
    assert state is CommandState.SUCCEEDED
    assert await alone.balance(order.seller.address) == AMOUNT


async def test_worker_that_wakes_after_a_take_over_writes_nothing(alone: World) -> None:
    order = await alone.funded()
    await alone.pause_worker()
    await alone.escrows.release(alone.asked(CommandKind.RELEASE), order_id=order.id)
    stale = await claim(alone)
    pauses = [(asyncio.Event(), asyncio.Event()) for _ in range(2)]
    workers: list[asyncio.Future[CommandState]] = []
    for sent, go_on in pauses:
        sleepy = _PausedAfterSubmit(alone.house.chain, sent, go_on)
        lease = stale if not workers else await claim(alone)
        workers.append(asyncio.ensure_future(_pipeline(alone.house, sleepy).carry_out(lease)))
        await sent.wait()
        await expire(alone, stale)
    before = await written(alone, stale)

    pauses[0][1].set()
    with pytest.raises(LeaseLost):
        await workers[0]

    assert await written(alone, stale) == before
    pauses[1][1].set()
    assert await workers[1] is CommandState.SUCCEEDED
    assert await alone.balance(order.seller.address) == AMOUNT


async def written(world: World, lease: Lease) -> list[str]:
    """Read all that is written of a command: itself, its steps, attempts and payments."""
    found = []
    async with world.house.database.transaction() as tx:
        for statement in _WRITTEN:
            rows = await tx.fetch(statement, {"id": lease.id})
            found += sorted(str(row) for (row,) in rows)
    return found


_OF_STEP = (
    "select to_jsonb(x)::text from {} x join steps s on s.id = step_id where command_id = %(id)s"
)
_WRITTEN = (
    "select to_jsonb(c)::text from commands c where id = %(id)s",
    "select to_jsonb(s)::text from steps s where command_id = %(id)s",
    _OF_STEP.format("attempts"),
    _OF_STEP.format("payments"),
)


async def test_leased_command_is_not_claimed(alone: World) -> None:
    order = await alone.funded()
    await alone.pause_worker()
    await alone.escrows.freeze(alone.asked(CommandKind.FREEZE), order_id=order.id)
    held = await claim(alone)

    async with alone.house.database.transaction() as tx:
        taken = await alone.house.journal.claim(tx, shares=of(alone, 10), seconds=60)

    assert held.epoch == 1
    assert taken == []


async def test_heartbeat_renews_a_lease_during_long_work(alone: World) -> None:
    order = await alone.funded()
    await alone.fault(kind="try_again_later", function="dispute_escrow", count=1000)
    asked = alone.asked(CommandKind.FREEZE)
    await alone.escrows.freeze(asked, order_id=order.id)
    held_for = 3 * alone.house.settings.command_lease_seconds

    async with asyncio.timeout(PATIENCE_SECONDS):
        started = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < started + held_for:
            epoch, is_held = await lease_of(alone, asked.command_id)
            assert epoch <= 1
            assert is_held or epoch == 0
            await asyncio.sleep(0.1)

    await alone.clear_faults()
    assert (await alone.ended(asked)).state is CommandState.SUCCEEDED


async def test_stopped_worker_returns_its_leases(alone: World) -> None:
    order = await alone.funded()
    await alone.fault(kind="try_again_later", function="release_funds", count=1000)
    asked = alone.asked(CommandKind.RELEASE)
    await alone.escrows.release(asked, order_id=order.id)
    await alone.until(asked.command_id, lambda command: command.step == "release_funds")

    await alone.pause_worker()

    assert await lease_of(alone, asked.command_id) == (1, False)
    await alone.clear_faults()
    await alone.resume_worker()
    assert (await alone.ended(asked)).state is CommandState.SUCCEEDED
    assert await alone.balance(order.seller.address) == AMOUNT


async def test_command_of_a_dead_worker_is_taken_over(alone: World) -> None:
    order = await alone.funded()
    await alone.pause_worker()
    asked = alone.asked(CommandKind.RELEASE)
    await alone.escrows.release(asked, order_id=order.id)
    async with alone.house.database.transaction() as tx:
        await alone.house.journal.claim(tx, shares=of(alone, 1), seconds=1)

    await alone.resume_worker()

    assert (await alone.ended(asked)).state is CommandState.SUCCEEDED
    assert (await lease_of(alone, asked.command_id))[0] == 2
    assert await alone.balance(order.seller.address) == AMOUNT


async def test_two_replicas_share_the_work_and_pay_once(
    alone: World, devnet: RunningDevnet
) -> None:
    given = alone.house.settings
    other = World(house=House(given), devnet=devnet, marketplace_id=alone.marketplace_id)
    await other.start()
    try:
        orders = await asyncio.gather(*(alone.funded() for _ in range(8)))
        asks = [alone.asked(CommandKind.RELEASE) for _ in orders]
        answers = [
            await alone.escrows.release(asked, order_id=order.id)
            for asked, order in zip(asks, orders, strict=True)
        ]
        # The query goes to the other replica, whichever replica executes the commands.
        ended = await asyncio.gather(*(other.ended(command_of(a)) for a in answers))
    finally:
        await other.stop()

    assert {command.state for command in ended} == {CommandState.SUCCEEDED}
    for order in orders:
        assert await alone.balance(order.seller.address) == AMOUNT


async def test_replicas_that_start_at_once_make_one_platform_wallet(
    make_database: Callable[[], TestDatabase], devnet: RunningDevnet, tmp_path: Path
) -> None:
    database = make_database()
    given = settings(database=database, devnet=devnet, folder=str(tmp_path))
    worlds = [World(house=House(given), devnet=devnet) for _ in range(3)]
    try:
        await asyncio.gather(*(world.start() for world in worlds))
        async with worlds[0].house.database.transaction() as tx:
            channels = await worlds[0].house.accounts.channels(tx)
        platforms = {(await world.house.keyring.platform()).address for world in worlds}
    finally:
        for world in worlds:
            await world.stop()
        database.drop()

    assert len(platforms) == 1
    assert len(channels) == given.channel_accounts
    assert all(channel.next_sequence for channel in channels)


async def test_accepted_command_begins_in_this_process_without_a_claim(
    alone: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def claimed(*_: object, **__: object) -> list[Lease]:
        return []

    order = await alone.funded()
    monkeypatch.setattr(Journal, "claim", claimed)

    await alone.do(CommandKind.FREEZE, order)


async def test_command_that_does_not_begin_here_has_no_lease(
    alone: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def claimed(*_: object, **__: object) -> list[Lease]:
        return []

    with monkeypatch.context() as changed:
        changed.setattr(Journal, "claim", claimed)
        alone.bind()
        await alone.house.wallets().create(
            key=alone.key("a wallet"), user_id=uuid.uuid4(), user_public_id="usr_1", wait_seconds=0
        )
        async with alone.house.database.statement() as connection:
            epoch = await connection.fetchval(
                "select lease_epoch from commands where marketplace_id = %(own)s"
                " and kind = 'CREATE_WALLET' order by created_at desc limit 1",
                {"own": alone.marketplace_id},
            )

    assert epoch == 0


async def test_waiting_caller_gets_the_ended_command_without_reading_it(
    alone: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read(*_: object, **__: object) -> Command:
        raise AssertionError("its end is known here")

    order = await alone.order()
    asked = alone.asked(CommandKind.CREATE)
    await alone.escrows.create(asked, new_escrow(order))
    for following in (alone.escrows.fund, alone.escrows.refund, None):
        assert alone.house.ends.is_here((alone.marketplace_id, asked.command_id))
        with monkeypatch.context() as changed:
            changed.setattr(CommandStore, "command", read)
            ended = await alone.ended(asked)

        assert ended == await alone.ended(asked)
        assert ended.state is CommandState.SUCCEEDED
        if following is not None:
            kind = CommandKind.FUND if following == alone.escrows.fund else CommandKind.REFUND
            asked = alone.asked(kind)
            await following(asked, order_id=order.id)


async def test_worker_leases_a_command_only_if_it_has_a_free_slot(alone: World) -> None:
    worker, own = alone.house.worker(), alone.marketplace_id
    seconds = alone.house.settings.command_lease_seconds
    assert worker.lease_seconds(own) == 0, "it does not run"
    worker._leases.is_open = True
    assert worker.lease_seconds(own) == seconds
    worker._is_left = True
    assert worker.lease_seconds(own) == 0, "others wait for a place"
    worker._is_left = False
    places = alone.house.settings.commands_at_once
    for n in range(places):
        lease = Lease(marketplace_id=own, id=uuid.UUID(int=n), epoch=1)
        worker._leases._tasks[lease] = asyncio.ensure_future(asyncio.sleep(0))
    assert worker.lease_seconds(own) == 0
    assert worker.lease_seconds(uuid.uuid4()) == 0, "no place is free"


async def test_waiting_for_a_command_ends_at_its_time_limit(alone: World) -> None:
    order = await alone.funded()
    await alone.pause_worker()
    asked = alone.asked(CommandKind.FREEZE)
    await alone.escrows.freeze(asked, order_id=order.id)

    command = await alone.queries.command(
        marketplace_id=alone.marketplace_id, command_id=asked.command_id, wait_seconds=1
    )

    assert command.state is CommandState.RUNNING
    assert command.step == "dispute_escrow"


class _PausedAfterSubmit:
    """A chain that blocks its caller after each submit until the test continues it."""

    def __init__(self, real: Any, sent: asyncio.Event, go_on: asyncio.Event) -> None:
        self._real = real
        self._sent = sent
        self._go_on = go_on

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def submit(self, envelope_xdr: str) -> Any:
        answer = await self._real.submit(envelope_xdr)
        self._sent.set()
        await self._go_on.wait()
        return answer


def _pipeline(house: House, chain: Any) -> Any:
    real, house.chain = house.chain, chain
    try:
        return house.pipeline()
    finally:
        house.chain = real
