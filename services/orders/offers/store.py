"""Offers in PostgreSQL, with their events. An update checks the version that was read."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from chassis.database import Transaction
from chassis.outbox import Event, Outbox
from chassis.sql import compiled
from services.orders.offers.offer import Decided, Offer, OfferNotFound, State
from services.orders.order.domain import Party
from services.orders.tables import marketplaces, offers


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """at: the database's time. time: the time by the marketplace's clock, which may be ahead."""

    at: dt.datetime
    time: dt.datetime


class OfferStore:
    """Reads and writes offers and their events."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def now(self, tx: Transaction, marketplace_id: uuid.UUID) -> Now:
        """Return the database's time and the time by a marketplace's clock; offers lapse by it."""
        row: Any = await tx.fetchrow(_NOW, {"id": marketplace_id})
        return Now(at=row.at, time=row.time)

    async def add(self, tx: Transaction, decided: Decided, *, request_id: str) -> None:
        """Insert an offer and its event. The caller must have locked the order."""
        offer, _ = decided
        await tx.run(_ADD, _values(offer))
        await self._tell(tx, [decided], request_id=request_id)

    async def save(
        self, tx: Transaction, decided: Decided, *, at: dt.datetime, request_id: str
    ) -> None:
        """Save a locked offer that has ended, and its event.

        Raises: LookupError: the offer has changed since it was read.
        """
        offer, _ = decided
        values = {**_values(offer), "version_before": offer.version - 1}
        if await tx.run(_SAVE, values) != 1:
            raise LookupError(f"offer {offer.id} has changed since it was read")
        await self._tell(tx, [decided], request_id=request_id, at=at)

    async def lock(
        self,
        tx: Transaction,
        *,
        marketplace_id: uuid.UUID,
        order_id: uuid.UUID,
        offer_id: uuid.UUID,
    ) -> Offer:
        """Read an offer of an order and lock its row (FOR UPDATE). Raises: OfferNotFound."""
        return await self._read(tx, _LOCK, marketplace_id, order_id, offer_id)

    async def get(
        self,
        tx: Transaction,
        *,
        marketplace_id: uuid.UUID,
        order_id: uuid.UUID,
        offer_id: uuid.UUID,
    ) -> Offer:
        """Read an offer of an order; locks nothing. Raises: OfferNotFound."""
        return await self._read(tx, _GET, marketplace_id, order_id, offer_id)

    async def of_order(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, order_id: uuid.UUID
    ) -> list[Offer]:
        """List the offers of an order, newest first; locks nothing."""
        names = {"marketplace_id": marketplace_id, "order_id": order_id}
        return [_offer(row) for row in await tx.fetch(_OF_ORDER, names)]

    async def lock_overdue(self, tx: Transaction, *, limit: int) -> list[Offer]:
        """Lock overdue open offers, the longest overdue first; rows locked by others are skipped.

        An offer is overdue by its marketplace's clock.
        """
        return [_offer(row) for row in await tx.fetch(_LOCK_OVERDUE, {"limit": limit})]

    async def _read(
        self,
        tx: Transaction,
        statement: str,
        marketplace_id: uuid.UUID,
        order_id: uuid.UUID,
        offer_id: uuid.UUID,
    ) -> Offer:
        names = {"marketplace_id": marketplace_id, "order_id": order_id, "id": offer_id}
        row = await tx.fetchrow(statement, names)
        if row is None:
            raise OfferNotFound("The order has no such offer")
        return _offer(row)

    async def _tell(
        self,
        tx: Transaction,
        decided: Sequence[Decided],
        *,
        request_id: str,
        at: dt.datetime | None = None,
    ) -> None:
        events = [
            Event(
                event_type=fact.event_type,
                aggregate_type="Offer",
                aggregate_id=offer.public_id,
                version=offer.version,
                marketplace_id=offer.marketplace_id,
                occurred_at=at or offer.created_at,
                payload=fact.payload,
                correlation_id=request_id,
            )
            for offer, fact in decided
        ]
        await self._outbox.append(tx, events)


def _values(offer: Offer) -> dict[str, Any]:
    return {
        "marketplace_id": offer.marketplace_id,
        "id": offer.id,
        "order_id": offer.order_id,
        "offered_by": offer.by.value,
        "refund": offer.refund,
        "release": offer.release,
        "message": offer.message,
        "state": offer.state.value,
        "version": offer.version,
        "created_at": offer.created_at,
        "expires_at": offer.expires_at,
        "decided_at": offer.decided_at,
        "decided_by": offer.decided_by.value if offer.decided_by else None,
    }


def _offer(row: Any) -> Offer:
    return Offer(
        id=row.id,
        marketplace_id=row.marketplace_id,
        order_id=row.order_id,
        by=Party(row.offered_by),
        refund=row.refund,
        release=row.release,
        message=row.message,
        state=State(row.state),
        version=row.version,
        created_at=row.created_at,
        expires_at=row.expires_at,
        decided_at=row.decided_at,
        decided_by=Party(row.decided_by) if row.decided_by else None,
    )


_ENDING = ("state", "version", "decided_at", "decided_by")
_ADD = compiled(sa.insert(offers))
_THIS = sa.and_(
    offers.c.marketplace_id == sa.bindparam("marketplace_id"), offers.c.id == sa.bindparam("id")
)
_SAVE = compiled(
    sa.update(offers)
    .where(_THIS, offers.c.version == sa.bindparam("version_before"))
    .values({name: sa.bindparam(name, type_=offers.c[name].type) for name in _ENDING})
)
_ONE = sa.select(offers).where(_THIS, offers.c.order_id == sa.bindparam("order_id"))
_GET = compiled(_ONE)
_LOCK = compiled(_ONE.with_for_update())
_OF_ORDER = compiled(
    sa.select(offers)
    .where(
        offers.c.marketplace_id == sa.bindparam("marketplace_id"),
        offers.c.order_id == sa.bindparam("order_id"),
    )
    .order_by(offers.c.id.desc())
)
_NOW = """
select instant as at, time_of(%(id)s) + (instant - now()) as time from clock_timestamp() as instant
"""
_IS_OPEN = offers.c.state == sa.literal(State.OPEN.value)
_LIMIT = sa.bindparam("limit", type_=sa.Integer)
_AHEAD = sa.func.make_interval(0, 0, 0, 0, 0, 0, marketplaces.c.clock_offset_seconds)
_OVERDUE = (
    sa.select(offers.c.marketplace_id, offers.c.id)
    .where(_IS_OPEN, offers.c.expires_at <= sa.func.clock_timestamp())
    .order_by(offers.c.expires_at)
    .limit(_LIMIT)
)
# Overdue offers of marketplaces that have moved their clock: few, each with few open offers.
_OVERDUE_AHEAD = (
    sa.select(offers.c.marketplace_id, offers.c.id)
    .join_from(marketplaces, offers, offers.c.marketplace_id == marketplaces.c.id)
    .where(
        marketplaces.c.clock_offset_seconds > sa.literal(0),
        _IS_OPEN,
        offers.c.expires_at <= sa.func.clock_timestamp() + _AHEAD,
    )
    .order_by(offers.c.expires_at)
    .limit(_LIMIT)
)
_LOCK_OVERDUE = compiled(
    sa.select(offers)
    .where(
        sa.tuple_(offers.c.marketplace_id, offers.c.id).in_(
            sa.union(_OVERDUE.subquery().select(), _OVERDUE_AHEAD.subquery().select())
        ),
        _IS_OPEN,
    )
    .order_by(offers.c.expires_at)
    .limit(_LIMIT)
    .with_for_update(skip_locked=True)
)
