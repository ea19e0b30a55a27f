"""The hot path of orders: single SQL statements that do what the stores do in several.

Most of the load is reading and creating orders, and beginning operations and their steps. A round
trip costs more than the work of a statement. The statements combine those of stores and chassis.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chassis import arrays, audit, idempotency, outbox
from chassis.audit import Change
from chassis.database import Connection, Transaction
from chassis.grouped import Form, Grouped, Statement
from chassis.idempotency import Idempotency, RequestKey
from chassis.leases import LeaseLost
from services.orders.operations import hot_several, operation_store
from services.orders.operations.hot_several import Advancing, Beginning
from services.orders.operations.operation import Operation
from services.orders.operations.operation_store import OPERATION_COLUMNS, key_of, operation_of
from services.orders.order import store
from services.orders.order.domain import Fact, Order, OrderNotFound
from services.orders.order.store import OrderMovedOn
from services.orders.tables import orders


async def read(
    connection: Connection, *, marketplace_id: uuid.UUID, order_id: uuid.UUID
) -> tuple[Order, Operation | None]:
    """Read an order and its running operation in one snapshot. Raises: OrderNotFound."""
    row = await connection.fetchrow(_READ, {"marketplace_id": marketplace_id, "id": order_id})
    if row is None:
        raise OrderNotFound("Order not found")
    return store.order_of(row), running_of(row)


async def read_several(
    connection: Connection, *, marketplace_id: uuid.UUID, order_ids: Sequence[uuid.UUID]
) -> list[tuple[Order, Operation | None]]:
    """Read orders and their running operations in one snapshot. Unknown ids are left out."""
    values = {"marketplace_id": marketplace_id, "ids": arrays.ids(order_ids)}
    rows = await connection.fetch(_READ_SEVERAL, values)
    return [(store.order_of(row), running_of(row)) for row in rows]


@dataclass(frozen=True, slots=True)
class Creation:
    """What is written for a new order, encoded for SQL: its row, answer, audit line and events."""

    order: dict[str, Any]
    key: RequestKey
    body: bytes
    line: dict[str, object]
    events: Sequence[outbox.Row]


def creation(
    *,
    order: Order,
    facts: Sequence[Fact],
    key: RequestKey,
    body: bytes,
    change: Change,
    request_id: str,
) -> Creation:
    """Encode a new order. Call this in the context of the request. body: the answer."""
    return Creation(
        order=store.values_of(order),
        key=key,
        body=body,
        line=audit.values(change, marketplace_id=order.marketplace_id),
        events=outbox.rows(store.events_of(order, facts, request_id=request_id)),
    )


async def create(connection: Connection, new: Creation) -> bool:
    """Insert a new order with its events, audit line and answer; False: the key was used before.

    Raises: UniqueViolation: orders_client_ref.
    """
    values = new.order | Idempotency.values(new.key, new.body) | new.line
    values |= outbox.values_of(new.events, on=connection)
    made: int = await connection.fetchval(_CREATE, values)
    return made == 1


async def create_several(connection: Connection, new: Sequence[Creation]) -> None:
    """Insert several new orders as `create` does, all or none.

    Raises: UniqueViolation: a key or a reference was used before.
    """
    # Always in the same order, so that no two processes wait for each other's keys.
    new = sorted(new, key=lambda one: (one.key.marketplace_id, one.key.scope, one.key.key))
    values = store.values_of_several(one.order for one in new)
    values |= idempotency.ANSWERS.values(
        (one.key.marketplace_id, one.key.scope, one.key.key, one.key.fingerprint, one.body)
        for one in new
    )
    values |= audit.values_of_several(one.line for one in new)
    events = [row for one in new for row in one.events]
    await connection.run(_CREATE_SEVERAL, values | outbox.values_of(events, on=connection))


async def begin(
    grouped: Grouped,
    *,
    operation: Operation,
    change: Change,
    states: Sequence[str],
    amount: int | None,
) -> Order | None:
    """Record an operation on an order that is in one of the states and has no running operation.

    amount: the order's required amount in minor units; None: any. Returns None if a condition does
    not hold, the key was used before, or the order is locked: nothing was written, and
    `claim_and_lock` finds the reason.
    Raises: UniqueViolation: operations_one_running.
    """
    beginning = Beginning(
        operation=operation,
        line=audit.values(change, marketplace_id=operation.marketplace_id),
        states=states,
        amount=amount,
    )
    row = await grouped.fetchrow(_BEGINNING, beginning, locks=operation.order_id)
    return None if row is None else store.order_of(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What a command finds: the locked order and its running operation, if any."""

    order: Order
    operation: Operation | None


async def claim_and_lock(
    tx: Transaction, *, answer: dict[str, object], marketplace_id: uuid.UUID, order_id: uuid.UUID
) -> Begun | None:
    """Claim a key and lock the order; None: the key was used before, and nothing is locked.

    The running operation is read in the statement's snapshot. If another command records an
    operation after that, this command violates the unique index when it records its own.

    Raises: OrderNotFound.
    """
    values = answer | {"marketplace_id": marketplace_id, "id": order_id}
    row = await tx.fetchrow(_CLAIM_AND_LOCK, values)
    if row is None or row.claimed == 0:
        return None
    if row.id is None:
        raise OrderNotFound("Order not found")
    return Begun(order=store.order_of(row), operation=running_of(row))


async def record(
    connection: Connection,
    *,
    operation: Operation,
    before: Order,
    after: Order,
    facts: Sequence[Fact],
    answer: dict[str, object],
    change: Change,
) -> bool:
    """Record an operation and the changed order, which was read without a lock.

    Returns False if the order has changed since, an operation runs on it, or the key was used
    before: nothing was written, and `claim_and_lock` finds the reason.
    Raises: UniqueViolation: operations_one_running.
    """
    values = store.values_of(after) | answer | operation_store.values_of(operation)
    values |= {"version_before": before.version, "updated_before": before.updated_at}
    values |= audit.values(change, marketplace_id=operation.marketplace_id)
    events = store.events_of(after, facts, request_id=operation.request_id)
    values |= outbox.values(events, on=connection)
    begun: int = await connection.fetchval(_RECORD, values)
    return begun == 1


async def advance(
    grouped: Grouped,
    *,
    operation: Operation,
    before: Order,
    after: Order,
    facts: Sequence[Fact],
    body: bytes | None,
    ends: bool,
) -> None:
    """Write the order of an operation, its events and its answer in one statement.

    body: the answer to the operation's request; None: no answer yet. ends: whether the operation
    has succeeded.

    Raises: LeaseLost; OrderMovedOn: the order has changed since it was read. Nothing was written.
    """
    advancing = Advancing(
        operation=operation,
        version_before=before.version,
        after=after,
        events=outbox.rows(store.events_of(after, facts, request_id=operation.request_id)),
        body=body,
        ends=ends,
    )
    row = await grouped.fetchrow(_ADVANCING, advancing, locks=operation.order_id)
    if row is None or row.held != 1:
        raise LeaseLost(operation.id)
    if row.moved != 1:
        raise OrderMovedOn(f"order {before.id} is not at version {before.version}")


def _begin_one(one: Beginning, _: Connection) -> Statement:
    values = Idempotency.values(key_of(one.operation)) | one.line
    values |= operation_store.values_of(one.operation)
    return _BEGIN, values | {"order_states": list(one.states), "order_amount": one.amount}


def _advance_one(one: Advancing, connection: Connection) -> Statement:
    operation, values = one.operation, store.values_of(one.after)
    values |= outbox.values_of(one.events, on=connection)
    if one.body is not None:
        values |= Idempotency.values(key_of(operation), one.body)
    values |= {
        "version_before": one.version_before,
        "operation_id": operation.id,
        "operation_epoch": operation.epoch,
    }
    return _ADVANCE[one.body is not None, one.ends], values


def running_of(row: Any) -> Operation | None:
    """Decode the running operation from a row that has its columns; None: none runs."""
    return None if row.running_id is None else operation_of(row, prefix="running_")


def columns_of(table: str) -> str:
    """List the columns of orders, qualified by the name of a table in the statement."""
    return ", ".join(f"{table}.{column.name}" for column in orders.c)


def joined(marketplace_id: str, order_id: str) -> str:
    """Return the join with an order's running operation; an order has one at most."""
    return f"""left join operations as running on running.marketplace_id = {marketplace_id}
    and running.order_id = {order_id} and running.state = 'running'"""


# Statements consist of constants only. They name the columns, because a prepared statement fails
# when the columns of its result change.
_COLUMNS = ", ".join(column.name for column in orders.c)
_CREATE = f"""
with claimed as ({idempotency.CLAIM}),
made as ({store.INSERT_SELECT} where exists (select from claimed) returning 1),
told as ({outbox.INSERT} where exists (select from made)),
noted as ({audit.INSERT} where exists (select from made))
select count(*) from made
"""  # noqa: S608
_CREATE_SEVERAL = f"""
with answered as ({idempotency.KEEP}),
told as ({outbox.INSERT}),
noted as ({audit.INSERT_SEVERAL})
{store.INSERT_SEVERAL}
"""
# Claims the key if the order was found and no operation runs on it.
_CLAIMED = f"""claimed as (
    {idempotency.CLAIM_SELECT} where exists (select from locked) and not exists (
        select from operations where marketplace_id = %(op_marketplace)s
            and order_id = %(op_order)s and state = 'running'
    )
    on conflict do nothing returning 1
)"""  # noqa: S608
_BEGIN = f"""
with locked as (
    select {_COLUMNS} from orders
    where marketplace_id = %(op_marketplace)s and id = %(op_order)s
        and state = any(%(order_states)s::text[])
        and (%(order_amount)s::bigint is null or amount = %(order_amount)s::bigint)
    for update
),
{_CLAIMED},
begun as ({operation_store.INSERT_SELECT} where exists (select from claimed) returning 1),
noted as ({audit.INSERT} where exists (select from begun))
select {_COLUMNS} from locked where exists (select from begun)
"""  # noqa: S608
# The statement also compares updated_at: storing an escrow's address changes the order without an
# event, and so without a new version.
_RECORD = f"""
with locked as (
    select from orders
    where marketplace_id = %(op_marketplace)s and id = %(op_order)s
        and version = %(version_before)s and updated_at = %(updated_before)s
    for update
),
{_CLAIMED},
moved as ({store.UPDATE} and exists (select from claimed) returning 1),
begun as ({operation_store.INSERT_SELECT} where exists (select from moved) returning 1),
told as ({outbox.INSERT} where exists (select from begun)),
noted as ({audit.INSERT} where exists (select from begun))
select count(*) from begun
"""  # noqa: S608
RUNNING = ", ".join(f"running.{name} as running_{name}" for name in OPERATION_COLUMNS)
_CLAIM_AND_LOCK = f"""
with claimed as ({idempotency.CLAIM}),
locked as (
    select {_COLUMNS} from orders
    where marketplace_id = %(marketplace_id)s and id = %(id)s and exists (select from claimed)
    for update
)
select (select count(*) from claimed) as claimed, {columns_of("locked")}, {RUNNING}
from (values (1)) as always left join locked on true {joined("%(marketplace_id)s", "%(id)s")}
"""  # noqa: S608
_ORDERS = f"""
select {columns_of("orders")}, {RUNNING} from orders {joined("orders.marketplace_id", "orders.id")}
where orders.marketplace_id = %(marketplace_id)s
"""  # noqa: S608
_READ = f"{_ORDERS} and orders.id = %(id)s"
_READ_SEVERAL = f"{_ORDERS} and orders.id = any(%(ids)s::uuid[])"
_ENDED = """ended as (
    update operations set state = 'succeeded', error = '', finished_at = now()
    where id = %(operation_id)s and exists (select from moved)
),"""
_ANSWERED = f"answered as ({idempotency.ANSWER} and exists (select from moved)),"
# The keys: whether the statement stores the answer, and whether it ends the operation.
_ADVANCE = {
    (answers, ends): f"""
with held as (
    select from operations
    where id = %(operation_id)s and lease_epoch = %(operation_epoch)s and state = 'running'
    for update
),
moved as ({store.UPDATE} and exists (select from held) returning 1),
{_ENDED if ends else ""}
{_ANSWERED if answers else ""}
told as ({outbox.INSERT} where exists (select from moved))
select (select count(*) from held) as held, (select count(*) from moved) as moved
"""  # noqa: S608
    for answers in (False, True)
    for ends in (False, True)
}
_BEGINNING = Form(
    one=_begin_one, several=hot_several.begin, own=hot_several.own_of_beginning, waits=False
)
_ADVANCING = Form(one=_advance_one, several=hot_several.advance, own=hot_several.own_of_advancing)
