"""A plain NATS subscriber: it uses subjects only, without a stream or a consumer."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import nats
from nats.aio.msg import Msg

# The events of a successful purchase, as the guide lists them.
PURCHASE = (
    "order.created",
    "order.funds_reserved",
    "order.escrow_creating",
    "order.escrow_funding",
    "order.escrow_funded",
    "order.in_progress",
    "order.release_requested",
    "order.released",
    "order.closed",
)


class Listener:
    """All events of a subject since the block began, in the order of arrival."""

    def __init__(self) -> None:
        self._events: list[dict[str, Any]] = []
        self._arrived = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def of(
        cls, *, stack: Mapping[str, Any], subject: str = "order.*"
    ) -> AsyncIterator["Listener"]:
        """Subscribe for the block. stack: the content of stack.json."""
        listener = cls()
        servers = [server.strip() for server in str(stack["natsUrl"]).split(",")]
        # Without a file, the system's authorities are trusted.
        believed = ssl.create_default_context(cafile=stack["natsCaFile"] or None)
        client = await nats.connect(servers, tls=believed)
        try:
            await client.subscribe(subject, cb=listener._take)
            await client.flush()
            yield listener
        finally:
            await client.close()

    def of_aggregate(self, aggregate_id: str) -> list[tuple[str, int]]:
        """Return the type and version of each event of one aggregate."""
        return [
            (event["eventType"], event["version"])
            for event in self._events
            if event["aggregateId"] == aggregate_id
        ]

    async def wait_for(self, aggregate_id: str, event_type: str, *, seconds: float = 15) -> None:
        """Wait for an event of this type; after `seconds`, return without it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while event_type not in dict(self.of_aggregate(aggregate_id)):
                    self._arrived.clear()
                    await self._arrived.wait()

    async def _take(self, message: Msg) -> None:
        self._events.append(json.loads(message.data))
        self._arrived.set()
