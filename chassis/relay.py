"""Relay: outbox → bus. One relay per schema publishes at a time, in the order of ids.

Events are selected by their published marks (`published.py`), never by a cursor: ids are assigned
before the commit, so a cursor would skip events that commit late. The next version of an aggregate
is sent only after the previous version is acknowledged.

A commit wakes the relay of its own process. If another process leads, the process notifies that
leader after the commit. Besides, the relay looks every SELDOM_SECONDS: it then finds the events of
a process that died between its commit and its notification.
"""

import asyncio
import contextlib
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from chassis import outbox, published, tracing
from chassis.bus import Bus, Message, publish_all
from chassis.database import Connection, Database
from chassis.published import Gaps, Waiting
from chassis.session_lock import only_one
from chassis.signature import HEADER, EventSigner
from chassis.telemetry import logger
from kernel.errors import Unavailable
from kernel.ids import to_public

# Connections that the relay uses outside the pool.
CONNECTIONS = 1
BATCH = 256
# The pause between two looks, so that a busy service's events are published in batches.
TOGETHER_SECONDS = 0.01
# Published events are marked after this time, or by the next look if it comes sooner.
NOTE_SECONDS = 0.05
# The pause between two looks without a wake-up. Each look is also the heartbeat of the lock.
SELDOM_SECONDS = 4.0
# The pause between two notifications to the leading relay.
WORD_SECONDS = 0.02
AWAY_SECONDS = 0.5
# The pause between two checks for gaps of ids.
GAPS_SECONDS = 10.0
log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One unpublished event. aggregate: marketplace, type and id. message: as it is published."""

    id: int
    aggregate: tuple[object, ...]
    message: Message


async def run(*, database: Database, bus: Bus, signer: EventSigner | None = None) -> None:
    """Publish the schema's events until cancelled. Survives outages of the database and the bus.

    signer: signs each event when it is published, so a rebuild needs no keys.
    """
    while True:
        try:
            if database.short_from is None:
                async with database.statement() as connection:
                    database.short_from = await outbox.short_from(connection)
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
            # Marks need not be on disk at once: an event whose mark is lost is sent again, and the
            # server drops the duplicate by its id.
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
    """Publish until cancelled. Published events are marked a moment later."""
    told, done = database.told, list[int]()
    gaps, may_have_gaps, looked_for_gaps_at = Gaps(), True, time.monotonic()
    try:
        while True:
            # Cleared before the look: a wake-up during the look then causes another look.
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
        # Events that stay unmarked are sent again; the server drops the duplicates by their ids.
        with contextlib.suppress(Exception):
            await published.mark(connection, done)
        raise


async def _is_told(told: asyncio.Event, *, seconds: float) -> bool:
    """Wait for a wake-up, at most this long; returns whether there was one."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await told.wait()
    return told.is_set()


async def _tell_leader(database: Database) -> None:
    """Notify the leading relay of this process's events, until cancelled.

    Each notification has its own transaction, because transactions with a notification commit one
    after another. This transaction writes nothing, so its commit does not wait for the disk.
    """
    while True:
        await database.told.wait()
        database.told.clear()
        # If the notification fails, the leading relay finds the events at its next look.
        with contextlib.suppress(Unavailable):
            async with database.statement() as connection:
                await connection.fetchrow(_NOTIFY, (_channel(database),))
        await asyncio.sleep(WORD_SECONDS)


def _channel(database: Database) -> str:
    """Return the name of the notification channel for a schema's events."""
    return f"outbox_{database.schema}"


async def _unpublished(
    connection: Connection, schema: str, signer: EventSigner | None, done: Collection[int]
) -> list[Row]:
    """Read the events to publish. done: ids to mark as published first."""
    rows = await published.waiting(connection, limit=BATCH, done=done)
    return [_row(schema, one, signer) for one in rows]


async def _publish(
    connection: Connection,
    context: JetStreamContext,
    rows: Sequence[Row],
) -> list[int]:
    """Publish events; returns the ids that must still be marked as published."""
    done = list[int]()
    for wave in waves(rows):
        try:
            stored = await publish_all(context, [row.message for row in wave])
        except Exception:
            await published.mark(connection, done)
            raise
        done += [row.id for row, is_stored in zip(wave, stored, strict=True) if is_stored]
        if not all(stored):
            await published.mark(connection, done)
            raise TimeoutError("not every event was acknowledged")
    return done


def waves(rows: Iterable[Row]) -> list[list[Row]]:
    """Split rows into waves, in order. A wave has at most one event of each aggregate."""
    result: list[list[Row]] = []
    depth: dict[tuple[object, ...], int] = {}
    for row in rows:
        position = depth.get(row.aggregate, 0)
        depth[row.aggregate] = position + 1
        if position == len(result):
            result.append([])
        result[position].append(row)
    return result


def _row(schema: str, one: Waiting, signer: EventSigner | None) -> Row:
    public = to_public("evt", one.event_id)
    headers = {
        "ce-id": public,
        "ce-type": one.event_type,
        "ce-source": f"/orchestrator/{schema}",
        "ce-time": one.occurred,
        "ce-specversion": "1.0",
        "content-type": "application/json",
        "marketplace-id": str(one.marketplace_id),
    }
    content = outbox.body_of(one)
    if signer is not None:
        headers[HEADER] = signer.sign(one.event_type, content)
    if one.trace:
        headers[tracing.HEADER] = one.trace
    message = Message(subject=one.event_type, message_id=public, headers=headers, body=content)
    aggregate = (one.marketplace_id, one.aggregate_type, one.aggregate_id)
    return Row(id=one.id, aggregate=aggregate, message=message)


_NOTIFY = "select set_config('synchronous_commit', 'off', true), pg_notify(%s, '')"
