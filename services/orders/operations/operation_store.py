"""Operations in Postgres. Leases count by the database's clock; every write checks the epoch."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from psycopg.rows import dict_row

from chassis.database import Transaction, constraint_name, driver, expect_one
from chassis.idempotency import RequestKey
from kernel.clock import to_milliseconds_text
from services.orders.operations.operation import (
    LEASE_SECONDS,
    AnotherRuns,
    LeaseLost,
    Operation,
)
from services.orders.order.use_cases import Kind
from services.orders.peers.ports import TimelineItem


class OperationStore:
    """The operations of the schema."""

    async def insert(self, tx: Transaction, operation: Operation) -> None:
        """Record a command as running, leased to this process.

        Raises: AnotherRuns: one was recorded since this transaction looked.
        """
        connection = await driver(tx)
        try:
            await connection.execute(INSERT_SELECT, values_of(operation))
        except Exception as error:
            if constraint_name(error) == "operations_one_running":
                raise AnotherRuns(operation.order_id) from None
            raise

    async def running(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, order_id: uuid.UUID
    ) -> Operation | None:
        """Find the operation in motion on an order; None where there is none."""
        connection = await driver(tx)
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(_RUNNING, (marketplace_id, order_id))
        row = await cursor.fetchone()
        return None if row is None else operation_of(row)

    async def running_on(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, order_ids: Sequence[uuid.UUID]
    ) -> dict[uuid.UUID, Operation]:
        """Find what is in motion on several orders, by order."""
        connection = await driver(tx)
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(_RUNNING_ON, (marketplace_id, list(order_ids)))
        found = [operation_of(row) for row in await cursor.fetchall()]
        return {operation.order_id: operation for operation in found}

    async def failed(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, order_id: uuid.UUID
    ) -> list[TimelineItem]:
        """Tell which commands on an order were refused after they had been accepted, and why."""
        connection = await driver(tx)
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(_FAILED, (marketplace_id, order_id))
        return [
            TimelineItem(
                at=to_milliseconds_text(row["finished_at"]),
                kind="OPERATION",
                name=row["kind"],
                details={"operationId": str(row["id"]), "state": "FAILED", "error": row["error"]},
            )
            for row in await cursor.fetchall()
        ]

    async def is_running(self, tx: Transaction, operation_id: uuid.UUID) -> bool:
        """Tell whether an operation is still in motion."""
        connection = await driver(tx)
        cursor = await connection.execute(
            "select 1 from operations where id = %s and state = 'running'", (operation_id,)
        )
        return await cursor.fetchone() is not None

    async def claim_abandoned(self, tx: Transaction, *, limit: int) -> list[Operation]:
        """Take over operations whose lease ran out; each gets a new epoch (SKIP LOCKED)."""
        connection = await driver(tx)
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(_CLAIM, (limit, LEASE_SECONDS))
        return [operation_of(row) for row in await cursor.fetchall()]

    async def renew(
        self, tx: Transaction, held: Sequence[tuple[uuid.UUID, int]]
    ) -> set[tuple[uuid.UUID, int]]:
        """Renew the leases of operations this process drives, (id, epoch) each.

        Returns those that it still holds: the others have ended, or another process has them.
        """
        connection = await driver(tx)
        ids, epochs = [item[0] for item in held], [item[1] for item in held]
        cursor = await connection.execute(_RENEW, (LEASE_SECONDS, ids, epochs))
        rows: list[tuple[uuid.UUID, int]] = [(r[0], r[1]) for r in await cursor.fetchall()]
        return set(rows)

    async def is_held(self, tx: Transaction, operation: Operation) -> bool:
        """Tell whether an operation still runs under the epoch that this process has."""
        connection = await driver(tx)
        cursor = await connection.execute(
            "select 1 from operations where id = %s and lease_epoch = %s and state = 'running'",
            (operation.id, operation.epoch),
        )
        return await cursor.fetchone() is not None

    async def hold(self, tx: Transaction, operation: Operation) -> None:
        """Lock the operation's row for a write of its holder. Raises: LeaseLost."""
        connection = await driver(tx)
        cursor = await connection.execute(
            "select 1 from operations where id = %s and lease_epoch = %s and state = 'running'"
            " for update",
            (operation.id, operation.epoch),
        )
        expect_one(cursor, LeaseLost(operation.id))

    async def note(self, tx: Transaction, operation: Operation, *, step: str, error: str) -> None:
        """Record the step in motion and what held it up last; for operators."""
        connection = await driver(tx)
        await connection.execute(
            "update operations set step = %s, error = %s, attempts = attempts + 1"
            " where id = %s and lease_epoch = %s and state = 'running'",
            (step, error[:1000], operation.id, operation.epoch),
        )

    async def end(
        self, tx: Transaction, operation: Operation, *, state: str, error: str = ""
    ) -> None:
        """End an operation this process holds: succeeded or failed. Raises: LeaseLost."""
        connection = await driver(tx)
        cursor = await connection.execute(
            "update operations set state = %s, error = %s, finished_at = now()"
            " where id = %s and lease_epoch = %s and state = 'running'",
            (state, error[:1000], operation.id, operation.epoch),
        )
        expect_one(cursor, LeaseLost(operation.id))


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


def operation_of(row: Mapping[str, Any]) -> Operation:
    """Read an operation from its columns by name."""
    return Operation(
        id=row["id"],
        marketplace_id=row["marketplace_id"],
        order_id=row["order_id"],
        kind=Kind(row["kind"]),
        scope=row["scope"],
        key=row["key"],
        fingerprint=row["fingerprint"],
        context=orjson.loads(row["context"]),
        actor=row["actor"],
        request_id=row["request_id"],
        epoch=row["lease_epoch"],
        attempts=row["attempts"],
        step=row["step"],
        started_at=row["started_at"],
    )


OPERATION_COLUMNS = (
    "id",
    "marketplace_id",
    "order_id",
    "kind",
    "scope",
    "key",
    "fingerprint",
    "context",
    "actor",
    "request_id",
    "lease_epoch",
    "attempts",
    "step",
    "started_at",
)
_COLUMNS = ", ".join(OPERATION_COLUMNS)
# For a statement that does more at once: append a condition.
INSERT_SELECT = """
insert into operations (id, marketplace_id, order_id, kind, state, scope, key, fingerprint,
                        context, actor, request_id, lease_until, lease_epoch, started_at)
select %(op_id)s::uuid, %(op_marketplace)s::uuid, %(op_order)s::uuid, %(op_kind)s::text, 'running',
       %(op_scope)s::text, %(op_key)s::text, %(op_fingerprint)s::bytea, %(op_context)s::text,
       %(op_actor)s::text, %(op_request_id)s::text,
       now() + make_interval(secs => %(op_lease_seconds)s), %(op_epoch)s::integer,
       %(op_started)s::timestamptz
"""
_RUNNING = f"""
select {_COLUMNS} from operations
where marketplace_id = %s and order_id = %s and state = 'running'
"""  # noqa: S608 - constants
_RUNNING_ON = f"""
select {_COLUMNS} from operations
where marketplace_id = %s and order_id = any(%s) and state = 'running'
"""  # noqa: S608 - constants
_FAILED = """
select id, kind, error, finished_at from operations
where marketplace_id = %s and order_id = %s and state = 'failed' order by finished_at
"""
_CLAIM = f"""
with abandoned as (
    select id as taken from operations where state = 'running' and lease_until < now()
    order by lease_until limit %s for update skip locked
)
update operations set lease_epoch = lease_epoch + 1,
                      lease_until = now() + make_interval(secs => %s)
from abandoned where id = taken
returning {_COLUMNS}
"""  # noqa: S608 - constants
_RENEW = """
update operations set lease_until = now() + make_interval(secs => %s)
from unnest(%s::uuid[], %s::integer[]) as held (held_id, held_epoch)
where id = held_id and lease_epoch = held_epoch and state = 'running'
returning id, lease_epoch
"""
