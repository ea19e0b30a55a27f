"""Reading: one process among all replicas follows the stream, for deliveries and for the list.

The two readers share one subscription. Each saves its own place in the stream, in the transaction
of its effects.
"""

import asyncio
import datetime as dt
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from chassis.bus import Bus
from chassis.database import Database
from chassis.events import Event, event_of
from chassis.following import Followed, Place, follow
from chassis.session_lock import only_one
from chassis.telemetry import logger
from kernel.errors import Unavailable
from kernel.ids import parse_uuid

# The connections that are needed beside the pool.
CONNECTIONS = 1
AWAY_SECONDS = 1
# The pause before a look while the last look found no webhook. Events that come meanwhile are
# looked at together.
QUIET_SECONDS = 0.05
# The most characters of an aggregate's type and id, which are in an index.
NAMES_MAX = 400
log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An event of the stream that can be stored. occurred_at: from its body."""

    event: Event
    occurred_at: dt.datetime


class Reader(Protocol):
    """A reader of the stream; see `chassis.following.follow`."""

    async def start(self) -> Place:
        """Read the place from which to follow the stream."""
        ...

    async def take(self, heard: Sequence[Heard], place: Place) -> None:
        """Handle events up to a place, and save the place.

        Raises: Unavailable: another process has done so.
        """
        ...

    async def keep_writing(self) -> None:
        """Write events that were taken but not written, until cancelled. Raises: as `take`."""
        ...


async def keep_reading(database: Database, bus: Bus, *readers: Reader) -> None:
    """Read the stream for all readers until cancelled, as the only process that does so."""
    shared = SharedReading(readers)
    while True:
        try:
            async with only_one(database, kind="intake", name=database.schema):
                following = follow(bus, start=shared.start, handle=shared.take)
                await _together([following, *(reader.keep_writing() for reader in readers)])
        except (Unavailable, TimeoutError) as error:
            log.warning("intake.waits", error=type(error).__name__)
            await asyncio.sleep(AWAY_SECONDS)


class SharedReading:
    """Readers that share one subscription, which begins at the earliest of their places."""

    def __init__(self, readers: Sequence[Reader]) -> None:
        self._readers = readers
        self._begun: list[Place] = []

    async def start(self) -> Place:
        """Read the place of every reader; return the place from which to follow."""
        self._begun = [await reader.start() for reader in self._readers]
        made = {place.made for place in self._begun}
        if len(made) > 1:
            # A reader has not begun with this stream. The others skip the events that they know.
            return Place(made="", sequence=0)
        return Place(made=made.pop(), sequence=min(place.sequence for place in self._begun))

    async def take(self, messages: Sequence[Followed], place: Place) -> None:
        """Pass the events after its place to each reader. Raises: Unavailable."""
        found = [heard for one in messages if (heard := heard_in(one)) is not None]
        for reader, begun in zip(self._readers, self._begun, strict=True):
            known = begun.sequence if begun.made == place.made else 0
            if place.sequence > known:
                await reader.take([one for one in found if one.event.sequence > known], place)


async def _together(following: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run coroutines until one fails or the caller is cancelled; then cancel all.

    Raises: what the failed coroutine raised.
    """
    # A TaskGroup would lose its own cancellation if a task failed at the same time.
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


def heard_in(one: Followed) -> Heard | None:
    """Decode a message; None: not an event that can be stored, so no client gets it."""
    event = event_of(one.subject, one.body, sequence=one.sequence)
    if event is None or one.marketplace_id not in {"", event.marketplace_id}:
        return None
    names = event.body["aggregateId"] + event.body["aggregateType"]
    is_known = parse_uuid(event.marketplace_id) is not None
    if not is_known or len(names) > NAMES_MAX or "\0" in names:
        return None
    try:
        occurred_at = dt.datetime.fromisoformat(event.body["occurredAt"])
    except ValueError:
        return None
    return Heard(event=event, occurred_at=occurred_at)
