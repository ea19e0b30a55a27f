"""The journal: every write checks the lease, and a write without the lease changes nothing."""

import asyncio
import datetime as dt
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from chassis.leases import Lease, LeaseLost
from services.escrow.commands.store import EscrowChange
from services.escrow.contracts.evidence import OutcomeStatus, Prepared, TransactionOutcome
from services.escrow.contracts.steps import Attempt, Step
from services.escrow.domain import CommandKind, CommandState, PayeeRole, Payment
from services.escrow.sending.flows import Change, Flow, Passage
from services.escrow.sending.journal import Journal
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.conftest import running
from tests.integration.escrow.test_worker import of, written
from tests.integration.escrow.world import World
from tests.patience import until

AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
async def idle(
    make_database: Callable[[], TestDatabase],
    devnet: RunningDevnet,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """A house whose worker does not run."""
    folder = tmp_path_factory.mktemp("escrow")
    async with running(make_database(), devnet, folder, channel_accounts=8) as made:
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
        bump_hash=secrets.token_hex(32),
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
    """Return every write of the journal by name, to be called with a transaction and a lease."""
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
        [step] = (await journal.books(tx, lease)).steps
        slot = (await journal.lease_channels(tx, [(lease, step)]))[step.id]
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
    """Read a command with its steps, attempts and payments, the channels and the envelopes."""
    statement = "select to_jsonb(c)::text from channels c order by address"
    async with world.house.database.transaction() as tx:
        channels = [row[0] for row in await tx.fetch(statement)]
        kept = await tx.fetch("select to_jsonb(e)::text from envelopes e order by source")
    return await written(world, lease) + channels + [row[0] for row in kept]


async def test_a_write_without_the_lease_writes_nothing(idle: World) -> None:
    lease, step, sent = await begun(idle)
    before = await books(idle, lease)

    for name, write in writes(idle.house.journal, step, sent).items():
        for stale in (replace(lease, epoch=lease.epoch - 1), replace(lease, epoch=lease.epoch + 1)):
            with pytest.raises(LeaseLost):
                async with idle.house.database.statement() as connection:
                    await write(connection, stale)
            assert await books(idle, lease) == before, name
    async with idle.house.database.transaction() as tx:
        asked = [(replace(lease, epoch=0), step)]
        assert await idle.house.journal.lease_channels(tx, asked) == {}
    assert await books(idle, lease) == before


async def test_envelope_bytes_are_kept_until_the_account_signs_the_next_envelope(
    idle: World,
) -> None:
    lease, step, sent = await begun(idle)
    journal, source = idle.house.journal, sent.prepared.source
    next_one = envelope(2, source=source, sequence=sent.prepared.sequence)
    next_one = replace(next_one, prepared=replace(next_one.prepared, envelope_xdr="BBBB"))

    async with idle.house.database.transaction() as tx:
        [before] = (await journal.books(tx, lease)).steps
        await journal.expired(tx, lease, attempt=sent)
        assert await journal.keep_attempt(tx, lease, step=step, attempt=next_one)
        [after] = (await journal.books(tx, lease)).steps
        statement = "select envelope from envelopes where source = %(source)s"
        kept = [bytes(row.envelope) for row in await tx.fetch(statement, {"source": source})]

    assert [a.prepared.envelope_xdr for a in before.attempts] == ["AAAA"]
    assert [a.prepared.envelope_xdr for a in after.attempts] == ["", "BBBB"]
    bumps = [sent.prepared.bump_hash, next_one.prepared.bump_hash]
    assert [a.prepared.bump_hash for a in after.attempts] == bumps
    assert kept == [b"\x04\x10\x41"]


async def test_envelope_stored_by_the_previous_version_is_read(idle: World) -> None:
    lease, _, sent = await begun(idle)
    async with idle.house.database.transaction() as tx:
        await idle.house.journal.expired(tx, lease, attempt=sent)
        await tx.execute(
            """
            insert into attempts (hash, step_id, number, source, sequence, envelope_xdr, max_time,
                auth_expires_ledger, max_fee, network, prepared_at_ledger, state, created_at)
            select 'before', step_id, 2, source, sequence, 'CCCC', max_time, auth_expires_ledger,
                max_fee, network, prepared_at_ledger, 'SENT', clock_timestamp()
            from attempts where hash = %(hash)s
            """,
            {"hash": sent.prepared.hash},
        )

        [step] = (await idle.house.journal.books(tx, lease)).steps

    assert [a.prepared.envelope_xdr for a in step.attempts] == ["AAAA", "CCCC"]
    assert step.attempts[1].prepared.bump_hash == ""


async def test_landing_is_written_completely(idle: World) -> None:
    lease, step, sent = await begun(idle)
    write = writes(idle.house.journal, step, sent)["succeeded"]

    async with idle.house.database.statement() as connection:
        await write(connection, lease)

    async with idle.house.database.transaction() as tx:
        [ended] = (await idle.house.journal.books(tx, lease)).steps
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


# Changes that may happen between reading a command and storing its envelope.
CHANGES = {
    "it is abandoned": "update commands set abandoned_why = 'w' where id = %(command)s",
    "the step is done": "update steps set state = 'SKIPPED' where id = %(step)s",
    "the step has another number": "update steps set sequence = sequence + 1 where id = %(step)s",
    "nothing may be sent": "insert into chain_holds (why) values ('w')",
    "its flow is stopped": """
        insert into flow_changes (flow, change, reason, by) values ('REFUNDS', 'STOP', 'r', 'b')""",
    "its flow has a limit": """
        insert into flow_changes (flow, change, daily_limit, reason, by)
        values ('REFUNDS', 'LIMIT', 1000000000000, 'r', 'b')""",
    "something may be claimed": """
        insert into findings (hash, source, sequence, envelope_xdr, ledger, has_succeeded)
        values ('found', 'G', 1, 'AAAA', 1, true)""",
}


class Undone(Exception):
    """Rolls a transaction back."""


async def nothing() -> None:
    """Do nothing."""


async def is_kept(
    world: World,
    kind: CommandKind,
    *,
    place: int,
    change: str = "select 1",
    meanwhile: Callable[[], Awaitable[None]] = nothing,
) -> bool:
    """Tell whether an envelope of a step is kept after a change, which is undone.

    meanwhile: what is done before the transaction ends.
    """
    order = await _ready(world)
    asked, journal = world.asked(kind), world.house.journal
    await getattr(world.escrows, kind.value.lower())(asked, order_id=order.id)
    kept = False
    with suppress(Undone):
        async with world.house.database.transaction() as tx:
            taken = await journal.claim(tx, shares=of(world, 5), seconds=600)
            [lease] = [each for each in taken if each.id == asked.command_id]
            step = (await journal.books(tx, lease)).steps[place]
            slot = (await journal.lease_channels(tx, [(lease, step)]))[step.id]
            assert slot is not None
            await tx.execute(change, {"command": lease.id, "step": step.id})
            attempt = envelope(1, source=slot[0], sequence=slot[1])
            passage = Passage(
                marketplace_id=world.marketplace_id,
                flow=Flow.REFUNDS,
                step_id=step.id,
                minor_units=5,
                is_counted=False,
            )
            kept = await journal.keep_attempt(
                tx, lease, step=step, attempt=attempt, passage=passage
            )
            await meanwhile()
            raise Undone
    return kept


async def test_stop_waits_for_envelopes_that_are_being_stored(idle: World) -> None:
    stopping: list[asyncio.Task[None]] = []
    waiting = "select count(*) from pg_locks where relation = 'flow_gate'::regclass and not granted"

    async def waits() -> bool:
        async with idle.house.database.statement() as connection:
            return bool(await connection.fetchval(waiting))

    async def stop() -> None:
        stopping.append(asyncio.create_task(changed(idle, Change.STOP)))
        await until(waits)
        assert not stopping[0].done()

    assert await is_kept(idle, CommandKind.FREEZE, place=0, meanwhile=stop)
    await stopping[0]
    assert not await is_kept(idle, CommandKind.FREEZE, place=0)
    await changed(idle, Change.RESUME)
    assert await is_kept(idle, CommandKind.FREEZE, place=0)


async def changed(world: World, change: Change) -> None:
    """Stop a marketplace's refunds, or let them go on."""
    async with world.house.database.transaction() as tx:
        await world.house.flows.change(
            tx,
            marketplace_id=world.marketplace_id,
            flow=Flow.REFUNDS,
            change=change,
            daily_limit=None,
            reason="why",
            by="operator:ann",
        )


@pytest.mark.parametrize("name", CHANGES)
async def test_envelope_is_stored_only_if_the_books_have_not_changed_since_the_read(
    idle: World, name: str
) -> None:
    assert await is_kept(idle, CommandKind.FREEZE, place=0)
    assert not await is_kept(idle, CommandKind.FREEZE, place=0, change=CHANGES[name])


@pytest.mark.parametrize(
    ("kind", "place", "may_be"),
    [
        (CommandKind.REFUND, 1, False),
        # The marks of a milestone need not wait for each other; the payout waits for both.
        (CommandKind.RELEASE, 1, True),
        (CommandKind.RELEASE, 2, False),
    ],
)
async def test_envelope_is_stored_only_if_the_preceding_steps_are_done(
    idle: World, kind: CommandKind, place: int, *, may_be: bool
) -> None:
    assert await is_kept(idle, kind, place=place) is may_be


async def test_escrow_changed_since_it_was_read_is_not_overwritten(idle: World) -> None:
    lease, step, sent = await begun(idle)
    async with idle.house.database.statement() as connection:
        command = await idle.house.store.command(
            connection, marketplace_id=lease.marketplace_id, command_id=lease.id
        )
    escrow = command.escrow
    assert escrow is not None
    change = EscrowChange(escrow=escrow, known_version=escrow.version - 1, events=())
    landing = writes(idle.house.journal, step, sent)["succeeded"]
    before = await books(idle, lease)

    with pytest.raises(LookupError):
        async with idle.house.database.transaction() as tx:
            await idle.house.store.save_escrow(tx, change)
    with pytest.raises(LeaseLost):
        async with idle.house.database.statement() as connection:
            await landing(connection, lease, change=change)

    assert await books(idle, lease) == before
