"""Acceptance of a command: its row, its steps and its answer in the caller's one transaction."""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from chassis import identity
from chassis.database import Database, Transaction
from chassis.idempotency import Answer, Idempotency, IdempotencyKeyReused, RequestKey
from chassis.leases import Lease
from chassis.waiting import Bell
from kernel.clock import Clock
from kernel.errors import DomainError, Unavailable
from services.escrow.commands.own_worker import OwnWorker, Place
from services.escrow.commands.store import FIRST_EPOCH, CommandStore
from services.escrow.contracts.plan import PlannedStep
from services.escrow.domain import Command, CommandKind, CommandNotFound, CommandState, Escrow


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request for a command: its key, its id and its kind."""

    key: RequestKey
    command_id: uuid.UUID
    kind: CommandKind

    @property
    def marketplace_id(self) -> uuid.UUID:
        """Return the marketplace that the command belongs to."""
        return self.key.marketplace_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun(Answer):
    """The answer of a command that was written with a lease of this process."""

    lease: Lease
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """Accepts commands. encode: makes the bytes of the stored answer."""

    database: Database
    store: CommandStore
    idempotency: Idempotency
    own_worker: OwnWorker
    bell: Bell
    clock: Clock
    encode: Callable[[Command], bytes]

    async def accept(
        self, request: Request, work: Callable[[Transaction], Awaitable[Answer]]
    ) -> Answer:
        """Run `work` once, which ends with `add`, and begin the command, or wake the worker.

        If the idempotency record was purged, `work` is refused, and the answer is the command as it
        is now. A refusal is not stored: services repeat the request with the same id until the
        command can be accepted.
        Raises: what `work` raises; IdempotencyKeyReused: the id is another command's.
        """

        async def known(tx: Transaction) -> Answer:
            command = await self.store.command(
                tx, marketplace_id=request.marketplace_id, command_id=request.command_id
            )
            if command.kind is not request.kind:
                raise IdempotencyKeyReused("This id is another command's")
            answer = Answer(body=self.encode(command))
            await self.idempotency.finish(tx, request.key, answer.body)
            return answer

        try:
            answer = await self._once(request, work)
        except Unavailable:
            raise
        except DomainError as refusal:
            try:
                answer = await self._once(request, known)
            except CommandNotFound:
                raise refusal from None
        if isinstance(answer, Begun):
            self.own_worker.begin(answer.lease, place=answer.place)
        else:
            self.bell.ring()
        return answer

    async def _once(
        self, request: Request, work: Callable[[Transaction], Awaitable[Answer]]
    ) -> Answer:
        async def once() -> Answer:
            async with self.database.transaction() as tx:
                kept = await self.idempotency.claim(tx, request.key)
                return await work(tx) if kept is None else kept

        return await self.database.retrying(once)

    async def add(
        self,
        tx: Transaction,
        request: Request,
        *,
        planned: Sequence[PlannedStep],
        escrow: Escrow | None = None,
        wallet_id: uuid.UUID | None = None,
        was_frozen: bool = False,
        begins_here: bool = False,
    ) -> Answer:
        """Write a command, its steps and its answer under the claimed key; return the answer.

        begins_here: the answer is returned by `accept`, which begins the command in this process.
        Otherwise any process may claim the command: nobody else would begin it before a lease of
        this process expires.
        Raises: CommandInMotion: the database holds another command on the same escrow.
        """
        command = Command(
            id=request.command_id,
            marketplace_id=request.marketplace_id,
            kind=request.kind,
            state=CommandState.RUNNING,
            created_at=self.clock.now(),
            escrow=escrow,
            wallet_id=wallet_id,
            was_frozen=was_frozen,
            correlation_id=identity.current_request_id(),
        )
        body = self.encode(replace(command, step=planned[0].name))
        place = self.own_worker.place(command.marketplace_id) if begins_here else None
        await self.store.add_command(
            tx,
            command=command,
            planned=planned,
            answer=self.idempotency.values(request.key, body),
            lease_seconds=0 if place is None else place.seconds,
        )
        if place is None:
            return Answer(body=body)
        lease = Lease(marketplace_id=command.marketplace_id, id=command.id, epoch=FIRST_EPOCH)
        return Begun(body=body, lease=lease, place=place)
