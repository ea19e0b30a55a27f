"""The hot statements of orders: each does in one turn what the stores do in several.

Reading and creating an order, beginning an operation and its steps are most of the load; a
statement waited for costs more than what it does. The parts are the chassis' own statements, put
together.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chassis import audit, idempotency, outbox
from chassis.audit import Change
from chassis.database import Connection, Transaction
from chassis.leases import LeaseLost
from services.orders.operations import operation_store
from services.orders.operations.operation import Operation
from services.orders.operations.operation_store import OPERATION_COLUMNS, operation_of
from services.orders.order import store
from services.orders.order.domain import Fact, Order, OrderNotFound
from services.orders.order.store import OrderMovedOn
from services.orders.tables import orders


async def read(
    connection: Connection, *, marketplace_id: uuid.UUID, order_id: uuid.UUID
) -> tuple[Order, Operation | None]:
    """Read an order and the operation that runs on it, at one moment. Raises: OrderNotFound."""
    row = await connection.fetchrow(_READ, {"marketplace_id": marketplace_id, "id": order_id})
    if row is None:
        raise OrderNotFound("Order not found")
    return store.order_of(row), running_of(row)


async def create(
    connection: Connection,
    *,
    order: Order,
    facts: Sequence[Fact],
    answer: dict[str, object],
    change: Change,
    request_id: str,
) -> bool:
    """Write a new order, its events, its line, its answer; False: the key was used before.

    answer: Idempotency.values of the key and the body. Raises: UniqueViolation: orders_client_ref.
    """
    values = store.values_of(order) | answer
    values |= audit.values(change, marketplace_id=order.marketplace_id)
    events = store.events_of(order, facts, request_id=request_id)
    values |= outbox.values(events, on=connection)
    made: int = await connection.fetchval(_CREATE, values)
    return made == 1


async def begin(
    connection: Connection,
    *,
    operation: Operation,
    answer: dict[str, object],
    change: Change,
    states: Sequence[str],
    amount: int | None,
) -> Order | None:
    """Record an operation on an order that is in one of the states, and on which none runs.

    amount: what the order's must be, None: any. Returns None where one of the conditions does not
    hold, or the key was used before; nothing was written, and `claim_and_lock` finds the reason.
    Raises: UniqueViolation: operations_one_running.
    """
    conditions = {"order_states": list(states), "order_amount": amount}
    values = answer | conditions | operation_store.values_of(operation)
    values |= audit.values(change, marketplace_id=operation.marketplace_id)
    row = await connection.fetchrow(_BEGIN, values)
    return None if row is None else store.order_of(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What a command finds: the order, locked, and the operation that runs on it."""

    order: Order
    operation: Operation | None


async def claim_and_lock(
    tx: Transaction, *, answer: dict[str, object], marketplace_id: uuid.UUID, order_id: uuid.UUID
) -> Begun | None:
    """Claim a key, then lock the order; None: the key was used before, and nothing is locked.

    The running operation is read as of the statement's begin. One that was recorded since then
    violates the unique index when this command records its own. Raises: OrderNotFound.
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
    """Record an operation, and what its command makes of an order that was read without a lock.

    Returns False where the order is not as it was read, an operation runs on it, or the key was
    used before; nothing was written, and `claim_and_lock` finds the reason.
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
    connection: Connection,
    *,
    operation: Operation,
    before: Order,
    after: Order,
    facts: Sequence[Fact],
    answer: dict[str, object] | None,
    ends: bool,
) -> None:
    """Write an operation's order, its events and its answer, all or nothing.

    answer: Idempotency.values of the key and the body; None: not answered by this. ends: the
    operation has succeeded.
    Raises: LeaseLost; OrderMovedOn: the order is not as it was read; nothing was written.
    """
    values = store.values_of(after) | (answer or {})
    values |= {
        "version_before": before.version,
        "operation_id": operation.id,
        "operation_epoch": operation.epoch,
    }
    events = store.events_of(after, facts, request_id=operation.request_id)
    values |= outbox.values(events, on=connection)
    row = await connection.fetchrow(_ADVANCE[answer is not None, ends], values)
    if row is None or row.held != 1:
        raise LeaseLost(operation.id)
    if row.moved != 1:
        raise OrderMovedOn(f"order {before.id} is not at version {before.version}")


def running_of(row: Any) -> Operation | None:
    """Read the running operation of a row that has its columns; None: none runs."""
    return None if row.running_id is None else operation_of(row, prefix="running_")


def columns_of(table: str) -> str:
    """List an order's columns, as a table of the statement has them."""
    return ", ".join(f"{table}.{column.name}" for column in orders.c)


def joined(marketplace_id: str, order_id: str) -> str:
    """Join the operation that runs on an order; there is one at most."""
    return f"""left join operations as running on running.marketplace_id = {marketplace_id}
    and running.order_id = {order_id} and running.state = 'running'"""


# Statements are put together from constants alone. Columns are named: a prepared statement does not
# outlive a change of its result.
_COLUMNS = ", ".join(column.name for column in orders.c)
_CREATE = f"""
with claimed as ({idempotency.CLAIM}),
made as ({store.INSERT_SELECT} where exists (select from claimed) returning 1),
told as ({outbox.INSERT} where exists (select from made)),
noted as ({audit.INSERT} where exists (select from made))
select count(*) from made
"""  # noqa: S608
# The key, where the order was found and no operation runs on it.
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
# An escrow's address changes an order, and not its version: no event tells it.
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
_READ = f"""
select {columns_of("orders")}, {RUNNING} from orders {joined("orders.marketplace_id", "orders.id")}
where orders.marketplace_id = %(marketplace_id)s and orders.id = %(id)s
"""  # noqa: S608
_ENDED = """ended as (
    update operations set state = 'succeeded', error = '', finished_at = now()
    where id = %(operation_id)s and exists (select from moved)
),"""
_ANSWERED = f"answered as ({idempotency.ANSWER} and exists (select from moved)),"
# By whether it answers, and whether it ends the operation.
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
