"""Intake: writes the deliveries of the stream's events, one for each webhook and event.

One process among all replicas does this (`reading.py`), in the order of the stream. The place in
the stream is saved in the transaction of the deliveries.
"""

import asyncio
import datetime as dt
import uuid
from collections.abc import Sequence

from chassis.database import Connection, Database
from chassis.events import Event
from chassis.following import Place
from chassis.waiting import Bell
from kernel.clock import Clock
from kernel.errors import Unavailable
from kernel.ids import derived_id
from services.webhooks import domain
from services.webhooks.domain import Webhook
from services.webhooks.reading import QUIET_SECONDS, Heard
from services.webhooks.store import DeliveryStore
from services.webhooks.webhook_store import WebhookStore

# After this many messages that no webhook wants, the place is saved anyway.
UNWRITTEN_MAX = 1000


class Intake:
    """Writes deliveries. bell: rung after deliveries are written."""

    def __init__(
        self,
        *,
        database: Database,
        webhooks: WebhookStore,
        deliveries: DeliveryStore,
        clock: Clock,
        bell: Bell,
    ) -> None:
        self._database = database
        self._webhooks = webhooks
        self._deliveries = deliveries
        self._clock = clock
        self._bell = bell
        self._place = ("", 0)
        # Whether the last look found no webhook.
        self._is_quiet = False

    async def start(self) -> Place:
        """Read the place from which to follow the stream."""
        async with self._database.statement() as connection:
            self._place = await self._deliveries.place(connection)
        made, sequence = self._place
        return Place(made=made, sequence=sequence)

    async def take(self, heard: Sequence[Heard], place: Place) -> None:
        """Write the deliveries of events. Raises: Unavailable: another process wrote them."""
        if self._is_quiet:
            # Wait for more events, so that one look serves all of them.
            await asyncio.sleep(QUIET_SECONDS)
        next_place, now = (place.made, place.sequence), self._clock.now()
        made, sequence = self._place
        # The place is not saved for each message that no webhook wants. The next process reads the
        # messages after the saved place again.
        if place.made == made and place.sequence < sequence + UNWRITTEN_MAX:
            async with self._database.statement() as connection:
                if not await self._new(connection, heard, now=now):
                    return
        async with self._database.transaction() as tx:
            if new := await self._new(tx, heard, now=now):
                await self._deliveries.add(tx, new)
            if not await self._deliveries.advance(tx, self._place, next_place):
                raise Unavailable("Another process follows the stream")
        self._place = next_place
        if new:
            self._bell.ring()

    async def keep_writing(self) -> None:
        """Do nothing: `take` writes at once."""

    async def _new(
        self, connection: Connection, heard: Sequence[Heard], *, now: dt.datetime
    ) -> list[tuple[object, ...]]:
        """Return the deliveries of events, in their order. Locks the webhooks for key share."""
        marketplaces = {uuid.UUID(one.event.marketplace_id) for one in heard}
        if not marketplaces:
            return []
        known: dict[str, list[Webhook]] = {}
        for webhook in await self._webhooks.of_marketplaces(connection, marketplaces):
            known.setdefault(str(webhook.marketplace_id), []).append(webhook)
        self._is_quiet = not known
        return [
            row(webhook, one.event)
            for one in heard
            for webhook in known.get(one.event.marketplace_id, ())
            if domain.wants(webhook.event_types, one.event.type)
            and domain.is_due_to(webhook, occurred_at=one.occurred_at, now=now)
        ]


def row(webhook: Webhook, event: Event) -> tuple[object, ...]:
    """Return the values of a new delivery, in the order of `store.NEW`."""
    return (
        webhook.marketplace_id,
        delivery_id(webhook.id, event.event_id),
        webhook.id,
        event.event_id,
        event.type,
        event.body["aggregateType"],
        event.body["aggregateId"],
        event.data.decode(),
    )


def delivery_id(webhook_id: uuid.UUID, event_id: str) -> uuid.UUID:
    """Return the id of the delivery of an event to a webhook."""
    return derived_id("delivery", webhook_id, event_id)
