"""Cases in PostgreSQL: read and write rows as dataclasses.

Every statement names the marketplace, so it cannot find another marketplace's cases.
"""

import datetime as dt
import functools
from collections.abc import Set as AbstractSet
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.sql.selectable import LateralFromClause

from chassis.database import Transaction
from chassis.sql import compiled
from kernel.errors import InvalidArgument
from kernel.ids import DisputeId, MarketplaceId, OrderId
from kernel.money import Money
from services.disputes.domain import (
    Dispute,
    DisputeAlreadyOpen,
    DisputeIdTaken,
    DisputeNotFound,
    DisputeReason,
    DisputeStatus,
    Filter,
    Side,
)
from services.disputes.rulings import DisputeDecision, Ruling
from services.disputes.tables import disputes, rulings
from services.disputes.waits import Wait, Waits


class DisputeStore:
    """Reads and writes cases with their rulings."""

    async def add(self, tx: Transaction, dispute: Dispute) -> None:
        """Insert a case. Waits for a transaction that opens a case for the same order.

        Raises: DisputeAlreadyOpen; DisputeIdTaken.
        """
        if await tx.run(_ADD, _columns(dispute)) == 1:
            return
        order = {"marketplace_id": dispute.marketplace_id, "order_id": dispute.order_id}
        if (open_id := await tx.fetchval(_FIND_OPEN, order)) is None:
            raise DisputeIdTaken("The id belongs to another case")
        raise DisputeAlreadyOpen(
            "The order has an open dispute",
            details={"orderId": str(dispute.order_id), "disputeId": str(open_id)},
        )

    async def find(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, dispute_id: DisputeId
    ) -> Dispute | None:
        """Read a case without a lock; None: there is none."""
        row = await tx.fetchrow(_FIND, {"marketplace_id": marketplace_id, "id": dispute_id})
        return None if row is None else dispute_of(row)

    async def get(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, dispute_id: DisputeId
    ) -> Dispute:
        """Read a case without a lock. Raises: DisputeNotFound."""
        found = await self.find(tx, marketplace_id=marketplace_id, dispute_id=dispute_id)
        if found is None:
            raise DisputeNotFound("Dispute not found")
        return found

    async def get_of_order(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, order_id: OrderId
    ) -> Dispute:
        """Read the newest case of an order without a lock. Raises: DisputeNotFound."""
        order = {"marketplace_id": marketplace_id, "order_id": order_id}
        row = await tx.fetchrow(_FIND_NEWEST, order)
        if row is None:
            raise DisputeNotFound("Dispute not found")
        return dispute_of(row)

    async def lock(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, dispute_id: DisputeId
    ) -> Dispute:
        """Lock a case (FOR UPDATE) until the transaction ends, and read it.

        Raises: DisputeNotFound.
        """
        # Two statements, because the one that waits for the lock would read an outdated ruling.
        await tx.run(_LOCK, {"marketplace_id": marketplace_id, "id": dispute_id})
        return await self.get(tx, marketplace_id=marketplace_id, dispute_id=dispute_id)

    async def save(self, tx: Transaction, *, before: Dispute, after: Dispute) -> None:
        """Write the changes of a locked case, and insert its ruling if it is new."""
        if await tx.run(_SAVE, {**_columns(after), "version_before": before.version}) != 1:
            raise RuntimeError(f"dispute {after.id} was saved without its lock")
        if (ruling := after.ruling) is not None and before.ruling is None:
            row = {
                "marketplace_id": after.marketplace_id,
                "dispute_id": after.id,
                "decision": ruling.decision,
                "release_minor_units": ruling.release.minor_units,
                "refund_minor_units": ruling.refund.minor_units,
                "note": ruling.note,
                "resolved_by": ruling.resolved_by,
                "resolved_by_name": ruling.resolved_by_name,
                "decided_at": ruling.decided_at,
            }
            await tx.run(_ADD_RULING, row)

    async def withdraw(self, tx: Transaction, *, dispute: Dispute, why: str) -> None:
        """Mark the ruling of a locked case as withdrawn at `updated_at`. The row is kept."""
        values = {
            "marketplace_id": dispute.marketplace_id,
            "id": dispute.id,
            "withdrawn_at": dispute.updated_at,
            "withdrawn_why": why,
        }
        if await tx.run(_WITHDRAW, values) != 1:
            raise RuntimeError(f"dispute {dispute.id} has no ruling to withdraw")

    async def page(
        self, tx: Transaction, chosen: Filter, *, after: UUID | None, limit: int
    ) -> list[Dispute]:
        """Read up to `limit` cases, newest first. after: the last case of the page before.

        Raises: InvalidArgument: there is no case with the id `after`.
        """
        until: tuple[dt.datetime, UUID] = (chosen.opened_to or NEVER, _LEAST_ID)
        if after is not None:
            key = {"marketplace_id": chosen.marketplace_id, "id": after}
            created_at = await tx.fetchval(_FIND_CREATED, key)
            if created_at is None:
                fields = [("cursor", "is not a cursor of this API")]
                raise InvalidArgument("Unknown cursor", fields=fields)
            until = min(until, (created_at, after))
        exact: dict[str, object] = {
            "order_id": chosen.order_id,
            "assigned_to": chosen.assigned_to or None,
            "status": chosen.status,
            "opened_by": chosen.opened_by,
        }
        given = {name for name, value in exact.items() if value is not None}
        by = "ids" if chosen.ids is not None else "order_id" if chosen.order_id else None
        statuses = [chosen.status] if chosen.status else list(DisputeStatus)
        openers = [chosen.opened_by] if chosen.opened_by else list(Side)
        if by is None and given:
            by = "kinds_of_agent" if chosen.assigned_to else "kinds"
        tried = frozenset() if by in _KINDS else frozenset(given - {by})
        values = exact | {
            "ids": None if chosen.ids is None else list(chosen.ids),
            "marketplace_id": chosen.marketplace_id,
            "until_created_at": until[0],
            "until_id": until[1],
            "opened_from": chosen.opened_from or EVER,
            "statuses": [one for one in statuses for _ in openers],
            "openers": openers * len(statuses),
            "limit": limit,
        }
        return [dispute_of(row) for row in await tx.fetch(_page(by, tried=tried), values)]


def _columns(dispute: Dispute) -> dict[str, object]:
    waits = dispute.waits
    untold = waits.untold(is_decided=dispute.ruling is not None)
    return {
        "marketplace_id": dispute.marketplace_id,
        "id": dispute.id,
        "order_id": dispute.order_id,
        "buyer_id": dispute.buyer_id,
        "seller_id": dispute.seller_id,
        "status": dispute.status,
        "opened_by": dispute.opened_by,
        "reason": dispute.reason,
        "description": dispute.description,
        "initiated_by": dispute.initiated_by,
        "evidence": list(dispute.evidence),
        "contract_snapshot_json": dispute.contract_snapshot_json,
        "asset": dispute.amount.asset,
        "minor_units": dispute.amount.minor_units,
        "assigned_to": dispute.assigned_to,
        "assigned_to_name": dispute.assigned_to_name,
        "assignment_notes": dispute.assignment_notes,
        "version": dispute.version,
        "created_at": dispute.created_at,
        "updated_at": dispute.updated_at,
        "resolved_at": dispute.resolved_at,
        "first_answer_due_at": waits.first_answer_due_at,
        "first_answered_at": waits.first_answered_at,
        "decision_due_at": waits.decision_due_at,
        "overdue_told": sorted(waits.told),
        "untold_due_at": untold and untold[0],
        "overdue_since": dispute.overdue_since,
    }


def dispute_of(row: Any) -> Dispute:
    """Decode a case from its row with the columns of its ruling."""
    ruling = None
    if row.decision is not None:
        ruling = Ruling(
            decision=DisputeDecision(row.decision),
            release=Money(asset=row.asset, minor_units=row.release_minor_units),
            refund=Money(asset=row.asset, minor_units=row.refund_minor_units),
            note=row.note,
            resolved_by=row.resolved_by,
            resolved_by_name=row.resolved_by_name,
            decided_at=row.decided_at,
        )
    return Dispute(
        id=row.id,
        marketplace_id=row.marketplace_id,
        order_id=row.order_id,
        buyer_id=row.buyer_id,
        seller_id=row.seller_id,
        status=DisputeStatus(row.status),
        opened_by=Side(row.opened_by),
        reason=DisputeReason(row.reason),
        description=row.description,
        initiated_by=row.initiated_by,
        evidence=tuple(row.evidence),
        contract_snapshot_json=row.contract_snapshot_json,
        amount=Money(asset=row.asset, minor_units=row.minor_units),
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
        assigned_to=row.assigned_to,
        assigned_to_name=row.assigned_to_name,
        assignment_notes=row.assignment_notes,
        ruling=ruling,
        resolved_at=row.resolved_at,
        waits=Waits(
            first_answer_due_at=row.first_answer_due_at,
            first_answered_at=row.first_answered_at,
            decision_due_at=row.decision_due_at,
            told=frozenset(map(Wait, row.overdue_told)),
        ),
    )


def standing(cases: sa.FromClause) -> LateralFromClause:
    """Return the subquery of the ruling of a case that is not withdrawn.

    A lateral subquery by the key of the case keeps the planner from reading the whole table.
    """
    return (
        sa.select(
            rulings.c.decision,
            rulings.c.release_minor_units,
            rulings.c.refund_minor_units,
            rulings.c.note,
            rulings.c.resolved_by,
            rulings.c.resolved_by_name,
            rulings.c.decided_at,
        )
        .where(
            rulings.c.marketplace_id == cases.c.marketplace_id,
            rulings.c.dispute_id == cases.c.id,
            rulings.c.withdrawn_at.is_(None),
        )
        .correlate(cases)
        .limit(1)
        .lateral("standing")
    )


_STANDING = standing(disputes)
_SELECT = sa.select(*disputes.c, *_STANDING.c).select_from(disputes.outerjoin(_STANDING, sa.true()))
_OF_MARKETPLACE = disputes.c.marketplace_id == sa.bindparam("marketplace_id")
_KEY = (_OF_MARKETPLACE, disputes.c.id == sa.bindparam("id"))
_OF_ORDER = (_OF_MARKETPLACE, disputes.c.order_id == sa.bindparam("order_id"))
_NEWEST_FIRST = (disputes.c.created_at.desc(), disputes.c.id.desc())
_CHANGING = (
    "status",
    "evidence",
    "assigned_to",
    "assigned_to_name",
    "assignment_notes",
    "version",
    "updated_at",
    "resolved_at",
    "first_answered_at",
    "overdue_told",
    "untold_due_at",
    "overdue_since",
)
_RULED = (
    "marketplace_id",
    "dispute_id",
    "decision",
    "release_minor_units",
    "refund_minor_units",
    "note",
    "resolved_by",
    "resolved_by_name",
    "decided_at",
)

_ADD = compiled(
    insert(disputes)
    .values({column.name: sa.bindparam(column.name) for column in disputes.c})
    .on_conflict_do_nothing()
)
_FIND = compiled(_SELECT.where(*_KEY))
_FIND_OPEN = compiled(
    sa.select(disputes.c.id).where(*_OF_ORDER, disputes.c.status != DisputeStatus.RESOLVED)
)
_FIND_NEWEST = compiled(_SELECT.where(*_OF_ORDER).order_by(*_NEWEST_FIRST).limit(1))
_FIND_CREATED = compiled(sa.select(disputes.c.created_at).where(*_KEY))
_LOCK = compiled(sa.select(disputes.c.id).where(*_KEY).with_for_update())
_SAVE = compiled(
    sa.update(disputes)
    .where(*_KEY, disputes.c.version == sa.bindparam("version_before"))
    .values({name: sa.bindparam(name) for name in _CHANGING})
)
_ADD_RULING = compiled(sa.insert(rulings).values({name: sa.bindparam(name) for name in _RULED}))
_WITHDRAW = compiled(
    sa.update(rulings)
    .where(
        rulings.c.marketplace_id == sa.bindparam("marketplace_id"),
        rulings.c.dispute_id == sa.bindparam("id"),
        rulings.c.withdrawn_at.is_(None),
    )
    .values(withdrawn_at=sa.bindparam("withdrawn_at"), withdrawn_why=sa.bindparam("withdrawn_why"))
)


# Pages that are read by status and opener, and also by agent.
_KINDS = ("kinds", "kinds_of_agent")
# An instant before, and one after every case.
EVER = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
NEVER = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
_LEAST_ID = UUID(int=0)
_LIMIT = sa.bindparam("limit", type_=sa.Integer)


@functools.cache
def _page(by: str | None, *, tried: AbstractSet[str]) -> str:
    """Return the statement of a page, newest first. by: how cases are found; None: all cases.

    tried: filters that are checked on each case found by `by`, such as the few cases of an order.
    """
    cases: sa.FromClause = disputes
    if by == "ids":
        # Each id is looked up alone. Else the planner reads all cases of the marketplace.
        ids = sa.func.unnest(sa.bindparam("ids", type_=ARRAY(sa.Uuid)))
        given = sa.select(ids.label("id")).distinct().subquery("given")
        one = sa.select(disputes).where(_OF_MARKETPLACE, disputes.c.id == given.c.id).limit(1)
        found = one.lateral("found")
        cases = sa.select(found).select_from(given.join(found, sa.true())).subquery()
    elif by in _KINDS:
        cases = _of_kinds(of_agent=by == "kinds_of_agent")
    walk = _newest(cases)
    if by == "order_id":
        walk = walk.where(cases.c.order_id == sa.bindparam("order_id"))
    walked = walk.offset(0).subquery() if tried else walk.limit(_LIMIT).subquery()
    conditions = (walked.c[name] == sa.bindparam(name) for name in sorted(tried))
    newest_first = (walked.c.created_at.desc(), walked.c.id.desc())
    page = sa.select(walked).where(*conditions).order_by(*newest_first).limit(_LIMIT).subquery()
    ruling = standing(page)
    return compiled(
        sa.select(*page.c, *ruling.c)
        .select_from(page.outerjoin(ruling, sa.true()))
        .order_by(page.c.created_at.desc(), page.c.id.desc())
    )


def _of_kinds(*, of_agent: bool) -> sa.FromClause:
    """Return a subquery of the newest cases of each wanted status and opener, each by its index.

    It contains the newest of all wanted cases, and no other case is read.
    """
    statuses, openers = (
        sa.func.unnest(sa.bindparam(name, type_=ARRAY(sa.Text))) for name in ("statuses", "openers")
    )
    kinds = sa.select(statuses.label("status"), openers.label("opened_by")).subquery("kinds")
    walk = _newest(disputes).where(
        disputes.c.status == kinds.c.status, disputes.c.opened_by == kinds.c.opened_by
    )
    if of_agent:
        # For the partial index: the planner does not know that the parameter is not empty.
        agent = disputes.c.assigned_to
        walk = walk.where(agent == sa.bindparam("assigned_to"), agent != "")
    found = walk.limit(_LIMIT).lateral("found")
    return sa.select(found).select_from(kinds.join(found, sa.true())).subquery()


def _newest(cases: sa.FromClause) -> sa.Select[Any]:
    """Select the marketplace's cases between the bounds of the page, newest first."""
    until = sa.tuple_(
        sa.bindparam("until_created_at", type_=disputes.c.created_at.type),
        sa.bindparam("until_id", type_=disputes.c.id.type),
    )
    return (
        sa.select(cases)
        .where(
            cases.c.marketplace_id == sa.bindparam("marketplace_id"),
            sa.tuple_(cases.c.created_at, cases.c.id) < until,
            cases.c.created_at >= sa.bindparam("opened_from"),
        )
        .order_by(cases.c.created_at.desc(), cases.c.id.desc())
    )
