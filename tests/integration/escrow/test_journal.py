"""The journal: every write checks the lease, and one without a lease writes nothing."""

import datetime as dt
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from chassis.leases import Lease, LeaseLost
from services.escrow.contracts.evidence import OutcomeStatus, Prepared, TransactionOutcome
from services.escrow.contracts.steps import Attempt, Step
from services.escrow.domain import CommandKind, CommandState, PayeeRole, Payment
from services.escrow.sending.journal import Journal
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.conftest import running
from tests.integration.escrow.test_worker import of, written
from tests.integration.escrow.world import World

AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
async def idle(
    make_database: Callable[[], TestDatabase],
    devnet: RunningDevnet,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """A house whose worker does not run."""
    async with running(make_database(), devnet, tmp_path_factory.mktemp("escrow")) as made:
        await made.funded()
        await made.pause_worker()
        yield made


def envelope(number: int, *, source: str, sequence: int) -> Attempt:
    prepared = Prepared(
        hash=secrets.token_hex(32),
        envelope_xdr="AAAA",
        source=source,
        sequence=sequence,
        max_time=1,
        max_fee=1,
        network="devnet",
    )
    return Attempt(number=number, prepared=prepared, prepared_at_ledger=1)


def payment(attempt: Attempt) -> Payment:
    return Payment(
        payee=PayeeRole.SELLER,
        from_address="C",
        to_address="G",
        minor_units=5,
        transaction_hash=attempt.prepared.hash,
        event_index=0,
    )


def writes(journal: Journal, step: Step, sent: Attempt) -> dict[str, Callable[..., Any]]:
    """Return every write of the journal, to be called with a transaction and a lease."""
    outcome = TransactionOutcome(
        hash=sent.prepared.hash,
        status=OutcomeStatus.SUCCEEDED,
        latest_ledger=9,
        latest_close_time=9,
        oldest_ledger=1,
        ledger=8,
    )
    new = envelope(2, source=sent.prepared.source, sequence=sent.prepared.sequence + 1)
    return {
        "end": partial(journal.end, state=CommandState.FAILED, at=AT, refused=step),
        "quarantine": partial(journal.quarantine, step=step, reason="R", message="M"),
        "put off": partial(journal.put_off, step=step, seconds=1, reason="R", message="M"),
        "keep": partial(journal.keep_attempt, step=step, attempt=new),
        "succeeded": partial(
            journal.succeeded, step=step, attempt=sent, outcome=outcome, paid=[payment(sent)]
        ),
        "failed": partial(journal.failed, step=step, attempt=sent, outcome=outcome),
        "expired": partial(journal.expired, attempt=sent),
        "superseded": partial(journal.superseded, step=step, attempt=sent),
        "skip": partial(journal.skip, step=step),
    }


async def begun(world: World) -> tuple[Lease, Step, Attempt]:
    """Take a command, give its step a channel account, and store an envelope."""
    order = await _ready(world)
    asked, journal = world.asked(CommandKind.FREEZE), world.house.journal
    await world.escrows.freeze(asked, order_id=order.id)
    async with world.house.database.transaction() as tx:
        taken = await journal.claim(tx, shares=of(world, 5), seconds=600)
        [lease] = [each for each in taken if each.id == asked.command_id]
        [step] = await journal.steps(tx, lease)
        slot = await journal.lease_channel(tx, lease, step)
        assert slot is not None
        sent = envelope(1, source=slot[0], sequence=slot[1])
        assert await journal.keep_attempt(tx, lease, step=step, attempt=sent)
    return lease, step, sent


async def _ready(world: World) -> Any:
    await world.resume_worker()
    order = await world.funded()
    await world.pause_worker()
    return order


async def books(world: World, lease: Lease) -> list[str]:
    """Read the command with what belongs to it, and the channel accounts."""
    statement = "select to_jsonb(c)::text from channels c order by address"
    async with world.house.database.transaction() as tx:
        channels = [row[0] for row in await tx.fetch(statement)]
    return await written(world, lease) + channels


async def test_a_write_without_the_lease_writes_nothing(idle: World) -> None:
    lease, step, sent = await begun(idle)
    before = await books(idle, lease)

    for name, write in writes(idle.house.journal, step, sent).items():
        for stale in (replace(lease, epoch=lease.epoch - 1), replace(lease, epoch=lease.epoch + 1)):
            with pytest.raises(LeaseLost):
                async with idle.house.database.statement() as connection:
                    await write(connection, stale)
            assert await books(idle, lease) == before, name
    with pytest.raises(LeaseLost):
        async with idle.house.database.transaction() as tx:
            await idle.house.journal.lease_channel(tx, replace(lease, epoch=0), step)
    assert await books(idle, lease) == before


async def test_a_landing_is_written_whole(idle: World) -> None:
    lease, step, sent = await begun(idle)
    write = writes(idle.house.journal, step, sent)["succeeded"]

    async with idle.house.database.statement() as connection:
        await write(connection, lease)

    async with idle.house.database.transaction() as tx:
        [ended] = await idle.house.journal.steps(tx, lease)
        paid = await tx.fetchval(
            "select minor_units from payments where step_id = %(id)s", {"id": step.id}
        )
        channel = await tx.fetchrow(
            "select next_sequence, leased_by from channels where address = %(address)s",
            {"address": sent.prepared.source},
        )
    assert (ended.state, [a.state for a in ended.attempts]) == ("SUCCEEDED", ["SUCCEEDED"])
    assert paid == 5
    assert (channel.next_sequence, channel.leased_by) == (sent.prepared.sequence + 1, None)
