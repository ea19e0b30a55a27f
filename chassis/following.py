"""Follow the stream in order, from a place that the follower keeps beside what it made of it.

No acknowledgements: the follower stores its place in the transaction of its effects, so that no
message is lost and none has its effect twice. A stream that was made anew is read from its start.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NotJSMessageError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy

from chassis.bus import Bus
from chassis.nats_settings import STREAM
from chassis.telemetry import logger
from chassis.waiting import end_if_cancelled

# A follower without messages for this long checks that its consumer still exists.
SILENCE_SECONDS = 5.0
RETRY_SECONDS = 0.5
# How long the server keeps a consumer whose follower is gone.
ABANDONED_SECONDS = 30.0
BATCH = 256
log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The last message of a stream that was handled.

    made: when that stream was created; empty: none was followed yet.
    """

    made: str
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """One message of the stream. marketplace_id: from its header; empty: it has none."""

    subject: str
    body: bytes
    sequence: int
    marketplace_id: str


Start = Callable[[], Awaitable[Place]]
Handle = Callable[[Sequence[Followed], Place], Awaitable[None]]


async def follow(bus: Bus, *, start: Start, handle: Handle) -> None:
    """Pass all messages to `handle` in order, some at once, until cancelled.

    start: reads the stored place; it is asked again after each interruption. handle: must store
    the place that it is given. Raises: what start and handle raise.
    """
    while True:
        try:
            await _follow(bus, await start(), handle)
        except (NatsError, OSError, TimeoutError) as error:
            log.warning("bus.follower_waits", error=type(error).__name__)
        end_if_cancelled()
        await asyncio.sleep(RETRY_SECONDS)


async def _follow(bus: Bus, place: Place, handle: Handle) -> None:
    """Follow until a message is missing. Raises: NatsError, OSError, TimeoutError."""
    context = await bus.stream()
    made = str((await context.stream_info(STREAM)).created)
    after = place.sequence if place.made == made else 0
    # The follower asks for each batch. What is pushed to it beyond its buffer would be dropped, and
    # would be sent again, over and over.
    consumer: ConsumerInfo = await context.add_consumer(
        STREAM,
        ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=after + 1,
            ack_policy=AckPolicy.NONE,
            inactive_threshold=ABANDONED_SECONDS,
            mem_storage=True,
        ),
    )
    subscription = await context.pull_subscribe_bind(consumer=consumer.name, stream=STREAM)
    try:
        expected = 1
        while True:
            found: list[Followed] = []
            for message in await _some(subscription, received=expected - 1):
                try:
                    where = message.metadata
                except NotJSMessageError:
                    # Sent to this inbox directly, past the stream.
                    log.warning("bus.message_foreign", subject=message.subject)
                    continue
                if where.sequence.consumer != expected:
                    return
                expected += 1
                found.append(
                    Followed(
                        subject=message.subject,
                        body=message.data,
                        sequence=where.sequence.stream,
                        marketplace_id=(message.headers or {}).get("marketplace-id", ""),
                    )
                )
            end_if_cancelled()
            if found:
                await handle(found, Place(made=made, sequence=found[-1].sequence))
    finally:
        with suppress(NatsError, OSError, TimeoutError):
            await subscription.unsubscribe()
            await context.delete_consumer(STREAM, consumer.name)


async def require_complete(
    subscription: JetStreamContext.PushSubscription | JetStreamContext.PullSubscription,
    *,
    received: int,
) -> None:
    """Check, while no message comes, that the consumer still exists and none was lost.

    Messages are lost with a connection, and beyond the limits of a subscription. Where they are the
    last ones of the stream, no later message shows the gap. received: how many the follower took.

    Raises: TimeoutError: some are missing; NatsError: there is no such consumer, or no answer.
    """
    delivered = (await subscription.consumer_info()).delivered
    if (
        delivered is not None
        and delivered.consumer_seq > received
        and not subscription.pending_msgs
    ):
        raise TimeoutError("messages were lost")


async def _some(subscription: JetStreamContext.PullSubscription, *, received: int) -> list[Msg]:
    """Wait for messages; none: there were none for a while, and none is missing."""
    found: list[Msg] = []
    with suppress(TimeoutError):
        found = await subscription.fetch(BATCH, timeout=SILENCE_SECONDS)
    if not found:
        # Also where the server has ended the request early, as it does when a consumer is deleted.
        await require_complete(subscription, received=received)
    return found
