"""Dispatch: deliveries are leased work. An attempt is signed, sent, and recorded.

An event is delivered at least once: if a process dies after the receiver has answered, another
process sends the event again under the same id.
"""

import asyncio
import datetime as dt

from prometheus_client import Counter

from chassis import identity
from chassis.audit import Trail
from chassis.database import Database, Transaction
from chassis.leases import Lease, Leases
from chassis.outbox import Event, Outbox
from chassis.telemetry import logger
from chassis.waiting import Bell
from kernel.clock import Clock, to_milliseconds_text
from kernel.ids import to_public
from services.webhooks import domain, lines
from services.webhooks.domain import DISABLED_EVENT, PAUSES, Delivery, Outcome, Webhook
from services.webhooks.outgoing import Outgoing
from services.webhooks.signing import Secrets
from services.webhooks.store import LEASE_SECONDS, LEASES, DeliveryStore
from services.webhooks.webhook_store import WebhookStore

AT_ONCE = 256
# The longest pause between two polls. The process that writes deliveries rings its own bell.
IDLE_SECONDS = 5.0
# The pause before each claim, so that a busy process claims more deliveries at once.
TOGETHER_SECONDS = 0.005
ATTEMPTS = Counter(
    "orchestrator_webhook_attempts_total", "Attempts to deliver an event, by outcome", ["outcome"]
)
SECONDS_TO_GIVE_UP = sum(PAUSES)
log = logger()


class Dispatch:
    """Claims and sends due deliveries."""

    def __init__(
        self,
        *,
        database: Database,
        webhooks: WebhookStore,
        deliveries: DeliveryStore,
        outbox: Outbox,
        secrets: Secrets,
        outgoing: Outgoing,
        clock: Clock,
        bell: Bell,
    ) -> None:
        self._database = database
        self._webhooks = webhooks
        self._deliveries = deliveries
        self._outbox = outbox
        self._secrets = secrets
        self._outgoing = outgoing
        self._clock = clock
        self._trail = Trail()
        self._leases = Leases(
            database=database,
            table=LEASES,
            seconds=LEASE_SECONDS,
            most=AT_ONCE,
            carry_out=self._carry_out,
            troubled=self._troubled,
            bell=bell,
            claim=self._claim,
            is_left=lambda: True,
            idle_seconds=IDLE_SECONDS,
        )

    async def run(self) -> None:
        """Claim and send deliveries until cancelled."""
        await self._leases.run()

    async def _claim(self, tx: Transaction, most: int) -> list[Lease]:
        await asyncio.sleep(TOGETHER_SECONDS)
        return await self._deliveries.claim(tx, most)

    async def _carry_out(self, lease: Lease) -> None:
        """Make one attempt. Raises: LeaseLost; Unavailable."""
        async with self._database.statement() as connection:
            delivery = await self._deliveries.under(connection, lease)
            webhook = await self._webhooks.get(
                connection, delivery.marketplace_id, delivery.webhook_id
            )
            if not webhook.is_enabled:
                await self._deliveries.give_back(connection, lease)
                return
        await self._leases.hold(lease)
        outcome = await self._send(webhook, delivery)
        ATTEMPTS.labels(outcome.trouble or "DELIVERED").inc()
        if outcome.trouble is None:
            async with self._database.statement() as connection:
                await self._deliveries.delivered(connection, lease, outcome)
            return
        pause = domain.pause_after(delivery.attempts + 1)
        log.info(
            "webhook.attempt_failed",
            webhook=str(webhook.id),
            delivery=str(delivery.id),
            attempt=delivery.attempts + 1,
            trouble=outcome.trouble,
            status=outcome.status,
        )
        async with self._database.transaction() as tx:
            await self._deliveries.failed(tx, lease, outcome, pause=pause)
            if pause is None:
                before = await self._webhooks.lock(tx, webhook.marketplace_id, webhook.id)
                is_reached = await self._deliveries.has_been_reached(
                    tx, before, seconds=SECONDS_TO_GIVE_UP
                )
                if before.is_enabled and not is_reached:
                    after = domain.given_up(before, at=self._clock.now())
                    await self._webhooks.save(tx, after)
                    await self._outbox.append(tx, [_disabled(after)])
                    _, change = lines.disabled(before, after)
                    await self._trail.record(tx, change, marketplace_id=after.marketplace_id)
                    log.error("webhook.disabled", webhook=str(after.id))

    async def _send(self, webhook: Webhook, delivery: Delivery) -> Outcome:
        headers = self._secrets.headers(
            webhook,
            message_id=delivery.event_id,
            body=delivery.body,
            at=dt.datetime.now(dt.UTC),
        )
        return await self._outgoing.post(webhook.url, body=delivery.body.encode(), headers=headers)

    async def _troubled(self, lease: Lease, error: Exception, seconds: float) -> bool:
        """Log the trouble and retry: the database was unavailable, and the lease may be held."""
        log.warning(
            "webhook.delivery_troubled",
            delivery=str(lease.id),
            error=type(error).__name__,
            seconds=seconds,
        )
        return False


def _disabled(webhook: Webhook) -> Event:
    at = webhook.updated_at
    return Event(
        event_type=DISABLED_EVENT,
        aggregate_type="Webhook",
        aggregate_id=to_public("wh", webhook.id),
        version=webhook.version,
        marketplace_id=webhook.marketplace_id,
        occurred_at=at,
        payload={
            "webhookId": to_public("wh", webhook.id),
            "url": webhook.url,
            "reason": str(webhook.disabled_why),
            "disabledAt": to_milliseconds_text(at),
        },
        correlation_id=identity.current_request_id(),
    )
