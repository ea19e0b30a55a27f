"""Commands on an order: recorded in one transaction, carried out by the saga, answered once.

The saga continues the work after the caller stops waiting for the answer.
"""

import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from chassis import identity
from chassis.audit import Trail
from chassis.database import Connection, Database, Transaction, constraint_name
from chassis.idempotency import Answer, Idempotency, IdempotencyKeyInProgress, RequestKey
from kernel.errors import DomainError, FailedPrecondition
from kernel.ids import new_id
from services.orders.operations import hot, lines
from services.orders.operations.operation import AnotherRuns, Operation
from services.orders.operations.operation_store import OperationStore
from services.orders.operations.saga import Encode, Saga
from services.orders.order import domain
from services.orders.order.domain import Order, wrong_state
from services.orders.order.store import OrderStore, with_version
from services.orders.order.use_cases import Accepted, AtOnce, Kind, Work

# The least time that a command waits for another operation, even if its caller does not wait.
LEAST_WAIT_SECONDS = 1.0
# A use case. Its second argument is the id of the operation that may follow.
Accept = Callable[[Order, uuid.UUID], Accepted]
# A use case that also reads and writes other rows, in the transaction that records the command.
AcceptWithin = Callable[[Transaction, Order, uuid.UUID], Awaitable[Accepted]]


class EscrowNotReady(FailedPrecondition):
    """The contract is still being deployed."""

    reason = "ESCROW_NOT_READY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The fields that every command has: marketplace, request key, and the caller's wait.

    amount: the amount that the caller expects of the order, in minor units; None: not given.
    remarks: who asks (`by`) and why (`reason`), if given; stored with the operation.
    """

    marketplace_id: uuid.UUID
    key: RequestKey
    wait_seconds: float
    amount: int | None = None
    remarks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A use case on an order, for a request. at_once: as in `CommandRunner.run`.

    decide: the same use case, if it needs only the order; None: `accept` also writes other rows.
    """

    request: Request
    order_id: uuid.UUID
    accept: AcceptWithin
    decide: Accept | None = None
    at_once: AtOnce | None = None


class _BusyError(Exception):
    """Another operation must end first. work: the operation that the command would begin."""

    def __init__(self, *, running: Operation, order: Order, work: Work | None) -> None:
        super().__init__(running.id)
        self.running = running
        self.order = order
        self.work = work


class CommandRunner:
    """Records commands, starts their operations and returns their answers."""

    def __init__(
        self,
        *,
        database: Database,
        orders: OrderStore,
        operations: OperationStore,
        idempotency: Idempotency,
        trail: Trail,
        saga: Saga,
        encode: Encode,
    ) -> None:
        self._database = database
        self._orders = orders
        self._operations = operations
        self._idempotency = idempotency
        self._trail = trail
        self._saga = saga
        self._encode = encode

    async def run(
        self,
        request: Request,
        order_id: uuid.UUID,
        accept: Accept,
        *,
        at_once: AtOnce | None = None,
    ) -> Answer:
        """Wait for a running operation to end, record the command, carry it out, and answer.

        at_once: the same use case, if only the table of transitions decides it.
        Raises: what `accept` raises; AmountDiffersFromOrder; OrderInWrongState; EscrowNotReady.
        """

        async def within(_tx: Transaction, order: Order, operation_id: uuid.UUID) -> Accepted:
            return accept(order, operation_id)

        return await self._run(
            Command(
                request=request, order_id=order_id, accept=within, decide=accept, at_once=at_once
            )
        )

    async def run_within(
        self, request: Request, order_id: uuid.UUID, accept: AcceptWithin
    ) -> Answer:
        """Do as `run`. The writes of `accept` are rolled back if the command cannot begin yet."""
        return await self._run(Command(request=request, order_id=order_id, accept=accept))

    async def _run(self, command: Command) -> Answer:
        request = command.request
        until = time.monotonic() + max(request.wait_seconds, LEAST_WAIT_SECONDS)
        while True:
            asked_at = time.monotonic()
            try:
                async with self._idempotency.keeping_refusals(self._database, request.key):
                    begun = await self._database.retrying(lambda: self._begin(command))
            except AnotherRuns:
                continue
            except _BusyError as busy:
                remaining = until - time.monotonic()
                if remaining <= 0 or self._saga.is_stopping:
                    raise _refusal(busy) from None
                await self._saga.for_end(busy.running.id, seconds=remaining)
                continue
            if isinstance(begun, Answer):
                return begun
            operation, order = begun
            run = self._saga.start(operation, order, asked_at=asked_at)
            return await self._saga.answer(run, timeout_seconds=request.wait_seconds)

    async def find(
        self, request: Request, look: Callable[[Transaction], Awaitable[uuid.UUID]]
    ) -> uuid.UUID | Answer:
        """Find the order of a command, or return the stored answer of its request.

        Raises: what `look` raises, stored for the request's key; as Idempotency.known.
        """
        async with (
            self._idempotency.keeping_refusals(self._database, request.key),
            self._database.transaction() as tx,
        ):
            known = await self._idempotency.known(tx, request.key)
            return known if known is not None else await look(tx)

    async def _begin(self, command: Command) -> Answer | tuple[Operation, Order]:
        """Record a command and return its operation and order, or return its stored answer."""
        request = command.request
        if (begun := await self.begin_at_once(command)) is not None:
            return begun
        async with self._database.transaction() as tx:
            found = await self.claim_and_lock(tx, command)
            if isinstance(found, Answer):
                return found
            before, running, operation_id = found.order, found.operation, new_id()
            accepted = await command.accept(tx, before, operation_id)
            domain.require_amount(before, request.amount)
            if running is None and accepted.work is None:
                # Without an operation, the unique index of running operations cannot stop it.
                running = await self._operations.running(
                    tx, marketplace_id=request.marketplace_id, order_id=command.order_id
                )
            if running is not None:
                raise _BusyError(running=running, order=before, work=accepted.work)
            after = accepted.order
            if after is not before:
                after = await self._orders.save(
                    tx,
                    before=before,
                    after=after,
                    facts=accepted.facts,
                    request_id=identity.current_request_id(),
                )
            change = lines.accepted(before, after, accepted.work, request.remarks)
            await self._trail.record(tx, change, marketplace_id=request.marketplace_id)
            if accepted.work is None:
                answer = Answer(body=self._encode(after, None))
                await self._idempotency.finish(tx, request.key, answer.body)
                return answer
            operation = self._operation(command, operation_id, accepted.work)
            await self._operations.insert(tx, operation)
            return operation, after

    async def begin_at_once(self, command: Command) -> tuple[Operation, Order] | None:
        """Record a command without locking the order before the decision.

        Returns None if a condition does not hold: nothing was written, and the caller must find
        out which condition it is.
        Raises: _BusyError; as Idempotency.known.
        """
        try:
            if command.at_once is not None:
                return await self._by_state(command, command.at_once)
            if command.decide is not None:
                async with self._database.statement() as connection:
                    return await self._as_read(connection, command, command.decide)
        except Exception as error:
            if constraint_name(error) != "operations_one_running":
                raise
        return None

    async def _by_state(self, command: Command, at_once: AtOnce) -> tuple[Operation, Order] | None:
        """Record a command that only the order's state decides, in one statement."""
        request = command.request
        operation = self._operation(command, new_id(), at_once.work)
        order = await hot.begin(
            self._saga.grouped,
            operation=operation,
            change=lines.accepted_at_once(command.order_id, at_once, request.remarks),
            states=at_once.states,
            amount=request.amount,
        )
        return None if order is None else (operation, order)

    async def _as_read(
        self, connection: Connection, command: Command, decide: Accept
    ) -> tuple[Operation, Order] | None:
        """Decide on the order without a lock; record the decision if the order has not changed.

        Raises: _BusyError; as Idempotency.known.
        """
        request, operation_id = command.request, new_id()
        try:
            before, running = await hot.read(
                connection, marketplace_id=request.marketplace_id, order_id=command.order_id
            )
            accepted = decide(before, operation_id)
            domain.require_amount(before, request.amount)
        except DomainError:
            # The request's key may have a stored answer, which takes precedence.
            return None
        if accepted.work is None or accepted.order is before:
            return None
        if running is not None:
            if await self._idempotency.known(connection, request.key) is not None:
                return None
            raise _BusyError(running=running, order=before, work=accepted.work)
        operation = self._operation(command, operation_id, accepted.work)
        after = with_version(accepted.order, accepted.facts)
        is_begun = await hot.record(
            connection,
            operation=operation,
            before=before,
            after=after,
            facts=accepted.facts,
            answer=self._idempotency.values(request.key),
            change=lines.accepted(before, after, accepted.work, request.remarks),
        )
        return (operation, after) if is_begun else None

    async def claim_and_lock(self, tx: Transaction, command: Command) -> Answer | hot.Begun:
        """Claim the request's key and lock the order, or return the key's stored answer.

        Raises: OrderNotFound; as Idempotency.claim.
        """
        request = command.request
        begun = await hot.claim_and_lock(
            tx,
            answer=self._idempotency.values(request.key),
            marketplace_id=request.marketplace_id,
            order_id=command.order_id,
        )
        if begun is not None:
            return begun
        known = await self._idempotency.claim(tx, request.key)
        if known is None:
            # The key expired between the two statements; the next attempt can claim it.
            raise IdempotencyKeyInProgress("The idempotency key has just expired; retry")
        return known

    def _operation(self, command: Command, operation_id: uuid.UUID, work: Work) -> Operation:
        request = command.request
        return Operation(
            id=operation_id,
            marketplace_id=request.marketplace_id,
            order_id=command.order_id,
            kind=work.kind,
            scope=request.key.scope,
            key=request.key.key,
            fingerprint=request.key.fingerprint,
            context={**request.remarks, **work.context},
            actor=identity.current().principal,
            request_id=identity.current_request_id(),
            epoch=1,
            started_at=self._saga.clock.now(),
        )


def _refusal(busy: _BusyError) -> FailedPrecondition:
    """Make the refusal that names the running operation."""
    order, kind = busy.order, busy.running.kind
    message = f"Another operation is in progress on this order: {kind.value}"
    refusal = wrong_state(order, message, allowed=[order.state.value], operation=kind.value)
    funds = busy.work is not None and busy.work.kind is Kind.FUND_ESCROW
    if funds and kind is Kind.CREATE_ESCROW:
        message = "The escrow contract is still being deployed"
        return EscrowNotReady(message, details=refusal.details)
    return refusal
