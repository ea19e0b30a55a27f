"""The list of events in PostgreSQL: read and write rows as dataclasses."""

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from chassis.arrays import Columns
from chassis.database import Transaction
from chassis.following import Place
from kernel.errors import InvalidArgument
from services.webhooks.domain import (
    KEPT,
    PURGED_AT_ONCE,
    EventNotFound,
    EventsWanted,
    ListedEvent,
)
from services.webhooks.packing import Said, unpacked


class EventStore:
    """Inserts events of all marketplaces, lists those of one, and deletes old ones."""

    async def add(self, tx: Transaction, new: Iterable[Sequence[object]]) -> int:
        """Insert events in the given order; existing rows are kept.

        new: the values of NEW. Returns the number of inserted rows.
        """
        return await tx.run(_ADD, NEW.values(new))

    async def find(self, tx: Transaction, marketplace_id: uuid.UUID, event_id: str) -> ListedEvent:
        """Read an event. Raises: EventNotFound."""
        row = await tx.fetchrow(_FIND, {"marketplace_id": marketplace_id, "id": event_id})
        if row is None:
            raise EventNotFound("Event not found")
        return _event(row)

    async def page(
        self, tx: Transaction, marketplace_id: uuid.UUID, wanted: EventsWanted, *, limit: int
    ) -> list[ListedEvent]:
        """List a marketplace's events, newest first."""
        before, sequence = wanted.before
        values = {
            "marketplace_id": marketplace_id,
            "types": list(wanted.types),
            "aggregate_id": wanted.aggregate_id,
            "from": wanted.occurred_from,
            "before": before,
            "sequence": sequence,
            "limit": limit,
        }
        statement = PAGES[bool(wanted.aggregate_id), bool(wanted.types)]
        return [_event(row) for row in await tx.fetch(statement, values)]

    async def purge(self, tx: Transaction) -> int:
        """Delete a batch of events recorded more than KEPT ago; return their number."""
        return await tx.run(_PURGE, {"kept": KEPT, "limit": PURGED_AT_ONCE})

    async def place(self, tx: Transaction) -> tuple[Place, dt.datetime]:
        """Read the place in the stream up to which events are recorded, and when packing begins."""
        row = await tx.fetchrow("select made, sequence, packs_from from recording", {})
        if row is None:
            raise InvalidArgument("the table recording has no row")
        return Place(made=row.made, sequence=row.sequence), row.packs_from

    async def advance(self, tx: Transaction, before: Place, after: Place) -> bool:
        """Replace the place `before` by `after`; False: another process has changed it."""
        values = {"made": before.made, "sequence": before.sequence}
        values |= {"next_made": after.made, "next_sequence": after.sequence}
        return await tx.run(_ADVANCE, values) == 1


def _event(row: Any) -> ListedEvent:
    body: str = row.body
    if row.packed is not None:
        body = unpacked(row.packed, Said(*row[:_SAID]))
    return ListedEvent(id=row.id, sequence=row.sequence, occurred_at=row.occurred_at, body=body)


NEW = Columns(
    "new",
    marketplace_id="uuid",
    id="text",
    type="text",
    occurred_at="timestamptz",
    aggregate_type="text",
    aggregate_id="text",
    body="text",
    packed="bytea",
)
_SAID = len(Said._fields)
_SHOWN = f"{NEW.names}, sequence"
_FOUND = ", ".join(f"found.{name}" for name in _SHOWN.split(", "))
# Rows are inserted in the order of the arrays, so the sequence follows that order.
_ADD = f"""
insert into events ({NEW.names}, recorded_at)
select {NEW.names}, clock_timestamp() from {NEW.unnested}
on conflict do nothing
"""  # noqa: S608 - joined from constants of this file
_FIND = f"""
select {_SHOWN} from events where marketplace_id = %(marketplace_id)s and id = %(id)s
"""  # noqa: S608 - joined from constants of this file
_NEWEST = "order by occurred_at desc, sequence desc limit %(limit)s"


def _listing(condition: str) -> str:
    return f"""
select {_SHOWN} from events
where marketplace_id = %(marketplace_id)s and {condition}
  and occurred_at >= %(from)s and (occurred_at, sequence) < (%(before)s, %(sequence)s)
{_NEWEST}
"""  # noqa: S608 - joined from constants of this file


def _of_each(names: str, condition: str) -> str:
    """Return the statement that lists the newest events of each type, and then of all types.

    Each type is read along its index, so no event of another type is read.
    """
    return f"""
select {_FOUND} from {names}
cross join lateral ({_listing(f"{condition}type = wanted.name")}) found
{_NEWEST}
"""  # noqa: S608 - joined from constants of this file


_TYPES = "unnest(%(types)s::text[]) as wanted (name)"
_OF_AGGREGATE = "marketplace_id = %(marketplace_id)s and aggregate_id = %(aggregate_id)s"
# The types of an aggregate's events, by one index lookup each. The last row is null.
_TYPES_OF_AGGREGATE = f"""
with recursive wanted (name) as (
    (select type from events where {_OF_AGGREGATE} order by type limit 1)
    union all
    select (select type from events where {_OF_AGGREGATE} and type > wanted.name
            order by type limit 1)
    from wanted where wanted.name is not null
)
"""  # noqa: S608 - joined from constants of this file
# (filter by aggregate, filter by types) → the statement.
PAGES = {
    (False, False): _listing("true"),
    (False, True): _of_each(_TYPES, ""),
    (True, False): _TYPES_OF_AGGREGATE + _of_each("wanted", "aggregate_id = %(aggregate_id)s and "),
    (True, True): _of_each(_TYPES, "aggregate_id = %(aggregate_id)s and "),
}
_PURGE = """
delete from events where (marketplace_id, id) in (
    select marketplace_id, id from events where recorded_at < clock_timestamp() - %(kept)s
    order by recorded_at limit %(limit)s)
"""
_ADVANCE = """
update recording set made = %(next_made)s, sequence = %(next_sequence)s
where made = %(made)s and sequence = %(sequence)s
"""
