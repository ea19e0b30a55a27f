"""Commands on an order: recorded in a first transaction, carried out by the saga, answered once.

The caller waits for the answer, and the work goes on whether or not anybody waits.
"""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chassis import identity
from chassis.database import Database, Transaction, pipeline
from chassis.idempotency import STORED_KINDS, Answer, Idempotency, IdempotencyKeyReused, RequestKey
from kernel.errors import FailedPrecondition
from kernel.ids import new_id
from services.orders.domain import Decided, Order, OrderInWrongState
from services.orders.operation_store import OperationStore
from services.orders.operations import Kind, Operation
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
    """What every command carries: whose it is, its key, and how long its caller waits."""

    marketplace_id: uuid.UUID
    key: RequestKey
    wait_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Command:
    request: Request
    order_id: uuid.UUID
    kind: Kind
    begin: Begin
    context: Mapping[str, str]
    needs_peers: Callable[[Order], bool]


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
        needs_peers: Callable[[Order], bool] = lambda _order: True,
    ) -> Answer:
        """Record the command, drive it, answer. An operation in motion is waited for first."""
        command = _Command(
            request=request,
            order_id=order_id,
            kind=kind,
            begin=begin,
            context=context,
            needs_peers=needs_peers,
        )
        until = time.monotonic() + max(request.wait_seconds, LEAST_WAIT_SECONDS)
        while True:
            try:
                begun = await self._begin_or_refuse(command)
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
            motion = self._saga.start(operation, order)
            return await self._saga.answer(motion, timeout_seconds=request.wait_seconds)

    async def _begin_or_refuse(self, command: _Command) -> Answer | tuple[Operation, Order]:
        try:
            return await self._database.retrying(lambda: self._begin(command))
        except STORED_KINDS as error:
            if not error.replayed and not isinstance(error, IdempotencyKeyReused):
                await self._idempotency.keep_refusal(self._database, command.request.key, error)
            raise

    async def _begin(self, command: _Command) -> Answer | tuple[Operation, Order]:
        request = command.request
        async with self._database.transaction() as tx:
            known = await self._idempotency.claim(tx, request.key)
            if known is not None:
                return known
            order, busy = await self._lock(tx, request.marketplace_id, command.order_id)
            operation = self._operation(command)
            after, facts = command.begin(order, operation.id)
            if busy is not None:
                raise _InMotionError(busy, order)
            async with pipeline(tx):
                if after is not order:
                    after = await self._orders.save(
                        tx, before=order, after=after, facts=facts, request_id=operation.request_id
                    )
                if command.needs_peers(order):
                    await self._operations.insert(tx, operation)
                    return operation, after
                return await self._finish(tx, request.key, after)

    async def _lock(
        self, tx: Transaction, marketplace_id: uuid.UUID, order_id: uuid.UUID
    ) -> tuple[Order, Operation | None]:
        """Lock an order; tell the operation in motion on it, as it is under the lock."""
        order = await self._orders.lock(tx, marketplace_id=marketplace_id, order_id=order_id)
        busy = await self._operations.running(tx, marketplace_id=marketplace_id, order_id=order_id)
        return order, busy

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
            context=command.context,
            actor=identity.current().principal,
            request_id=identity.current_request_id(),
            epoch=1,
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
