"""The stream of events in this process: one reader of JetStream for all listeners.

Every message is parsed once. Each listener has a buffer of limited size. Events that do not fit,
and earlier events, are read again from JetStream, a few messages at a time. Messages are not
trusted: a message that is not an event is skipped and logged once.
"""

import asyncio
import contextlib
import datetime as dt
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from typing import Any

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NotJSMessageError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy
from nats.js.errors import NotFoundError

from chassis import tracing
from chassis.bus import Bus
from chassis.events import Event, event_of, is_typed
from chassis.following import require_complete
from chassis.nats_settings import STREAM
from chassis.telemetry import logger
from chassis.waiting import end_if_cancelled

# A reader without messages for this long checks that its consumer still exists.
SILENCE_SECONDS = 5.0
RETRY_SECONDS = 0.5
# The server deletes a consumer this long after its reader is gone.
ABANDONED_SECONDS = 30.0
READER_PENDING_MAX, READER_BYTES_MAX = 4096, 8 * 1024 * 1024
# The limit of a listener's buffer. Parsed JSON takes about BYTES_PER_BYTE times its size in memory.
BUFFER_BYTES_MAX, BYTES_PER_BYTE = 256 * 1024, 4
# Earlier events are read in batches of this many messages, by at most this many listeners at once.
REPLAY_BATCH, REPLAYS_AT_ONCE = 32, 4
REPLAY_SECONDS = 5.0
# A cancelled task that has not ended is cancelled again after this time.
CANCEL_SECONDS = 1.0
# The number of skipped messages that are remembered, so that each is logged once.
REPORTED_MAX = 1000
log = logger()


class Live:
    """A listener's buffer of one marketplace's events, starting at the sequence `first`."""

    def __init__(self, *, marketplace_id: str, first: int) -> None:
        self.marketplace_id = marketplace_id
        self.first = first
        self._waiting: deque[Event] = deque()
        self._bytes = 0
        self._is_over = False
        self._changed = asyncio.Event()

    def offer(self, event: Event) -> None:
        """Add an event. The first event that does not fit ends the buffer."""
        size = BYTES_PER_BYTE * len(event.data)
        if self._is_over or (self._waiting and self._bytes + size > BUFFER_BYTES_MAX):
            self.end()
            return
        self._waiting.append(event)
        self._bytes += size
        self._changed.set()

    def end(self) -> None:
        """Accept no more events."""
        self._is_over = True
        self._changed.set()

    async def events(self) -> AsyncIterator[Event]:
        """Yield events until the buffer has ended and is empty."""
        while True:
            while self._waiting:
                event = self._waiting.popleft()
                self._bytes -= BYTES_PER_BYTE * len(event.data)
                yield event
            if self._is_over:
                return
            self._changed.clear()
            await self._changed.wait()


class Stream:
    """The shared reader. It runs while there are listeners. made: when the stream was created."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.made: dt.datetime | None = None
        # The sequence of the last message that was read.
        self._position = 0
        self._live: dict[str, set[Live]] = {}
        self._listeners: set[contextlib.AsyncExitStack] = set()
        self._reader: asyncio.Task[None] | None = None
        self._replaying = asyncio.Semaphore(REPLAYS_AT_ONCE)
        self._reported: OrderedDict[int, None] = OrderedDict()

    async def join(self, stack: contextlib.AsyncExitStack) -> None:
        """Listen until a stack is exited. A second call for the same stack does nothing.

        Raises: NatsError, OSError, TimeoutError: NATS is unavailable.
        """
        if stack in self._listeners:
            return
        if self._reader is None:
            made, last = await newest(self._bus)
            if self._reader is None:  # no other listener started it meanwhile
                self.made, self._position = made, last
                self._reader = asyncio.create_task(self._read(), name="reader of events")
        self._listeners.add(stack)
        stack.push_async_callback(self._leave, stack)

    async def _leave(self, stack: contextlib.AsyncExitStack) -> None:
        """Stop listening. The reader stops with the last listener."""
        self._listeners.discard(stack)
        if not self._listeners and self._reader is not None:
            reader, self._reader = self._reader, None
            await end(reader)

    def attach(self, marketplace_id: str) -> Live:
        """Buffer a marketplace's new events until `detach`."""
        live = Live(marketplace_id=marketplace_id, first=self._position + 1)
        self._live.setdefault(marketplace_id, set()).add(live)
        return live

    def detach(self, live: Live) -> None:
        """Remove a buffer."""
        others = self._live.get(live.marketplace_id, set())
        others.discard(live)
        if not others:
            self._live.pop(live.marketplace_id, None)

    async def replay(
        self, *, marketplace_id: str, subjects: Collection[str], first: int, end: int
    ) -> AsyncGenerator[Event]:
        """Yield a marketplace's events from the sequence `first` up to, but not including, `end`.

        Raises: NatsError, OSError, TimeoutError: not all events were read.
        """
        context = await self._bus.stream()
        config = _config(first)
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
                    headers = message.headers or {}
                    if headers.get("marketplace-id", marketplace_id) != marketplace_id:
                        continue
                    event = self._event(message)
                    if event is None or event.marketplace_id != marketplace_id:
                        continue
                    if is_typed(event.type, subjects):
                        yield event
        finally:
            await _end(subscription.unsubscribe())
            await _end(context.delete_consumer(STREAM, consumer.name))

    async def _read(self) -> None:
        """Read messages in order, across reconnections, until cancelled."""
        while True:
            try:
                context = await self._bus.stream()
                made, last = await newest(self._bus)
                if made != self.made:
                    # The stream was rebuilt, so all listeners start again.
                    self.made, self._position = made, last
                    for others in self._live.values():
                        for live in others:
                            live.end()
                subscription = await _subscribe(context, self._position + 1)
                try:
                    # A wait for NATS can lose a cancellation. This reader would then run beside its
                    # successor and offer every event twice.
                    end_if_cancelled()
                    async for message in _gapless(subscription):
                        end_if_cancelled()
                        self._tell(message)
                finally:
                    await _end(subscription.unsubscribe())
            except (NatsError, OSError, TimeoutError) as error:
                log.info("events.consumer_lost", error=type(error).__name__)
            except Exception:
                log.exception("events.reader_failed")
            await asyncio.sleep(RETRY_SECONDS)

    def _tell(self, message: Msg) -> None:
        event = self._event(message)
        self._position = message.metadata.sequence.stream
        if event is None:
            return
        trace = (message.headers or {}).get(tracing.HEADER)
        with tracing.continued(f"process {event.type}", kind="consumer", parent=trace):
            for live in self._live.get(event.marketplace_id, ()):
                live.offer(event)

    def _event(self, message: Msg) -> Event | None:
        sequence = message.metadata.sequence.stream
        event = event_of(message.subject, message.data, sequence=sequence)
        named = (message.headers or {}).get("marketplace-id")
        if event is not None and named not in {None, event.marketplace_id}:
            # Header and body disagree. Readers that filter by the header would not get the event.
            event = None
        if event is None and sequence not in self._reported:
            log.warning("events.not_an_event", sequence=sequence, subject=message.subject)
            self._reported[sequence] = None
            if len(self._reported) > REPORTED_MAX:
                self._reported.popitem(last=False)
        return event


async def newest(bus: Bus) -> tuple[dt.datetime | None, int]:
    """Return when the stream was created, and its last sequence.

    Raises: NatsError, OSError, TimeoutError.
    """
    found = await (await bus.stream()).stream_info(STREAM)
    return found.created, found.state.last_seq


async def event_at(bus: Bus, sequence: int) -> Event | None:
    """Return the event at a sequence; None: there is none.

    Raises: NatsError, OSError, TimeoutError.
    """
    try:
        known = await (await bus.stream()).get_msg(STREAM, sequence)
    except NotFoundError:
        return None
    return event_of(known.subject or "", known.data or b"", sequence=sequence)


async def end(*tasks: asyncio.Future[Any], again_seconds: float = CANCEL_SECONDS) -> None:
    """Cancel tasks and wait until they have ended, whatever their results.

    A task that does not end is cancelled again: `asyncio.wait_for` can lose a cancellation that
    arrives together with its result, and a stream would then run without a client. again_seconds:
    the time before a task is cancelled again, in which it can stop tasks of its own.
    Raises: asyncio.CancelledError: the caller was cancelled meanwhile; the tasks ended first.
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


def _place(message: Msg) -> Msg.Metadata | None:
    """Return a message's position in the stream; None: the stream did not send it."""
    try:
        return message.metadata
    except (NotJSMessageError, ValueError, LookupError):
        log.warning("events.message_foreign", subject=message.subject)
        return None


def _config(first: int) -> ConsumerConfig:
    # No filter: with a filter, NATS does not count messages whose subject has the byte 127, and a
    # replay would end before its last event.
    return ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=first,
        ack_policy=AckPolicy.NONE,
        inactive_threshold=ABANDONED_SECONDS,
        mem_storage=True,
    )


async def _subscribe(context: JetStreamContext, first: int) -> JetStreamContext.PushSubscription:
    # Messages above the limits are dropped here, noticed as a gap, and read again.
    return await context.subscribe(
        "",
        stream=STREAM,
        config=_config(first),
        manual_ack=True,
        pending_msgs_limit=READER_PENDING_MAX,
        pending_bytes_limit=READER_BYTES_MAX,
    )


async def _gapless(subscription: JetStreamContext.PushSubscription) -> AsyncIterator[Msg]:
    """Yield a consumer's messages until a message is missing or the consumer is gone."""
    expected = 1
    while True:
        try:
            message = await subscription.next_msg(timeout=SILENCE_SECONDS)
        except TimeoutError:
            await require_complete(subscription, received=expected - 1)
            continue
        place = _place(message)
        if place is None:
            continue
        if place.sequence.consumer != expected:
            return
        expected += 1
        yield message


async def _end(ending: Any) -> None:
    """Await a deletion at the server; ignore errors, because the object may be gone already."""
    try:
        await ending
    except (NatsError, OSError, TimeoutError):
        log.debug("events.already_ended")
