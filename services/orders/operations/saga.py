"""The saga engine: drives operations to their end, whoever waits and whatever crashes.

A timeout or an absent peer is never an end: the step is tried again with the same ids until the
ledger or the chain gives evidence. What a step does is in steps.py; this file knows leases.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from chassis import deadline, identity
from chassis.database import Database, Transaction
from chassis.idempotency import Answer, Idempotency
from chassis.telemetry import logger
from kernel.clock import Clock
from kernel.errors import Aborted, DeadlineExceeded, DomainError, Unavailable
from services.orders.operations import hot
from services.orders.operations.operation import RENEW_SECONDS, SURE_SECONDS, LeaseLost, Operation
from services.orders.operations.operation_store import OperationStore, key_of
from services.orders.order.domain import Decided, Order
from services.orders.order.store import OrderStore, with_version
from services.orders.order.use_cases import Kind

FIRST_BACKOFF_SECONDS = 0.1
LONGEST_BACKOFF_SECONDS = 5.0
TAKE_OVER_SECONDS = 1.0
TAKE_OVER_BATCH = 32
POLL_SECONDS = 0.05
# A peer is busy for a few ledgers at most; beyond this an operator should know.
LONG_SECONDS = 60.0
Encode = Callable[[Order, Operation | None], bytes]
Decide = Callable[[Order], Decided]
log = logger()


class NotYet(Exception):
    """A peer is still busy with what must come first; try the step again soon."""


class Stuck(Exception):
    """Evidence contradicts what was meant: an operator must look. Nothing is undone or repeated."""


class Motion:
    """One operation being driven by this process: what its steps may do."""

    def __init__(
        self, saga: "Saga", operation: Operation, order: Order | None, *, leased_at: float
    ) -> None:
        """Take the operation and, where it was begun here, the order as it was then.

        While an operation runs nobody else changes its order, so what is known of it holds; the
        guarded update finds out where it does not. leased_at: when the lease was asked for, by
        the process's monotonic clock.
        """
        self._saga = saga
        self._order = order
        self.operation = operation
        self.leased_at = leased_at
        self.is_lost = False
        self.answer: Answer | None = None
        self.trouble: DomainError | None = None
        self.is_ended = False
        self.changed = asyncio.Condition()

    async def hold(self) -> None:
        """Make sure that the lease is held, right before something is asked of a peer.

        A process that was paused, or cut off from its database, may have lost it long ago.
        Raises: LeaseLost; Unavailable.
        """
        if time.monotonic() < self.leased_at + SURE_SECONDS:
            return
        saga, operation = self._saga, self.operation
        name, asked_at = (operation.id, operation.epoch), time.monotonic()
        async with saga.database.transaction() as tx:
            held = await saga.operations.renew(tx, [name])
        if name not in held:
            raise LeaseLost(operation.id)
        self.leased_at = asked_at

    async def order(self) -> Order:
        """Return the order as it is now."""
        if self._order is None:
            saga, operation = self._saga, self.operation
            async with saga.database.transaction() as tx:
                self._order = await saga.orders.get(
                    tx, marketplace_id=operation.marketplace_id, order_id=operation.order_id
                )
        return self._order

    async def advance(self, decide: Decide, *, answers: bool = False, ends: bool = False) -> Order:
        """Decide on the locked order and save it with its events, in one transaction.

        answers: the order as saved is the caller's answer, and is kept for its key. ends: the
        operation has succeeded. Raises: LeaseLost; what `decide` raises.
        """
        saga, operation = self._saga, self.operation
        known, self._order = self._order, None
        if known is not None and answers and ends:
            after, answer = await self._end(known, decide)
        else:
            async with saga.database.transaction() as tx:
                if ends:
                    await saga.operations.end(tx, operation, state="succeeded")
                else:
                    await saga.operations.hold(tx, operation)
                after = await self._decided(tx, known, decide)
                answer = Answer(body=saga.encode(after, None))
                if answers:
                    await saga.idempotency.finish(tx, key_of(operation), answer.body)
        self._order = after
        await self.tell(answer=answer if answers else None, ends=ends)
        return after

    async def _end(self, before: Order, decide: Decide) -> tuple[Order, Answer]:
        saga, operation = self._saga, self.operation
        decided, facts = decide(before)
        after = with_version(decided, facts)
        answer = Answer(body=saga.encode(after, None))
        async with saga.database.statement() as connection:
            await hot.end(
                connection,
                operation=operation,
                before=before,
                after=after,
                facts=facts,
                answer=saga.idempotency.values(key_of(operation), answer.body),
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
        """End the operation as failed, with the refusal its caller gets. note: why, for its row.

        A refusal that belongs to the request is kept for its key; a failure of the provider
        frees the key, so that the request may be tried again.
        """
        saga, operation = self._saga, self.operation
        known, self._order = self._order, None
        async with saga.database.transaction() as tx:
            await saga.operations.end(tx, operation, state="failed", error=note or error.reason)
            if decide is not None:
                await self._decided(tx, known, decide)
            if isinstance(error, Unavailable):
                await saga.idempotency.release(tx, key_of(operation))
            else:
                await saga.idempotency.refuse(tx, key_of(operation), error)
        await self.tell(trouble=error, ends=True)

    async def tell(
        self,
        *,
        answer: Answer | None = None,
        trouble: DomainError | None = None,
        ends: bool = False,
    ) -> None:
        """Wake whoever waits for this operation."""
        async with self.changed:
            self.answer = self.answer or answer
            self.trouble = trouble
            self.is_ended = self.is_ended or ends
            self.changed.notify_all()


Step = Callable[[Motion], Awaitable[None]]


class Saga:
    """Drives operations: those begun here, and those abandoned by dead processes."""

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
        self._steps = steps
        self._motions: dict[uuid.UUID, Motion] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    def start(
        self, operation: Operation, order: Order | None = None, *, leased_at: float
    ) -> Motion:
        """Drive an operation this process holds, in a task of its own.

        order: as it was when the operation began, where that was here. leased_at: when the lease
        was asked for, by the monotonic clock.
        """
        motion = Motion(self, operation, order, leased_at=leased_at)
        self._motions[operation.id] = motion
        task = asyncio.create_task(self._drive(motion), name=f"operation {operation.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return motion

    async def answer(self, motion: Motion, *, timeout_seconds: float) -> Answer:
        """Wait for an operation's answer; without one in time, the order as it is now.

        Raises: the refusal it ended with; Unavailable, DeadlineExceeded: a peer is away, and the
            operation goes on when it is back.
        """

        def settled() -> bool:
            is_known = motion.answer is not None or motion.trouble is not None
            return is_known or motion.is_ended or self._is_stopping

        try:
            async with asyncio.timeout(timeout_seconds), motion.changed:
                await motion.changed.wait_for(settled)
        except TimeoutError:
            pass
        if motion.answer is not None:
            return motion.answer
        if motion.trouble is not None and not motion.is_lost:
            # A channel that asked again would be told that its own request is in progress.
            motion.trouble.is_final = True
            raise motion.trouble
        return await self._found(motion)

    async def _found(self, motion: Motion) -> Answer:
        """Return what the database says of an operation: its answer, or the order as it is now.

        Raises: the refusal that was kept for its key.
        """
        operation = motion.operation
        async with _first_heard(), self.database.transaction() as tx:
            is_running = await self.operations.is_running(tx, operation.id)
            if not is_running:
                kept = await self.idempotency.known(tx, key_of(operation))
                if kept is not None:
                    return Answer(body=kept.body)
            order = await self.orders.get(
                tx, marketplace_id=operation.marketplace_id, order_id=operation.order_id
            )
        return motion.answer or Answer(body=self.encode(order, operation if is_running else None))

    async def ended(self, operation_id: uuid.UUID, *, timeout_seconds: float) -> bool:
        """Wait for an operation of any process to end; False where it does not in time."""
        until = time.monotonic() + timeout_seconds
        motion = self._motions.get(operation_id)
        if motion is not None:
            return await self._ended_here(motion, timeout_seconds)
        while time.monotonic() < until and not self._is_stopping:
            async with self.database.transaction() as tx:
                if not await self.operations.is_running(tx, operation_id):
                    return True
            await asyncio.sleep(POLL_SECONDS)
        return False

    async def stop_waiting(self) -> None:
        """Answer everybody who waits with the order as it is: the process is about to stop."""
        self._is_stopping = True
        for motion in list(self._motions.values()):
            async with motion.changed:
                motion.changed.notify_all()

    async def take_over(self) -> None:
        """Claim operations of dead processes, until cancelled."""
        while True:
            asked_at = time.monotonic()
            async with self.database.transaction() as tx:
                claimed = await self.operations.claim_abandoned(tx, limit=TAKE_OVER_BATCH)
            for operation in claimed:
                log.warning("operation.taken_over", operation_id=str(operation.id))
                self.start(operation, leased_at=asked_at)
            await asyncio.sleep(TAKE_OVER_SECONDS)

    async def renew(self) -> None:
        """Renew the leases of what this process drives, until cancelled."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            driven = {(m.operation.id, m.operation.epoch): m for m in self._motions.values()}
            if not driven:
                continue
            asked_at = time.monotonic()
            async with self.database.transaction() as tx:
                held = await self.operations.renew(tx, list(driven))
            for name in held:
                driven[name].leased_at = asked_at

    async def close(self) -> None:
        """Stop driving; what is unfinished is taken over by the next process."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ended_here(self, motion: Motion, timeout_seconds: float) -> bool:
        try:
            async with asyncio.timeout(timeout_seconds), motion.changed:
                await motion.changed.wait_for(lambda: motion.is_ended or self._is_stopping)
        except TimeoutError:
            return False
        return motion.is_ended

    async def _drive(self, motion: Motion) -> None:
        operation = motion.operation
        who = identity.system(caller="orders", marketplace_id=operation.marketplace_id)
        identity.bind(who, request_id=operation.request_id)
        deadline.start(None)
        backoff, began = FIRST_BACKOFF_SECONDS, time.monotonic()
        try:
            while not motion.is_ended:
                try:
                    await self._steps[operation.kind](motion)
                except LeaseLost:
                    motion.is_lost = True
                except Exception as error:  # noqa: BLE001 - every trouble is met with another try
                    motion.is_lost = not await self._is_held(motion)
                    if not motion.is_lost:
                        await self._note(motion, error, waited=time.monotonic() - began)
                if motion.is_lost:
                    # Ended by a commit whose answer did not arrive, or taken over by another.
                    log.warning("operation.lease_lost", operation_id=str(operation.id))
                    return
                if not motion.is_ended:
                    await asyncio.sleep(backoff)
                    backoff = min(backoff * 2, LONGEST_BACKOFF_SECONDS)
        finally:
            # After a take-over in this process, the name is the newer motion's.
            if self._motions.get(operation.id) is motion:
                self._motions.pop(operation.id)
            await motion.tell(trouble=motion.trouble, ends=True)

    async def _is_held(self, motion: Motion) -> bool:
        """Tell whether an operation still runs and is this process's; True: unknown."""
        try:
            async with self.database.transaction() as tx:
                return await self.operations.is_held(tx, motion.operation)
        except Exception as error:  # noqa: BLE001 - the next try finds out
            log.warning("operation.lease_unknown", error=type(error).__name__)
            return True

    async def _note(self, motion: Motion, error: Exception, *, waited: float) -> None:
        """Record what holds an operation up; tells its caller where that is a peer's absence.

        waited: seconds since it was begun or taken over. A peer that is busy is worth a note only
        when it has been for long.
        """
        is_busy = isinstance(error, (NotYet, Aborted))
        if is_busy and waited < LONG_SECONDS:
            return
        fields = {"operation_id": str(motion.operation.id), "kind": motion.operation.kind.value}
        if isinstance(error, (Unavailable, DeadlineExceeded)):
            log.warning("operation.waits", error=error.reason, **fields)
            await motion.tell(trouble=error)
        elif is_busy:
            log.warning("operation.waits_long", error=type(error).__name__, **fields)
        elif isinstance(error, Stuck):
            log.error("operation.stuck", error=str(error), **fields)
        else:
            log.error("operation.troubled", exc_info=error, **fields)
        try:
            async with self.database.transaction() as tx:
                text = f"{type(error).__name__}: {error}"
                await self.operations.note(tx, motion.operation, error=text)
        except Exception as lost:  # noqa: BLE001 - a note is worth no operation
            log.warning("operation.note_lost", error=type(lost).__name__, **fields)


@asynccontextmanager
async def _first_heard() -> AsyncIterator[None]:
    """Raise a kept refusal as new: its caller has not been told before."""
    try:
        yield
    except DomainError as refusal:
        refusal.replayed, refusal.is_final = False, True
        raise
