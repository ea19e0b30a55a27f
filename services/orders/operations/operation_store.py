"""Operations in PostgreSQL. Every write checks the epoch of the lease (chassis/leases.py)."""

import uuid
from collections.abc import Collection
from operator import itemgetter
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.database import Transaction, constraint_name
from chassis.idempotency import RequestKey
from chassis.leases import Lease, LeaseLost, LeaseTable
from chassis.sql import compiled
from kernel.clock import to_milliseconds_text
from services.orders.operations.operation import LEASE_SECONDS, AnotherRuns, Operation
from services.orders.order.use_cases import Kind
from services.orders.peers.ports import TimelineItem
from services.orders.tables import operations

# The lease that expired first is claimed first.
LEASES = LeaseTable("operations", running="state = 'running'", age="lease_until")


class OperationStore:
    """Reads and writes the operations of all marketplaces."""

    async def insert(self, tx: Transaction, operation: Operation) -> None:
        """Record a command as running, leased to this process.

        Raises: AnotherRuns: another operation was recorded for the order in the meantime.
        """
        try:
            await tx.run(INSERT_SELECT, values_of(operation))
        except Exception as error:
            if constraint_name(error) == "operations_one_running":
                raise AnotherRuns(operation.order_id) from None
            raise

    async def running(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, order_id: uuid.UUID
    ) -> Operation | None:
        """Find the operation that runs on an order; None: none runs."""
        values = {"marketplace_id": marketplace_id, "order_id": order_id}
        row = await tx.fetchrow(_RUNNING, values)
        return None if row is None else operation_of(row)

    async def failed(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, order_id: uuid.UUID
    ) -> list[TimelineItem]:
        """List the operations on an order that failed after their command was accepted, and why."""
        values = {"marketplace_id": marketplace_id, "order_id": order_id}
        return [
            TimelineItem(
                at=to_milliseconds_text(row.finished_at),
                kind="OPERATION",
                name=row.kind,
                details={"operationId": str(row.id), "state": "FAILED", "error": row.error},
            )
            for row in await tx.fetch(_FAILED, values)
        ]

    async def is_running(self, tx: Transaction, operation_id: uuid.UUID) -> bool:
        """Tell whether an operation still runs."""
        return await tx.fetchval(_IS_RUNNING, {"id": operation_id}) is not None

    async def ended_among(
        self, tx: Transaction, operation_ids: Collection[uuid.UUID]
    ) -> list[uuid.UUID]:
        """Return the ids of the given operations that have ended."""
        rows = await tx.fetch(_ENDED_AMONG, {"ids": list(operation_ids)})
        return [row.id for row in rows]

    async def under(self, tx: Transaction, lease: Lease) -> Operation | None:
        """Read the operation of a lease; None: the lease is lost."""
        row = await tx.fetchrow(_UNDER, {"id": lease.id, "epoch": lease.epoch})
        return None if row is None else operation_of(row)

    async def note(self, tx: Transaction, operation: Operation, *, error: str) -> None:
        """Record the last error of an operation, for operators."""
        values = {"id": operation.id, "epoch": operation.epoch, "error": error[:1000]}
        await tx.run(_NOTE, values)

    async def end(
        self, tx: Transaction, operation: Operation, *, state: str, error: str = ""
    ) -> None:
        """End an operation whose lease is held. state: succeeded or failed. Raises: LeaseLost."""
        values = {"id": operation.id, "epoch": operation.epoch}
        if await tx.run(_END, values | {"ended": state, "error": error[:1000]}) != 1:
            raise LeaseLost(operation.id)


def key_of(operation: Operation) -> RequestKey:
    """Return the key of the request that an operation answers."""
    return RequestKey(
        marketplace_id=operation.marketplace_id,
        scope=operation.scope,
        key=operation.key,
        fingerprint=operation.fingerprint,
    )


def values_of(operation: Operation) -> dict[str, object]:
    """Return the parameters of INSERT_SELECT, by name."""
    return {
        "op_id": operation.id,
        "op_marketplace": operation.marketplace_id,
        "op_order": operation.order_id,
        "op_kind": operation.kind.value,
        "op_scope": operation.scope,
        "op_key": operation.key,
        "op_fingerprint": operation.fingerprint,
        "op_context": orjson.dumps(dict(operation.context)).decode(),
        "op_actor": operation.actor,
        "op_request_id": operation.request_id,
        "op_lease_seconds": LEASE_SECONDS,
        "op_epoch": operation.epoch,
        "op_started": operation.started_at,
    }


def operation_of(row: Any, *, prefix: str = "") -> Operation:
    """Decode an operation from a row. prefix: of the names of its columns."""
    column = {name: getattr(row, prefix + name) for name in OPERATION_COLUMNS}
    return Operation(
        **{name: column[name] for name in _SAME},
        kind=Kind(column["kind"]),
        context=orjson.loads(column["context"]),
        epoch=column["lease_epoch"],
    )


def lease_of(operation: Operation) -> Lease:
    """Return the lease under which an operation was recorded or claimed."""
    return Lease(marketplace_id=operation.marketplace_id, id=operation.id, epoch=operation.epoch)


# Columns whose name and value are the same in an Operation.
_SAME = (
    "id",
    "marketplace_id",
    "order_id",
    "scope",
    "key",
    "fingerprint",
    "actor",
    "request_id",
    "attempts",
    "started_at",
)
OPERATION_COLUMNS = (*_SAME, "kind", "context", "lease_epoch")
_COLUMNS = [operations.c[name] for name in OPERATION_COLUMNS]
_IS_THIS = operations.c.id == sa.bindparam("id")
_RUNS = operations.c.state == sa.literal("running")
_HELD = sa.and_(_IS_THIS, operations.c.lease_epoch == sa.bindparam("epoch"), _RUNS)
# Part of larger statements, which append a condition.
INSERT_SELECT = """
insert into operations (id, marketplace_id, order_id, kind, state, scope, key, fingerprint,
                        context, actor, request_id, lease_until, lease_epoch, started_at)
select %(op_id)s::uuid, %(op_marketplace)s::uuid, %(op_order)s::uuid, %(op_kind)s::text, 'running',
       %(op_scope)s::text, %(op_key)s::text, %(op_fingerprint)s::bytea, %(op_context)s::text,
       %(op_actor)s::text, %(op_request_id)s::text,
       now() + make_interval(secs => %(op_lease_seconds)s), %(op_epoch)s::integer,
       %(op_started)s::timestamptz
"""
# The columns of several new operations: the parameters of INSERT_SELECT that differ.
NEW = {
    "op_id": "uuid",
    "op_marketplace": "uuid",
    "op_order": "uuid",
    "op_kind": "text",
    "op_scope": "text",
    "op_key": "text",
    "op_fingerprint": "bytea",
    "op_context": "text",
    "op_actor": "text",
    "op_request_id": "text",
    "op_epoch": "integer",
    "op_started": "timestamptz",
}
new_of = itemgetter(*NEW)
# INSERT_SELECT for several operations, to be followed by `from` a table with the columns NEW.
INSERT_NEW = """
insert into operations (id, marketplace_id, order_id, kind, state, scope, key, fingerprint,
                        context, actor, request_id, lease_until, lease_epoch, started_at)
select op_id, op_marketplace, op_order, op_kind, 'running', op_scope, op_key, op_fingerprint,
       op_context, op_actor, op_request_id, now() + make_interval(secs => %(op_lease_seconds)s),
       op_epoch, op_started
"""
_RUNNING = compiled(
    sa.select(*_COLUMNS).where(
        operations.c.marketplace_id == sa.bindparam("marketplace_id"),
        operations.c.order_id == sa.bindparam("order_id"),
        _RUNS,
    )
)
_FAILED = compiled(
    sa.select(operations.c.id, operations.c.kind, operations.c.error, operations.c.finished_at)
    .where(
        operations.c.marketplace_id == sa.bindparam("marketplace_id"),
        operations.c.order_id == sa.bindparam("order_id"),
        operations.c.state == sa.literal("failed"),
    )
    .order_by(operations.c.finished_at)
)
_IS_RUNNING = compiled(sa.select(operations.c.id).where(_IS_THIS, _RUNS))
_UNDER = compiled(sa.select(*_COLUMNS).where(_HELD))
_ENDED_AMONG = compiled(
    sa.select(operations.c.id).where(
        operations.c.id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.Uuid))),
        operations.c.state != sa.literal("running"),
    )
)
_NOTE = compiled(
    sa.update(operations)
    .values(error=sa.bindparam("error"), attempts=operations.c.attempts + 1)
    .where(_HELD)
)
_END = compiled(
    sa.update(operations)
    .values(
        state=sa.bindparam("ended", type_=sa.Text),
        error=sa.bindparam("error"),
        finished_at=sa.func.now(),
    )
    .where(_HELD)
)
