"""Recording: writes the stream's events into the list, each once, in the order of the stream.

Events are written a moment after they are taken, so that a busy stream's events are written
together.
"""

import asyncio
import datetime as dt
import uuid
from collections.abc import Sequence

from chassis.database import Database
from chassis.following import Place
from chassis.waiting import Bell
from kernel.clock import Clock
from kernel.errors import Unavailable
from services.webhooks import domain
from services.webhooks.event_store import EventStore
from services.webhooks.packing import Said, packed
from services.webhooks.reading import Heard

# The pause between two writes.
TOGETHER_SECONDS = 0.2
# At this many events, `take` writes at once, to bound the memory.
TOGETHER_MAX = 1000
# The longest pause between two writes without a ring of the bell.
SELDOM_SECONDS = 60.0


class Recording:
    """Writes the list of events. A rebuilt stream adds no event twice."""

    def __init__(self, *, database: Database, events: EventStore, clock: Clock) -> None:
        self._database = database
        self._events = events
        self._clock = clock
        # The saved place, and the place up to which events were taken.
        self._place = self._taken_to = Place(made="", sequence=0)
        self._packs_from = dt.datetime.max.replace(tzinfo=dt.UTC)
        self._taken: list[Heard] = []
        # Whether the events taken follow the saved place. After a failed write they do not, until
        # `start` has read the place again.
        self._is_begun = False
        self._bell = Bell()
        self._writing = asyncio.Lock()

    async def start(self) -> Place:
        """Read the place from which to follow; drop events that were taken but not written."""
        async with self._writing, self._database.statement() as connection:
            self._taken = []
            self._place, self._packs_from = await self._events.place(connection)
            self._taken_to = self._place
            self._is_begun = True
        return self._place

    async def take(self, heard: Sequence[Heard], place: Place) -> None:
        """Take events. Raises: Unavailable: another process wrote them."""
        self._taken += heard
        self._taken_to = place
        if len(self._taken) >= TOGETHER_MAX:
            await self._write()
        self._bell.ring()

    async def keep_writing(self) -> None:
        """Write taken events until cancelled. Raises: as `take`."""
        while True:
            self._bell.silence()
            await self._write()
            await asyncio.sleep(TOGETHER_SECONDS)
            await self._bell.wait(seconds=SELDOM_SECONDS)

    async def _write(self) -> None:
        async with self._writing:
            taken, place, now = self._taken, self._taken_to, self._clock.now()
            if not self._is_begun or place == self._place:
                return
            self._taken, self._is_begun = [], False
            is_packed = now >= self._packs_from
            rows = [
                _row(one, is_packed=is_packed)
                for one in taken
                if domain.is_listed(occurred_at=one.occurred_at, now=now)
            ]
            async with self._database.transaction() as tx:
                if rows:
                    await self._events.add(tx, rows)
                if not await self._events.advance(tx, self._place, place):
                    raise Unavailable("Another process follows the stream")
            self._place, self._is_begun = place, True


def _row(one: Heard, *, is_packed: bool) -> tuple[object, ...]:
    """Return the values of an event, in the order of `event_store.NEW`."""
    event = one.event
    said = Said(
        marketplace_id=uuid.UUID(event.marketplace_id),
        event_id=event.event_id,
        event_type=event.type,
        occurred_at=one.occurred_at,
        aggregate_type=event.body["aggregateType"],
        aggregate_id=event.body["aggregateId"],
    )
    if is_packed:
        return (*said, "", packed(event.data, said))
    return (*said, event.data.decode(), None)
