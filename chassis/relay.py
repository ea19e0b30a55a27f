"""Relay: outbox → bus. One relay of a schema publishes at a time, in the order of ids.

Events are selected by what is noted of each (`published.py`) and never by a cursor: ids are
assigned before commits, and a cursor would skip late ones. The next version of an aggregate is sent
when the one before is acknowledged.

A commit of this process wakes its relay. A process whose relay does not lead notifies the one that
does, after its commit. Nothing else polls, but for a look from time to time, which finds the events
of a process that died between its commit and its word.
"""

import asyncio
import contextlib
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from chassis import published, tracing
from chassis.bus import Bus, Message, publish_all
from chassis.database import Connection, Database
from chassis.published import Gaps
from chassis.session_lock import only_one
from chassis.signature import HEADER, EventSigner
from chassis.telemetry import logger
from kernel.errors import Unavailable
from kernel.ids import to_public

# Connections beside the pool.
CONNECTIONS = 1
BATCH = 256
# Between two looks for events, so that those of a busy service are published together.
TOGETHER_SECONDS = 0.01
# For so long it is not noted what was published: a look for the next events notes it, too.
NOTE_SECONDS = 0.05
# Between two looks that nothing asked for. Each is the heartbeat of the lock's session, too.
SELDOM_SECONDS = 4.0
# Between two words to the relay that leads.
WORD_SECONDS = 0.02
AWAY_SECONDS = 0.5
# Between two looks at gaps of ids.
GAPS_SECONDS = 10.0
log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One unpublished event. aggregate: marketplace, type and id; body: the JSON text."""

    id: int
    aggregate: tuple[object, ...]
    message: Message


async def run(*, database: Database, bus: Bus, signer: EventSigner | None = None) -> None:
    """Publish the schema's events until cancelled; survives outages of the database and the bus.

    signer: signs each event when it is published, so that a rebuild needs no keys.
    """
    while True:
        try:
            await _lead(database, bus, signer)
        except (Unavailable, NatsError, OSError, TimeoutError) as error:
            log.warning("relay.waits", schema=database.schema, error=type(error).__name__)
            await asyncio.sleep(AWAY_SECONDS)


async def _lead(database: Database, bus: Bus, signer: EventSigner | None) -> None:
    telling = asyncio.create_task(_tell_leader(database))
    try:
        async with only_one(database, kind="relay", name=database.schema) as connection:
            telling.cancel()
            context = await bus.stream()
            told = database.told
            connection.on_news = told.set
            await connection.run(f"listen {_channel(database)}")
            # What is noted need not be on the disk at once: an event of which the note is lost is
            # sent again, and the server knows its id.
            await connection.run("set synchronous_commit to off")
            await _relay(connection, context, database, signer)
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def _relay(
    connection: Connection,
    context: JetStreamContext,
    database: Database,
    signer: EventSigner | None,
) -> None:
    """Publish until cancelled. The notes of what was published follow a moment later."""
    told, done = database.told, list[int]()
    gaps, may_have_gaps, looked_for_gaps_at = Gaps(), True, time.monotonic()
    try:
        while True:
            # Before the look: what is told during it asks for another one.
            told.clear()
            looked_at = time.monotonic()
            rows, done = await _unpublished(connection, database.schema, signer, done), []
            done = await _publish(connection, context, rows)
            may_have_gaps = may_have_gaps or bool(rows)
            if may_have_gaps and looked_at > looked_for_gaps_at + GAPS_SECONDS:
                await published.mark(connection, done)
                done, below = [], rows[-1].id if rows else None
                may_have_gaps = await gaps.close(connection, below=below) or bool(rows)
                looked_for_gaps_at = looked_at
            if len(rows) < BATCH and not (done and await _is_told(told, seconds=NOTE_SECONDS)):
                await published.mark(connection, done)
                done = []
                await _is_told(told, seconds=SELDOM_SECONDS)
            await asyncio.sleep(looked_at + TOGETHER_SECONDS - time.monotonic())
    except asyncio.CancelledError:
        # Without the note they are sent again, and the server knows their ids.
        with contextlib.suppress(Exception):
            await published.mark(connection, done)
        raise


async def _is_told(told: asyncio.Event, *, seconds: float) -> bool:
    """Wait for word of events, at most so long; returns whether there was one."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await told.wait()
    return told.is_set()


async def _tell_leader(database: Database) -> None:
    """Notify the relay that leads of this process's events, until cancelled.

    In a transaction of its own: one with a notification waits for all others that have one, while
    it is committed. This one writes nothing, so it does not wait for the disk.
    """
    while True:
        await database.told.wait()
        database.told.clear()
        # Where it cannot be told, it looks by itself.
        with contextlib.suppress(Unavailable):
            async with database.statement() as connection:
                await connection.fetchrow(_NOTIFY, (_channel(database),))
        await asyncio.sleep(WORD_SECONDS)


def _channel(database: Database) -> str:
    """Return the name of the notifications about a schema's events."""
    return f"outbox_{database.schema}"


async def _unpublished(
    connection: Connection, schema: str, signer: EventSigner | None, done: Collection[int]
) -> list[Row]:
    """Read the events that are to be published. done: those of which this is to be noted first."""
    rows = await published.waiting(connection, limit=BATCH, done=done)
    return [_row(schema, values, signer) for values in rows]


async def _publish(
    connection: Connection,
    context: JetStreamContext,
    rows: Sequence[Row],
) -> list[int]:
    """Publish events; returns those of which it is still to be noted."""
    done = list[int]()
    for wave in waves(rows):
        await published.mark(connection, done)
        stored = await publish_all(context, [row.message for row in wave])
        done = [row.id for row, is_stored in zip(wave, stored, strict=True) if is_stored]
        if len(done) < len(wave):
            await published.mark(connection, done)
            raise TimeoutError("not every event was acknowledged")
    return done


def waves(rows: Iterable[Row]) -> list[list[Row]]:
    """Split rows so that each wave holds at most one event of an aggregate, in order."""
    result: list[list[Row]] = []
    depth: dict[tuple[object, ...], int] = {}
    for row in rows:
        position = depth.get(row.aggregate, 0)
        depth[row.aggregate] = position + 1
        if position == len(result):
            result.append([])
        result[position].append(row)
    return result


def _row(schema: str, values: tuple[object, ...], signer: EventSigner | None) -> Row:
    row_id, event_id, event_type, marketplace, kind, aggregate_id, occurred_at, body, trace = values
    public = to_public("evt", event_id)  # type: ignore[arg-type] # the column is uuid
    headers = {
        "ce-id": public,
        "ce-type": str(event_type),
        "ce-source": f"/orchestrator/{schema}",
        "ce-time": str(occurred_at),
        "ce-specversion": "1.0",
        "content-type": "application/json",
        "marketplace-id": str(marketplace),
    }
    subject, content = str(event_type), str(body).encode()
    if signer is not None:
        headers[HEADER] = signer.sign(subject, content)
    if trace:
        headers[tracing.HEADER] = str(trace)
    message = Message(subject=subject, message_id=public, headers=headers, body=content)
    assert isinstance(row_id, int)  # noqa: S101 - the column is bigint
    return Row(id=row_id, aggregate=(marketplace, kind, aggregate_id), message=message)


_NOTIFY = "select set_config('synchronous_commit', 'off', true), pg_notify(%s, '')"
