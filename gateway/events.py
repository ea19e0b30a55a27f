"""Event streams for clients: server-sent events of one marketplace, in order, with replay.

A connected client gets each event once and in order. Events that do not fit its buffer are read
again from NATS.
"""

import asyncio
import contextlib
import datetime as dt
import re
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from nats.errors import Error as NatsError

from chassis.bus import Bus
from chassis.events import Event, is_typed
from chassis.nats_settings import SUBJECTS
from chassis.telemetry import logger
from gateway.errors import invalid, invalid_cursor
from gateway.event_types import AGGREGATE_TYPES
from gateway.stream import RETRY_SECONDS, Stream, end, event_at, newest
from kernel.errors import NotFound, Unavailable
from kernel.ids import from_public, to_public

ALL = "*"
PING = b"event: ping\ndata: {}\n\n"
READY_SECONDS = 2.0
# The sequence of a stream begins at 1.
CURSOR = r"([1-9][0-9]{0,17})-(evt_[0-9A-Za-z]{1,64})"
_CURSOR = re.compile(CURSOR, re.ASCII)
_PATTERN = re.compile(r"[a-z_]{1,40}\.(\*|[a-z_]{1,60})", re.ASCII)
log = logger()


class EventNotFound(NotFound):
    """The caller's marketplace has no such event, or it is no longer kept."""

    reason = "EVENT_NOT_FOUND"


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last event that a client has received: its sequence in the stream, and its id."""

    sequence: int
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events of a marketplace a client wants. Empty collections: all.

    types: names, or family.*. resource_types: Order, Balance and so on. after: the last event that
    the client has; None: only new events. concerns: returns whether the client may get an event, by
    its body. shown: returns the part of a body that the client may see; None: the whole body.
    """

    marketplace_id: uuid.UUID
    types: Collection[str] = ()
    resource_types: Collection[str] = ()
    after: Cursor | None = None
    concerns: Callable[[Mapping[str, Any]], Awaitable[bool]] | None = None
    shown: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where a client begins: at a sequence of the stream that was created at this instant."""

    sequence: int
    made: dt.datetime | None


def cursor(text: str | None) -> Cursor | None:
    """Parse a Last-Event-ID. Raises: InvalidArgument: it is not a cursor of this API."""
    if not text:
        return None
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise invalid_cursor("Last-Event-ID", what="header")
    return Cursor(int(match[1]), match[2])


def event_id(text: str) -> str:
    """Parse an event's id in either spelling. Raises: EventNotFound."""
    value = from_public("evt", text)
    if value is None:
        raise EventNotFound("Event not found")
    return to_public("evt", value)


def resource_types(text: str | None) -> tuple[str, ...]:
    """Parse a comma-separated list of aggregate types. Raises: InvalidArgument."""
    parts = tuple(part.strip() for part in (text or "").split(",") if part.strip())
    if not set(parts) <= set(AGGREGATE_TYPES):
        raise invalid("resourceTypes", f"must be among {', '.join(AGGREGATE_TYPES)}")
    return parts


def patterns(text: str | None) -> tuple[str, ...]:
    """Parse a comma-separated list of event types. Types that a listed family covers are dropped.

    Empty, or with `*`: all types. Raises: InvalidArgument: a name is not valid, or its family is
    unknown.
    """
    named = {part.strip() for part in (text or "").split(",") if part.strip()}
    parts = named - {ALL}
    for part in parts:
        if _PATTERN.fullmatch(part) is None or f"{part.partition('.')[0]}.*" not in SUBJECTS:
            problem = f"unknown event type {part[:100]!r}; examples: order.created, order.*"
            raise invalid("types", problem)
    if ALL in named:
        return ()
    whole = {part for part in parts if part.endswith(".*")}
    return tuple(sorted(p for p in parts if p in whole or f"{p.partition('.')[0]}.*" not in whole))


class Feed:
    """Opens event streams. ping_seconds: after this time without events, a stream sends a ping."""

    def __init__(self, bus: Bus, *, ping_seconds: int) -> None:
        self._bus = bus
        self._stream = Stream(bus)
        self._ping_seconds = ping_seconds
        self._stopping = asyncio.Event()

    async def is_ready(self) -> bool:
        """Return whether the stream can be read now."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._bus.stream()
        except (NatsError, OSError, TimeoutError):
            return False
        return True

    async def open(self, wanted: Wanted) -> AsyncGenerator[bytes]:
        """Open an event stream: from the event after `wanted.after`, or new events only.

        Raises: Unavailable: NATS is unavailable.
        """
        try:
            async with asyncio.timeout(READY_SECONDS):
                made, last = await newest(self._bus)
                start = Start(sequence=last + 1, made=made)
                if (after := wanted.after) is not None:
                    # A rebuilt stream has other sequences. All events are then sent again: a client
                    # can recognise a repeated event by its id, but cannot notice a missing event.
                    known = await event_at(self._bus, after.sequence)
                    same = known is not None and known.event_id == after.event_id
                    start = Start(sequence=after.sequence + 1 if same else 1, made=made)
        except (NatsError, OSError, TimeoutError):
            raise Unavailable("The event stream is unavailable") from None
        return self._chunks(wanted, start)

    def stop(self) -> None:
        """End every stream, because the process will stop."""
        self._stopping.set()

    async def close(self) -> None:
        """Close the connection to NATS."""
        await self._bus.close()

    async def _chunks(self, wanted: Wanted, start: Start) -> AsyncGenerator[bytes]:
        messages = self._events(wanted, start)
        clock = asyncio.get_running_loop().time
        stopped: asyncio.Future[Any] = asyncio.ensure_future(self._stopping.wait())
        coming: asyncio.Future[Any] | None = None
        try:
            yield PING
            ping_at = clock() + self._ping_seconds
            while not stopped.done():
                coming = coming or asyncio.ensure_future(anext(messages))
                left = max(ping_at - clock(), 0)
                done, _ = await asyncio.wait(
                    {coming, stopped}, timeout=left, return_when=asyncio.FIRST_COMPLETED
                )
                chunk = None
                if coming in done:
                    chunk, coming = await _chunk(coming.result(), wanted), None
                # An event that this client may not get does not replace a ping.
                if chunk is not None or clock() >= ping_at:
                    yield chunk or PING
                    ping_at = clock() + self._ping_seconds
        finally:
            try:
                await end(*(task for task in (coming, stopped) if task is not None))
            finally:
                await messages.aclose()

    async def _events(self, wanted: Wanted, start: Start) -> AsyncGenerator[Event]:
        """Yield a marketplace's events in order, starting at a sequence, without an end."""
        following, made = start.sequence, start.made
        async with contextlib.AsyncExitStack() as joined:
            while True:
                began = following
                try:
                    await self._stream.join(joined)
                    if made != self._stream.made:
                        following, made = 1, self._stream.made
                    async with contextlib.aclosing(self._from(following, wanted)) as events:
                        async for event in events:
                            following = event.sequence + 1
                            yield event
                except (NatsError, OSError, TimeoutError) as error:
                    log.info("events.replay_lost", error=type(error).__name__)
                if following == began:
                    await asyncio.sleep(RETRY_SECONDS)

    async def _from(self, following: int, wanted: Wanted) -> AsyncGenerator[Event]:
        """Yield past events from a sequence on, then new events, until the client falls behind."""
        marketplace_id = str(wanted.marketplace_id)
        live = self._stream.attach(marketplace_id)
        try:
            if following < live.first:
                before = self._stream.replay(
                    marketplace_id=marketplace_id,
                    subjects=wanted.types,
                    first=following,
                    end=live.first,
                )
                async with contextlib.aclosing(before):
                    async for event in before:
                        yield event
            async for event in live.events():
                if event.sequence >= following and is_typed(event.type, wanted.types):
                    yield event
        finally:
            self._stream.detach(live)


async def _chunk(event: Event, wanted: Wanted) -> bytes | None:
    """Format an event for a client; None: the client does not get the event."""
    body = event.body
    if wanted.resource_types and body["aggregateType"] not in wanted.resource_types:
        return None
    if wanted.concerns is not None and not await wanted.concerns(body):
        return None
    head = f"id: {event.sequence}-{event.event_id}\nevent: {event.type}\ndata: "
    shown = body if wanted.shown is None else wanted.shown(body)
    data = event.data if shown is body else orjson.dumps(shown)
    return head.encode() + data + b"\n\n"
