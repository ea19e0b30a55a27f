"""The use cases of webhooks. Each is one transaction: load, decide, save.

A use case that changes something returns the encoded answer, which is stored for retries. Stored
answers contain no secret.
"""

import asyncio
import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson

from chassis.audit import Trail
from chassis.database import Database, Transaction
from chassis.idempotency import Answer, Idempotency, RequestKey
from chassis.waiting import Bell
from kernel.clock import Clock, to_milliseconds_text
from kernel.ids import new_id, to_public
from services.webhooks import addresses, domain, lines
from services.webhooks.addresses import Rules
from services.webhooks.domain import (
    PURGED_AT_ONCE,
    TEST_EVENT,
    Changes,
    Delivery,
    EventsWanted,
    ListedEvent,
    State,
    Webhook,
    Why,
)
from services.webhooks.event_store import EventStore
from services.webhooks.store import DeliveryStore
from services.webhooks.webhook_store import WebhookStore

PURGE_SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhooksService:
    """Registers, reads and changes webhooks, and resends. encode…: encode answers as bytes.

    delivery_id: returns the id of the delivery of an event to a webhook. bell: rung when deliveries
    may be due.
    """

    database: Database
    webhooks: WebhookStore
    deliveries: DeliveryStore
    events: EventStore
    idempotency: Idempotency
    trail: Trail
    clock: Clock
    rules: Rules
    bell: Bell
    encode: Callable[[Webhook], bytes]
    encode_delivery: Callable[[Delivery], bytes]
    encode_count: Callable[[uuid.UUID, int], bytes]
    delivery_id: Callable[[uuid.UUID, str], uuid.UUID]

    async def create(
        self,
        *,
        key: RequestKey,
        url: str,
        event_types: Sequence[str],
        description: str,
        is_disabled: bool,
    ) -> Answer:
        """Register a URL.

        Raises: InvalidUrl; WebhookUrlNotAllowed; TooManyWebhooks; IdempotencyKeyReused.
        """

        async def work(tx: Transaction) -> bytes:
            addresses.target(url, self.rules)
            domain.require_room(await self.webhooks.count(tx, key.marketplace_id))
            at = self.clock.now()
            webhook = Webhook(
                marketplace_id=key.marketplace_id,
                id=new_id(),
                url=url,
                event_types=tuple(event_types),
                description=description,
                disabled_why=Why.REQUESTED if is_disabled else None,
                disabled_at=at if is_disabled else None,
                secret_number=1,
                previous_until=None,
                version=0,
                created_at=at,
                updated_at=at,
            )
            await self.webhooks.add(tx, webhook)
            await self._note(tx, lines.created(webhook))
            return self.encode(webhook)

        return await self.idempotency.execute(self.database, key, work)

    async def get(self, *, marketplace_id: uuid.UUID, webhook_id: uuid.UUID) -> Webhook:
        """Return a webhook. Raises: WebhookNotFound."""
        async with self.database.statement() as connection:
            return await self.webhooks.get(connection, marketplace_id, webhook_id)

    async def list_webhooks(
        self, *, marketplace_id: uuid.UUID, after: uuid.UUID | None, size: int
    ) -> Sequence[Webhook]:
        """List webhooks, newest first; one more if there is another page."""
        async with self.database.statement() as connection:
            return await self.webhooks.page(connection, marketplace_id, after=after, limit=size + 1)

    async def update(self, *, key: RequestKey, webhook_id: uuid.UUID, changes: Changes) -> Answer:
        """Change a webhook. If it is enabled again, its waiting deliveries are sent.

        Raises: WebhookNotFound; InvalidUrl; WebhookUrlNotAllowed; IdempotencyKeyReused.
        """

        async def work(tx: Transaction) -> bytes:
            before = await self.webhooks.lock(tx, key.marketplace_id, webhook_id)
            if changes.url is not None:
                addresses.target(changes.url, self.rules)
            after = domain.changed(before, changes, at=self.clock.now())
            await self.webhooks.save(tx, after)
            if (noted := lines.updated(before, after)) is not None:
                await self._note(tx, noted)
            return self.encode(after)

        return await self._ringing(key, work)

    async def delete(self, *, key: RequestKey, webhook_id: uuid.UUID) -> Answer:
        """Delete a webhook with its deliveries. Raises: WebhookNotFound; IdempotencyKeyReused."""

        async def work(tx: Transaction) -> bytes:
            webhook = await self.webhooks.lock(tx, key.marketplace_id, webhook_id)
            await self.webhooks.delete(tx, webhook)
            await self._note(tx, lines.deleted(webhook))
            return self.encode(webhook)

        return await self.idempotency.execute(self.database, key, work)

    async def rotate(self, *, key: RequestKey, webhook_id: uuid.UUID) -> Answer:
        """Replace the secret. Raises: WebhookNotFound; IdempotencyKeyReused."""

        async def work(tx: Transaction) -> bytes:
            before = await self.webhooks.lock(tx, key.marketplace_id, webhook_id)
            after = domain.rotated(before, at=self.clock.now())
            await self.webhooks.save(tx, after)
            await self._note(tx, lines.rotated(before, after))
            return self.encode(after)

        return await self.idempotency.execute(self.database, key, work)

    async def test(self, *, key: RequestKey, webhook_id: uuid.UUID) -> Answer:
        """Send an event of the type webhook.test.

        Raises: WebhookNotFound; WebhookDisabled; IdempotencyKeyReused.
        """

        async def work(tx: Transaction) -> bytes:
            webhook = await self.webhooks.lock(tx, key.marketplace_id, webhook_id)
            domain.require_enabled(webhook)
            event_id = to_public("evt", new_id())
            found = self.delivery_id(webhook.id, event_id)
            public = to_public("wh", webhook.id)
            body = test_event(webhook, event_id=event_id, public=public, at=self.clock.now())
            names = (event_id, TEST_EVENT, "Webhook", public)
            await self.deliveries.add(
                tx, [(webhook.marketplace_id, found, webhook.id, *names, body)]
            )
            await self._note(tx, lines.sent("test", webhook, deliveries=1))
            return self.encode_delivery(await self.deliveries.find(tx, webhook, found))

        return await self._ringing(key, work)

    async def list_deliveries(
        self,
        *,
        marketplace_id: uuid.UUID,
        webhook_id: uuid.UUID,
        state: State | None,
        after: int | None,
        size: int,
    ) -> Sequence[Delivery]:
        """List deliveries, newest first; one more if there is another page.

        Raises: WebhookNotFound.
        """
        async with self.database.statement() as connection:
            webhook = await self.webhooks.get(connection, marketplace_id, webhook_id)
            return await self.deliveries.page(
                connection, webhook, state=state, after=after, limit=size + 1
            )

    async def resend(
        self, *, key: RequestKey, webhook_id: uuid.UUID, delivery_id: uuid.UUID
    ) -> Answer:
        """Send a delivery again.

        Raises: WebhookNotFound; DeliveryNotFound; WebhookDisabled; IdempotencyKeyReused.
        """

        async def work(tx: Transaction) -> bytes:
            webhook = await self.webhooks.lock(tx, key.marketplace_id, webhook_id)
            await self.deliveries.find(tx, webhook, delivery_id)
            domain.require_enabled(webhook)
            await self._note(tx, lines.sent("resend", webhook, deliveries=1))
            return self.encode_delivery(await self.deliveries.resend(tx, webhook, delivery_id))

        return await self._ringing(key, work)

    async def resend_since(
        self, *, key: RequestKey, webhook_id: uuid.UUID, since: dt.datetime
    ) -> Answer:
        """Resend all ended deliveries that were created at or after a moment.

        Raises: WebhookNotFound; WebhookDisabled; IdempotencyKeyReused.
        """

        async def work(tx: Transaction) -> bytes:
            webhook = await self.webhooks.lock(tx, key.marketplace_id, webhook_id)
            domain.require_enabled(webhook)
            count = await self.deliveries.resend_since(tx, webhook, since)
            await self._note(tx, lines.sent("resend", webhook, deliveries=count))
            return self.encode_count(webhook.id, count)

        return await self._ringing(key, work)

    async def list_events(
        self, *, marketplace_id: uuid.UUID, wanted: EventsWanted, size: int
    ) -> Sequence[ListedEvent]:
        """List events, newest first; one more if there is another page."""
        async with self.database.statement() as connection:
            return await self.events.page(connection, marketplace_id, wanted, limit=size + 1)

    async def get_event(self, *, marketplace_id: uuid.UUID, event_id: str) -> ListedEvent:
        """Return an event. Raises: EventNotFound."""
        async with self.database.statement() as connection:
            return await self.events.find(connection, marketplace_id, event_id)

    async def keep_purged(self) -> None:
        """Delete old deliveries and events every hour, until cancelled."""
        while True:
            for purge in (self.deliveries.purge, self.events.purge):
                count = PURGED_AT_ONCE
                while count == PURGED_AT_ONCE:
                    async with self.database.transaction() as tx:
                        count = await purge(tx)
            await asyncio.sleep(PURGE_SECONDS)

    async def _note(self, tx: Transaction, noted: lines.Noted) -> None:
        webhook, change = noted
        await self.trail.record(tx, change, marketplace_id=webhook.marketplace_id)

    async def _ringing(self, key: RequestKey, work: Callable[..., object]) -> Answer:
        answer = await self.idempotency.execute(self.database, key, work)  # type: ignore[arg-type]
        self.bell.ring()
        return answer


def test_event(webhook: Webhook, *, event_id: str, public: str, at: dt.datetime) -> str:
    """Return an event without content, which shows whether the receiver can be reached."""
    document = {
        "eventId": event_id,
        "eventType": TEST_EVENT,
        "occurredAt": to_milliseconds_text(at),
        "aggregateId": public,
        "aggregateType": "Webhook",
        "version": 1,
        "payload": {"webhookId": public},
        "metadata": {
            "correlationId": "",
            "causationId": "",
            "userId": "",
            "marketplaceId": str(webhook.marketplace_id),
        },
    }
    return orjson.dumps(document).decode()
