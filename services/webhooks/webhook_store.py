"""Webhooks in PostgreSQL: read and write rows as dataclasses."""

import uuid
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.database import Transaction
from chassis.sql import compiled
from services.webhooks.domain import Webhook, WebhookNotFound, Why
from services.webhooks.tables import webhooks


class WebhookStore:
    """Reads and writes webhooks."""

    async def add(self, tx: Transaction, webhook: Webhook) -> None:
        """Insert a webhook."""
        await tx.run(_ADD, _columns(webhook))

    async def count(self, tx: Transaction, marketplace_id: uuid.UUID) -> int:
        """Count a marketplace's webhooks, and lock the count until the transaction ends.

        A transaction that adds another webhook waits for the lock.
        """
        await tx.fetchrow(_ONE_AT_A_TIME, {"name": str(marketplace_id)})
        return int(await tx.fetchval(_COUNT, {"marketplace_id": marketplace_id}) or 0)

    async def get(self, tx: Transaction, marketplace_id: uuid.UUID, found: uuid.UUID) -> Webhook:
        """Read a webhook. Raises: WebhookNotFound."""
        return await self._read(tx, _FIND, marketplace_id, found)

    async def lock(self, tx: Transaction, marketplace_id: uuid.UUID, found: uuid.UUID) -> Webhook:
        """Read a webhook and lock its row (FOR UPDATE). Raises: WebhookNotFound."""
        return await self._read(tx, _LOCK, marketplace_id, found)

    async def save(self, tx: Transaction, webhook: Webhook) -> None:
        """Write a locked webhook's new values."""
        await tx.run(_SAVE, _columns(webhook))

    async def delete(self, tx: Transaction, webhook: Webhook) -> None:
        """Delete a locked webhook with its deliveries."""
        await tx.run(_DELETE, {"marketplace_id": webhook.marketplace_id, "id": webhook.id})

    async def page(
        self, tx: Transaction, marketplace_id: uuid.UUID, *, after: uuid.UUID | None, limit: int
    ) -> list[Webhook]:
        """List webhooks, newest first. after: the last one of the page before; None: first."""
        values = {"marketplace_id": marketplace_id, "after": after or _LAST, "limit": limit}
        return [_webhook(row) for row in await tx.fetch(_PAGE, values)]

    async def of_marketplaces(
        self, tx: Transaction, marketplace_ids: Collection[uuid.UUID]
    ) -> list[Webhook]:
        """Read all webhooks of these marketplaces; a lock prevents their deletion meanwhile."""
        rows = await tx.fetch(_OF_MARKETPLACES, {"marketplaces": list(marketplace_ids)})
        return [_webhook(row) for row in rows]

    async def _read(
        self, tx: Transaction, statement: str, marketplace_id: uuid.UUID, found: uuid.UUID
    ) -> Webhook:
        row = await tx.fetchrow(statement, {"marketplace_id": marketplace_id, "id": found})
        if row is None:
            raise WebhookNotFound("Webhook not found")
        return _webhook(row)


def _columns(webhook: Webhook) -> dict[str, object]:
    return {
        "marketplace_id": webhook.marketplace_id,
        "id": webhook.id,
        "url": webhook.url,
        "event_types": list(webhook.event_types),
        "description": webhook.description,
        "disabled_why": webhook.disabled_why,
        "disabled_at": webhook.disabled_at,
        "secret_number": webhook.secret_number,
        "previous_until": webhook.previous_until,
        "version": webhook.version,
        "created_at": webhook.created_at,
        "updated_at": webhook.updated_at,
    }


def _webhook(row: Any) -> Webhook:
    return Webhook(
        marketplace_id=row.marketplace_id,
        id=row.id,
        url=row.url,
        event_types=tuple(row.event_types),
        description=row.description,
        disabled_why=None if row.disabled_why is None else Why(row.disabled_why),
        disabled_at=row.disabled_at,
        secret_number=row.secret_number,
        previous_until=row.previous_until,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


_LAST = uuid.UUID(int=2**128 - 1)
_OF_MARKETPLACE = webhooks.c.marketplace_id == sa.bindparam("marketplace_id")
_WEBHOOK = (_OF_MARKETPLACE, webhooks.c.id == sa.bindparam("id"))

_ADD = compiled(
    sa.insert(webhooks).values({column.name: sa.bindparam(column.name) for column in webhooks.c})
)
_ONE_AT_A_TIME = "select pg_advisory_xact_lock(hashtext('webhooks'), hashtext(%(name)s))"
_COUNT = compiled(sa.select(sa.func.count()).select_from(webhooks).where(_OF_MARKETPLACE))
_FIND = compiled(sa.select(webhooks).where(*_WEBHOOK))
_LOCK = compiled(sa.select(webhooks).where(*_WEBHOOK).with_for_update())
_SAVE = compiled(
    sa.update(webhooks)
    .where(*_WEBHOOK)
    .values(
        {
            column.name: sa.bindparam(column.name)
            for column in webhooks.c
            if column.name not in {"marketplace_id", "id", "created_at"}
        }
    )
)
_DELETE = compiled(sa.delete(webhooks).where(*_WEBHOOK))
# Ids are ordered by time.
_PAGE = compiled(
    sa.select(webhooks)
    .where(_OF_MARKETPLACE, webhooks.c.id < sa.bindparam("after"))
    .order_by(webhooks.c.id.desc())
    .limit(sa.bindparam("limit"))
)
_OF_MARKETPLACES = compiled(
    sa.select(webhooks)
    .where(webhooks.c.marketplace_id == sa.any_(sa.bindparam("marketplaces", type_=ARRAY(sa.Uuid))))
    .order_by(webhooks.c.id)
    .with_for_update(read=True, key_share=True)
)
