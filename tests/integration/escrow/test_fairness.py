"""Fair shares: many or hanging commands of one marketplace hardly delay another's commands."""

import asyncio
import contextlib
import datetime as dt
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.escrow.contracts.intents import DeployEscrow, ReleaseFunds
from services.escrow.contracts.steps import StepName
from services.escrow.domain import Command, CommandKind, CommandState, EscrowState
from services.escrow.ports import ChainUnavailable, ProviderRefused
from services.escrow.sending import worker
from services.escrow.sending.channels import Channels
from services.escrow.sending.work import NotNow
from services.escrow.wallets.vault import KeyUnusable
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.conftest import running
from tests.integration.escrow.test_faults import attempts_of
from tests.integration.escrow.test_setbacks import concern, replaced
from tests.integration.escrow.world import AMOUNT, Order, World, new_escrow, succeeded
from tests.patience import until

pytestmark = pytest.mark.slow

FLOOD = 80
# Other reasons that a troubled command may show: no free channel account, or a slow machine.
BESIDES = ("CHANNELS_BUSY", "NO_ANSWER")
PLACES = 8
Build = Callable[..., Awaitable[Any]]


@pytest.fixture
async def narrow(
    make_database: Callable[[], TestDatabase],
    devnet: RunningDevnet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[World]:
    """A house with few slots, where a troubled command is refused after ten seconds."""
    monkeypatch.setattr(worker, "PATIENCE_SECONDS", 0.5)
    changed = {"commands_at_once": PLACES, "step_seconds": 5, "refuse_after_seconds": 10}
    # What is told is not drawn: tracebacks with everything in them hold the loop up for seconds.
    with capture_logs():
        async with running(make_database(), devnet, tmp_path, **changed) as made:
            yield made


def neighbour(world: World) -> World:
    """Return the same house as another marketplace sees it."""
    return World(house=world.house, devnet=world.devnet)


# As an operator's requeue, but of one that is looked at it waits for nothing.
_CUT_SHORT = """
update commands set next_attempt_at = 'epoch' where id in (
    select id from commands where id = %(id)s for update skip locked)
"""


LONG_AGO = (
    "update commands set troubled_since = troubled_since - interval '1 hour' where id = %(id)s"
)


async def count(world: World, statement: str, **names: Any) -> int:
    """Count something in the books."""
    async with world.house.database.transaction() as tx:
        return int(await tx.fetchval(statement, names))


async def ended_of(world: World) -> int:
    """Count what has ended of a marketplace's commands."""
    statement = (
        "select count(*) from commands where marketplace_id = %(id)s and state = 'SUCCEEDED'"
    )
    return await count(world, statement, id=world.marketplace_id)


async def channels_of(world: World) -> int:
    """Count the channel accounts that a marketplace's steps hold."""
    statement = (
        "select count(*) from channels h join steps s on s.id = h.leased_by"
        " where s.marketplace_id = %(id)s"
    )
    return await count(world, statement, id=world.marketplace_id)


async def flood(world: World) -> None:
    """Ask for more than can be done in many ledgers."""
    await _accepted(world, FLOOD)


def failing_for(orders: list[Order], real: Build, fail: Callable[[], Awaitable[None]]) -> Build:
    """Return a builder that fails for some orders' deployments."""
    engagements = {str(order.buyer.address) for order in orders}

    async def build(intent: Any, **kept: Any) -> Any:
        if isinstance(intent, DeployEscrow) and intent.roles.approver in engagements:
            await fail()
        return await real(intent, **kept)

    return build


async def unavailable() -> None:
    raise ChainUnavailable("no answer to this call, ever")


async def refused_by_provider() -> None:
    raise ProviderRefused("description must be a non-empty string")


async def key_unusable() -> None:
    raise KeyUnusable("the key of this wallet cannot be unsealed")


async def unexpected() -> None:
    raise ValueError("the stored escrow lacks 'flags'")


async def silent() -> None:
    await asyncio.sleep(3600)


TROUBLES = {
    "unavailable": (unavailable, "PROVIDER_UNAVAILABLE"),
    "provider": (refused_by_provider, "PROVIDER_REFUSED"),
    "key": (key_unusable, "KEY_UNUSABLE"),
    "unexpected": (unexpected, "UNEXPECTED"),
    "silent": (silent, "NO_ANSWER"),
}


# How often a command of another marketplace succeeds while commands are in trouble.
EVERY_SECONDS = 0.5


async def several(world: World, size: int) -> tuple[list[Order], list[Any]]:
    """Ask for several deployments of one buyer and one seller."""
    order = await world.order()
    orders = [replace(order, id=uuid.uuid4(), escrow_id=uuid.uuid4()) for _ in range(size)]
    asks = [world.asked(CommandKind.CREATE) for _ in orders]
    return orders, asks


async def test_flood_of_one_marketplace_hardly_delays_a_command_of_another(narrow: World) -> None:
    await narrow.pause_worker()
    await flood(narrow)
    await narrow.resume_worker()
    other = neighbour(narrow)
    await until(lambda: _is_busy(narrow))
    before = await ended_of(narrow)

    await other.wallet()

    # The commands that held slots when this one arrived, and those that followed meanwhile.
    assert await ended_of(narrow) - before <= 5 * PLACES


async def _is_busy(world: World) -> bool:
    return await ended_of(world) > 0


@pytest.mark.parametrize("name", TROUBLES)
async def test_commands_that_hang_in_every_slot_do_not_block_others_and_are_listed(
    narrow: World, name: str
) -> None:
    fail, reason = TROUBLES[name]
    orders, asks = await several(narrow, PLACES)
    other = neighbour(narrow)
    theirs = await other.order()
    builder = narrow.house.builder
    async with replaced(builder, "build", failing_for(orders, builder.build, fail)):
        for asked, order in zip(asks, orders, strict=True):
            await narrow.escrows.create(asked, new_escrow(order))

        await other.created(theirs)
        await other.do(CommandKind.FUND, theirs)

        await until(lambda: _all_listed(narrow, asks, reason))
        # Other commands succeed, so these commands are refused; none of their envelopes can land.
        async with going_on(other, theirs):
            ended = await asyncio.gather(*(ended_at_last(narrow, asked) for asked in asks))
        await until(lambda: _nothing_held(narrow))

    assert {command.state for command in ended} == {CommandState.FAILED}
    assert {command.error_reason for command in ended} <= {reason, *BESIDES}
    assert {c.escrow.state for c in ended if c.escrow} == {EscrowState.FAILED}
    # The same escrow may be requested again.
    await narrow.created(orders[0])


async def _all_listed(world: World, asks: list[Any], reason: str) -> bool:
    shown = [await concern(world, asked) for asked in asks]
    done = await count(
        world,
        "select count(*) from commands where marketplace_id = %(id)s and state = 'FAILED'",
        id=world.marketplace_id,
    )
    listed = [found for found in shown if found is not None]
    assert all(found[2] in {reason, *BESIDES} for found in listed), listed
    return len(listed) + done == len(asks)


async def _nothing_held(world: World) -> bool:
    return await channels_of(world) == 0


@asynccontextmanager
async def going_on(world: World, order: Order) -> AsyncIterator[None]:
    """Deploy a contract successfully every EVERY_SECONDS."""

    async def deploy() -> None:
        while True:
            await world.created(replace(order, id=uuid.uuid4(), escrow_id=uuid.uuid4()))
            await asyncio.sleep(EVERY_SECONDS)

    task = asyncio.create_task(deploy())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def ended_at_last(world: World, asked: Any) -> Command:
    """Wait for the end of a command that rests in between."""

    async def has_ended() -> bool:
        async with world.house.database.transaction() as tx:
            await tx.execute(_CUT_SHORT, {"id": asked.command_id})
        found = await world.queries.command(
            marketplace_id=world.marketplace_id, command_id=asked.command_id, wait_seconds=1
        )
        return found.finished_at is not None

    await until(has_ended, seconds=150)
    return await world.ended(asked)


async def test_outage_that_affects_all_commands_refuses_none(narrow: World) -> None:
    order = await narrow.order()
    asked = narrow.asked(CommandKind.CREATE)
    builder, chain = narrow.house.builder, narrow.house.chain

    async def away(*_: Any, **__: Any) -> Any:
        raise ChainUnavailable("the node did not answer in time")

    async with replaced(builder, "build", away), replaced(chain, "latest_ledger", away):
        await narrow.escrows.create(asked, new_escrow(order))
        await _rests(narrow, asked, times=3)

    assert (await concern(narrow, asked)) == ("RUNNING", "deploy_escrow", "PROVIDER_UNAVAILABLE")
    await narrow.wake(asked.command_id)
    succeeded(await narrow.ended(asked))


async def test_troubled_command_is_not_refused_unless_another_command_succeeds(
    narrow: World,
) -> None:
    orders, asks = await several(narrow, 1)
    builder = narrow.house.builder
    async with replaced(builder, "build", failing_for(orders, builder.build, unavailable)):
        await narrow.escrows.create(asks[0], new_escrow(orders[0]))
        await _rests(narrow, asks[0], times=3)

    await narrow.wake(asks[0].command_id)
    succeeded(await narrow.ended(asks[0]))


async def test_troubled_payout_is_never_refused(narrow: World) -> None:
    order = await narrow.funded()
    asked = narrow.asked(CommandKind.RELEASE)
    real, fails = narrow.house.builder.build, True

    async def build(intent: Any, **kept: Any) -> Any:
        if fails and isinstance(intent, ReleaseFunds):
            raise ProviderRefused("no")
        return await real(intent, **kept)

    async with replaced(narrow.house.builder, "build", build):
        await narrow.escrows.release(asked, order_id=order.id)
        await troubled_for_long(narrow, asked)
        assert await concern(narrow, asked) == ("RUNNING", "release_funds", "PROVIDER_REFUSED")
        fails = False
        await narrow.wake(asked.command_id)
        succeeded(await narrow.ended(asked))

    assert await narrow.balance(order.seller.address) == AMOUNT


async def test_funding_that_may_have_landed_is_never_refused(narrow: World) -> None:
    order = await narrow.order()
    await narrow.created(order)
    asked = narrow.asked(CommandKind.FUND)

    async def submit(_: str) -> Any:
        raise ChainUnavailable("taken or not, nobody knows")

    async with replaced(narrow.house.chain, "submit", submit):
        await narrow.escrows.fund(asked, order_id=order.id)
        await troubled_for_long(narrow, asked)
        assert await concern(narrow, asked) == ("RUNNING", "fund_escrow", "IN_FLIGHT")
        # The envelope keeps its channel account and sequence number; the slot is free for others.
        assert await channels_of(narrow) == 1

    await narrow.wake(asked.command_id)
    succeeded(await narrow.ended(asked))
    sent = await attempts_of(narrow, order, StepName.FUND)
    assert len({(row.source, row.sequence) for row in sent}) == 1
    assert await narrow.balance(order.buyer.address) == 20 * 10_000_000


async def troubled_for_long(world: World, asked: Any) -> None:
    """Backdate a waiting command's trouble by an hour, and wait until it rests once more."""
    command = await world.until(asked.command_id, partial(_has_rested, times=1))
    async with world.house.database.transaction() as tx:
        await tx.execute(LONG_AGO, {"id": asked.command_id})
    await world.wake(asked.command_id)
    await world.until(asked.command_id, partial(_has_rested, times=command.waits + 1))


async def _rests(world: World, asked: Any, *, times: int) -> None:
    """Wait until a command has rested so often, each rest cut short."""
    for rest in range(1, times + 1):
        await world.until(asked.command_id, partial(_has_rested, times=rest))
        if rest < times:
            await world.wake(asked.command_id)


def _has_rested(command: Command, *, times: int) -> bool:
    return command.waits >= times


async def test_channel_accounts_are_shared_among_marketplaces(narrow: World) -> None:
    await narrow.pause_worker()
    other = neighbour(narrow)
    mine, theirs = await _planned(narrow, 4), await _planned(other, 1)
    channels = Channels(narrow.house.database, narrow.house.journal, seconds=0.5)
    since = dt.datetime.now(dt.UTC)
    taken = [await _given(channels.lease(lease, step, since=since)) for lease, step in mine]
    last = await _given(channels.lease(*theirs[0], since=since))

    assert taken == [True, True, True, False]
    assert last


async def _given(asked: Awaitable[Any]) -> bool:
    """Tell whether a step gets a channel account in time."""
    with contextlib.suppress(NotNow):
        await asked
        return True
    return False


async def _planned(world: World, size: int) -> list[Any]:
    """Accept so many commands, take them, and read their first steps."""
    await _accepted(world, size)
    owner, journal = world.marketplace_id, world.house.journal
    async with world.house.database.transaction() as tx:
        due = await journal.due(tx, limit=size)
        leases = await journal.claim(tx, shares={owner: due[owner]}, seconds=60)
        found = [(lease, await journal.books(tx, lease)) for lease in leases]
    return [(lease, step) for lease, books in found for step in books.steps]


async def test_two_workers_that_claim_at_once_take_different_commands(narrow: World) -> None:
    await narrow.pause_worker()
    await _accepted(narrow, 6)
    journal, database = narrow.house.journal, narrow.house.database
    async with database.transaction() as one, database.transaction() as two:
        first = await journal.claim(one, shares={narrow.marketplace_id: 3}, seconds=60)
        second = await journal.claim(two, shares={narrow.marketplace_id: 3}, seconds=60)

    assert len({lease.id for lease in [*first, *second]}) == len([*first, *second]) == 6


async def _accepted(world: World, size: int) -> None:
    world.bind()
    for _ in range(size):
        user = uuid.uuid4()
        await world.house.wallets().create(
            key=world.key(f"wallet:{user}"),
            user_id=user,
            user_public_id=f"usr_{user.hex[:8]}",
            wait_seconds=0,
        )
