"""The stream of events as this process knows it: read by one reader, told to everybody who listens.

Every message is parsed once. Who listens has a buffer of so many bytes; what does not fit, and what
happened before, is read again from JetStream, a few messages at a time. What others publish there
is input: a message that is no event is left out, and said once.
"""

import asyncio
import contextlib
import datetime as dt
import re
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NotJSMessageError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy
from nats.js.errors import NotFoundError

from chassis import tracing
from chassis.bus import Bus
from chassis.nats_settings import STREAM
from chassis.telemetry import logger

# A reader that heard nothing for this long asks whether its consumer still exists.
SILENCE_SECONDS = 5.0
RETRY_SECONDS = 0.5
# How long the server keeps a consumer whose reader is gone.
ABANDONED_SECONDS = 30.0
READER_PENDING_MAX, READER_BYTES_MAX = 4096, 8 * 1024 * 1024
# What may wait for one listener. JSON that was read takes about so many times its bytes.
BUFFER_BYTES_MAX, BYTES_PER_BYTE = 256 * 1024, 4
# What happened before is read so many messages at a time, by so many listeners at once.
REPLAY_BATCH, REPLAYS_AT_ONCE = 32, 4
REPLAY_SECONDS = 5.0
# How long something cancelled may take until it is cancelled again.
CANCEL_SECONDS = 1.0
# The messages that were said to be none are remembered, so many of them.
SAID_MAX = 1000
_EVENT_ID = re.compile(r"evt_[0-9A-Za-z]{1,64}", re.ASCII)
_TYPE = re.compile(r"[a-z_]{1,40}\.[a-z_]{1,60}", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)
log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event. sequence: its place in the stream; data: its JSON in one line, as published."""

    sequence: int
    marketplace_id: str
    type: str
    body: Mapping[str, Any]
    data: bytes

    @property
    def event_id(self) -> str:
        """The event's own id."""
        return str(self.body["eventId"])


def event_of(subject: str, data: bytes, *, sequence: int) -> Told | None:
    """Read a message; None: it is not a whole event, and no client is told of it.

    Source: reference §5, of what every event has.
    """
    try:
        body = orjson.loads(data)
        marketplace_id = body["metadata"]["marketplaceId"]
        is_event = (
            _EVENT_ID.fullmatch(body["eventId"]) is not None
            and _TYPE.fullmatch(subject) is not None
            and body["eventType"] == subject
            and _INSTANT.fullmatch(body["occurredAt"]) is not None
            and all(isinstance(body[name], str) for name in ("aggregateId", "aggregateType"))
            and type(body["version"]) is int
            and body["version"] > 0
            and isinstance(body["payload"], dict)
            and isinstance(marketplace_id, str)
        )
    except (ValueError, TypeError, LookupError):
        return None
    if not is_event:
        return None
    # A line break would end the line that the event is told in.
    line = orjson.dumps(body) if b"\n" in data or b"\r" in data else data
    return Told(
        sequence=sequence, marketplace_id=marketplace_id, type=subject, body=body, data=line
    )


class Live:
    """What one marketplace is told from a place on, as long as it is taken. first: that place."""

    def __init__(self, *, marketplace_id: str, first: int) -> None:
        self.marketplace_id = marketplace_id
        self.first = first
        self._waiting: deque[Told] = deque()
        self._bytes = 0
        self._is_over = False
        self._changed = asyncio.Event()

    def offer(self, told: Told) -> None:
        """Add an event; the first that does not fit is the end."""
        size = BYTES_PER_BYTE * len(told.data)
        if self._is_over or (self._waiting and self._bytes + size > BUFFER_BYTES_MAX):
            self.end()
            return
        self._waiting.append(told)
        self._bytes += size
        self._changed.set()

    def end(self) -> None:
        """Add nothing any more."""
        self._is_over = True
        self._changed.set()

    async def events(self) -> AsyncIterator[Told]:
        """Yield events until there are no more of them here."""
        while True:
            while self._waiting:
                told = self._waiting.popleft()
                self._bytes -= BYTES_PER_BYTE * len(told.data)
                yield told
            if self._is_over:
                return
            self._changed.clear()
            await self._changed.wait()


class Stream:
    """The reader, while somebody listens. made: when the stream of events was made."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.made: dt.datetime | None = None
        # The last message that was read.
        self._position = 0
        self._live: dict[str, set[Live]] = {}
        self._listeners: set[contextlib.AsyncExitStack] = set()
        self._reader: asyncio.Task[None] | None = None
        self._replaying = asyncio.Semaphore(REPLAYS_AT_ONCE)
        self._said: OrderedDict[int, None] = OrderedDict()

    async def join(self, stack: contextlib.AsyncExitStack) -> None:
        """Begin to listen, until a stack is left; once, however often it is called for one.

        Raises: NatsError, OSError, TimeoutError: NATS is unavailable.
        """
        if stack in self._listeners:
            return
        if self._reader is None:
            made, last = await newest(self._bus)
            self._begin(made, last)
        self._listeners.add(stack)
        stack.push_async_callback(self._leave, stack)

    async def _leave(self, stack: contextlib.AsyncExitStack) -> None:
        """Listen no more; the last one ends the reader."""
        self._listeners.discard(stack)
        if not self._listeners and self._reader is not None:
            reader, self._reader = self._reader, None
            await end(reader)

    def attach(self, marketplace_id: str) -> Live:
        """Collect what happens to a marketplace from now on, until `detach`."""
        live = Live(marketplace_id=marketplace_id, first=self._position + 1)
        self._live.setdefault(marketplace_id, set()).add(live)
        return live

    def detach(self, live: Live) -> None:
        """Collect no more."""
        others = self._live.get(live.marketplace_id, set())
        others.discard(live)
        if not others:
            self._live.pop(live.marketplace_id, None)

    async def replay(
        self, *, marketplace_id: str, subjects: Collection[str], first: int, end: int
    ) -> AsyncGenerator[Told]:
        """Yield a marketplace's events from one place up to another, which is left out.

        Raises: NatsError, OSError, TimeoutError: not all was read.
        """
        context = await self._bus.stream()
        config = _config(first, subjects)
        consumer: ConsumerInfo = await context.add_consumer(STREAM, config)
        subscription = await context.pull_subscribe_bind(consumer=consumer.name, stream=STREAM)
        try:
            left, expected = consumer.num_pending or 0, 1
            while left:
                async with self._replaying:
                    size = min(left, REPLAY_BATCH)
                    messages = await subscription.fetch(size, timeout=REPLAY_SECONDS)
                for message in messages:
                    place = _place(message)
                    if place is None:
                        continue
                    if place.sequence.consumer != expected:
                        raise TimeoutError("a message is missing")
                    if place.sequence.stream >= end:
                        return
                    expected, left = expected + 1, place.num_pending
                    told = self._read_for(message, marketplace_id)
                    if told is not None and is_typed(told.type, subjects):
                        yield told
        finally:
            await _end(subscription.unsubscribe())
            await _end(context.delete_consumer(STREAM, consumer.name))

    def _begin(self, made: dt.datetime | None, position: int) -> None:
        if self._reader is None:  # nobody else began while the server was asked
            self.made, self._position = made, position
            self._reader = asyncio.create_task(self._read(), name="reader of events")

    async def _read(self) -> None:
        """Read in order, for ever, across reconnections."""
        while True:
            try:
                context = await self._bus.stream()
                made, last = await newest(self._bus)
                if made != self.made:
                    # Another stream: whoever listens begins with it anew.
                    self.made, self._position = made, last
                    self._end_all()
                subscription = await _subscribe(context, self._position + 1)
                try:
                    async for message in _gapless(subscription):
                        self._tell(message)
                finally:
                    await _end(subscription.unsubscribe())
            except (NatsError, OSError, TimeoutError) as error:
                log.info("events.consumer_lost", error=type(error).__name__)
            except Exception:
                log.exception("events.reader_failed")
            await asyncio.sleep(RETRY_SECONDS)

    def _tell(self, message: Msg) -> None:
        told = self._event(message)
        self._position = message.metadata.sequence.stream
        if told is None:
            return
        trace = (message.headers or {}).get(tracing.HEADER)
        with tracing.continued(f"process {told.type}", kind="consumer", parent=trace):
            for live in self._live.get(told.marketplace_id, ()):
                live.offer(told)

    def _end_all(self) -> None:
        for others in self._live.values():
            for live in others:
                live.end()

    def _read_for(self, message: Msg, marketplace_id: str) -> Told | None:
        named = (message.headers or {}).get("marketplace-id", marketplace_id)
        if named != marketplace_id:
            return None
        told = self._event(message)
        return told if told is not None and told.marketplace_id == marketplace_id else None

    def _event(self, message: Msg) -> Told | None:
        sequence = message.metadata.sequence.stream
        told = event_of(message.subject, message.data, sequence=sequence)
        named = (message.headers or {}).get("marketplace-id")
        if told is not None and named not in {None, told.marketplace_id}:
            # Whoever reads by the header alone is told nothing of it either.
            told = None
        if told is None and sequence not in self._said:
            log.warning("events.not_an_event", sequence=sequence, subject=message.subject)
            self._said[sequence] = None
            if len(self._said) > SAID_MAX:
                self._said.popitem(last=False)
        return told


async def newest(bus: Bus) -> tuple[dt.datetime | None, int]:
    """Return when the stream was made, and its last place.

    Raises: NatsError, OSError, TimeoutError.
    """
    found = await (await bus.stream()).stream_info(STREAM)
    return found.created, found.state.last_seq


async def event_at(bus: Bus, sequence: int) -> Told | None:
    """Return what is at a place; None: no event. Raises: NatsError, OSError, TimeoutError."""
    try:
        known = await (await bus.stream()).get_msg(STREAM, sequence)
    except NotFoundError:
        return None
    return event_of(known.subject or "", known.data or b"", sequence=sequence)


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


def is_typed(event_type: str, types: Collection[str]) -> bool:
    """Tell whether a type is among names and whole families; none: all are wanted."""
    return not types or event_type in types or f"{event_type.partition('.')[0]}.*" in types


def _place(message: Msg) -> Msg.Metadata | None:
    """Return where a message is in the stream; None: it was sent past the stream, to us alone."""
    try:
        return message.metadata
    except (NotJSMessageError, ValueError, LookupError):
        log.warning("events.message_foreign", subject=message.subject)
        return None


def _config(first: int, subjects: Collection[str]) -> ConsumerConfig:
    return ConsumerConfig(
        # Of one filter at most: with several, NATS counts wrong where a subject has the byte 127.
        filter_subjects=list(subjects) if len(subjects) == 1 else None,
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=first,
        ack_policy=AckPolicy.NONE,
        inactive_threshold=ABANDONED_SECONDS,
        mem_storage=True,
    )


async def _subscribe(context: JetStreamContext, first: int) -> JetStreamContext.PushSubscription:
    # What is left beyond the limits is dropped here, seen as a gap, and read again.
    return await context.subscribe(
        "",
        stream=STREAM,
        config=_config(first, ()),
        manual_ack=True,
        pending_msgs_limit=READER_PENDING_MAX,
        pending_bytes_limit=READER_BYTES_MAX,
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
        place = _place(message)
        if place is None:
            continue
        if place.sequence.consumer != expected:
            return
        expected += 1
        yield message


async def _end(ending: Any) -> None:
    """End something at the server, which may not know it any more."""
    try:
        await ending
    except (NatsError, OSError, TimeoutError):
        log.debug("events.already_ended")
