"""The outbox: events written in the caller's transaction, one row per version of an aggregate.

The table is the record and is kept; the stream on the bus can be rebuilt from it. The relay builds
the body that subscribers read from the columns of a row (`body_of`). A row is never updated:
published events are marked in another table (`published.py`).

The relay of the previous version reads the complete body from the row. So rows have it until an
instant that the migration sets; by then every replica must be replaced. After that instant rows are
*short*: they have the payload and no body.
"""

import datetime as dt
import functools
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

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

# short_from: rows are short from then on. In a new schema no process of the previous version has
# ever run, so rows are short at once.
SHORT_DDL = """
alter table {schema}.outbox
    add column causation_id text not null default '',
    add column user_id text not null default '',
    add column payload text,
    add constraint outbox_body check ((payload is null) = (body <> '')) not valid;
alter table {schema}.outbox_published
    add column short_from timestamptz not null default now() + interval '7 days';
"""
SHORT_AT_ONCE_DDL = "update {schema}.outbox_published set short_from = now()"

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


class Row(NamedTuple):
    """The columns of an event, in the order of INSERT. payload: JSON text; body: empty if short."""

    event_id: uuid.UUID
    marketplace_id: uuid.UUID
    event_type: str
    aggregate_type: str
    aggregate_id: str
    version: int
    occurred_at: dt.datetime
    correlation_id: str
    causation_id: str
    user_id: str
    trace: str
    payload: str | None
    body: str = ""


class Stored(Protocol):
    """The columns STORED of a row of the outbox."""

    event_id: uuid.UUID
    event_type: str
    marketplace_id: uuid.UUID
    aggregate_type: str
    aggregate_id: str
    version: int
    occurred: str
    correlation_id: str
    causation_id: str
    user_id: str
    payload: str | None
    body: str


# The columns that `body_of` reads. occurred: in the spelling of events.
STORED = """event_id, event_type, marketplace_id, aggregate_type, aggregate_id, version,
    to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as occurred,
    correlation_id, causation_id, user_id, payload, body"""


def body_of(row: Stored) -> bytes:
    """Return the JSON text that subscribers read. Source: reference §5."""
    if row.payload is None:
        return row.body.encode()
    return _body(row, payload=row.payload, occurred=row.occurred)


def _body(row: Stored | Row, *, payload: str, occurred: str) -> bytes:
    metadata = {
        "correlationId": row.correlation_id,
        "causationId": row.causation_id,
        "userId": row.user_id,
        "marketplaceId": _text(row.marketplace_id),
    }
    document = {
        "eventId": to_public("evt", row.event_id),
        "eventType": row.event_type,
        "occurredAt": occurred,
        "aggregateId": row.aggregate_id,
        "aggregateType": row.aggregate_type,
        "version": row.version,
        "payload": orjson.Fragment(payload),
        "metadata": metadata,
    }
    return orjson.dumps(document)


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


def rows(events: Iterable[Event]) -> list[Row]:
    """Return the rows of some events. They have the trace of the current request."""
    trace = tracing.recorded()
    return [
        Row(
            event.event_id,
            event.marketplace_id,
            event.event_type,
            event.aggregate_type,
            event.aggregate_id,
            event.version,
            event.occurred_at,
            event.correlation_id,
            event.causation_id,
            event.user_id,
            trace,
            orjson.dumps(event.payload).decode(),
        )
        for event in events
    ]


def values_of(found: Sequence[Row], *, on: Connection) -> dict[str, object]:
    """Return the parameters of INSERT for rows, by name.

    on: the connection that will execute INSERT. Its commit wakes the relay of this process.
    """
    on.has_told = on.has_told or bool(found)
    return _COLUMNS.values(found if on.writes_short else map(whole, found))


def values(events: Iterable[Event], *, on: Connection) -> dict[str, object]:
    """Return the parameters of INSERT for some events, as `values_of` does for rows."""
    return values_of(rows(events), on=on)


def whole(row: Row) -> Row:
    """Return a row as the relay of the previous version reads it."""
    assert row.payload is not None  # noqa: S101 - made by `rows`
    body = _body(row, payload=row.payload, occurred=_instant(row.occurred_at))
    return row._replace(payload=None, body=body.decode())


async def short_from(connection: Connection) -> dt.datetime:
    """Return the instant from which rows are short."""
    found: dt.datetime = await connection.fetchval("select short_from from outbox_published")
    return found


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
    causation_id="text",
    user_id="text",
    trace="text",
    payload="text",
    body="text",
)
# For use inside larger statements: append a condition. Its parameters are `values`.
INSERT = f"""
insert into outbox ({_COLUMNS.names}) select {_COLUMNS.names} from {_COLUMNS.unnested}
"""  # noqa: S608 - joined from constants of this file
