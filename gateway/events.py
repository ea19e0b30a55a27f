"""The stream of events, as server-sent events: in order, replayable, one marketplace's only.

Every client has a consumer of its own on JetStream, which is made again from the next event
wherever it is lost: a client sees each event once and in order for as long as it stays connected.
"""

import asyncio
import datetime as dt
import re
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from chassis.bus import STREAM, SUBJECTS, Bus
from chassis.telemetry import logger
from kernel.errors import InvalidArgument, Unavailable

PING = b"event: ping\ndata: {}\n\n"
# A consumer that was silent this long is asked whether it still exists.
SILENCE_SECONDS = 5.0
READY_SECONDS = 2.0
RETRY_SECONDS = 0.5
# How long the server keeps the consumer of a client that is gone.
ABANDONED_SECONDS = 30.0
# How long something cancelled may take until it is cancelled again.
CANCEL_SECONDS = 1.0
PENDING_MAX = 4096
PENDING_BYTES_MAX = 8 * 1024 * 1024
RESOURCE_TYPES = ("Order", "Escrow", "Balance", "Dispute", "User", "Wallet", "Deposit")
# A stream counts its messages from 1.
CURSOR = r"([1-9][0-9]{0,17})-(evt_[0-9A-Za-z]{1,64})"
_CURSOR = re.compile(CURSOR, re.ASCII)
_PATTERN = re.compile(r"[a-z_]{1,40}\.(\*|[a-z_]{1,60})", re.ASCII)
log = logger()


@dataclass(frozen=True, slots=True)
class Cursor:
    """An event that a client has: its place in the stream, and its id to know it again by."""

    sequence: int
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events of a marketplace a client wants; empty collections: all.

    types: names, or family.*. resource_types: Order, Balance and so on. after: the last event it
    has; None: only what happens from now on. concerns: an own look at the body of each event.
    shown: what the client sees of one; None, or the same body: all of it, as it was published.
    """

    marketplace_id: uuid.UUID
    types: Collection[str] = ()
    resource_types: Collection[str] = ()
    after: Cursor | None = None
    concerns: Callable[[Mapping[str, Any]], Awaitable[bool]] | None = None
    shown: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where a client begins: a sequence of the stream that was made at an instant."""

    sequence: int
    made: dt.datetime | None


def cursor(text: str | None) -> Cursor | None:
    """Read a Last-Event-ID. Raises: InvalidArgument: it is not one that was given out."""
    if not text:
        return None
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise InvalidArgument(
            "Invalid header: Last-Event-ID",
            fields=[("Last-Event-ID", "is not one that was given out")],
        )
    return Cursor(int(match[1]), match[2])


def resource_types(text: str | None) -> tuple[str, ...]:
    """Read a comma-separated list of what events are about. Raises: InvalidArgument."""
    parts = tuple(part.strip() for part in (text or "").split(",") if part.strip())
    if not set(parts) <= set(RESOURCE_TYPES):
        raise InvalidArgument(
            "Invalid field: resourceTypes",
            fields=[("resourceTypes", f"are among {', '.join(RESOURCE_TYPES)}")],
        )
    return parts


def patterns(text: str | None) -> tuple[str, ...]:
    """Read a comma-separated list of types; one that another covers is left out.

    Raises: InvalidArgument: it is no name, or of no family of events.
    """
    parts = {part.strip() for part in (text or "").split(",") if part.strip()}
    for part in parts:
        if _PATTERN.fullmatch(part) is None or f"{part.partition('.')[0]}.*" not in SUBJECTS:
            raise InvalidArgument(
                "Invalid field: types",
                fields=[("types", f"{part[:100]!r} is no event; order.created and order.* are")],
            )
    whole = {part for part in parts if part.endswith(".*")}
    return tuple(sorted(p for p in parts if p in whole or f"{p.partition('.')[0]}.*" not in whole))


class Feed:
    """Opens streams of events. ping_seconds: the longest that one of them is silent."""

    def __init__(self, bus: Bus, *, ping_seconds: int) -> None:
        self._bus = bus
        self._ping_seconds = ping_seconds
        self._stopping = asyncio.Event()

    async def is_ready(self) -> bool:
        """Tell whether the stream can be read now."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._bus.stream()
        except (NatsError, OSError, TimeoutError):
            return False
        return True

    async def open(self, wanted: Wanted) -> AsyncGenerator[bytes]:
        """Open a stream: from the event after `wanted.after`, or of what happens from now on.

        Raises: Unavailable: NATS is away.
        """
        try:
            async with asyncio.timeout(READY_SECONDS):
                start = await _start(await self._bus.stream(), wanted.after)
        except (NatsError, OSError, TimeoutError):
            raise Unavailable("The stream of events is away") from None
        return self._chunks(wanted, start)

    def stop(self) -> None:
        """End every stream: the process is about to stop."""
        self._stopping.set()

    async def close(self) -> None:
        """Close the connection."""
        await self._bus.close()

    async def _chunks(self, wanted: Wanted, start: Start) -> AsyncGenerator[bytes]:
        messages = _messages(self._bus, wanted, start)
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
                # Others' events do not tell this client that the connection lives.
                if chunk is not None or clock() >= ping_at:
                    yield chunk or PING
                    ping_at = clock() + self._ping_seconds
        finally:
            try:
                await end(*(task for task in (coming, stopped) if task is not None))
            finally:
                await messages.aclose()


async def end(*tasks: asyncio.Future[Any], again_seconds: float = CANCEL_SECONDS) -> None:
    """Cancel tasks and wait until they have ended, whatever they end with.

    A task is cancelled again for as long as it lives: `asyncio.wait_for` swallows a cancellation
    that meets its result, and a stream would go on for ever with nobody to read it.
    again_seconds: until then it is left alone, and has the time to end tasks of its own.
    Raises: asyncio.CancelledError: whoever ends them was cancelled meanwhile; they ended first.
    Source: https://github.com/python/cpython/issues/86296.
    """
    waiting, is_cancelled = set(tasks), False
    while waiting:
        for task in waiting:
            task.cancel()
        try:
            _, waiting = await asyncio.wait(waiting, timeout=again_seconds)
        except asyncio.CancelledError:
            is_cancelled = True
            waiting = {task for task in waiting if not task.done()}
    await asyncio.gather(*tasks, return_exceptions=True)
    if is_cancelled:
        raise asyncio.CancelledError


async def _start(context: JetStreamContext, after: Cursor | None) -> Start:
    """Return where to begin.

    A stream that was made anew has other sequences: then everything is told again, because an
    event twice can be seen by its id, and one that is missing cannot be seen.
    """
    found = await context.stream_info(STREAM)
    if after is None:
        return Start(sequence=found.state.last_seq + 1, made=found.created)
    try:
        known = await context.get_msg(STREAM, after.sequence)
    except NotFoundError:
        return Start(sequence=1, made=found.created)
    same = (known.headers or {}).get("Nats-Msg-Id") == after.event_id
    return Start(sequence=after.sequence + 1 if same else 1, made=found.created)


async def _messages(bus: Bus, wanted: Wanted, start: Start) -> AsyncGenerator[Msg]:
    """Yield messages in order from a sequence on, for ever, across reconnections."""
    following, made = start.sequence, start.made
    while True:
        began = following
        try:
            context = await bus.stream()
            if (found := await context.stream_info(STREAM)).created != made:
                following, made = 1, found.created
            subscription = await _subscribe(context, wanted, following)
            try:
                async for message in _gapless(subscription):
                    following = message.metadata.sequence.stream + 1
                    yield message
            finally:
                await _leave(subscription)
        except (NatsError, OSError, TimeoutError) as error:
            log.info("events.consumer_lost", error=type(error).__name__)
        if following == began:
            await asyncio.sleep(RETRY_SECONDS)


async def _subscribe(
    context: JetStreamContext, wanted: Wanted, following: int
) -> JetStreamContext.PushSubscription:
    config = ConsumerConfig(
        filter_subjects=list(wanted.types or SUBJECTS),
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=following,
        ack_policy=AckPolicy.NONE,
        inactive_threshold=ABANDONED_SECONDS,
        mem_storage=True,
    )
    # What a slow client leaves beyond the limits is dropped here, seen as a gap, and read again.
    return await context.subscribe(
        "",
        stream=STREAM,
        config=config,
        manual_ack=True,
        pending_msgs_limit=PENDING_MAX,
        pending_bytes_limit=PENDING_BYTES_MAX,
    )


async def _gapless(subscription: JetStreamContext.PushSubscription) -> AsyncIterator[Msg]:
    """Yield a consumer's messages until one is missing or the consumer is gone."""
    expected = 1
    while True:
        try:
            message = await subscription.next_msg(timeout=SILENCE_SECONDS)
        except TimeoutError:
            await subscription.consumer_info()
            continue
        if message.metadata.sequence.consumer != expected:
            return
        expected += 1
        yield message


async def _leave(subscription: JetStreamContext.PushSubscription) -> None:
    try:
        await subscription.unsubscribe()
    except NatsError:
        log.debug("events.already_left")


async def _chunk(message: Msg, wanted: Wanted) -> bytes | None:
    """Spell an event for its client; None: it is not the client's."""
    event = orjson.loads(message.data)
    metadata = event.get("metadata") or {}
    if metadata.get("marketplaceId") != str(wanted.marketplace_id):
        return None
    if wanted.resource_types and event.get("aggregateType") not in wanted.resource_types:
        return None
    if wanted.concerns is not None and not await wanted.concerns(event):
        return None
    place = f"{message.metadata.sequence.stream}-{event['eventId']}"
    head = f"id: {place}\nevent: {event['eventType']}\ndata: "
    shown = event if wanted.shown is None else wanted.shown(event)
    data = message.data if shown is event else orjson.dumps(shown)
    return head.encode() + data + b"\n\n"
