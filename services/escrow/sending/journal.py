"""The worker's journal in PostgreSQL: leases, steps, signed envelopes, what the chain paid.

Every write to a command's steps checks the command's lease in the same statement, and locks the
command's row. So a process that was paused past its lease writes nothing.
"""

import base64
import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.types.json import Jsonb

from chassis import outbox
from chassis.database import Transaction
from chassis.leases import Lease, LeaseLost, LeaseTable
from services.escrow.commands.store import EscrowChange
from services.escrow.contracts.evidence import TransactionOutcome
from services.escrow.contracts.kinds import SIDE_BY_SIDE
from services.escrow.contracts.steps import (
    SUPERSEDED,
    Attempt,
    Books,
    Step,
    StepState,
    UseOfChannels,
)
from services.escrow.domain import CommandState, Payment
from services.escrow.sending import statements
from services.escrow.sending.flows import Passage
from services.escrow.sending.rows import to_step

LEASES = LeaseTable(
    "commands",
    running="state = 'RUNNING'",
    due="next_attempt_at <= clock_timestamp()",
    age="greatest(created_at, next_attempt_at)",
)


class Journal:
    """Reads and writes what the worker does."""

    async def due(self, tx: Transaction, *, limit: int) -> Mapping[uuid.UUID, int]:
        """Count the due commands of each marketplace, up to a limit for each.

        The marketplace whose command has waited longest comes first; time is the database's.
        """
        rows = await tx.fetch(statements.DUE, {"limit": limit})
        return {row.marketplace_id: row.due for row in rows}

    async def claim(
        self, tx: Transaction, *, shares: Mapping[uuid.UUID, int], seconds: int
    ) -> list[Lease]:
        """Claim due commands, the given number of each marketplace, oldest first.

        The age of a command that has rested counts from the end of its rest; time is the
        database's.
        """
        return await LEASES.claim_shares(tx, shares=shares, seconds=seconds)

    async def fence(self, tx: Transaction, lease: Lease) -> None:
        """Lock the command's row. Raises: LeaseLost."""
        await LEASES.fence(tx, lease)

    async def end(
        self,
        tx: Transaction,
        lease: Lease,
        *,
        state: CommandState,
        at: dt.datetime,
        reason: str = "",
        message: str = "",
        refused: Step | None = None,
    ) -> None:
        """Record how a command ended. refused: the step that was refused. Raises: LeaseLost."""
        names = {
            **_names(lease),
            "state": state,
            "at": at,
            "reason": reason,
            "message": message,
            "step": None if refused is None else refused.id,
        }
        await _fenced(tx, statements.END, names)

    async def quarantine(
        self, tx: Transaction, lease: Lease, *, step: Step, reason: str, message: str
    ) -> None:
        """Stop a command until an operator has looked; give back its channel account.

        The step keeps a channel account under whose number something is signed.
        Raises: LeaseLost.
        """
        names = {**_names(lease), "step": step.id, "reason": reason, "message": message}
        await _fenced(tx, statements.QUARANTINE, names)

    async def put_off(
        self,
        tx: Transaction,
        lease: Lease,
        *,
        step: Step,
        seconds: int,
        reason: str,
        message: str,
        is_trouble: bool | None = False,
    ) -> None:
        """Let a command rest before it may be claimed again, and store why. Else as `quarantine`.

        is_trouble: True measures the time since the trouble began, False ends it, None leaves it.
        Raises: LeaseLost.
        """
        names = {
            **_names(lease),
            "step": step.id,
            "seconds": seconds,
            "reason": reason,
            "message": message,
            "is_trouble": is_trouble,
        }
        await _fenced(tx, statements.PUT_OFF, names)

    async def books(
        self, tx: Transaction, lease: Lease, *, escrow_id: uuid.UUID | None = None
    ) -> Books:
        """Read the steps of a command with their attempts, in order, and what blocks them.

        escrow_id: the escrow of the command; None: the command has none.
        """
        names = {
            "marketplace": lease.marketplace_id,
            "command": lease.id,
            "escrow": escrow_id,
        }
        found: dict[uuid.UUID, list[Any]] = {}
        for row in await tx.fetch(statements.STEPS, names):
            found.setdefault(row.id, []).append(row)
        steps = [to_step(rows) for rows in found.values()]
        first = next(iter(found.values()))[0]
        return Books(
            steps=steps,
            is_held=first.is_held,
            has_unclaimed=first.has_unclaimed,
            newest_ledger=first.newest_ledger,
            was_frozen_by_us=first.was_frozen_by_us,
        )

    async def use_of_channels(self, tx: Transaction) -> UseOfChannels:
        """Count the free channel accounts, and those of each marketplace.

        Until the transaction ends, no other transaction gives out a channel account, so that no
        share exceeds what was counted.
        """
        async with tx.together() as both:
            both.add(statements.CHANNELS_BY_ONE)
            counting = both.add(statements.USE_OF_CHANNELS)
        counted = {row.owner: row.size for row in counting.rows()}
        return UseOfChannels(free=counted.pop(None, 0), held=counted)

    async def lease_channels(
        self, tx: Transaction, asked: Sequence[tuple[Lease, Step]]
    ) -> Mapping[uuid.UUID, tuple[str, int] | None]:
        """Give each step a channel account with its next sequence number, in the steps' order.

        Return them by step; None: no account was left. A step whose lease is lost is absent.
        """
        if not asked:
            return {}
        names = {
            "marketplaces": [lease.marketplace_id for lease, _ in asked],
            "commands": [lease.id for lease, _ in asked],
            "epochs": [lease.epoch for lease, _ in asked],
            "steps": [step.id for _, step in asked],
        }
        rows = await tx.fetch(statements.LEASE_CHANNELS, names)
        return {
            row.step_id: None if row.source is None else (row.source, row.sequence) for row in rows
        }

    async def keep_attempt(
        self,
        tx: Transaction,
        lease: Lease,
        *,
        step: Step,
        attempt: Attempt,
        may_claim: bool = False,
        abandoned_why: str = "",
        passage: Passage | None = None,
    ) -> bool:
        """Store a signed envelope, to be committed before its first byte is sent.

        Return False if the command has changed since it was read: nothing new may be sent until an
        operator confirms, an earlier step is not done, or an operator has ruled. may_claim: it is
        known that no step has claimed some transactions. passage: the step is counted, and its
        envelope is stored only if its flow has neither a stop nor a limit that counts the step.
        Raises: LeaseLost.
        """
        row = {
            **_names(lease),
            **_attempt_row(step, attempt),
            "envelope": base64.b64decode(attempt.prepared.envelope_xdr),
            "may_claim": may_claim,
            "abandoned_why": abandoned_why,
            "side_by_side": sorted(SIDE_BY_SIDE),
            "flow": None if passage is None else passage.flow,
            "minor_units": 0 if passage is None or passage.is_counted else passage.minor_units,
        }
        if await tx.fetchval(statements.KEEP_ATTEMPT, row) == 1:
            return True
        await self.fence(tx, lease)
        return False

    async def adopt(self, tx: Transaction, *, step: Step, attempt: Attempt) -> bool:
        """Adopt a landed transaction as an envelope of a step; False: another step has it."""
        if await tx.run(statements.ADOPT_ATTEMPT, _attempt_row(step, attempt)) == 1:
            return True
        owner = await tx.fetchval(statements.OWNER_OF_ATTEMPT, {"hash": attempt.prepared.hash})
        return bool(owner == step.id)

    async def succeeded(
        self,
        tx: Transaction,
        lease: Lease,
        *,
        step: Step,
        attempt: Attempt,
        outcome: TransactionOutcome,
        paid: Sequence[Payment],
        doubt: str = "",
        heir: Step | None = None,
        change: EscrowChange | None = None,
        ends_at: dt.datetime | None = None,
    ) -> tuple[str, int] | None:
        """End a step with a landed envelope; store what was paid, and free the channel account.

        The command's waits are cleared. Other envelopes in flight under the number are dead. doubt:
        how the landing contradicts the plan. heir: the step that gets the channel account instead;
        the account is returned with its next number. change: of the escrow, with its events.
        ends_at: the command ends with the step. Raises: LeaseLost.
        """
        rows = [
            {
                "event_index": payment.event_index,
                "payee": payment.payee,
                "from_address": payment.from_address,
                "to_address": payment.to_address,
                "minor_units": payment.minor_units,
                "is_absorbed_fee": payment.is_absorbed_fee,
            }
            for payment in paid
        ]
        names = {
            **_names(lease),
            **_closing(step, attempt, outcome),
            "paid": Jsonb(rows),
            "doubt": doubt,
            "heir": None if heir is None else heir.id,
            "ends": ends_at is not None,
            "at": ends_at,
            **_changing(change),
            **outbox.values([] if change is None else change.events, on=tx),
        }
        row = await tx.fetchrow(_SUCCEEDED, names)
        if row.held != 1:
            raise LeaseLost
        return None if row.inherited is None else (attempt.prepared.source, row.inherited)

    async def failed(
        self,
        tx: Transaction,
        lease: Lease,
        *,
        step: Step,
        attempt: Attempt,
        outcome: TransactionOutcome,
    ) -> None:
        """Record that a ledger includes an envelope, but that the envelope did not do the step.

        The step gets the next sequence number. Raises: LeaseLost.
        """
        names = {**_names(lease), **_closing(step, attempt, outcome)}
        await _fenced(tx, statements.FAILED, names)

    async def expired(self, tx: Transaction, lease: Lease, *, attempt: Attempt) -> None:
        """Record that an envelope can no longer land. Raises: LeaseLost."""
        names = {**_names(lease), "hash": attempt.prepared.hash}
        await _fenced(tx, statements.EXPIRED, names)

    async def superseded(
        self, tx: Transaction, lease: Lease, *, step: Step, attempt: Attempt
    ) -> None:
        """Record that a ledger has used an envelope's number for another step's transaction.

        The step gets the next sequence number. Raises: LeaseLost.
        """
        prepared = attempt.prepared
        names = {
            **_names(lease),
            "step": step.id,
            "hash": prepared.hash,
            "source": prepared.source,
            "sequence": prepared.sequence,
            "code": SUPERSEDED,
        }
        await _fenced(tx, statements.SUPERSEDED, names)

    async def skip(self, tx: Transaction, lease: Lease, *, step: Step) -> None:
        """End a step that the chain shows to be done. Raises: LeaseLost."""
        await _fenced(
            tx, statements.SKIP, {**_names(lease), "step": step.id, "state": StepState.SKIPPED}
        )

    async def clear_doubt(self, tx: Transaction, step: Step) -> None:
        """Clear the doubt of a step, because another look at the chain did not confirm it."""
        await tx.run(statements.CLEAR_DOUBT, {"step": step.id})


async def _fenced(tx: Transaction, statement: str, names: Mapping[str, object]) -> None:
    """Execute a statement that returns how many commands are under the lease. Raises: LeaseLost."""
    if await tx.fetchval(statement, names) != 1:
        raise LeaseLost


def _names(lease: Lease) -> dict[str, object]:
    return {"marketplace": lease.marketplace_id, "command": lease.id, "epoch": lease.epoch}


_SUCCEEDED = statements.SUCCEEDED.format(told=outbox.INSERT)


def _changing(change: EscrowChange | None) -> dict[str, object]:
    escrow = None if change is None else change.escrow
    return {
        "change": escrow and escrow.id,
        "known_version": change and change.known_version,
        "escrow_state": escrow and escrow.state,
        "escrow_version": escrow and escrow.version,
        "funded_at": escrow and escrow.funded_at,
        "closed_at": escrow and escrow.closed_at,
        "last_error": escrow and escrow.last_error,
    }


def _closing(step: Step, attempt: Attempt, outcome: TransactionOutcome) -> dict[str, object]:
    return {
        "step": step.id,
        "hash": attempt.prepared.hash,
        "source": attempt.prepared.source,
        "sequence": attempt.prepared.sequence,
        "ledger": outcome.ledger,
        "code": outcome.code,
    }


def _attempt_row(step: Step, attempt: Attempt) -> dict[str, object]:
    prepared = attempt.prepared
    return {
        "hash": prepared.hash,
        "step": step.id,
        "number": attempt.number,
        "source": prepared.source,
        "sequence": prepared.sequence,
        "max_time": prepared.max_time,
        "auth_expires_ledger": prepared.auth_expires_ledger,
        "max_fee": prepared.max_fee,
        "network": prepared.network,
        "bump_hash": prepared.bump_hash,
        "prepared_at_ledger": attempt.prepared_at_ledger,
        "state": attempt.state,
        "is_burn": attempt.is_burn,
    }
