"""The worker's book in Postgres: leases, steps, signed envelopes, what the chain paid.

Whoever carries a command out holds its lease. Every transaction that writes begins with `fence`,
which locks the command's row and refuses an epoch that is no longer the newest: a process that
was paused past its lease can write nothing.
"""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from services.escrow.contracts.evidence import Prepared, TransactionOutcome
from services.escrow.contracts.steps import Attempt, AttemptState, Step, StepName, StepState
from services.escrow.domain import CommandState, Payment
from services.escrow.sending.lease import Lease, LeaseLost
from services.escrow.sending.shares import may_take
from services.escrow.tables import attempts, channels, commands, payments, steps


class Journal:
    """Reads and writes what the worker does."""

    async def due(self, tx: Transaction, *, limit: int) -> Mapping[uuid.UUID, int]:
        """Count what nobody carries out by marketplace, up to a limit of each.

        Who has waited longest comes first; time is the database's.
        """
        rows = await tx.execute(_DUE, {"limit": limit})
        return {row.marketplace_id: row.due for row in rows}

    async def claim(
        self, tx: Transaction, *, shares: Mapping[uuid.UUID, int], seconds: int
    ) -> list[Lease]:
        """Take commands that nobody carries out, so many of each marketplace, oldest first.

        What has rested is as old as the end of its rest; time is the database's.
        """
        names = {
            "marketplaces": list(shares),
            "shares": list(shares.values()),
            "seconds": seconds,
        }
        rows = await tx.execute(_CLAIM, names)
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
                abandoned_why="",
                quarantined_at=sa.func.clock_timestamp() if at is None else None,
                troubled_since=None,
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
        """Give a step a channel account and its next sequence number; None: it has to wait.

        It waits where all are taken, or its marketplace has its share. One lease at a time is
        given, so that a share is never more than it was counted for.
        """
        await tx.execute(_ONE_LEASE_AT_A_TIME)
        used = (await tx.execute(_USE_OF_CHANNELS, {"step": step.id})).one()
        if not may_take(holds=used.own, free=used.free):
            return None
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
        taken = sa.update(channels).where(channels.c.address == row.address)
        await tx.execute(taken.values(leased_by=step.id))
        numbered = sa.update(steps).where(steps.c.id == step.id)
        await tx.execute(numbered.values(source=row.address, sequence=row.next_sequence))
        return row.address, row.next_sequence

    async def renumber(self, tx: Transaction, *, step: Step, used: Prepared) -> None:
        """Move a step to the next sequence number, where a ledger has used up the one it has."""
        await tx.execute(_RENUMBER, {"step": step.id, "source": used.source, "used": used.sequence})

    async def free_channel(self, tx: Transaction, step: Step) -> None:
        """Give back the channel account of a step, unless something is signed under its number."""
        may_land = attempts.c.state.in_([AttemptState.SENT, AttemptState.EXPIRED])
        signed = (
            sa.select(attempts.c.hash)
            .join(steps, steps.c.id == attempts.c.step_id)
            .where(
                steps.c.id == step.id,
                may_land,
                attempts.c.source == steps.c.source,
                attempts.c.sequence == steps.c.sequence,
            )
        )
        if (await tx.execute(signed)).first() is not None:
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
            "is_burn": attempt.is_burn,
            "created_at": sa.func.clock_timestamp(),
        }
        await tx.execute(sa.insert(attempts).values(row))

    async def adopt(self, tx: Transaction, *, step: Step, attempt: Attempt) -> bool:
        """Take a landed transaction for an envelope of a step; False: it is one of another step."""
        known = sa.select(attempts.c.step_id).where(attempts.c.hash == attempt.prepared.hash)
        owner = (await tx.execute(known)).scalar_one_or_none()
        if owner is None:
            await self.keep_attempt(tx, step=step, attempt=attempt)
        return owner is None or owner == step.id

    async def close_attempt(
        self,
        tx: Transaction,
        *,
        attempt: Attempt,
        state: AttemptState,
        outcome: TransactionOutcome | None = None,
        code: str = "",
    ) -> None:
        """Write what became of an envelope. outcome: where a ledger has it; code: where not."""
        await tx.execute(
            sa.update(attempts)
            .where(attempts.c.hash == attempt.prepared.hash)
            .values(
                state=state,
                ledger=outcome.ledger if outcome else None,
                code=outcome.code if outcome else code,
            )
        )

    async def supersede(self, tx: Transaction, *, step: Step, by: Attempt) -> None:
        """Let what else is in flight under a number that a ledger has used be dead."""
        await tx.execute(
            sa.update(attempts)
            .where(
                attempts.c.step_id == step.id,
                attempts.c.source == by.prepared.source,
                attempts.c.sequence == by.prepared.sequence,
                attempts.c.state == AttemptState.SENT,
                attempts.c.hash != by.prepared.hash,
            )
            .values(state=AttemptState.EXPIRED)
        )

    async def end_step(
        self,
        tx: Transaction,
        *,
        step: Step,
        state: StepState,
        used: Prepared | None = None,
        doubt: str = "",
    ) -> None:
        """End a step and give its channel account back.

        used: the envelope that a ledger has, with the sequence number that is now used up; doubt:
        what contradicts what was meant.
        """
        ended = sa.update(steps).where(steps.c.id == step.id).values(state=state, doubt=doubt)
        await tx.execute(ended)
        held = channels.c.leased_by == step.id
        if used is not None:
            moved = sa.update(channels).where(held, channels.c.address == used.source)
            await tx.execute(moved.values(next_sequence=used.sequence + 1))
        await tx.execute(sa.update(channels).where(held).values(leased_by=None))

    async def clear_doubt(self, tx: Transaction, step: Step) -> None:
        """Forget what seemed to contradict a step: another look at the chain did not show it."""
        await tx.execute(sa.update(steps).where(steps.c.id == step.id).values(doubt=""))

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
        doubt=row.doubt,
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
        is_burn=row.is_burn,
    )


_CLAIM = sa.text("""
update commands set lease_until = clock_timestamp() + make_interval(secs => :seconds),
                    lease_epoch = lease_epoch + 1
where (marketplace_id, id) in (
    select taken.marketplace_id, taken.id
    from unnest(cast(:marketplaces as uuid[]), cast(:shares as integer[])) as share (owner, size)
    cross join lateral (
        select c.marketplace_id, c.id from commands c
        where c.marketplace_id = share.owner and c.state = 'RUNNING'
          and c.lease_until < clock_timestamp() and c.next_attempt_at <= clock_timestamp()
        order by greatest(c.created_at, c.next_attempt_at) limit share.size
        for update skip locked) as taken)
returning marketplace_id, id, lease_epoch
""")
_DUE = sa.text("""
select c.marketplace_id, least(count(*), :limit) as due from commands c
where c.state = 'RUNNING' and c.lease_until < clock_timestamp()
  and c.next_attempt_at <= clock_timestamp()
group by c.marketplace_id order by min(greatest(c.created_at, c.next_attempt_at))
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
_RENUMBER = sa.text("""
with moved as (
    update steps set sequence = sequence + 1
    where id = :step and source = :source and sequence = :used
    returning source, sequence
)
update channels c set next_sequence = moved.sequence from moved
where c.address = moved.source and c.leased_by = :step
""")
_ONE_LEASE_AT_A_TIME = sa.text(
    "select pg_advisory_xact_lock(hashtext('escrow'), hashtext('channels'))"
)
_USE_OF_CHANNELS = sa.text("""
select count(*) filter (where h.leased_by is null) as free,
       count(*) filter (where holder.marketplace_id = asking.marketplace_id
                          and c.state = 'RUNNING') as own
from steps asking
cross join channels h left join steps holder on holder.id = h.leased_by
-- What a quarantined command keeps is made up for by new ones, and stops none of its owner's.
left join commands c on c.marketplace_id = holder.marketplace_id and c.id = holder.command_id
where asking.id = :step and h.next_sequence is not null and not h.is_retired
""")
