"""How long after its commit an event reaches the receiver of a webhook, at 100 orders a second."""

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
from aiohttp import web

from bench.measured import Measured, Say
from bench.stack import Stack
from bench.subscriber import told, waited
from deploy.local.ports import HOST, free_port


def measure(stack: Stack, say: Say) -> Measured:
    """Create orders at a steady pace, and compare the commits with the arrivals."""
    return told(waited(stack, say, partial(_received, stack.document)), named="webhook")


@asynccontextmanager
async def _received(document: Mapping[str, Any]) -> AsyncIterator[dict[str, float]]:
    """Receive for the block; yield the arrival times (wall clock) by order, as they arrive."""
    arrived: dict[str, float] = {}

    async def take(request: web.Request) -> web.Response:
        at = time.time()
        arrived.setdefault(json.loads(await request.text())["aggregateId"], at)
        return web.Response()

    port, app = free_port(), web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, HOST, port).start()
    key = {"Authorization": f"Bearer {document['apiKey']}"}
    body = {"url": f"http://{HOST}:{port}/", "eventTypes": ["order.created"]}
    try:
        async with httpx.AsyncClient(base_url=f"{document['url']}/api/v1", headers=key) as client:
            made = (await client.post("/webhooks", json=body)).raise_for_status().json()
            yield arrived
            (await client.delete(f"/webhooks/{made['data']['id']}")).raise_for_status()
    finally:
        await runner.cleanup()
