"""The stream of events, as server-sent events: ordered, replayable, one marketplace's only."""

import asyncio
import fnmatch
import re
import uuid
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass

import orjson
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DeliverPolicy

from chassis.bus import STREAM, SUBJECTS, Bus
from chassis.telemetry import logger
from kernel.errors import InvalidArgument, Unavailable

PING_SECONDS = 15.0
READY_SECONDS = 2.0
# How long a server keeps an idle ordered consumer whose client is gone.
ABANDONED_SECONDS = 60
_CURSOR = re.compile(r"[0-9]{1,18}", re.ASCII)
_PATTERN = re.compile(r"[a-z_]{1,40}\.(\*|[a-z_]{1,60})", re.ASCII)
log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events of a marketplace a client wants; empty collections: all.

    types: names, or family.*. resource_types: Order, Balance and so on. after: the cursor of the
    last event it has; None: only what happens from now on.
    """

    marketplace_id: uuid.UUID
    types: Collection[str] = ()
    resource_types: Collection[str] = ()
    after: int | None = None


def cursor(text: str | None) -> int | None:
    """Read a Last-Event-ID. Raises: InvalidArgument: it is not one that was given out."""
    if text is None or text == "":
        return None
    if _CURSOR.fullmatch(text) is None:
        raise InvalidArgument(
            "Invalid header: Last-Event-ID",
            fields=[("Last-Event-ID", "is not one that was given out")],
        )
    return int(text)


def patterns(text: str | None) -> tuple[str, ...]:
    """Read a comma-separated list of types. Raises: InvalidArgument."""
    parts = tuple(part.strip() for part in (text or "").split(",") if part.strip())
    for part in parts:
        if _PATTERN.fullmatch(part) is None:
            raise InvalidArgument(
                "Invalid field: types",
                fields=[("types", "are names such as order.created, or order.*")],
            )
    return parts


class Feed:
    """Opens streams of events from JetStream."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def is_ready(self) -> bool:
        """Tell whether the stream can be read now."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._bus.stream()
        except (NatsError, OSError, TimeoutError):
            return False
        return True

    async def open(self, wanted: Wanted) -> AsyncIterator[bytes]:
        """Open a stream: from the event after `wanted.after`, or of what happens from now on.

        Raises: Unavailable: NATS is away.
        """
        try:
            async with asyncio.timeout(READY_SECONDS):
                context = await self._bus.stream()
                subscription = await _subscribe(context, wanted)
        except (NatsError, OSError, TimeoutError):
            raise Unavailable("The stream of events is away") from None
        return _chunks(subscription, wanted)

    async def close(self) -> None:
        """Close the connection."""
        await self._bus.close()


async def _subscribe(
    context: JetStreamContext, wanted: Wanted
) -> JetStreamContext.PushSubscription:
    config = ConsumerConfig(
        filter_subjects=list(wanted.types) or list(SUBJECTS),
        deliver_policy=DeliverPolicy.NEW
        if wanted.after is None
        else DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=None if wanted.after is None else wanted.after + 1,
        inactive_threshold=ABANDONED_SECONDS,
    )
    return await context.subscribe(">", stream=STREAM, ordered_consumer=True, config=config)


async def _chunks(
    subscription: JetStreamContext.PushSubscription, wanted: Wanted
) -> AsyncIterator[bytes]:
    try:
        while True:
            try:
                message = await subscription.next_msg(timeout=PING_SECONDS)
            except TimeoutError:
                yield b"event: ping\ndata: {}\n\n"
                continue
            event = orjson.loads(message.data)
            if _concerns(event, wanted):
                sequence = message.metadata.sequence.stream
                head = f"id: {sequence}\nevent: {event['eventType']}\ndata: "
                yield head.encode() + message.data + b"\n\n"
    except NatsError as error:
        log.warning("events.stream_ends", error=type(error).__name__)
    finally:
        await subscription.unsubscribe()


def _concerns(event: dict[str, object], wanted: Wanted) -> bool:
    metadata = event.get("metadata")
    if not isinstance(metadata, dict):
        return False
    if metadata.get("marketplaceId") != str(wanted.marketplace_id):
        return False
    kind = str(event.get("eventType"))
    if wanted.types and not any(fnmatch.fnmatchcase(kind, pattern) for pattern in wanted.types):
        return False
    return not wanted.resource_types or event.get("aggregateType") in wanted.resource_types
