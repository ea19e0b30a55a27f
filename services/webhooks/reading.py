"""Reading: one process of all replicas follows the stream, for deliveries and for the list.

Each reader keeps its own place in the stream, written in the transaction of its effects, so none
waits for another.
"""

import asyncio
import datetime as dt
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

from chassis.bus import Bus
from chassis.database import Database
from chassis.events import Event, event_of
from chassis.following import Followed, Place, follow
from chassis.session_lock import only_one
from chassis.telemetry import logger
from kernel.errors import Unavailable
from kernel.ids import parse_uuid

# Connections beside the pool.
CONNECTIONS = 1
AWAY_SECONDS = 1
# The names of an aggregate are in an index.
NAMES_MAX = 400
log = logger()


class Reader(Protocol):
    """What follows the stream; see `chassis.following.follow`."""

    async def start(self) -> Place:
        """Read the place from which to follow."""
        ...

    async def take(self, messages: Sequence[Followed], place: Place) -> None:
        """Handle messages, and write the place. Raises: Unavailable: another process did."""
        ...


async def keep_reading(database: Database, bus: Bus, *readers: Reader) -> None:
    """Let every reader follow the stream until cancelled, while no other process does."""
    while True:
        try:
            async with only_one(database, kind="intake", name=database.schema):
                await _together([follow(bus, start=r.start, handle=r.take) for r in readers])
        except (Unavailable, TimeoutError) as error:
            log.warning("intake.waits", error=type(error).__name__)
            await asyncio.sleep(AWAY_SECONDS)


async def _together(following: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run until one of them fails, or this is cancelled; then end all. Raises: what it raised."""
    # No TaskGroup: it loses its own cancellation where a task fails at the same time.
    tasks = [asyncio.create_task(one) for one in following]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in tasks:
        if not task.cancelled():
            task.result()


def event_in(one: Followed) -> Event | None:
    """Read a message; None: it is not an event that can be stored. No client gets it either."""
    event = event_of(one.subject, one.body, sequence=one.sequence)
    if event is None or one.marketplace_id not in {"", event.marketplace_id}:
        return None
    names = event.body["aggregateId"] + event.body["aggregateType"]
    try:
        occurred_at(event)
    except ValueError:
        return None
    is_known = parse_uuid(event.marketplace_id) is not None
    return event if is_known and len(names) <= NAMES_MAX and "\0" not in names else None


def occurred_at(event: Event) -> dt.datetime:
    """Return when an event occurred. Raises: ValueError: there is no such moment."""
    return dt.datetime.fromisoformat(event.body["occurredAt"])
