"""The outbox: events written in the caller's transaction, one row for each version.

The table is the record and is kept; what is on the bus can be rebuilt from it. The row holds the
finished body, so that the relay needs to know nothing. It is not written again: which events are
published is noted beside them (`published.py`).
"""

import datetime as dt
import functools
import uuid
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import orjson

from chassis import tracing
from chassis.arrays import Columns
from chassis.database import Connection, Together, Transaction
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

# The event's id is made of what this constraint names, and is unique: the wide index says it again.
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

# Nobody writes published_at any more, so this index has every event, as the primary key does.
DROP_UNPUBLISHED_INDEX_DDL = "drop index concurrently if exists {schema}.outbox_unpublished"

# The trace of the request that wrote the event; consumers continue it. Empty: none.
TRACE_DDL = "alter table {schema}.outbox add column trace text not null default '';"

# The events of a transaction share their instant, and mostly their marketplace.
_instant = functools.lru_cache(maxsize=256)(to_milliseconds_text)
_text = functools.lru_cache(maxsize=4096)(str)


class Event(NamedTuple):
    """A fact about an aggregate.

    event_type: "order.created". aggregate_id: the public spelling. version: 1..n of the aggregate,
    without a gap. payload: JSON values by their documented camelCase names.
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
        """Return its id, which is made of what it says the next version of."""
        # Joined here: it is quicker for a few parts that are known.
        marketplace, kind = _text(self.marketplace_id), self.aggregate_type
        return derived_id(f"event:{marketplace}:{kind}:{self.aggregate_id}:{self.version}")

    def body(self, event_id: uuid.UUID) -> str:
        """Return the JSON text that subscribers read. event_id: its own.

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

        No NOTIFY: it takes a lock on the whole database at commit, so commits would queue. The
        relay of this process is woken by the commit, that of another looks from time to time.

        Raises: psycopg.errors.UniqueViolation: the version was written before; the transaction is
            lost, as it must be.
        """
        if found := list(events):
            await tx.run(INSERT, values(found, on=tx))

    def add(self, many: Together, events: Iterable[Event], *, on: Transaction) -> None:
        """Write events together with other statements of a transaction, as `append` does."""
        if found := list(events):
            many.add(INSERT, values(found, on=on))


def values(events: Iterable[Event], *, on: Connection) -> dict[str, object]:
    """Return the parameters of INSERT for some events, by name.

    on: the connection that executes INSERT; its commit wakes the relay of this process.
    """
    trace = tracing.recorded()
    rows = [
        (
            event_id := event.event_id,
            event.marketplace_id,
            event.event_type,
            event.aggregate_type,
            event.aggregate_id,
            event.version,
            event.occurred_at,
            event.correlation_id,
            event.body(event_id),
            trace,
        )
        for event in events
    ]
    on.has_told = on.has_told or bool(rows)
    return _COLUMNS.values(rows)


_COLUMNS = Columns(
    "event",
    event_id="uuid",
    marketplace_id="uuid",
    event_type="text",
    aggregate_type="text",
    aggregate_id="text",
    version="bigint",
    occurred_at="timestamptz",
    correlation_id="text",
    body="text",
    trace="text",
)
# A part of larger statements: append a condition. Its parameters are `values`.
INSERT = f"""
insert into outbox ({_COLUMNS.names}) select {_COLUMNS.names} from {_COLUMNS.unnested}
"""  # noqa: S608 - joined from constants of this file
