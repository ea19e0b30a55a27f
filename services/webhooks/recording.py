"""Recording: the stream's events, written into the list, each once, in the order of the stream."""

from collections.abc import Sequence

from chassis.database import Database
from chassis.following import Followed, Place
from kernel.clock import Clock
from kernel.errors import Unavailable
from kernel.ids import parse_uuid
from services.webhooks import domain, reading
from services.webhooks.event_store import EventStore


class Recording:
    """Writes the list of events. A stream that was made anew adds nothing twice."""

    def __init__(self, *, database: Database, events: EventStore, clock: Clock) -> None:
        self._database = database
        self._events = events
        self._clock = clock
        self._place = Place(made="", sequence=0)

    async def start(self) -> Place:
        """Read the place from which to follow."""
        async with self._database.statement() as connection:
            self._place = await self._events.place(connection)
        return self._place

    async def take(self, messages: Sequence[Followed], place: Place) -> None:
        """Write the events of some messages. Raises: Unavailable: another process did."""
        now = self._clock.now()
        new = [
            (
                parse_uuid(event.marketplace_id),
                event.event_id,
                event.type,
                event.body["aggregateType"],
                event.body["aggregateId"],
                reading.occurred_at(event),
                event.data.decode(),
            )
            for one in messages
            if (event := reading.event_in(one)) is not None
            and domain.is_listed(occurred_at=reading.occurred_at(event), now=now)
        ]
        async with self._database.transaction() as tx:
            if new:
                await self._events.add(tx, new)
            if not await self._events.advance(tx, self._place, place):
                raise Unavailable("Another process follows the stream")
        self._place = place
