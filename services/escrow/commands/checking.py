"""Acceptance without writing: a command is planned to preview what it would do.

The use cases are those of real commands. Their writes are kept in memory, and the transaction is
read-only for PostgreSQL.
"""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from chassis.database import Transaction
from chassis.idempotency import Answer
from services.escrow import domain
from services.escrow.commands.acceptance import Acceptance, Request
from services.escrow.commands.own_worker import OwnWorker
from services.escrow.commands.store import CommandStore, EscrowChange
from services.escrow.contracts.forecast import forecast
from services.escrow.contracts.plan import PlannedStep
from services.escrow.domain import (
    Command,
    CommandState,
    Escrow,
    EscrowAlreadyExists,
    EscrowNotFound,
)


@dataclass(slots=True)
class Memory(CommandStore):
    """A store that reads the database and keeps its writes in memory: escrow, command, steps.

    A command counts as carried out as soon as it is written, so that another can follow it.
    """

    escrow: Escrow | None = None
    command_: Command | None = None
    planned: Sequence[PlannedStep] = field(default=())

    async def find_escrow(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, order_id: uuid.UUID
    ) -> Escrow | None:
        """Return the escrow in memory if one was written, or else read the database."""
        if self.escrow is not None:
            return self.escrow
        return await CommandStore.find_escrow(
            self, tx, marketplace_id=marketplace_id, order_id=order_id
        )

    async def lock_escrow(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, order_id: uuid.UUID
    ) -> Escrow:
        """Return an order's escrow; nothing is locked. Raises: EscrowNotFound."""
        found = await self.find_escrow(tx, marketplace_id=marketplace_id, order_id=order_id)
        if found is None:
            raise EscrowNotFound("The order has no escrow", details={"orderId": str(order_id)})
        return found

    async def add_escrow(self, tx: Transaction, escrow: Escrow) -> None:
        """Keep a new escrow. Raises: EscrowAlreadyExists."""
        found = await self.find_escrow(
            tx, marketplace_id=escrow.marketplace_id, order_id=escrow.order_id
        )
        if found is not None:
            raise EscrowAlreadyExists("The order has an escrow already")
        self.escrow = escrow

    async def save_escrow(self, tx: Transaction, change: EscrowChange) -> None:
        """Keep an escrow that has changed."""
        self.escrow = change.escrow

    async def add_command(
        self,
        tx: Transaction,
        *,
        command: Command,
        planned: Sequence[PlannedStep],
        answer: Mapping[str, object] | None = None,
        lease_seconds: int = 0,
    ) -> None:
        """Keep a command with its steps, in the state that it has after success."""
        payments = forecast(planned, escrow=command.escrow)
        if command.escrow is not None:
            self.escrow, _ = domain.succeed(
                command.escrow, kind=command.kind, payments=payments, at=command.created_at
            )
        self.planned = planned
        self.command_ = replace(
            command,
            state=CommandState.SUCCEEDED,
            escrow=self.escrow if command.escrow is not None else None,
            payments=tuple(payments),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckingAcceptance(Acceptance):
    """Accepts commands into a `Memory`. It uses up no idempotency key and wakes no worker."""

    @classmethod
    def into(cls, memory: Memory, *, like: Acceptance) -> "CheckingAcceptance":
        """Return an acceptance like another one that writes into a memory."""
        return cls(
            database=like.database,
            store=memory,
            idempotency=like.idempotency,
            own_worker=OwnWorker(),
            bell=like.bell,
            clock=like.clock,
            encode=like.encode,
        )

    async def accept(
        self, request: Request, work: Callable[[Transaction], Awaitable[Answer]]
    ) -> Answer:
        """Run `work` in a transaction that only reads. Raises: what `work` raises."""
        async with self.database.snapshot() as tx:
            return await work(tx)
