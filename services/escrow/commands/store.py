"""Escrows and commands in PostgreSQL. Rows in, dataclasses out.

Every statement names the marketplace, so rows of another marketplace are not found.
"""

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy.dialects.postgresql import insert

from chassis import idempotency, outbox
from chassis.database import Transaction
from chassis.leases import Lease, LeaseLost
from chassis.outbox import Event
from chassis.sql import compiled
from kernel.ids import derived_id, to_public
from services.escrow.commands.rows import ChainTransactionRow, to_command, to_escrow
from services.escrow.contracts.plan import PlannedStep
from services.escrow.domain import (
    Command,
    CommandInMotion,
    CommandNotFound,
    CommandState,
    Escrow,
    EscrowAlreadyExists,
    EscrowNotFound,
    EscrowState,
    Fact,
    Wallet,
)
from services.escrow.tables import attempts, commands, escrows, payments, steps

Name = tuple[uuid.UUID, uuid.UUID]
# Of a lease with which a command is written.
FIRST_EPOCH = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowChange:
    """An escrow to be written, with its events. known_version: the version that was read."""

    escrow: Escrow
    known_version: int
    events: Sequence[Event]

    @classmethod
    def of(
        cls,
        before: Escrow,
        decided: tuple[Escrow, Sequence[Fact]],
        *,
        at: dt.datetime,
        correlation_id: str,
        causation_id: str,
    ) -> "EscrowChange":
        """Return the change that the domain has decided."""
        escrow, facts = decided
        events = [
            Event(
                event_type=fact.event_type,
                aggregate_type="Escrow",
                aggregate_id=to_public("esc", escrow.id),
                version=fact.version,
                marketplace_id=escrow.marketplace_id,
                occurred_at=at,
                payload=fact.payload,
                correlation_id=correlation_id,
                causation_id=causation_id,
            )
            for fact in facts
        ]
        return cls(escrow=escrow, known_version=before.version, events=events)


class CommandStore:
    """Reads and writes escrows and commands, with the events about them."""

    async def add_escrow(self, tx: Transaction, escrow: Escrow) -> None:
        """Insert an escrow; wait while another transaction adds one for the same order.

        Raises: EscrowAlreadyExists: the order has one, or the id is taken.
        """
        row = {
            **_progress(escrow),
            "order_id": escrow.order_id,
            "contract_id": escrow.contract_id,
            "wasm_hash": escrow.wasm_hash,
            "buyer_wallet_id": escrow.buyer_wallet_id,
            "seller_wallet_id": escrow.seller_wallet_id,
            "amount": escrow.terms.amount,
            "title": escrow.terms.title,
            "description": escrow.terms.description,
            "milestones": list(escrow.terms.milestones),
            "platform_fee_bps": escrow.terms.platform_fee_bps,
            "created_at": escrow.created_at,
            "salt": escrow.salt or None,
            "deployment": escrow.deployment,
            "factory": escrow.factory,
            "resolver": escrow.resolver,
            "seller_payout": escrow.seller_payout,
            "buyer_payout": escrow.buyer_payout,
        }
        if await tx.run(_ADD_ESCROW, row) != 1:
            raise EscrowAlreadyExists("The order has an escrow already")

    async def lock_escrow(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, order_id: uuid.UUID
    ) -> Escrow:
        """Read the escrow of an order and lock its row. Raises: EscrowNotFound."""
        names = {"marketplace_id": marketplace_id, "order_id": order_id}
        row = await tx.fetchrow(_LOCK_OF_ORDER, names)
        if row is None:
            raise EscrowNotFound("The order has no escrow", details={"orderId": str(order_id)})
        return to_escrow(row)

    async def find_escrow(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, order_id: uuid.UUID
    ) -> Escrow | None:
        """Read the escrow of an order, or None."""
        names = {"marketplace_id": marketplace_id, "order_id": order_id}
        row = await tx.fetchrow(_OF_ORDER, names)
        return None if row is None else to_escrow(row)

    async def save_escrow(self, tx: Transaction, change: EscrowChange) -> None:
        """Write the state of an escrow, and its events, in the caller's transaction.

        Raises: LookupError: the escrow has changed since it was read.
        """
        names = {**_progress(change.escrow), "known_version": change.known_version}
        if change.events:
            told = await tx.run(_SAVE_AND_TELL, {**names, **outbox.values(change.events, on=tx)})
            is_written = told == len(change.events)
        else:
            is_written = await tx.run(_SAVE_ESCROW, names) == 1
        if not is_written:
            raise LookupError("the escrow to write has changed since it was read")

    async def add_command(
        self,
        tx: Transaction,
        *,
        command: Command,
        planned: Sequence[PlannedStep],
        answer: Mapping[str, object] | None = None,
        lease_seconds: int = 0,
    ) -> None:
        """Insert a command with its steps. Step ids are derived from their positions.

        answer: values of `Idempotency`, stored with the key that was claimed for the command.
        lease_seconds: for which this process has it from the beginning, under FIRST_EPOCH.
        Raises: CommandInMotion: the database holds another command on the same escrow.
        """
        rows = [
            {
                "id": str(derived_id("step", command.marketplace_id, command.id, position)),
                "position": position,
                "name": step.name,
                "terms": dict(step.terms),
            }
            for position, step in enumerate(planned)
        ]
        row = {
            "id": command.id,
            "marketplace_id": command.marketplace_id,
            "kind": command.kind,
            "state": command.state,
            "escrow_id": command.escrow.id if command.escrow else None,
            "wallet_id": command.wallet_id,
            "was_frozen": command.was_frozen,
            "correlation_id": command.correlation_id,
            "created_at": command.created_at,
            "steps": Jsonb(rows),
            "lease_epoch": FIRST_EPOCH if lease_seconds else 0,
            "lease_seconds": lease_seconds,
        }
        statement = _ADD_COMMAND if answer is None else _ADD_AND_ANSWER
        if await tx.run(statement, {**row, **(answer or {})}) == 0:
            raise CommandInMotion("Another command has not ended")

    async def command(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, command_id: uuid.UUID
    ) -> Command:
        """Read a command with its escrow, step and payments. Raises: CommandNotFound."""
        names = {"marketplace_id": marketplace_id, "id": command_id}
        rows = await tx.fetch(_COMMAND, names)
        if not rows:
            raise CommandNotFound("Command not found")
        return to_command(rows)

    async def unfinished(self, tx: Transaction, escrow: Escrow) -> Command | None:
        """Read the unfinished command on an escrow as `command` does, or None."""
        names = {"marketplace_id": escrow.marketplace_id, "escrow_id": escrow.id}
        rows = await tx.fetch(_UNFINISHED, names)
        return to_command(rows) if rows else None

    async def leased(self, tx: Transaction, lease: Lease) -> Command:
        """Read a command as `command` does, under its lease. Raises: LeaseLost."""
        names = {"marketplace_id": lease.marketplace_id, "id": lease.id, "epoch": lease.epoch}
        rows = await tx.fetch(_LEASED, names)
        if not rows:
            raise LeaseLost
        return to_command(rows)

    async def count_wallet_commands(self, tx: Transaction, *, wallet: Wallet) -> int:
        """Count the commands that were to create a wallet's account."""
        names = {"marketplace_id": wallet.marketplace_id, "wallet_id": wallet.id}
        return int(await tx.fetchval(_COUNT_WALLET_COMMANDS, names))

    async def ended_among(self, tx: Transaction, names: Collection[Name]) -> list[Name]:
        """Return those of the commands, by marketplace and id, that have ended."""
        columns = {
            "marketplaces": [marketplace_id for marketplace_id, _ in names],
            "ids": [command_id for _, command_id in names],
        }
        rows = await tx.fetch(_ENDED_AMONG, columns)
        return [(row.marketplace_id, row.id) for row in rows]

    async def transactions(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, order_id: uuid.UUID
    ) -> list[ChainTransactionRow]:
        """List the transactions that were signed for an order, oldest first."""
        names = {"marketplace_id": marketplace_id, "order_id": order_id}
        return [ChainTransactionRow(**r._asdict()) for r in await tx.fetch(_TRANSACTIONS, names)]


def _progress(escrow: Escrow) -> dict[str, object]:
    """Return the columns of an escrow that identify it, and those that a command may change."""
    return {
        "marketplace_id": escrow.marketplace_id,
        "id": escrow.id,
        "state": escrow.state,
        "version": escrow.version,
        "funded_at": escrow.funded_at,
        "closed_at": escrow.closed_at,
        "last_error": escrow.last_error,
    }


_ESCROW = [column.label(f"escrow_{column.name}") for column in escrows.c]
_PROGRESS = ("state", "version", "funded_at", "closed_at", "last_error")
_ADD_ESCROW = compiled(insert(escrows).on_conflict_do_nothing())
# The escrow that has not failed comes first, then the failed ones from the newest on.
_ESCROWS_OF_ORDER = (
    sa.select(*_ESCROW)
    .where(
        escrows.c.marketplace_id == sa.bindparam("marketplace_id"),
        escrows.c.order_id == sa.bindparam("order_id"),
    )
    .order_by(escrows.c.state == EscrowState.FAILED, escrows.c.created_at.desc())
    .limit(1)
)
_OF_ORDER = compiled(_ESCROWS_OF_ORDER)
_LOCK_OF_ORDER = compiled(_ESCROWS_OF_ORDER.with_for_update())
_SAVE_ESCROW = compiled(
    sa.update(escrows)
    .where(
        escrows.c.marketplace_id == sa.bindparam("marketplace_id"),
        escrows.c.id == sa.bindparam("id"),
        escrows.c.version == sa.bindparam("known_version"),
    )
    .values({name: sa.bindparam(name) for name in _PROGRESS})
)
_SAVE_AND_TELL = f"""
with saved as ({_SAVE_ESCROW} returning 1)
{outbox.INSERT} where exists (select from saved)
"""
# Inserts a command with all its steps, or nothing.
_ADDING = """
with {also}command as (
    insert into commands (marketplace_id, id, kind, state, escrow_id, wallet_id, was_frozen,
                          correlation_id, created_at, lease_epoch, lease_until)
    values (%(marketplace_id)s, %(id)s, %(kind)s, %(state)s, %(escrow_id)s, %(wallet_id)s,
            %(was_frozen)s, %(correlation_id)s, %(created_at)s, %(lease_epoch)s,
            clock_timestamp() + make_interval(secs => %(lease_seconds)s))
    on conflict do nothing returning marketplace_id, id
)
insert into steps (id, marketplace_id, command_id, position, name, terms, state)
select planned.id, command.marketplace_id, command.id, planned.position, planned.name,
       planned.terms, 'PLANNED'
from command cross join jsonb_to_recordset(%(steps)s)
     as planned (id uuid, position integer, name text, terms jsonb)
"""
_ADD_COMMAND, _ADD_AND_ANSWER = (
    _ADDING.format(also=also) for also in ("", f"answered as ({idempotency.ANSWER}), ")
)
_OF_THE_COMMAND = sa.and_(
    steps.c.marketplace_id == commands.c.marketplace_id, steps.c.command_id == commands.c.id
)
_STEP = (
    sa.select(steps.c.name)
    .where(_OF_THE_COMMAND, steps.c.state == "PLANNED")
    .order_by(steps.c.position)
    .limit(1)
    .scalar_subquery()
    .label("step")
)
_PAID = (
    sa.select(
        steps.c.position,
        payments.c.event_index,
        payments.c.payee,
        payments.c.from_address,
        payments.c.to_address,
        payments.c.minor_units,
        payments.c.transaction_hash,
        payments.c.is_absorbed_fee,
    )
    .join(steps, steps.c.id == payments.c.step_id)
    .where(_OF_THE_COMMAND)
    .lateral("paid")
)
_WITH_WHAT_BELONGS_TO_IT = (
    sa.select(
        commands.c.marketplace_id,
        commands.c.id,
        commands.c.kind,
        commands.c.state,
        commands.c.wallet_id,
        commands.c.was_frozen,
        commands.c.correlation_id,
        commands.c.waits,
        commands.c.error_reason,
        commands.c.error_message,
        commands.c.created_at,
        commands.c.finished_at,
        commands.c.abandoned_why,
        _STEP,
        *_ESCROW,
        *(column for column in _PAID.c if column is not _PAID.c.position),
    )
    .select_from(
        commands.outerjoin(
            escrows,
            sa.and_(
                escrows.c.marketplace_id == commands.c.marketplace_id,
                escrows.c.id == commands.c.escrow_id,
            ),
        ).outerjoin(_PAID, sa.true())
    )
    .where(commands.c.marketplace_id == sa.bindparam("marketplace_id"))
    .order_by(_PAID.c.position, _PAID.c.event_index)
)
_COMMAND = compiled(_WITH_WHAT_BELONGS_TO_IT.where(commands.c.id == sa.bindparam("id")))
_LEASED = compiled(
    _WITH_WHAT_BELONGS_TO_IT.where(
        commands.c.id == sa.bindparam("id"),
        commands.c.lease_epoch == sa.bindparam("epoch"),
        commands.c.state == CommandState.RUNNING,
    )
)
_UNFINISHED = compiled(
    _WITH_WHAT_BELONGS_TO_IT.where(
        commands.c.escrow_id == sa.bindparam("escrow_id"),
        commands.c.finished_at.is_(None),
    )
)
_COUNT_WALLET_COMMANDS = """
select count(*) from commands where marketplace_id = %(marketplace_id)s
    and wallet_id = %(wallet_id)s and kind = 'CREATE_WALLET'
"""
_ENDED_AMONG = """
select c.marketplace_id, c.id
from unnest(%(marketplaces)s::uuid[], %(ids)s::uuid[]) as waited (marketplace_id, id)
join commands c on c.marketplace_id = waited.marketplace_id and c.id = waited.id
where c.finished_at is not null
"""
_TRANSACTIONS = compiled(
    sa.select(
        attempts.c.hash,
        steps.c.name,
        attempts.c.state,
        sa.func.coalesce(attempts.c.ledger, 0).label("ledger"),
        attempts.c.created_at.label("at"),
    )
    .select_from(
        escrows.join(
            commands,
            sa.and_(
                commands.c.marketplace_id == escrows.c.marketplace_id,
                commands.c.escrow_id == escrows.c.id,
            ),
        )
        .join(steps, _OF_THE_COMMAND)
        .join(attempts, attempts.c.step_id == steps.c.id)
    )
    .where(
        escrows.c.marketplace_id == sa.bindparam("marketplace_id"),
        escrows.c.order_id == sa.bindparam("order_id"),
    )
    # Steps that are in flight at the same time are listed in their planned order.
    .order_by(commands.c.created_at, commands.c.id, steps.c.position, attempts.c.number)
)
