"""The worker's book in Postgres: leases, steps, signed envelopes, what the chain paid.

Whoever carries a command out holds its lease. Every transaction that writes begins with `fence`,
which locks the command's row and refuses an epoch that is no longer the newest: a process that
was paused past its lease can write nothing.
"""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from services.escrow.domain import CommandState, Payment
from services.escrow.evidence import Prepared, TransactionOutcome
from services.escrow.steps import StepName
from services.escrow.tables import attempts, channels, commands, payments, steps


class LeaseLost(Exception):
    """Another worker has the command, or it has ended; nothing may be written."""


class StepState(StrEnum):
    """How far a step is. SKIPPED: the chain shows that there was nothing left to do."""

    PLANNED = "PLANNED"
    SUCCEEDED = "SUCCEEDED"
    SKIPPED = "SKIPPED"
    REFUSED = "REFUSED"


class AttemptState(StrEnum):
    """What is known of an envelope. SENT: it may land."""

    SENT = "SENT"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to carry a command out, until a newer epoch is given."""

    marketplace_id: uuid.UUID
    command_id: uuid.UUID
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A signed envelope of a step. prepared_at_ledger: the newest ledger when it was signed."""

    number: int
    prepared: Prepared
    prepared_at_ledger: int
    state: AttemptState = AttemptState.SENT
    ledger: int | None = None
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A chain step with its attempts. source, sequence: kept over all attempts that may land."""

    id: uuid.UUID
    position: int
    name: StepName
    terms: Mapping[str, int | str]
    state: StepState
    source: str | None = None
    sequence: int | None = None
    attempts: tuple[Attempt, ...] = ()

    @property
    def in_flight(self) -> Attempt | None:
        """Return the attempt that may land, if there is one."""
        return next((a for a in self.attempts if a.state is AttemptState.SENT), None)

    def number(self, name: str) -> int:
        """Return a term that is a number. Raises: KeyError; TypeError."""
        value = self.terms[name]
        if not isinstance(value, int):
            raise TypeError(f"the term {name} is no number")
        return value


class Journal:
    """Reads and writes what the worker does."""

    async def claim(self, tx: Transaction, *, limit: int, seconds: int) -> list[Lease]:
        """Take commands that nobody carries out, oldest first; time is the database's."""
        rows = await tx.execute(_CLAIM, {"limit": limit, "seconds": seconds})
        return [
            Lease(marketplace_id=r.marketplace_id, command_id=r.id, epoch=r.lease_epoch)
            for r in rows
        ]

    async def renew(
        self, tx: Transaction, *, leases: Sequence[Lease], seconds: int
    ) -> frozenset[Lease]:
        """Hold leases longer; returns those that are still held."""
        rows = await tx.execute(_RENEW, {**_columns(leases), "seconds": seconds})
        held = {(r.marketplace_id, r.id) for r in rows}
        return frozenset(x for x in leases if (x.marketplace_id, x.command_id) in held)

    async def let_go(self, tx: Transaction, *, leases: Sequence[Lease]) -> None:
        """Give leases back, so that another worker need not wait for their end."""
        await tx.execute(_LET_GO, _columns(leases))

    async def fence(self, tx: Transaction, lease: Lease) -> None:
        """Lock the command's row. Raises: LeaseLost."""
        chosen = sa.select(commands.c.lease_epoch, commands.c.state).where(is_leased(lease))
        row = (await tx.execute(chosen.with_for_update())).first()
        if row is None or row.lease_epoch != lease.epoch or row.state != CommandState.RUNNING:
            raise LeaseLost

    async def end(
        self,
        tx: Transaction,
        *,
        lease: Lease,
        state: CommandState,
        at: dt.datetime | None,
        reason: str = "",
        message: str = "",
    ) -> None:
        """Write how a command ended, or that an operator must look (at is None)."""
        await tx.execute(
            sa.update(commands)
            .where(is_leased(lease))
            .values(
                state=state,
                finished_at=at,
                error_reason=reason,
                error_message=message,
                waits=0,
                waiting_since=None,
            )
        )

    async def steps(self, tx: Transaction, lease: Lease) -> list[Step]:
        """Read the steps of a command with their attempts, in order."""
        chosen = (
            sa.select(steps)
            .where(
                steps.c.marketplace_id == lease.marketplace_id,
                steps.c.command_id == lease.command_id,
            )
            .order_by(steps.c.position)
        )
        found = [_to_step(row) for row in await tx.execute(chosen)]
        of_steps = (
            sa.select(attempts)
            .where(attempts.c.step_id.in_([step.id for step in found]))
            .order_by(attempts.c.number)
        )
        rows = list(await tx.execute(of_steps))
        return [
            replace(step, attempts=tuple(_to_attempt(r) for r in rows if r.step_id == step.id))
            for step in found
        ]

    async def lease_channel(self, tx: Transaction, step: Step) -> tuple[str, int] | None:
        """Give a step a channel account and its next sequence number; None: all are taken."""
        chosen = (
            sa.select(channels.c.address, channels.c.next_sequence)
            .where(
                channels.c.leased_by.is_(None),
                channels.c.next_sequence.is_not(None),
                channels.c.is_retired.is_(False),
            )
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        row = (await tx.execute(chosen)).first()
        if row is None:
            return None
        await tx.execute(
            sa.update(channels).where(channels.c.address == row.address).values(leased_by=step.id)
        )
        await self._number(tx, step, source=row.address, sequence=row.next_sequence)
        return row.address, row.next_sequence

    async def renumber(self, tx: Transaction, *, step: Step, used: Prepared) -> None:
        """Move a step to the next sequence number: a ledger has used up the one it had."""
        await tx.execute(
            sa.update(channels)
            .where(channels.c.address == used.source, channels.c.leased_by == step.id)
            .values(next_sequence=used.sequence + 1)
        )
        await self._number(tx, step, source=used.source, sequence=used.sequence + 1)

    async def free_channel(self, tx: Transaction, step: Step) -> None:
        """Give back the channel account of a step that has nothing in flight."""
        in_flight = sa.select(attempts.c.hash).where(
            attempts.c.step_id == step.id, attempts.c.state == AttemptState.SENT
        )
        if (await tx.execute(in_flight)).first() is not None:
            return
        await tx.execute(
            sa.update(steps)
            .where(steps.c.id == step.id, steps.c.state == StepState.PLANNED)
            .values(source=None, sequence=None)
        )
        await tx.execute(
            sa.update(channels).where(channels.c.leased_by == step.id).values(leased_by=None)
        )

    async def keep_attempt(self, tx: Transaction, *, step: Step, attempt: Attempt) -> None:
        """Store a signed envelope; to be committed before its first byte is sent."""
        prepared = attempt.prepared
        row = {
            "hash": prepared.hash,
            "step_id": step.id,
            "number": attempt.number,
            "source": prepared.source,
            "sequence": prepared.sequence,
            "envelope_xdr": prepared.envelope_xdr,
            "max_time": prepared.max_time,
            "auth_expires_ledger": prepared.auth_expires_ledger,
            "max_fee": prepared.max_fee,
            "network": prepared.network,
            "prepared_at_ledger": attempt.prepared_at_ledger,
            "state": attempt.state,
            "created_at": sa.func.clock_timestamp(),
        }
        await tx.execute(sa.insert(attempts).values(row))

    async def close_attempt(
        self,
        tx: Transaction,
        *,
        attempt: Attempt,
        state: AttemptState,
        outcome: TransactionOutcome | None = None,
    ) -> None:
        """Write what became of an envelope. outcome: where a ledger has it."""
        await tx.execute(
            sa.update(attempts)
            .where(attempts.c.hash == attempt.prepared.hash)
            .values(
                state=state,
                ledger=outcome.ledger if outcome else None,
                code=outcome.code if outcome else "",
            )
        )

    async def end_step(
        self, tx: Transaction, *, step: Step, state: StepState, used: Prepared | None = None
    ) -> None:
        """End a step and give its channel account back.

        used: the envelope that a ledger has, with the sequence number that is now used up.
        """
        await tx.execute(sa.update(steps).where(steps.c.id == step.id).values(state=state))
        freed: dict[str, object] = {"leased_by": None}
        if used is not None:
            freed["next_sequence"] = used.sequence + 1
        await tx.execute(sa.update(channels).where(channels.c.leased_by == step.id).values(freed))

    async def keep_payments(self, tx: Transaction, *, step: Step, paid: Sequence[Payment]) -> None:
        """Store what the chain reports of a step that landed."""
        for payment in paid:
            row = {
                "transaction_hash": payment.transaction_hash,
                "event_index": payment.event_index,
                "step_id": step.id,
                "payee": payment.payee,
                "from_address": payment.from_address,
                "to_address": payment.to_address,
                "minor_units": payment.minor_units,
                "is_absorbed_fee": payment.is_absorbed_fee,
            }
            await tx.execute(insert(payments).values(row))

    async def was_frozen_by_us(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, escrow_id: uuid.UUID
    ) -> bool:
        """Tell whether a dispute of ours has landed on an escrow."""
        chosen = (
            sa.select(steps.c.id)
            .join(
                commands,
                sa.and_(
                    commands.c.marketplace_id == steps.c.marketplace_id,
                    commands.c.id == steps.c.command_id,
                ),
            )
            .where(
                commands.c.marketplace_id == marketplace_id,
                commands.c.escrow_id == escrow_id,
                steps.c.name == StepName.DISPUTE,
                steps.c.state == StepState.SUCCEEDED,
            )
            .limit(1)
        )
        return (await tx.execute(chosen)).first() is not None

    async def newest_landed(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, escrow_id: uuid.UUID
    ) -> int:
        """Return the newest ledger that has a transaction of an escrow; 0: none has."""
        names = {"marketplace": marketplace_id, "escrow": escrow_id}
        return int((await tx.execute(_NEWEST_LANDED, names)).scalar_one())

    async def _number(self, tx: Transaction, step: Step, *, source: str, sequence: int) -> None:
        statement = sa.update(steps).where(steps.c.id == step.id)
        await tx.execute(statement.values(source=source, sequence=sequence))


def is_leased(lease: Lease) -> sa.ColumnElement[bool]:
    """Return the condition that names a lease's command."""
    return sa.and_(
        commands.c.marketplace_id == lease.marketplace_id, commands.c.id == lease.command_id
    )


def _columns(leases: Sequence[Lease]) -> dict[str, object]:
    return {
        "marketplaces": [lease.marketplace_id for lease in leases],
        "ids": [lease.command_id for lease in leases],
        "epochs": [lease.epoch for lease in leases],
    }


def _to_step(row: Any) -> Step:
    return Step(
        id=row.id,
        position=row.position,
        name=StepName(row.name),
        terms=row.terms,
        state=StepState(row.state),
        source=row.source,
        sequence=row.sequence,
    )


def _to_attempt(row: Any) -> Attempt:
    prepared = Prepared(
        hash=row.hash,
        envelope_xdr=row.envelope_xdr,
        source=row.source,
        sequence=row.sequence,
        max_time=row.max_time,
        auth_expires_ledger=row.auth_expires_ledger,
        max_fee=row.max_fee,
        network=row.network,
    )
    return Attempt(
        number=row.number,
        prepared=prepared,
        prepared_at_ledger=row.prepared_at_ledger,
        state=AttemptState(row.state),
        ledger=row.ledger,
        code=row.code,
    )


_CLAIM = sa.text("""
update commands set lease_until = clock_timestamp() + make_interval(secs => :seconds),
                    lease_epoch = lease_epoch + 1
where (marketplace_id, id) in (
    select marketplace_id, id from commands
    where state = 'RUNNING' and lease_until < clock_timestamp()
      and next_attempt_at <= clock_timestamp()
    order by created_at limit :limit for update skip locked)
returning marketplace_id, id, lease_epoch
""")
_RENEW = sa.text("""
update commands c set lease_until = clock_timestamp() + make_interval(secs => :seconds)
from unnest(cast(:marketplaces as uuid[]), cast(:ids as uuid[]), cast(:epochs as bigint[]))
     as held (marketplace_id, id, epoch)
where c.marketplace_id = held.marketplace_id and c.id = held.id and c.lease_epoch = held.epoch
  and c.state = 'RUNNING'
returning c.marketplace_id, c.id
""")
_LET_GO = sa.text("""
update commands c set lease_until = 'epoch'
from unnest(cast(:marketplaces as uuid[]), cast(:ids as uuid[]), cast(:epochs as bigint[]))
     as held (marketplace_id, id, epoch)
where c.marketplace_id = held.marketplace_id and c.id = held.id and c.lease_epoch = held.epoch
  and c.state = 'RUNNING'
""")
_NEWEST_LANDED = sa.text("""
select coalesce(max(a.ledger), 0) from commands c
join steps s on s.marketplace_id = c.marketplace_id and s.command_id = c.id
join attempts a on a.step_id = s.id
where c.marketplace_id = :marketplace and c.escrow_id = :escrow
""")
