"""NATS JetStream: connect, keep the stream, publish with a message id.

The stream is a projection of the outbox tables and can be rebuilt from them. An event is not
trusted because it is on the stream: see `signature.py`.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import (
    DiscardPolicy,
    PubAck,
    RetentionPolicy,
    StorageType,
    StoreCompression,
    StreamConfig,
)
from nats.js.errors import NotFoundError

from chassis.nats_client import Client
from chassis.nats_settings import STREAM, SUBJECTS, StreamLimits, parse
from chassis.telemetry import logger
from chassis.tls import client_context

# How long the server remembers message ids, to drop duplicates.
DUPLICATE_WINDOW_SECONDS = 600
ACK_TIMEOUT_SECONDS = 5.0
SILENCE_SECONDS = 10
DAY_SECONDS = 86_400
GIGABYTE = 1024**3
# Logged once until the error changes: a refused connection is retried four times a second.
_REFUSALS = ("authorization violation", "permissions violation")
log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message to publish: subject, id for deduplication, CloudEvents headers, JSON body."""

    subject: str
    message_id: str
    headers: Mapping[str, str]
    body: bytes


class Bus:
    """A connection to NATS that reconnects automatically.

    limits: used to create the stream if it is missing; None: never create it. silence_seconds: a
    connection that is silent for longer is replaced. authority: PEM file of the authority of the
    servers' certificates; None: the system's authorities.
    """

    def __init__(
        self,
        *,
        url: str,
        name: str,
        limits: StreamLimits | None = StreamLimits(),  # noqa: B008 - frozen
        silence_seconds: int = SILENCE_SECONDS,
        authority: Path | None = None,
    ) -> None:
        self._servers = parse(url)
        self._authority = authority
        self._silence_seconds = silence_seconds
        self._name = name
        self._limits = limits
        self._client: Client | None = None
        self._context: JetStreamContext | None = None
        self._lock = asyncio.Lock()
        self._last_refusal = ""
        self._is_closed = False

    async def stream(self) -> JetStreamContext:
        """Connect if needed, create the stream if it is missing, and return its context.

        All callers share one context per connection, because each context adds a subscription.
        Raises: OSError, nats errors, TimeoutError: NATS is unavailable; try again later.
        """
        async with self._lock:
            self._refuse_if_closed()
            if self._client is None or self._context is None or self._client.is_closed:
                self._client = await self._connect()
                self._context = self._client.jetstream(timeout=ACK_TIMEOUT_SECONDS)
            try:
                await self._context.stream_info(STREAM)
            except NotFoundError:
                if self._limits is None:
                    raise
                await self._context.add_stream(stream_config(self._limits))
            return self._context

    async def client(self) -> Client:
        """Return the connection itself, for plain subscriptions. Raises as `stream` does."""
        await self.stream()
        if self._client is None:
            raise ConnectionError("NATS is unavailable")
        return self._client

    async def close(self) -> None:
        """Close the connection for good. Acknowledged messages are already stored."""
        self._is_closed = True
        if self._client is not None and not self._client.is_closed:
            # The connection may already be lost; the error does not matter then.
            with suppress(OSError, NatsError):
                await self._client.close()

    async def _connect(self) -> Client:
        servers = self._servers
        options: dict[str, Any] = {
            "name": self._name,
            "connect_timeout": 2,
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": 0.25,
            # The interval between pings. After two unanswered pings the connection is closed.
            "ping_interval": self._silence_seconds / 2,
            "max_outstanding_pings": 2,
            "allow_reconnect": True,
            "inbox_prefix": servers.inbox_prefix,
            "error_cb": self._hear,
        }
        if servers.user:
            options |= {"user": servers.user, "password": servers.password}
        if servers.has_tls:
            options["tls"] = client_context(self._authority)
        client = Client()
        await client.connect(list(servers.urls), **options)
        if self._is_closed:
            await client.close()
            self._refuse_if_closed()
        return client

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            # A task that outlives its service would open a connection that nobody closes.
            raise ConnectionError("the bus is closed")

    async def _hear(self, error: Exception) -> None:
        text = str(error)
        if not any(refusal in text.lower() for refusal in _REFUSALS):
            log.debug("bus.error", error=type(error).__name__)
        elif text != self._last_refusal:
            self._last_refusal = text
            log.error("bus.not_permitted", user=self._servers.user, why=text[:200])


def stream_config(limits: StreamLimits) -> StreamConfig:
    """Return the configuration of the one stream, which has all events."""
    return StreamConfig(
        name=STREAM,
        subjects=list(SUBJECTS),
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_age=limits.days * DAY_SECONDS,
        max_bytes=limits.gigabytes * GIGABYTE or -1,
        num_replicas=limits.replicas,
        duplicate_window=DUPLICATE_WINDOW_SECONDS,
        # Events resemble each other: compressed, they take a third of the bytes.
        compression=StoreCompression.S2,
        max_msg_size=256 * 1024,
    )


async def keep_stream(url: str, *, limits: StreamLimits, authority: Path | None = None) -> None:
    """Create the stream, or set the limits of the existing one. Needs a NATS administrator.

    Raises: OSError, nats errors, TimeoutError.
    """
    bus = Bus(url=url, name="stream", limits=limits, authority=authority)
    try:
        await (await bus.stream()).update_stream(stream_config(limits))
    finally:
        await bus.close()


async def publish_all(context: JetStreamContext, messages: Sequence[Message]) -> list[bool]:
    """Publish messages in order and wait for every acknowledgement.

    Returns one flag per message: True if the server has stored it, now or earlier.
    """
    results = await _send(context, [(message, message.message_id) for message in messages])
    return [
        await _is_kept(context, message, result)
        for message, result in zip(messages, results, strict=True)
    ]


async def _send(
    context: JetStreamContext, messages: Sequence[tuple[Message, str]]
) -> list[PubAck | BaseException]:
    """Publish each message under an id; returns the acknowledgement or the NATS error of each."""
    futures: list[asyncio.Future[PubAck]] = []
    try:
        for message, message_id in messages:
            headers = {**message.headers, "Nats-Msg-Id": message_id}
            sent = await context.publish_async(message.subject, message.body, headers=headers)
            futures.append(sent)
        late: set[asyncio.Future[PubAck]] = set()
        if futures:
            _, late = await asyncio.wait(futures, timeout=ACK_TIMEOUT_SECONDS)
        results = [
            TimeoutError() if future in late else future.exception() or future.result()
            for future in futures
        ]
    finally:
        # An abandoned future would occupy one of the context's pending slots for ever.
        for future in futures:
            future.cancel()
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, (NatsError, TimeoutError)):
            raise result
    return results


async def _is_kept(
    context: JetStreamContext, message: Message, result: PubAck | BaseException
) -> bool:
    """Make sure that the stream has a message, even if another message has taken its id.

    Ids can be guessed, and the server drops the second of two messages with the same id. On a
    duplicate, the stored message is read; if it differs, ours is published under a new id.
    """
    if isinstance(result, BaseException):
        return False
    if not result.duplicate or await _is_stored(context, message, result.seq):
        return True
    log.error("bus.message_id_taken", message_id=message.message_id, sequence=result.seq)
    [again] = await _send(context, [(message, f"{message.message_id}.{uuid.uuid4().hex}")])
    return not isinstance(again, BaseException)


async def _is_stored(context: JetStreamContext, message: Message, sequence: int) -> bool:
    try:
        found = await context.get_msg(STREAM, sequence)
    except NotFoundError:
        return False
    headers = found.headers or {}
    return (
        found.subject == message.subject
        and found.data == message.body
        and all(headers.get(name) == value for name, value in message.headers.items())
    )
