"""The outbox: events written in the caller's transaction, one row per version of an aggregate.

The table is the record and is kept; the stream on the bus can be rebuilt from it. A row has the
complete body, so the relay needs no other data. A row is never updated: published events are marked
in another table (`published.py`).
"""

import datetime as dt
import functools
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import orjson

from chassis import tracing
from chassis.arrays import Columns
from chassis.database import OneStatement, Together, Transaction
from kernel.clock import to_milliseconds_text
from kernel.ids import derived_id, to_public

# Run by the migrations of every schema that publishes events.
DDL = """
create table {schema}.outbox (
    id bigint generated always as identity primary key,
    event_id uuid not null unique,
    marketplace_id uuid not null,
    event_type text not null,
    aggregate_type text not null,
    aggregate_id text not null,
    version bigint not null check (version > 0),
    occurred_at timestamptz not null,
    correlation_id text not null,
    body text not null,
    published_at timestamptz,
    unique (marketplace_id, aggregate_type, aggregate_id, version)
);
create index outbox_unpublished on {schema}.outbox (id) where published_at is null;
"""

# This index is redundant: event_id, which is unique, is derived from the columns of this
# constraint.
DROP_WIDE_INDEX_DDL = """
do $$
declare
    wide text;
begin
    select conname into strict wide from pg_constraint
    where conrelid = '{schema}.outbox'::regclass and contype = 'u' and cardinality(conkey) = 4;
    execute format('alter table {schema}.outbox drop constraint %I', wide);
end $$;
"""

# published_at is no longer written. The index would list every event, as the primary key does.
DROP_UNPUBLISHED_INDEX_DDL = "drop index concurrently if exists {schema}.outbox_unpublished"

# The trace of the request that wrote the event; consumers continue this trace. Empty: no trace.
TRACE_DDL = "alter table {schema}.outbox add column trace text not null default '';"

# The events of a transaction have the same instant, so its text is cached.
_instant = functools.lru_cache(maxsize=256)(to_milliseconds_text)
_text = functools.lru_cache(maxsize=4096)(str)


class Event(NamedTuple):
    """A fact about an aggregate.

    event_type: "order.created". aggregate_id: the public id. version: 1..n per aggregate, without a
    gap. payload: JSON values by their documented camelCase names.
    """

    event_type: str
    aggregate_type: str
    aggregate_id: str
    version: int
    marketplace_id: uuid.UUID
    occurred_at: dt.datetime
    payload: Mapping[str, object]
    correlation_id: str = ""
    causation_id: str = ""
    user_id: str = ""

    @property
    def event_id(self) -> uuid.UUID:
        """Return the event's id, derived from marketplace, aggregate and version."""
        # Joined here, because `derived_id` is slower for these few known parts.
        marketplace, kind = _text(self.marketplace_id), self.aggregate_type
        return derived_id(f"event:{marketplace}:{kind}:{self.aggregate_id}:{self.version}")

    def body(self, event_id: uuid.UUID) -> str:
        """Return the JSON text that subscribers read. event_id: the event's id.

        Source: reference §5.
        """
        metadata = {
            "correlationId": self.correlation_id,
            "causationId": self.causation_id,
            "userId": self.user_id,
            "marketplaceId": _text(self.marketplace_id),
        }
        document = {
            "eventId": to_public("evt", event_id),
            "eventType": self.event_type,
            "occurredAt": _instant(self.occurred_at),
            "aggregateId": self.aggregate_id,
            "aggregateType": self.aggregate_type,
            "version": self.version,
            "payload": self.payload,
            "metadata": metadata,
        }
        return orjson.dumps(document).decode()


class Outbox:
    """Appends events to the outbox of the transaction's schema (by its search path)."""

    async def append(self, tx: Transaction, events: Iterable[Event]) -> None:
        """Write events in the caller's transaction.

        NOTIFY is not used here: it locks the whole database at commit, so commits would queue. The
        commit wakes the relay of this process; a relay in another process is told afterwards
        (relay.py).

        Raises: psycopg.errors.UniqueViolation: the version exists already; the transaction is lost,
            as it must be.
        """
        if found := list(events):
            await tx.run(INSERT, values(found, on=tx))

    def add(self, many: Together, events: Iterable[Event], *, on: Transaction) -> None:
        """Write events as `append` does, in one round trip with other statements."""
        if found := list(events):
            many.add(INSERT, values(found, on=on))


# One event, in the order of the columns of INSERT.
Row = tuple[object, ...]


def rows(events: Iterable[Event]) -> list[Row]:
    """Return the rows of some events. They have the trace of the current request."""
    trace = tracing.recorded()
    return [
        (
            event_id := event.event_id,
            event.marketplace_id,
            event.event_type,
            event.aggregate_type,
            event.aggregate_id,
            event.version,
            event.occurred_at,
            event.body(event_id),
            trace,
        )
        for event in events
    ]


def values_of(found: Sequence[Row], *, on: OneStatement) -> dict[str, object]:
    """Return the parameters of INSERT for rows, by name.

    on: the connection that will execute INSERT. Its commit wakes the relay of this process.
    """
    on.has_told = on.has_told or bool(found)
    return _COLUMNS.values(found)


def values(events: Iterable[Event], *, on: OneStatement) -> dict[str, object]:
    """Return the parameters of INSERT for some events, as `values_of` does for rows."""
    return values_of(rows(events), on=on)


_COLUMNS = Columns(
    "event",
    event_id="uuid",
    marketplace_id="uuid",
    event_type="text",
    aggregate_type="text",
    aggregate_id="text",
    version="bigint",
    occurred_at="timestamptz",
    body="text",
    trace="text",
)
# For use inside larger statements: append a condition. Its parameters are `values`. The correlation
# id is in the body; nothing reads its column.
INSERT = f"""
insert into outbox ({_COLUMNS.names}, correlation_id)
select {_COLUMNS.names}, '' from {_COLUMNS.unnested}
"""  # noqa: S608 - joined from constants of this file
