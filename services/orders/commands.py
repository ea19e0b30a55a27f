"""Commands on an order: recorded in a first transaction, carried out by the saga, answered once.

The caller waits for the answer, and the work goes on whether or not anybody waits.
"""

import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from chassis import identity
from chassis.database import Database, Transaction, constraint_name
from chassis.idempotency import Answer, Idempotency, IdempotencyKeyInProgress, RequestKey
from kernel.errors import FailedPrecondition
from kernel.ids import new_id
from services.orders import domain, hot
from services.orders.domain import Decided, Order, OrderInWrongState, State
from services.orders.operation_store import OperationStore
from services.orders.operations import AnotherInMotion, Kind, Operation
from services.orders.saga import Encode, Saga
from services.orders.store import OrderStore

# What an operation in motion may be waited for even where the caller would not wait at all.
LEAST_WAIT_SECONDS = 1.0
Begin = Callable[[Order, uuid.UUID], Decided]


class EscrowNotReady(FailedPrecondition):
    """The contract is still being deployed."""

    reason = "ESCROW_NOT_READY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What every command carries: whose it is, its key, and how long its caller waits.

    amount: what the caller takes the order's amount to be, in minor units; None: not said.
    remarks: who asks (`by`) and why (`reason`), as far as they are said; kept with the operation.
    """

    marketplace_id: uuid.UUID
    key: RequestKey
    wait_seconds: float
    amount: int | None = None
    remarks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quick:
    """What must hold for a command that changes nothing when it begins, besides its amount."""

    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class _Command:
    request: Request
    order_id: uuid.UUID
    kind: Kind
    begin: Begin
    context: Mapping[str, str]
    needs_peers: bool
    quick: Quick | None


class _InMotionError(Exception):
    """Another operation must end first."""

    def __init__(self, operation: Operation, order: Order) -> None:
        super().__init__(operation.id)
        self.operation = operation
        self.order = order


class CommandRunner:
    """Begins commands and answers them."""

    def __init__(
        self,
        *,
        database: Database,
        orders: OrderStore,
        operations: OperationStore,
        idempotency: Idempotency,
        saga: Saga,
        encode: Encode,
    ) -> None:
        self._database = database
        self._orders = orders
        self._operations = operations
        self._idempotency = idempotency
        self._saga = saga
        self._encode = encode

    async def run(
        self,
        request: Request,
        order_id: uuid.UUID,
        kind: Kind,
        begin: Begin,
        context: Mapping[str, str],
        *,
        needs_peers: bool = True,
        quick: Quick | None = None,
    ) -> Answer:
        """Record the command, drive it, answer. An operation in progress is waited for first.

        needs_peers: the command is carried out by an operation; False: it ends where it begins.
        Raises: what `begin` raises; AmountDiffersFromOrder; OrderInWrongState; EscrowNotReady.
        """
        command = _Command(
            request=request,
            order_id=order_id,
            kind=kind,
            begin=begin,
            context=context,
            needs_peers=needs_peers,
            quick=quick,
        )
        until = time.monotonic() + max(request.wait_seconds, LEAST_WAIT_SECONDS)
        while True:
            asked_at = time.monotonic()
            try:
                begun = await self._begin_or_refuse(command)
            except AnotherInMotion:
                continue
            except _InMotionError as busy:
                remaining = until - time.monotonic()
                if remaining <= 0 or not await self._saga.ended(
                    busy.operation.id, timeout_seconds=remaining
                ):
                    raise _busy(kind, busy) from None
                continue
            if isinstance(begun, Answer):
                return begun
            operation, order = begun
            motion = self._saga.start(operation, order, leased_at=asked_at)
            return await self._saga.answer(motion, timeout_seconds=request.wait_seconds)

    async def find(
        self, request: Request, look: Callable[[Transaction], Awaitable[Order]]
    ) -> Order | Answer:
        """Find the order that a command is about, unless the request has its answer already.

        Raises: what `look` raises, kept for the request's key; as Idempotency.known.
        """
        async with (
            self._idempotency.keeping_refusals(self._database, request.key),
            self._database.transaction() as tx,
        ):
            known = await self._idempotency.known(tx, request.key)
            return known if known is not None else await look(tx)

    async def _begin_or_refuse(self, command: _Command) -> Answer | tuple[Operation, Order]:
        async with self._idempotency.keeping_refusals(self._database, command.request.key):
            return await self._database.retrying(lambda: self._begin(command))

    async def _begin_quickly(self, command: _Command) -> tuple[Operation, Order] | None:
        """Begin in one statement what changes nothing yet; None: look at it at leisure."""
        if command.quick is None:
            return None
        operation = self._operation(command)
        try:
            async with self._database.statement() as connection:
                order = await hot.begin(
                    connection,
                    operation=operation,
                    answer=self._idempotency.values(command.request.key),
                    state=command.quick.state,
                    amount=command.request.amount,
                )
        except Exception as error:
            if constraint_name(error) == "operations_one_running":
                return None
            raise
        return None if order is None else (operation, order)

    async def _begin(self, command: _Command) -> Answer | tuple[Operation, Order]:
        if (quick := await self._begin_quickly(command)) is not None:
            return quick
        request = command.request
        async with self._database.transaction() as tx:
            begun = await self._claim_and_lock(tx, command)
            if isinstance(begun, Answer):
                return begun
            operation = self._operation(command)
            after, facts = command.begin(begun.order, operation.id)
            domain.require_amount(begun.order, request.amount)
            running = begun.operation
            if running is None and not command.needs_peers:
                # It is over at once, and no row of its own meets the index of what is in motion.
                running = await self._running_now(tx, command)
            if running is not None:
                raise _InMotionError(running, begun.order)
            if after is not begun.order:
                after = await self._orders.save(
                    tx,
                    before=begun.order,
                    after=after,
                    facts=facts,
                    request_id=operation.request_id,
                )
            if command.needs_peers:
                await self._operations.insert(tx, operation)
                return operation, after
            return await self._finish(tx, request.key, after)

    async def _claim_and_lock(self, tx: Transaction, command: _Command) -> Answer | hot.Begun:
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
            # Its time was over just now; the next attempt takes it.
            raise IdempotencyKeyInProgress("The key is being freed")
        return known

    async def _running_now(self, tx: Transaction, command: _Command) -> Operation | None:
        """Find what was recorded on the order while its row was waited for."""
        return await self._operations.running(
            tx, marketplace_id=command.request.marketplace_id, order_id=command.order_id
        )

    async def _finish(self, tx: Transaction, key: RequestKey, order: Order) -> Answer:
        body = self._encode(order, None)
        await self._idempotency.finish(tx, key, body)
        return Answer(body=body)

    def _operation(self, command: _Command) -> Operation:
        key = command.request.key
        return Operation(
            id=new_id(),
            marketplace_id=command.request.marketplace_id,
            order_id=command.order_id,
            kind=command.kind,
            scope=key.scope,
            key=key.key,
            fingerprint=key.fingerprint,
            context={**command.request.remarks, **command.context},
            actor=identity.current().principal,
            request_id=identity.current_request_id(),
            epoch=1,
            started_at=self._saga.clock.now(),
        )


def _busy(kind: Kind, busy: _InMotionError) -> FailedPrecondition:
    details = {
        "orderId": busy.order.public_id,
        "currentState": busy.order.state.value,
        "allowedStates": [busy.order.state.value],
        "operation": busy.operation.kind.value,
    }
    if kind is Kind.FUND_ESCROW and busy.operation.kind is Kind.CREATE_ESCROW:
        return EscrowNotReady("The escrow contract is still being deployed", details=details)
    return OrderInWrongState(
        f"Another operation is in motion: {busy.operation.kind.value}", details=details
    )
