"""Deletes expired rows of the gateway's tables every hour."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from chassis.idempotency import PURGE_SECONDS
from chassis.telemetry import logger

log = logger()


async def keep_forgetting(*jobs: Callable[[], Awaitable[None]], until: asyncio.Event) -> None:
    """Run all jobs every hour, until the event is set."""
    while not until.is_set():
        for job in jobs:
            try:
                await job()
            except Exception as error:  # noqa: BLE001 - it is tried again after any error
                log.warning("gateway.not_forgotten", error=type(error).__name__)
        with suppress(TimeoutError):
            async with asyncio.timeout(PURGE_SECONDS):
                await until.wait()
