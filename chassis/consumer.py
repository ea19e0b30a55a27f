"""Consume a subject of the stream with a durable consumer; acknowledge after the commit.

Messages are untrusted input. Each is passed on with its subject, headers and position, and no
message can block the ones behind it.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NotJSMessageError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DeliverPolicy

from chassis import tracing
from chassis.bus import Bus
from chassis.nats_settings import STREAM
from chassis.telemetry import logger
from chassis.waiting import end_if_cancelled

FETCH_SECONDS = 5.0
REDELIVERY_SECONDS = 30
# The most messages that may wait for redelivery. Above it, the consumer gets no new messages.
PENDING_MAX = 65_536
log = logger()


class MessageRefused(Exception):
    """The message can never be handled, so it is dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One delivered message. sequence: its position in the stream."""

    subject: str
    headers: Mapping[str, str]
    body: bytes
    sequence: int


Handle = Callable[[Delivery], Awaitable[None]]


async def consume(bus: Bus, *, durable: str, subject: str, handle: Handle, batch: int = 64) -> None:
    """Pass every message of a subject to `handle`, at least once, until cancelled.

    A message is acknowledged after `handle` returns. If it raises MessageRefused, the message is
    dropped and counted in the log. If it raises anything else, the message is delivered again, with
    growing pauses and without a limit. Later messages do not wait for it.
    """
    refused = itertools.count(1)
    while True:
        try:
            context = await bus.stream()
            subscription = await context.pull_subscribe(
                subject, durable=durable, stream=STREAM, config=_consumer(durable, subject)
            )
            try:
                while True:
                    await _consume_batch(subscription, handle, batch, refused)
                    end_if_cancelled()
            finally:
                with suppress(NatsError, OSError):
                    await subscription.unsubscribe()
        except (NatsError, OSError, TimeoutError) as error:
            log.warning("bus.consumer_waits", durable=durable, error=type(error).__name__)
            end_if_cancelled()
            await asyncio.sleep(0.5)


def _consumer(durable: str, subject: str) -> ConsumerConfig:
    return ConsumerConfig(
        durable_name=durable,
        filter_subject=subject,
        deliver_policy=DeliverPolicy.ALL,
        ack_wait=REDELIVERY_SECONDS,
        max_ack_pending=PENDING_MAX,
    )


async def _consume_batch(
    subscription: JetStreamContext.PullSubscription,
    handle: Handle,
    batch: int,
    refused: Iterator[int],
) -> None:
    try:
        messages: list[Msg] = await subscription.fetch(batch, timeout=FETCH_SECONDS)
    except (TimeoutError, NatsTimeoutError):
        return
    for message in messages:
        try:
            metadata = message.metadata
        except NotJSMessageError:
            # Sent directly to the reply subject, not by the stream: it needs no acknowledgement.
            log.error("bus.message_foreign", refused=next(refused))  # noqa: TRY400 - no fault of ours
            continue
        delivery = Delivery(
            subject=message.subject,
            headers=message.headers or {},
            body=message.data,
            sequence=metadata.sequence.stream,
        )
        await _handle(message, delivery, handle, refused)


async def _handle(message: Msg, delivery: Delivery, handle: Handle, refused: Iterator[int]) -> None:
    known = {
        "subject": delivery.subject,
        "sequence": delivery.sequence,
        "message_id": delivery.headers.get("Nats-Msg-Id", "")[:100],
    }
    try:
        with tracing.continued(
            f"process {delivery.subject}",
            kind="consumer",
            parent=delivery.headers.get(tracing.HEADER),
        ):
            await handle(delivery)
    except MessageRefused as why:
        log.error("bus.message_dropped", **known, why=str(why), refused=next(refused))  # noqa: TRY400 - no fault of ours
        await message.term()
    except Exception as error:
        deliveries = message.metadata.num_delivered
        log.error(  # noqa: TRY400 - where it arose is told once, however often it is refused
            "bus.message_refused",
            **known,
            deliveries=deliveries,
            error=f"{type(error).__name__}: {error}",
            exc_info=error if deliveries == 1 else None,
        )
        await message.nak(delay=redelivery_seconds(deliveries))
    else:
        await message.ack()


def redelivery_seconds(deliveries: int) -> int:
    """Return the pause in seconds before the next delivery, after this many failed deliveries."""
    return int(min(REDELIVERY_SECONDS, 2 ** min(deliveries - 1, 10)))
