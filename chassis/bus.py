"""NATS JetStream: connect, publish with a message id, consume with an acknowledgement after commit.

The stream is a projection of the outbox tables and can be rebuilt from them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DeliverPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from chassis.telemetry import logger

STREAM = "ORCHESTRATOR"
SUBJECTS = ("order.*", "escrow.*", "balance.*", "dispute.*", "user.*", "wallet.*")
# How long the server remembers message ids to drop repeats.
DUPLICATE_WINDOW_SECONDS = 600
ACK_TIMEOUT_SECONDS = 5.0
FETCH_SECONDS = 5.0
REDELIVERY_SECONDS = 30
# How many messages may wait to be delivered again: beyond, a consumer gets nothing new.
PENDING_MAX = 65_536
log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is published: subject, id for deduplication, CloudEvents headers, JSON body."""

    subject: str
    message_id: str
    headers: Mapping[str, str]
    body: bytes


class Bus:
    """A connection to NATS that comes back by itself."""

    def __init__(self, *, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._client: Client | None = None
        self._lock = asyncio.Lock()

    async def stream(self) -> JetStreamContext:
        """Connect where needed, make the stream where it is missing, and return its context.

        Raises: OSError, nats errors, TimeoutError: NATS is away; try again later.
        """
        async with self._lock:
            if self._client is None or self._client.is_closed:
                self._client = await self._connect()
            context = self._client.jetstream(timeout=ACK_TIMEOUT_SECONDS)
            try:
                await context.stream_info(STREAM)
            except NotFoundError:
                await context.add_stream(stream_config())
            return context

    async def client(self) -> Client:
        """Return the connection itself, for plain subscriptions. Raises as `stream` does."""
        await self.stream()
        if self._client is None:
            raise ConnectionError("NATS is away")
        return self._client

    async def close(self) -> None:
        """Close the connection; what was published and acknowledged is safe."""
        if self._client is not None and not self._client.is_closed:
            # The server may be gone already: then there is nothing left to close.
            with suppress(OSError, NatsError):
                await self._client.close()

    async def _connect(self) -> Client:
        async def quiet(error: Exception) -> None:
            log.debug("bus.error", error=type(error).__name__)

        return await nats.connect(
            self._url,
            name=self._name,
            connect_timeout=2,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.25,
            allow_reconnect=True,
            error_cb=quiet,
        )


def stream_config() -> StreamConfig:
    """Describe the one stream of all events."""
    return StreamConfig(
        name=STREAM,
        subjects=list(SUBJECTS),
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        duplicate_window=DUPLICATE_WINDOW_SECONDS,
        max_msg_size=256 * 1024,
    )


async def publish_all(context: JetStreamContext, messages: Sequence[Message]) -> list[bool]:
    """Publish messages in order and wait for every acknowledgement.

    Returns one flag a message: True where the server has stored it (or had before).
    """
    futures = []
    for message in messages:
        headers = {"Nats-Msg-Id": message.message_id, **message.headers}
        futures.append(await context.publish_async(message.subject, message.body, headers=headers))
    acknowledged = [asyncio.wait_for(future, ACK_TIMEOUT_SECONDS) for future in futures]
    results = await asyncio.gather(*acknowledged, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, (NatsError, TimeoutError)):
            raise result
    return [not isinstance(result, BaseException) for result in results]


async def consume(
    bus: Bus,
    *,
    durable: str,
    subject: str,
    handle: Callable[[bytes], Awaitable[None]],
    batch: int = 64,
) -> None:
    """Hand every message of a subject to `handle`, at least once, until cancelled.

    A message is acknowledged after `handle` returns; where it raises, it is delivered again, with
    growing pauses and for as long as it takes: those behind it do not wait for it.
    """
    while True:
        try:
            context = await bus.stream()
            subscription = await context.pull_subscribe(
                subject, durable=durable, stream=STREAM, config=_consumer(durable, subject)
            )
            while True:
                await _consume_batch(subscription, handle, batch)
                _end_if_cancelled()
        except (NatsError, OSError, TimeoutError) as error:
            log.warning("bus.consumer_waits", durable=durable, error=type(error).__name__)
            _end_if_cancelled()
            await asyncio.sleep(0.5)


def _end_if_cancelled() -> None:
    """End a task that was asked to, where the client took the request for its own time-out.

    Its fetch waits with asyncio.wait_for, which in Python 3.11 can lose a cancellation that comes
    as the time runs out (CPython issue 86296).
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


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
    handle: Callable[[bytes], Awaitable[None]],
    batch: int,
) -> None:
    try:
        messages: list[Msg] = await subscription.fetch(batch, timeout=FETCH_SECONDS)
    except (TimeoutError, nats.errors.TimeoutError):
        return
    for message in messages:
        try:
            await handle(message.data)
        except Exception as error:
            deliveries = message.metadata.num_delivered
            log.error(  # noqa: TRY400 - where it arose is told once, however often it is refused
                "bus.message_refused",
                subject=message.subject,
                message_id=(message.headers or {}).get("Nats-Msg-Id", ""),
                deliveries=deliveries,
                error=f"{type(error).__name__}: {error}",
                exc_info=error if deliveries == 1 else None,
            )
            await message.nak(delay=redelivery_seconds(deliveries))
        else:
            await message.ack()


def redelivery_seconds(deliveries: int) -> int:
    """Return after how many seconds a message that was refused so often is delivered again."""
    return int(min(REDELIVERY_SECONDS, 2 ** min(deliveries - 1, 10)))
