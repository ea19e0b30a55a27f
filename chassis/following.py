"""Follow the stream in order. The follower stores its position together with its effects.

There are no acknowledgements. Because the position is stored in the transaction of the effects, no
message is lost and none takes effect twice. A stream that was created anew is read from its start.
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
# The server deletes a consumer this long after its follower is gone.
ABANDONED_SECONDS = 30.0
BATCH = 256
log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The position of a follower: the last message of a stream that it handled.

    made: when that stream was created; empty: the follower has not followed a stream yet.
    """

    made: str
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """One message of the stream. marketplace_id: from its header; empty: the header is missing."""

    subject: str
    body: bytes
    sequence: int
    marketplace_id: str


Start = Callable[[], Awaitable[Place]]
Handle = Callable[[Sequence[Followed], Place], Awaitable[None]]


async def follow(bus: Bus, *, start: Start, handle: Handle) -> None:
    """Pass all messages to `handle` in order, in batches, until cancelled.

    start: reads the stored position; called at the start and after each interruption. handle: must
    store the position that it is given. Raises: what start and handle raise.
    """
    while True:
        try:
            await _follow(bus, await start(), handle)
        except (NatsError, OSError, TimeoutError) as error:
            log.warning("bus.follower_waits", error=type(error).__name__)
        end_if_cancelled()
        await asyncio.sleep(RETRY_SECONDS)


async def _follow(bus: Bus, place: Place, handle: Handle) -> None:
    """Follow until a message is missing.

    Raises: NatsError, OSError, TimeoutError; what handle raises.
    """
    context = await bus.stream()
    made = str((await context.stream_info(STREAM)).created)
    after = place.sequence if place.made == made else 0
    # Messages are pulled in batches. With a push subscription, messages beyond its buffer would be
    # dropped and sent again, over and over.
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
                    # Sent directly to this inbox, not by the stream.
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
    """Check, while no message arrives, that the consumer still exists and no message was lost.

    Messages are lost when a connection is lost, or beyond the limits of a subscription. If the lost
    messages are the last of the stream, no later message reveals the gap. received: how many
    messages the follower has taken.

    Raises: TimeoutError: messages are missing; NatsError: the consumer is gone, or NATS is silent.
    """
    delivered = (await subscription.consumer_info()).delivered
    if (
        delivered is not None
        and delivered.consumer_seq > received
        and not subscription.pending_msgs
    ):
        raise TimeoutError("messages were lost")


async def _some(subscription: JetStreamContext.PullSubscription, *, received: int) -> list[Msg]:
    """Wait for messages; returns an empty list after SILENCE_SECONDS if none was lost."""
    found: list[Msg] = []
    with suppress(TimeoutError):
        found = await subscription.fetch(BATCH, timeout=SILENCE_SECONDS)
    if not found:
        # The server also ends a request early, for example when the consumer was deleted.
        await require_complete(subscription, received=received)
    return found
