"""Deliveries in PostgreSQL. Every write of an attempt checks the epoch of the lease."""

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from chassis.arrays import Columns
from chassis.database import Transaction
from chassis.leases import Lease, LeaseLost, LeaseTable
from chassis.sql import compiled
from kernel.errors import InvalidArgument
from services.webhooks.domain import (
    KEPT,
    PURGED_AT_ONCE,
    Attempt,
    Delivery,
    DeliveryNotFound,
    Outcome,
    State,
    Trouble,
    Webhook,
)
from services.webhooks.tables import deliveries, intake

LEASES = LeaseTable("deliveries", running="state = 'PENDING'", age="sequence")
LEASE_SECONDS = 30
# The most deliveries of one webhook that all replicas send at the same time, so that a slow
# receiver leaves room for the others.
OF_ONE_WEBHOOK = 16


class DeliveryStore:
    """Inserts, claims, ends, lists and deletes deliveries."""

    async def add(self, tx: Transaction, new: Iterable[Sequence[object]]) -> int:
        """Insert deliveries in the given order; existing rows are kept.

        new: the values of NEW. Returns the number of inserted rows.
        """
        return await tx.run(_ADD_DELIVERIES, NEW.values(new))

    async def claim(self, tx: Transaction, most: int) -> list[Lease]:
        """Claim due deliveries, up to OF_ONE_WEBHOOK of each webhook.

        The deliveries of one aggregate are claimed in order. A delivery that waits for its next
        attempt does not block later ones; a delivery that is being sent does.
        """
        values = {"limit": most, "share": OF_ONE_WEBHOOK, "seconds": LEASE_SECONDS}
        return [
            Lease(marketplace_id=row.marketplace_id, id=row.id, epoch=row.lease_epoch)
            for row in await tx.fetch(_CLAIM, values)
        ]

    async def under(self, tx: Transaction, lease: Lease) -> Delivery:
        """Read the delivery of a lease. Raises: LeaseLost."""
        row = await tx.fetchrow(_UNDER, _names(lease))
        if row is None:
            raise LeaseLost
        return _delivery(row)

    async def delivered(self, tx: Transaction, lease: Lease, outcome: Outcome) -> None:
        """Record that the receiver has answered with 2xx. Raises: LeaseLost."""
        await self._end(tx, lease, outcome, state=State.DELIVERED, pause=0)

    async def failed(
        self, tx: Transaction, lease: Lease, outcome: Outcome, *, pause: int | None
    ) -> None:
        """Record a failed attempt. pause: seconds until the next attempt; None: there is none.

        Raises: LeaseLost.
        """
        state = State.FAILED if pause is None else State.PENDING
        await self._end(tx, lease, outcome, state=state, pause=pause or 0)

    async def give_back(self, tx: Transaction, lease: Lease) -> None:
        """End a lease without an attempt."""
        await LEASES.give_back(tx, [lease])

    async def has_been_reached(self, tx: Transaction, webhook: Webhook, *, seconds: int) -> bool:
        """Tell whether a delivery to a webhook succeeded in the last `seconds`."""
        values = {**_key(webhook), "seconds": seconds}
        return await tx.fetchrow(_REACHED, values) is not None

    async def find(self, tx: Transaction, webhook: Webhook, delivery_id: uuid.UUID) -> Delivery:
        """Read a delivery of a webhook. Raises: DeliveryNotFound."""
        row = await tx.fetchrow(_FIND_DELIVERY, {**_key(webhook), "id": delivery_id})
        if row is None:
            raise DeliveryNotFound("Delivery not found")
        return _delivery(row)

    async def resend(self, tx: Transaction, webhook: Webhook, delivery_id: uuid.UUID) -> Delivery:
        """Make a delivery due now, with all its attempts again. Raises: DeliveryNotFound."""
        await tx.run(_RESEND, {**_key(webhook), "id": delivery_id})
        return await self.find(tx, webhook, delivery_id)

    async def resend_since(self, tx: Transaction, webhook: Webhook, since: dt.datetime) -> int:
        """Make ended deliveries created at or after a moment due now; return their number."""
        return await tx.run(_RESEND_SINCE, {**_key(webhook), "since": since})

    async def page(
        self,
        tx: Transaction,
        webhook: Webhook,
        *,
        state: State | None,
        after: int | None,
        limit: int,
    ) -> list[Delivery]:
        """List deliveries of a webhook, newest first. after: the last one of the page before."""
        values = {**_key(webhook), "state": state, "after": after or _LAST_NUMBER, "limit": limit}
        return [_delivery(row) for row in await tx.fetch(_PAGES[state is not None], values)]

    async def purge(self, tx: Transaction) -> int:
        """Delete a batch of deliveries that are older than KEPT; return their number."""
        return await tx.run(_PURGE, {"kept": KEPT, "limit": PURGED_AT_ONCE})

    async def place(self, tx: Transaction) -> tuple[str, int]:
        """Read the place in the stream up to which deliveries are written."""
        row = await tx.fetchrow(_PLACE, {})
        if row is None:
            raise InvalidArgument("the table intake has no row")
        return row.made, row.sequence

    async def advance(
        self, tx: Transaction, before: tuple[str, int], after: tuple[str, int]
    ) -> bool:
        """Replace the place `before` by `after`; False: another process has changed it."""
        values = {"made": before[0], "sequence": before[1]}
        values |= {"next_made": after[0], "next_sequence": after[1]}
        return await tx.run(_ADVANCE, values) == 1

    async def _end(
        self, tx: Transaction, lease: Lease, outcome: Outcome, *, state: State, pause: int
    ) -> None:
        values = {
            **_names(lease),
            "next_state": state,
            "pause": pause,
            "url": outcome.url,
            "milliseconds": outcome.milliseconds,
            "status": outcome.status,
            "answer": outcome.answer,
            "trouble": outcome.trouble,
        }
        if await tx.run(_END, values) != 1:
            raise LeaseLost


def _delivery(row: Any) -> Delivery:
    last = None
    if row.last_at is not None:
        outcome = Outcome(
            url=row.last_url,
            milliseconds=row.last_milliseconds,
            status=row.last_status,
            answer=row.last_answer,
            trouble=None if row.last_trouble is None else Trouble(row.last_trouble),
        )
        last = Attempt(at=row.last_at, outcome=outcome)
    return Delivery(
        marketplace_id=row.marketplace_id,
        id=row.id,
        webhook_id=row.webhook_id,
        sequence=row.sequence,
        event_id=row.event_id,
        event_type=row.event_type,
        aggregate_id=row.aggregate_id,
        body=row.body,
        state=State(row.state),
        attempts=row.attempts,
        due_at=row.due_at,
        created_at=row.created_at,
        finished_at=row.finished_at,
        last=last,
    )


def _names(lease: Lease) -> dict[str, object]:
    return {"marketplace_id": lease.marketplace_id, "id": lease.id, "epoch": lease.epoch}


def _key(webhook: Webhook) -> dict[str, object]:
    return {"marketplace_id": webhook.marketplace_id, "webhook_id": webhook.id}


_LAST_NUMBER = 2**63 - 1
_OF_WEBHOOK = (
    deliveries.c.marketplace_id == sa.bindparam("marketplace_id"),
    deliveries.c.webhook_id == sa.bindparam("webhook_id"),
)

NEW = Columns(
    "new",
    marketplace_id="uuid",
    id="uuid",
    webhook_id="uuid",
    event_id="text",
    event_type="text",
    aggregate_type="text",
    aggregate_id="text",
    body="text",
)
# Rows are inserted in the order of the arrays, so the sequence follows that order.
_ADD_DELIVERIES = f"""
insert into deliveries
    ({NEW.names}, state, attempts, due_at, lease_until, lease_epoch, created_at)
select {NEW.names}, 'PENDING', 0, clock_timestamp(), 'epoch', 0, clock_timestamp()
from {NEW.unnested}
on conflict do nothing
"""  # noqa: S608 - joined from constants of this file
_CLAIM = """
with chosen as (
    select turn.owner, turn.taken
    from webhooks w
    cross join lateral (
        select d.marketplace_id as owner, d.id as taken
        from deliveries d
        where d.marketplace_id = w.marketplace_id and d.webhook_id = w.id and d.state = 'PENDING'
          and d.due_at <= clock_timestamp() and d.lease_until < clock_timestamp()
          and not exists (
            select 1 from deliveries o
            where o.marketplace_id = w.marketplace_id and o.webhook_id = w.id
              and o.aggregate_id = d.aggregate_id and o.state = 'PENDING' and o.id <> d.id
              and (o.lease_until >= clock_timestamp()
                   or (o.attempts = 0 and o.sequence < d.sequence)))
        order by d.due_at, d.sequence
        limit greatest(0, %(share)s - (
            select count(*) from deliveries h
            where h.marketplace_id = w.marketplace_id and h.webhook_id = w.id
              and h.state = 'PENDING' and h.lease_until >= clock_timestamp()))
        for update of d skip locked
    ) turn
    where w.disabled_why is null
    limit %(limit)s
)
update deliveries set lease_epoch = lease_epoch + 1,
    lease_until = clock_timestamp() + make_interval(secs => %(seconds)s)
from chosen where marketplace_id = owner and id = taken
returning marketplace_id, id, lease_epoch
"""
_UNDER = compiled(
    sa.select(deliveries).where(
        deliveries.c.marketplace_id == sa.bindparam("marketplace_id"),
        deliveries.c.id == sa.bindparam("id"),
        deliveries.c.lease_epoch == sa.bindparam("epoch"),
        deliveries.c.state == State.PENDING,
    )
)
_END = """
update deliveries set state = %(next_state)s, attempts = attempts + 1, lease_until = 'epoch',
    due_at = clock_timestamp() + make_interval(secs => %(pause)s),
    finished_at = case when %(next_state)s <> 'PENDING' then clock_timestamp() end,
    last_at = clock_timestamp(), last_url = %(url)s, last_milliseconds = %(milliseconds)s,
    last_status = %(status)s, last_answer = %(answer)s, last_trouble = %(trouble)s
where marketplace_id = %(marketplace_id)s and id = %(id)s and lease_epoch = %(epoch)s
  and state = 'PENDING'
"""
_REACHED = """
select 1 as reached from deliveries
where marketplace_id = %(marketplace_id)s and webhook_id = %(webhook_id)s and state = 'DELIVERED'
  and finished_at > clock_timestamp() - make_interval(secs => %(seconds)s)
limit 1
"""
_FIND_DELIVERY = compiled(
    sa.select(deliveries).where(*_OF_WEBHOOK, deliveries.c.id == sa.bindparam("id"))
)
# A delivery that is being sent is not changed: its present attempt serves the request.
_AGAIN = """
update deliveries set state = 'PENDING', attempts = 0, due_at = clock_timestamp(),
    finished_at = null
where marketplace_id = %(marketplace_id)s and webhook_id = %(webhook_id)s
"""
_RESEND = f"{_AGAIN} and id = %(id)s and lease_until < clock_timestamp()"
_RESEND_SINCE = f"{_AGAIN} and created_at >= %(since)s and state <> 'PENDING'"


def _pages(*, of_state: bool) -> str:
    page = sa.select(deliveries).where(*_OF_WEBHOOK, deliveries.c.sequence < sa.bindparam("after"))
    if of_state:
        page = page.where(deliveries.c.state == sa.bindparam("state"))
    newest_first = page.order_by(deliveries.c.sequence.desc())
    return compiled(newest_first.limit(sa.bindparam("limit")))


_PAGES = {False: _pages(of_state=False), True: _pages(of_state=True)}
_PURGE = """
delete from deliveries where (marketplace_id, id) in (
    select marketplace_id, id from deliveries where created_at < clock_timestamp() - %(kept)s
    order by created_at limit %(limit)s)
"""
_PLACE = compiled(sa.select(intake.c.made, intake.c.sequence))
_ADVANCE = """
update intake set made = %(next_made)s, sequence = %(next_sequence)s
where made = %(made)s and sequence = %(sequence)s
"""
