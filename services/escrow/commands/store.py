"""Escrows and commands in Postgres. Rows in, dataclasses out.

Every statement names the marketplace: another's row is not there.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from chassis.outbox import Event, Outbox
from kernel.ids import to_public
from services.escrow.commands.rows import (
    PLANNED,
    escrow_state,
    escrow_terms,
    step_row,
    to_command,
    to_escrow,
    to_payment,
)
from services.escrow.contracts.plan import PlannedStep
from services.escrow.domain import (
    Command,
    CommandInMotion,
    CommandKind,
    CommandNotFound,
    Escrow,
    EscrowAlreadyExists,
    EscrowNotFound,
    EscrowState,
    Fact,
    Payment,
    Wallet,
)
from services.escrow.tables import attempts, commands, escrows, payments, steps


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainTransactionRow:
    """A transaction that was signed for an order. at: when it was signed."""

    hash: str
    name: str
    state: str
    ledger: int
    at: dt.datetime


class CommandStore:
    """Reads and writes escrows and commands, with the events about them."""

    def __init__(self, *, outbox: Outbox) -> None:
        self._outbox = outbox

    async def count_wallet_commands(self, tx: Transaction, *, wallet: Wallet) -> int:
        """Count how often a wallet's account was to be made."""
        chosen = sa.select(sa.func.count()).where(
            commands.c.marketplace_id == wallet.marketplace_id,
            commands.c.wallet_id == wallet.id,
            commands.c.kind == CommandKind.CREATE_WALLET,
        )
        return int((await tx.execute(chosen)).scalar_one())

    async def add_escrow(self, tx: Transaction, escrow: Escrow) -> None:
        """Insert an escrow; waits for another of the same order that is being added.

        Raises: EscrowAlreadyExists: the order has one, or the id is taken.
        """
        row = {**escrow_state(escrow), **escrow_terms(escrow)}
        statement = insert(escrows).values(row).on_conflict_do_nothing()
        if (await tx.execute(statement.returning(escrows.c.id))).first() is None:
            raise EscrowAlreadyExists("The order has an escrow already")

    async def lock_escrow(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, order_id: uuid.UUID
    ) -> Escrow:
        """Read the escrow of an order and lock its row. Raises: EscrowNotFound."""
        chosen = _of_order(marketplace_id, order_id).with_for_update()
        row = (await tx.execute(chosen)).first()
        if row is None:
            raise EscrowNotFound("The order has no escrow", details={"orderId": str(order_id)})
        return to_escrow(row)

    async def find_escrow(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, order_id: uuid.UUID
    ) -> Escrow | None:
        """Read the escrow of an order, or None."""
        row = (await tx.execute(_of_order(marketplace_id, order_id))).first()
        return None if row is None else to_escrow(row)

    async def save_escrow(
        self,
        tx: Transaction,
        *,
        escrow: Escrow,
        facts: Sequence[Fact],
        at: dt.datetime,
        correlation_id: str,
        causation_id: str,
    ) -> None:
        """Write where an escrow is, and its events, in the caller's transaction."""
        statement = (
            sa.update(escrows)
            .where(escrows.c.marketplace_id == escrow.marketplace_id, escrows.c.id == escrow.id)
            .values(escrow_state(escrow))
        )
        await _exactly_one(tx, statement)
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
        await self._outbox.append(tx, events)

    async def add_command(
        self,
        tx: Transaction,
        *,
        command: Command,
        planned: Sequence[PlannedStep],
    ) -> None:
        """Insert a command with its steps.

        Raises: CommandInMotion: the database holds another on the same escrow.
        """
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
        }
        statement = insert(commands).values(row).on_conflict_do_nothing()
        if (await tx.execute(statement.returning(commands.c.id))).first() is None:
            raise CommandInMotion("Another command has not ended")
        rows = [step_row(command, at, step) for at, step in enumerate(planned)]
        await tx.execute(sa.insert(steps), rows)

    async def command(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, command_id: uuid.UUID
    ) -> Command:
        """Read a command with its escrow, step and payments. Raises: CommandNotFound."""
        chosen = sa.select(commands).where(
            commands.c.marketplace_id == marketplace_id, commands.c.id == command_id
        )
        row = (await tx.execute(chosen)).first()
        if row is None:
            raise CommandNotFound("There is no such command")
        escrow = None
        if row.escrow_id is not None:
            by_id = sa.select(escrows).where(
                escrows.c.marketplace_id == marketplace_id, escrows.c.id == row.escrow_id
            )
            escrow = to_escrow((await tx.execute(by_id)).one())
        return to_command(
            row,
            escrow=escrow,
            step=await self._step_in_motion(tx, row),
            paid=await self._payments(tx, row),
        )

    async def ended_among(
        self, tx: Transaction, names: Sequence[tuple[uuid.UUID, uuid.UUID]]
    ) -> list[tuple[uuid.UUID, uuid.UUID]]:
        """Tell which commands, by marketplace and id, have ended."""
        chosen = sa.select(commands.c.marketplace_id, commands.c.id).where(
            sa.tuple_(commands.c.marketplace_id, commands.c.id).in_(list(names)),
            commands.c.finished_at.is_not(None),
        )
        return [(row.marketplace_id, row.id) for row in await tx.execute(chosen)]

    async def transactions(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, order_id: uuid.UUID
    ) -> list[ChainTransactionRow]:
        """List what was signed for an order, oldest first."""
        joined = attempts.join(steps, steps.c.id == attempts.c.step_id)
        joined = joined.join(
            commands,
            sa.and_(
                commands.c.marketplace_id == steps.c.marketplace_id,
                commands.c.id == steps.c.command_id,
            ),
        ).join(
            escrows,
            sa.and_(
                escrows.c.marketplace_id == commands.c.marketplace_id,
                escrows.c.id == commands.c.escrow_id,
            ),
        )
        chosen = (
            sa.select(
                attempts.c.hash,
                steps.c.name,
                attempts.c.state,
                sa.func.coalesce(attempts.c.ledger, 0).label("ledger"),
                attempts.c.created_at.label("at"),
            )
            .select_from(joined)
            .where(escrows.c.marketplace_id == marketplace_id, escrows.c.order_id == order_id)
            .order_by(attempts.c.created_at, steps.c.position, attempts.c.number)
        )
        rows = (await tx.execute(chosen)).mappings()
        return [ChainTransactionRow(**row) for row in rows]

    async def _step_in_motion(self, tx: Transaction, command: Any) -> str:
        chosen = (
            sa.select(steps.c.name)
            .where(
                steps.c.marketplace_id == command.marketplace_id,
                steps.c.command_id == command.id,
                steps.c.state == PLANNED,
            )
            .order_by(steps.c.position)
            .limit(1)
        )
        return (await tx.execute(chosen)).scalar_one_or_none() or ""

    async def _payments(self, tx: Transaction, command: Any) -> tuple[Payment, ...]:
        chosen = (
            sa.select(payments)
            .join(steps, steps.c.id == payments.c.step_id)
            .where(
                steps.c.marketplace_id == command.marketplace_id,
                steps.c.command_id == command.id,
            )
            .order_by(steps.c.position, payments.c.event_index)
        )
        return tuple(to_payment(row) for row in await tx.execute(chosen))


def _of_order(marketplace_id: uuid.UUID, order_id: uuid.UUID) -> sa.Select[Any]:
    return (
        sa.select(escrows)
        .where(escrows.c.marketplace_id == marketplace_id, escrows.c.order_id == order_id)
        .order_by(escrows.c.state == EscrowState.FAILED, escrows.c.created_at.desc())
        .limit(1)
    )


async def _exactly_one(tx: Transaction, statement: sa.Update) -> None:
    if (await tx.execute(statement)).rowcount != 1:
        raise LookupError("the row to write is not there")
