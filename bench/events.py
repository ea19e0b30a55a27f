"""A plain NATS subscriber that records when each event arrives."""

import json
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import nats
from nats.aio.msg import Msg


@asynccontextmanager
async def arrivals(document: Mapping[str, Any], subject: str) -> AsyncIterator[dict[str, float]]:
    """Subscribe for the block; yield the arrival times (wall clock) by aggregate, as they arrive.

    document: the content of stack.json. An older stack has no TLS, and no users.
    """
    arrived: dict[str, float] = {}

    async def take(message: Msg) -> None:
        at = time.time()
        arrived.setdefault(json.loads(message.data)["aggregateId"], at)

    believed = None
    if authority := document.get("natsCaFile"):
        believed = ssl.create_default_context(cafile=authority)
    client = await nats.connect(document["natsUrl"], tls=believed)
    try:
        await client.subscribe(subject, cb=take)
        await client.flush()
        yield arrived
    finally:
        await client.close()
