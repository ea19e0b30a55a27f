"""Rebuild the stream from the outbox tables: `python -m chassis.rebuild`, as an admin of both.

For a stream that was lost or rolled back. Relays are stopped meanwhile, so that the events of each
aggregate keep their order. Services go on, and consumers skip events that they have handled.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import psycopg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError, ServerError
from psycopg import sql

from chassis.bus import Bus
from chassis.nats_settings import STREAM, StreamLimits
from chassis.settings import StreamSettings, load, read

SCHEMAS = ("orders", "ledger", "escrow", "disputes", "webhooks")
# By then the last messages of the ended relays have arrived.
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
    """Wipe the stream and note every event of every schema as unpublished; returns how many.

    nats_url: of an administrator of the stream. limits: of the new one.
    authority: of the servers' certificates; None: the system's.
    The relays publish them when this returns.
    Raises: psycopg.Error, nats errors, OSError, TimeoutError: nothing was wiped, or the relays
    publish the marked events; calling again is safe.
    """
    bus = Bus(url=nats_url, name="rebuild", limits=limits, authority=authority)
    try:
        async with AsyncExitStack() as held:
            connections = [await _hold_relay(held, database_url, schema) for schema in schemas]
            await asyncio.sleep(SETTLE_SECONDS)
            await _wipe(bus)
            return sum([await _mark(connection) for connection in connections])
    finally:
        await bus.close()


async def _hold_relay(held: AsyncExitStack, database_url: str, schema: str) -> Connection:
    """End the relay's session and take its lock; the next relay waits for it."""
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
    """Replace the stream by an empty one, which begins where no stream before it ended.

    A reader comes back with the sequence and id of its last event. Events come in another order
    now: if that one had its old place, the reader would miss what was moved before it.
    """
    context = await _stream(bus)
    last = (await context.stream_info(STREAM)).state.last_seq
    with suppress(NotFoundError):
        await context.delete_stream(STREAM)
    # A service may make it first, as it does at its start. No relay can publish yet.
    context = await _stream(bus)
    # The clock stands for streams that were lost: none had a thousand events a second since 1970.
    await context.purge_stream(STREAM, seq=max(last + 1, round(time.time() * 1000)))


async def _stream(bus: Bus) -> JetStreamContext:
    """Make the stream if it is missing.

    The server makes none while it removes the files of the one before, and while a service's call
    makes it too.
    """
    async with asyncio.timeout(LOCK_SECONDS):
        while True:
            try:
                return await bus.stream()
            except ServerError:
                await asyncio.sleep(0.05)


async def _mark(connection: Connection) -> int:
    # The version before has marked each event's own row.
    await connection.execute("update outbox set published_at = null where published_at is not null")
    await connection.execute("update outbox_published set ids = '{}'")
    cursor = await connection.execute("select count(*) from outbox")
    row = await cursor.fetchone()
    return int(str(row[0])) if row else 0


# pg_locks shows the two numbers of an advisory lock as unsigned.
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
