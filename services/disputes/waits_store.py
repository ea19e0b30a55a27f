"""Waits in PostgreSQL: the clocks of marketplaces, due waits, and overdue cases.

The marketplace's clock decides: the database's time plus the offset of a test marketplace.
"""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.database import Connection, Transaction
from chassis.sql import compiled
from kernel.ids import DisputeId, MarketplaceId
from services.disputes.domain import Dispute, Filter
from services.disputes.store import EVER, NEVER, dispute_of, standing
from services.disputes.tables import disputes


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A case that may have a due wait."""

    marketplace_id: MarketplaceId
    dispute_id: DisputeId


class WaitStore:
    """Reads the waits of all marketplaces, and moves their clocks."""

    async def move_clock(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, offset: dt.timedelta
    ) -> None:
        """Store the total offset of a marketplace's clock. A smaller offset is ignored."""
        values = {"marketplace_id": marketplace_id, "seconds": int(offset.total_seconds())}
        await tx.run(_MOVE, values)

    async def time(self, tx: Transaction, marketplace_id: MarketplaceId) -> dt.datetime:
        """Return the time by a marketplace's clock."""
        found: dt.datetime = await tx.fetchval(_TIME, {"marketplace_id": marketplace_id})
        return found

    async def due(self, connection: Connection, *, limit: int) -> list[Due]:
        """List cases with a due wait whose event is not published; up to twice `limit`."""
        return [
            Due(marketplace_id=row.marketplace_id, dispute_id=row.id)
            for row in await connection.fetch(_DUE, {"limit": limit})
        ]

    async def overdue(
        self,
        connection: Connection,
        chosen: Filter,
        *,
        after: tuple[dt.datetime, UUID] | None,
        limit: int,
    ) -> list[Dispute]:
        """Read up to `limit` overdue cases, the longest overdue first.

        after: the due moment and the id of the last case of the page before; None: first page.
        """
        since, last = after or (EVER, UUID(int=0))
        values: dict[str, object] = {
            "marketplace_id": chosen.marketplace_id,
            "after_since": since,
            "after_id": last,
            "ids": None if chosen.ids is None else list(chosen.ids),
            "order_id": chosen.order_id,
            "status": chosen.status,
            "assigned_to": chosen.assigned_to or None,
            "opened_by": chosen.opened_by,
            "opened_from": chosen.opened_from or EVER,
            "opened_to": chosen.opened_to or NEVER,
            "limit": limit,
        }
        return [dispute_of(row) for row in await connection.fetch(_OVERDUE, values)]


def _overdue() -> str:
    """Return the statement of a page: it walks the index and checks each case by the filters."""
    place = sa.tuple_(disputes.c.overdue_since, disputes.c.id)
    after = sa.tuple_(
        sa.bindparam("after_since", type_=disputes.c.overdue_since.type),
        sa.bindparam("after_id", type_=disputes.c.id.type),
    )
    # `offset 0` keeps the planner from choosing another index.
    walk = (
        sa.select(disputes)
        .where(
            disputes.c.marketplace_id == sa.bindparam("marketplace_id"),
            disputes.c.overdue_since.is_not(None),
            place > after,
        )
        .order_by(disputes.c.overdue_since, disputes.c.id)
        .offset(0)
        .subquery()
    )
    ids = sa.bindparam("ids", type_=ARRAY(sa.Uuid))
    conditions = [
        sa.or_(ids.is_(None), walk.c.id == sa.any_(ids)),
        walk.c.created_at >= sa.bindparam("opened_from"),
        walk.c.created_at < sa.bindparam("opened_to"),
    ]
    for name in ("order_id", "status", "assigned_to", "opened_by"):
        asked = sa.bindparam(name, type_=walk.c[name].type)
        conditions.append(sa.or_(asked.is_(None), walk.c[name] == asked))
    limit = sa.bindparam("limit", type_=sa.Integer)
    longest_first = (walk.c.overdue_since, walk.c.id)
    page = sa.select(walk).where(*conditions).order_by(*longest_first).limit(limit).subquery()
    ruling = standing(page)
    return compiled(
        sa.select(*page.c, *ruling.c)
        .select_from(page.outerjoin(ruling, sa.true()))
        .order_by(page.c.overdue_since, page.c.id)
    )


_OVERDUE = _overdue()
_MOVE = """
insert into clocks as c (marketplace_id, offset_seconds) values (%(marketplace_id)s, %(seconds)s)
on conflict (marketplace_id) do update set offset_seconds = excluded.offset_seconds
    where c.offset_seconds < excluded.offset_seconds
"""
_TIME = "select time_of(%(marketplace_id)s)"
# The cases that are due by the database's clock, and those that are due only by the clock of a test
# marketplace.
_DUE = """
(select marketplace_id, id from disputes where untold_due_at <= now()
    order by untold_due_at limit %(limit)s)
union all
(select d.marketplace_id, d.id from clocks c cross join lateral (
    select marketplace_id, id from disputes
    where marketplace_id = c.marketplace_id and untold_due_at > now()
        and untold_due_at <= now() + make_interval(secs => c.offset_seconds)
    order by untold_due_at limit %(limit)s
) d limit %(limit)s)
"""
