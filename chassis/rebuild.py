# ruff: noqa: S608 - statements are put together from the constants below alone
"""Rebuild the stream from the outboxes: `python -m chassis.rebuild`, as database and NATS admin.

Use it for a stream that was lost or rolled back. The relays are stopped meanwhile, so the events of
each aggregate keep their order. Services continue, and consumers skip events that they have
handled. Webhooks also drops events that the outboxes lack: a restored database may have lost them.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import LiteralString

import psycopg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError, ServerError
from psycopg import sql

from chassis.bus import Bus
from chassis.nats_settings import STREAM, StreamLimits
from chassis.settings import StreamSettings, load, read

SCHEMAS: tuple[LiteralString, ...] = ("orders", "ledger", "escrow", "disputes", "webhooks")
# After this time the last messages of the stopped relays have arrived.
SETTLE_SECONDS = 1.0
LOCK_SECONDS = 30
Connection = psycopg.AsyncConnection[tuple[object, ...]]


async def rebuild(
    *,
    database_url: str,
    nats_url: str,
    authority: Path | None = None,
    schemas: Sequence[str] = SCHEMAS,
    limits: StreamLimits = StreamLimits(),  # noqa: B008 - frozen
) -> int:
    """Empty the stream and mark all events of all schemas as unpublished; returns their number.

    If the schemas include webhooks, all schemas must exist. The relays publish the events after
    this returns. nats_url: with an administrator of the stream.
    limits: of the new stream. authority: of the servers' certificates; None: the system's.
    Raises: psycopg.Error, nats errors, OSError, TimeoutError: either nothing was wiped, or the
        relays publish the marked events; calling it again is safe.
    """
    bus = Bus(url=nats_url, name="rebuild", limits=limits, authority=authority)
    try:
        async with AsyncExitStack() as held:
            connections = [await _hold_relay(held, database_url, schema) for schema in schemas]
            await asyncio.sleep(SETTLE_SECONDS)
            await _wipe(bus)
            count = sum([await _mark(connection) for connection in connections])
            # Last, so that the relays publish the marked events even if this fails.
            if "webhooks" in schemas:
                await _drop_lost_events(database_url)
            return count
    finally:
        await bus.close()


async def _hold_relay(held: AsyncExitStack, database_url: str, schema: str) -> Connection:
    """End the session of the leading relay and take its lock; the next relay then waits for it."""
    connection = await psycopg.AsyncConnection.connect(database_url, autocommit=True)
    await held.enter_async_context(connection)
    await connection.execute(sql.SQL("set search_path to {}").format(sql.Identifier(schema)))
    async with asyncio.timeout(LOCK_SECONDS):
        while not await _take(connection, schema):
            await connection.execute(_END_HOLDER, (schema,))
            await asyncio.sleep(0.01)
    return connection


async def _take(connection: Connection, schema: str) -> bool:
    cursor = await connection.execute(
        "select pg_try_advisory_lock(hashtext('relay'), hashtext(%s))", (schema,)
    )
    row = await cursor.fetchone()
    return row is not None and row[0] is True


async def _wipe(bus: Bus) -> None:
    """Replace the stream by an empty one whose sequence starts above all sequences used before.

    A reader resumes after the sequence of its last event. The events are published in another order
    now. If sequences were used again, the reader would miss events that now come earlier.
    """
    context = await _stream(bus)
    last = (await context.stream_info(STREAM)).state.last_seq
    with suppress(NotFoundError):
        await context.delete_stream(STREAM)
    # A service may create the stream first, when it starts. No relay can publish yet.
    context = await _stream(bus)
    # Milliseconds since 1970 exceed the sequence of any lost stream: none had 1,000 events a
    # second.
    await context.purge_stream(STREAM, seq=max(last + 1, round(time.time() * 1000)))


async def _stream(bus: Bus) -> JetStreamContext:
    """Create the stream if it is missing; retries for LOCK_SECONDS.

    The server refuses while it still removes the old stream's files, and while a service creates
    the stream at the same time.
    """
    async with asyncio.timeout(LOCK_SECONDS):
        while True:
            try:
                return await bus.stream()
            except ServerError:
                await asyncio.sleep(0.05)


async def _drop_lost_events(database_url: str) -> None:
    """Delete from the list of events, and from deliveries that wait, what no outbox has.

    Webhooks has read the old stream since the database was restored. Its places in the stream are
    reset first, so that it can store nothing more of that. What was done again has the same id at
    another time: it is read again from the new stream.
    """
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        for statement in (*_RESET_PLACES, _DROP_FROM_LIST, _DROP_DELIVERIES):
            await connection.execute(statement)


async def _mark(connection: Connection) -> int:
    # The previous version marked each event in its own row.
    await connection.execute("update outbox set published_at = null where published_at is not null")
    await connection.execute("update outbox_published set ids = '{}'")
    cursor = await connection.execute("select count(*) from outbox")
    row = await cursor.fetchone()
    return int(str(row[0])) if row else 0


_RESET_PLACES: tuple[LiteralString, ...] = (
    "update webhooks.recording set made = '', sequence = 0",
    "update webhooks.intake set made = '', sequence = 0",
)
# Events tell milliseconds.
_KEPT: LiteralString = " union all ".join(
    "select marketplace_id, aggregate_type, aggregate_id, event_type,"
    f" date_trunc('milliseconds', occurred_at) as occurred_at from {schema}.outbox"
    for schema in SCHEMAS
)
_DROP_FROM_LIST: LiteralString = f"""
delete from webhooks.events
where (marketplace_id, aggregate_type, aggregate_id, type, occurred_at) in (
    select marketplace_id, aggregate_type, aggregate_id, type, occurred_at from webhooks.events
    except all {_KEPT})
"""
_DROP_DELIVERIES: LiteralString = f"""
with kept as ({_KEPT})
delete from webhooks.deliveries d where d.state = 'PENDING' and not exists (
    select from kept k
    where k.marketplace_id = d.marketplace_id and k.aggregate_type = d.aggregate_type
      and k.aggregate_id = d.aggregate_id and k.event_type = d.event_type
      and to_char(k.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
        = d.body::json ->> 'occurredAt')
"""
# pg_locks shows the two keys of an advisory lock as unsigned numbers.
_END_HOLDER = """
select pg_terminate_backend(pid) from pg_locks
where locktype = 'advisory' and granted and pid <> pg_backend_pid()
    and database = (select oid from pg_database where datname = current_database())
    and classid = (hashtext('relay')::bigint & 4294967295)::oid
    and objid = (hashtext(%s)::bigint & 4294967295)::oid
"""


def main() -> None:
    """Run from the command line; DATABASE_URL, NATS_URL and NATS_CA_FILE say where."""
    database_url, nats_url = read("DATABASE_URL"), read("NATS_URL")
    given = read("NATS_CA_FILE")
    for name, value in (("DATABASE_URL", database_url), ("NATS_URL", nats_url)):
        if "://" not in value:
            sys.exit(f"rebuild: setting {name}: a URL is required")
    try:
        limits = load(StreamSettings, program="rebuild").stream_limits
        count = asyncio.run(
            rebuild(
                database_url=database_url,
                nats_url=nats_url,
                limits=limits,
                authority=Path(given) if given else None,
            )
        )
    except (psycopg.Error, NatsError, OSError, TimeoutError) as error:
        sys.exit(f"rebuild: {type(error).__name__}: {error}")
    sys.stdout.write(f"rebuild: {count} events are being published again\n")


if __name__ == "__main__":
    main()
