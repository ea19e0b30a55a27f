"""The statements of `hot` that begin and advance operations, each for several callers at once.

Starting such a statement costs more than its further rows. Each caller's row is written or left out
as if alone. No two callers of a statement share what `own_of_…` returns, so it finds a row. Rows
are locked one by one in the order given: by a lateral query, which also has one plan whatever the
size of the tables.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from chassis import arrays, audit, idempotency, outbox
from chassis.arrays import Columns
from chassis.database import Connection
from chassis.grouped import Statement
from chassis.sql import rows_of
from services.orders.operations import operation_store
from services.orders.operations.operation import LEASE_SECONDS, Operation
from services.orders.order import store
from services.orders.order.domain import Order
from services.orders.tables import orders


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """An operation to record. line: `audit.values` of its change. Otherwise as of `hot.begin`."""

    operation: Operation
    line: dict[str, object]
    states: Sequence[str]
    amount: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advancing:
    """An operation's order to write. events: of the order's new versions. As of `hot.advance`."""

    operation: Operation
    version_before: int
    after: Order
    events: Sequence[outbox.Row]
    body: bytes | None
    ends: bool


def own_of_beginning(one: Beginning) -> tuple[uuid.UUID, str]:
    """Return what no other row of `begin` may have."""
    return one.operation.order_id, one.operation.key


def own_of_advancing(one: Advancing) -> tuple[uuid.UUID]:
    """Return what no other row of `advance` may have."""
    return (one.operation.order_id,)


def begin(rows: Sequence[Beginning], _: Connection) -> Statement:
    """Return the statement that records several operations: of each the place and the order.

    It has no row for a caller if a condition does not hold, the key was used before, or the order
    is locked; it does not wait for an order.
    Raises, when executed: UniqueViolation: operations_one_running.
    """
    values = _BEGINNINGS.values(
        (
            *operation_store.new_of(operation_store.values_of(one.operation)),
            ",".join(one.states),
            one.amount,
            one.line["audit_id"],
            place,
        )
        for place, one in enumerate(rows)
    )
    values |= audit.values_of_several(one.line for one in rows)
    return _BEGIN, values | {"op_lease_seconds": LEASE_SECONDS}


def advance(rows: Sequence[Advancing], connection: Connection) -> Statement:
    """Return the statement that writes several orders with their events, answers and ends.

    Its rows are those whose lease is held. moved: 1 if the order was written, else 0.
    """
    values = _ADVANCINGS.values(
        (
            *store.changed_of(one.after),
            one.version_before,
            one.after.public_id,
            one.operation.id,
            one.operation.epoch,
            one.body,
            place,
        )
        for place, one in enumerate(rows)
    )
    events = [event for one in rows for event in one.events]
    values |= outbox.values_of(events, on=connection)
    if ended := [one.operation.id for one in rows if one.ends]:
        values["ended"] = arrays.ids(ended)
    return _ADVANCE[any(one.body is not None for one in rows), bool(ended)], values


_BEGINNINGS = Columns(
    "asked",
    **operation_store.NEW,
    op_states="text",
    op_amount="bigint",
    op_line="uuid",
    place="integer",
)
_ADVANCINGS = rows_of(
    orders,
    "asked",
    only=store.CHANGED,
    version_before="bigint",
    public_id="text",
    operation_id="uuid",
    operation_epoch="integer",
    body="bytea",
    place="integer",
)
_ORDER = ", ".join(column.name for column in orders.c)
# Always true. The planner expects one row, and so looks up rows by their keys.
_FEW = "place between 0 and 1000000"
# Another transaction may hold the lock of an order and wait for a row that this group has locked,
# so a locked order is skipped.
_BEGIN = f"""
with locked as (
    select {_ORDER}, {_BEGINNINGS.names} from {_BEGINNINGS.unnested} cross join lateral (
        select {_ORDER} from orders
        where marketplace_id = op_marketplace and id = op_order
            and state = any(string_to_array(op_states, ','))
            and (op_amount is null or amount = op_amount)
        for update skip locked
    ) as found
    where {_FEW}
),
claimed as (
    {idempotency.CLAIM_INTO}
    select op_marketplace, op_scope, op_key, op_fingerprint, 'running', now()
    from locked where not exists (
        select from operations where operations.marketplace_id = op_marketplace
            and operations.order_id = op_order and operations.state = 'running' offset 0
    )
    on conflict do nothing returning key
),
begun as (
    {operation_store.INSERT_NEW} from locked where op_key = any(array(select key from claimed))
    returning id
),
recorded as (
    select place, op_line, {_ORDER} from locked where op_id = any(array(select id from begun))
),
noted as ({audit.INSERT_SEVERAL} where line.id = any(array(select op_line from recorded)))
select place, {_ORDER} from recorded
"""  # noqa: S608
_ENDED = """ended as (
    update operations set state = 'succeeded', error = '', finished_at = now()
    where id = any(%(ended)s::uuid[]) and id = any(array(select operation_id from moved))
),"""
_ANSWERED = f"answered as ({idempotency.answer_from('moved')}),"
# The keys: whether any row has an answer, and whether any operation ends.
_ADVANCE = {
    (answers, ends): f"""
with held as (
    select {_ADVANCINGS.names}, scope, key from {_ADVANCINGS.unnested} cross join lateral (
        select scope, key from operations
        where operations.id = operation_id and lease_epoch = operation_epoch
            and operations.state = 'running'
        for update
    ) as found
    where {_FEW}
),
moved as (
    {store.update_from("held")}
    returning held.place, held.public_id, held.operation_id,
        held.marketplace_id, held.scope, held.key, held.body
),
{_ENDED if ends else ""}
{_ANSWERED if answers else ""}
told as ({outbox.INSERT} where event.aggregate_id = any(array(select public_id from moved)))
select place, 1 as held, (place = any(array(select place from moved)))::int as moved from held
"""  # noqa: S608
    for answers in (False, True)
    for ends in (False, True)
}
