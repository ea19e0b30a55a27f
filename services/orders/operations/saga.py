"""The saga engine: carries operations to their end, whether or not a caller waits.

A timeout or an unavailable peer never ends an operation: the step is retried with the same ids
until the ledger or the chain gives evidence. steps.py has the steps, chassis/leases.py the leases.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager

from chassis import deadline, identity
from chassis.audit import Asked, Trail
from chassis.database import Database, Transaction
from chassis.grouped import Grouped
from chassis.idempotency import Answer, Idempotency
from chassis.leases import Lease, LeaseLost, Leases
from chassis.telemetry import logger
from chassis.waiting import Ends
from kernel.clock import Clock
from kernel.errors import Aborted, DeadlineExceeded, DomainError, Unavailable
from services.orders.operations import hot, lines
from services.orders.operations.operation import LEASE_SECONDS, Operation
from services.orders.operations.operation_store import LEASES, OperationStore, key_of, lease_of
from services.orders.order.domain import Decided, Order
from services.orders.order.marketplace_rules import MarketplaceRules, marketplace_rules
from services.orders.order.store import OrderStore, with_version
from services.orders.order.use_cases import Kind

TAKE_OVER_SECONDS = 2.0
TAKE_OVER_BATCH = 32
# A process that runs this many operations claims no more.
RUNS_MAX = 10_000
# Another command occupies a peer for a few ledgers at most; after this time an operator is told.
LONG_SECONDS = 60.0
Encode = Callable[[Order, Operation | None], bytes]
Decide = Callable[[Order], Decided]
log = logger()


class NotYet(Exception):
    """Another command of a peer must end first. The step is retried soon."""


class Stuck(Exception):
    """Evidence contradicts the operation's plan. An operator must act; no step is undone."""


class Run:
    """One operation that this process carries out, with the methods that its steps call."""

    def __init__(self, saga: "Saga", operation: Operation, order: Order | None = None) -> None:
        """Take the operation and, if this process began it, the order as it was then.

        While an operation runs, nothing else changes its order, so the order in memory is current.
        Each update checks this by the order's version.
        """
        self._saga = saga
        self._order = order
        self.operation = operation
        self.lease = lease_of(operation)
        self.answer: Answer | None = None
        self.trouble: DomainError | None = None
        self.is_ended = False
        self.is_lost = False
        # Set when there is an answer or a refusal for the caller.
        self.settled = asyncio.Event()

    async def hold(self) -> None:
        """Check that the lease is held, right before a call to a peer.

        Raises: LeaseLost; Unavailable.
        """
        await self._saga.leases.hold(self.lease)

    async def order(self) -> Order:
        """Return the current order."""
        if self._order is None:
            saga, operation = self._saga, self.operation
            async with saga.database.statement() as connection:
                self._order = await saga.orders.get(
                    connection, marketplace_id=operation.marketplace_id, order_id=operation.order_id
                )
        return self._order

    async def rules(self) -> MarketplaceRules:
        """Return the current rules of the order's marketplace."""
        async with self._saga.database.statement() as connection:
            return await marketplace_rules(connection, self.operation.marketplace_id)

    async def advance(self, decide: Decide, *, answers: bool = False, ends: bool = False) -> Order:
        """Decide on the order and save it with its events, all or nothing.

        answers: the saved order is the caller's answer, and is stored for its key. ends: the
        operation has succeeded. Raises: LeaseLost; what `decide` raises.
        """
        saga, operation = self._saga, self.operation
        known, self._order = self._order, None
        if known is None or (decided := decide(known))[0] is known:
            async with saga.database.transaction() as tx:
                if ends:
                    await saga.operations.end(tx, operation, state="succeeded")
                else:
                    await LEASES.fence(tx, self.lease)
                after = await self._decided(tx, known, decide)
                answer = Answer(body=saga.encode(after, None)) if answers else None
                if answer is not None:
                    await saga.idempotency.finish(tx, key_of(operation), answer.body)
        else:
            after, answer = await self._advanced(known, decided, answers=answers, ends=ends)
        self._order = after
        self.tell(answer=answer, ends=ends)
        return after

    async def _advanced(
        self, before: Order, decided: Decided, *, answers: bool, ends: bool
    ) -> tuple[Order, Answer | None]:
        """Save a decision on the order in memory, in one statement that checks its version."""
        saga, operation = self._saga, self.operation
        after = with_version(*decided)
        answer = Answer(body=saga.encode(after, None)) if answers else None
        await hot.advance(
            saga.grouped,
            operation=operation,
            before=before,
            after=after,
            facts=decided[1],
            body=None if answer is None else answer.body,
            ends=ends,
        )
        return after, answer

    async def _decided(self, tx: Transaction, known: Order | None, decide: Decide) -> Order:
        saga, operation = self._saga, self.operation
        before = known or await saga.orders.lock(
            tx, marketplace_id=operation.marketplace_id, order_id=operation.order_id
        )
        after, facts = decide(before)
        if after is before:
            return before
        return await saga.orders.save(
            tx, before=before, after=after, facts=facts, request_id=operation.request_id
        )

    async def refuse(
        self, error: DomainError, *, decide: Decide | None = None, note: str = ""
    ) -> None:
        """End the operation as failed, with the caller's refusal. note: the reason in its row.

        A refusal of the request is stored for its key. A failure of the provider frees the key,
        so that the request can be repeated.
        """
        saga, operation = self._saga, self.operation
        known, self._order = self._order, None
        async with saga.database.transaction() as tx:
            await saga.operations.end(tx, operation, state="failed", error=note or error.reason)
            if decide is not None:
                await self._decided(tx, known, decide)
            await Trail().record(
                tx,
                lines.failed(operation, error.reason),
                marketplace_id=operation.marketplace_id,
                asked=Asked(principal=operation.actor, request_id=operation.request_id),
            )
            if isinstance(error, Unavailable):
                await saga.idempotency.release(tx, key_of(operation))
            else:
                await saga.idempotency.refuse(tx, key_of(operation), error)
        self.tell(trouble=error, ends=True)

    def tell(
        self,
        *,
        answer: Answer | None = None,
        trouble: DomainError | None = None,
        ends: bool = False,
    ) -> None:
        """Wake the caller that waits, if there is an answer or a refusal, or the operation ends."""
        self.answer = self.answer or answer
        self.trouble = trouble
        self.is_ended = self.is_ended or ends
        if self.answer is not None or trouble is not None or self.is_ended:
            self.settled.set()


Step = Callable[[Run], Awaitable[None]]


class Saga:
    """Carries out operations: those begun here, and those taken over from dead processes."""

    def __init__(
        self,
        *,
        database: Database,
        orders: OrderStore,
        operations: OperationStore,
        idempotency: Idempotency,
        clock: Clock,
        encode: Encode,
        steps: Mapping[Kind, Step],
    ) -> None:
        self.database = database
        self.orders = orders
        self.operations = operations
        self.idempotency = idempotency
        self.clock = clock
        self.encode = encode
        self.steps = steps
        self.grouped = Grouped(database, name="orders.operations")
        self.leases = Leases(
            database=database,
            table=LEASES,
            seconds=LEASE_SECONDS,
            most=RUNS_MAX,
            carry_out=self._carry_out,
            troubled=self._troubled,
            claim=self._claim,
            idle_seconds=TAKE_OVER_SECONDS,
        )
        self._ends: Ends[uuid.UUID] = Ends(self._ended_among)
        self._runs: dict[Lease, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_stopping(self) -> bool:
        """Tell whether the process is about to stop; callers must not wait any longer."""
        return self._ends.is_over

    def start(self, operation: Operation, order: Order | None = None, *, asked_at: float) -> Run:
        """Carry out an operation that this process holds, in a new task.

        order: the order when this process began the operation. asked_at: when the lease was
        asked for, by the monotonic clock.
        """
        run = Run(self, operation, order)
        self._keep(run, self.leases.begin(run.lease, asked_at=asked_at))
        return run

    async def answer(self, run: Run, *, timeout_seconds: float) -> Answer:
        """Wait for an operation's answer. If the time is over, return the current order.

        Raises: the refusal it ended with; Unavailable, DeadlineExceeded: a peer is unavailable;
            the operation continues when the peer is back.
        """
        await self._ends.for_ring(run.settled, seconds=timeout_seconds)
        if run.answer is not None:
            return run.answer
        if run.trouble is not None and not run.is_lost:
            # The channel must not retry: its own request is still in progress.
            run.trouble.is_final = True
            raise run.trouble
        return await self._found(run)

    async def _found(self, run: Run) -> Answer:
        """Read an operation's stored answer from the database, or else the current order.

        Raises: the refusal that is stored for its key.
        """
        operation = run.operation
        async with _first_heard(), self.database.transaction() as tx:
            is_running = await self.operations.is_running(tx, operation.id)
            if not is_running and (kept := await self.idempotency.known(tx, key_of(operation))):
                return Answer(body=kept.body)
            order = await self.orders.get(
                tx, marketplace_id=operation.marketplace_id, order_id=operation.order_id
            )
        return run.answer or Answer(body=self.encode(order, operation if is_running else None))

    async def for_end(self, operation_id: uuid.UUID, *, seconds: float) -> None:
        """Wait until an operation has ended in any process. Raises: Unavailable."""
        await self._ends.for_end(operation_id, seconds=seconds)

    async def watch(self) -> None:
        """Poll for operations that other processes end, while a caller waits; until cancelled."""
        await self._ends.watch()

    async def stop_waiting(self) -> None:
        """Answer all waiting callers with the current order: the process is about to stop."""
        await self._ends.stop()
        for run in list(self._runs.values()):
            run.settled.set()

    async def run(self) -> None:
        """Take over operations of dead processes, and renew leases, until cancelled."""
        await self.leases.run()

    async def close(self) -> None:
        """Stop the operations of this process. Another process takes them over."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _claim(self, tx: Transaction, most: int) -> list[Lease]:
        return await LEASES.claim(tx, limit=min(most, TAKE_OVER_BATCH), seconds=LEASE_SECONDS)

    async def _ended_among(self, operation_ids: Collection[uuid.UUID]) -> list[uuid.UUID]:
        async with self.database.statement() as connection:
            return await self.operations.ended_among(connection, operation_ids)

    async def _carry_out(self, lease: Lease) -> None:
        """Carry out an operation's step. Raises: LeaseLost; NotYet; what the step raises."""
        run = self._runs.get(lease) or await self._claimed(lease)
        operation = run.operation
        who = identity.system(caller="orders", marketplace_id=operation.marketplace_id)
        identity.bind(who, request_id=operation.request_id)
        deadline.start(None)
        try:
            with self._ends.carried_out(operation.id):
                await self.steps[operation.kind](run)
        except LeaseLost:
            run.is_lost = True
            raise
        if not run.is_ended:
            raise NotYet

    async def _claimed(self, lease: Lease) -> Run:
        """Start the run of an operation that was taken over. Raises: LeaseLost."""
        async with self.database.statement() as connection:
            operation = await self.operations.under(connection, lease)
        if operation is None:
            raise LeaseLost
        log.warning("operation.taken_over", operation_id=str(operation.id))
        run, task = Run(self, operation), asyncio.current_task()
        assert task is not None  # noqa: S101 - it runs in one
        self._keep(run, task)
        return run

    async def _troubled(self, lease: Lease, error: Exception, waited: float) -> bool:
        """Return whether the lease is lost; if it is held, record why the step failed.

        A lease is also lost when the operation was ended by a commit whose answer did not arrive.
        """
        if (run := self._runs.get(lease)) is None:
            return False
        try:
            async with self.database.statement() as connection:
                is_held = await LEASES.is_held(connection, lease)
        except Exception as unknown:  # noqa: BLE001 - the next try finds out
            log.warning("operation.lease_unknown", error=type(unknown).__name__)
            is_held = True
        if not is_held:
            log.warning("operation.lease_lost", operation_id=str(lease.id))
            run.is_lost = True
            return True
        await self._note(run, error, waited=waited)
        return False

    def _keep(self, run: Run, task: asyncio.Task[None]) -> None:
        """Register a run and its task until the task is done."""
        self._runs[run.lease] = run
        self._tasks.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._runs.pop(run.lease, None)
            # A task is cancelled when its lease was lost, or when the process stops.
            run.is_lost = run.is_lost or task.cancelled()
            run.tell(trouble=run.trouble, ends=True)
            self._ends.ended(run.operation.id)

        task.add_done_callback(done)

    async def _note(self, run: Run, error: Exception, *, waited: float) -> None:
        """Record why an operation waits; tell its caller if a peer is unavailable.

        waited: seconds since the operation was begun or taken over. A busy peer is recorded only
        after LONG_SECONDS.
        """
        if (is_busy := isinstance(error, (NotYet, Aborted))) and waited < LONG_SECONDS:
            return
        fields = {"operation_id": str(run.operation.id), "kind": run.operation.kind.value}
        if isinstance(error, (Unavailable, DeadlineExceeded)):
            log.warning("operation.waits", error=error.reason, **fields)
            run.tell(trouble=error)
        elif is_busy:
            log.warning("operation.waits_long", error=type(error).__name__, **fields)
        elif isinstance(error, Stuck):
            log.error("operation.stuck", error=str(error), **fields)
        else:
            log.error("operation.troubled", exc_info=error, **fields)
        text = f"{type(error).__name__}: {error}"
        try:
            async with self.database.transaction() as tx:
                await self.operations.note(tx, run.operation, error=text)
        except Exception as lost:  # noqa: BLE001 - a note is worth no operation
            log.warning("operation.note_lost", error=type(lost).__name__, **fields)


@asynccontextmanager
async def _first_heard() -> AsyncIterator[None]:
    """Raise a stored refusal as new, not as a replay: its caller gets it for the first time."""
    try:
        yield
    except DomainError as refusal:
        refusal.replayed, refusal.is_final = False, True
        raise
