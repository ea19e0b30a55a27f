"""Cases in Postgres: the only place that knows SQL. Rows in, dataclasses out.

Every statement names the marketplace: another's case is not there.
"""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
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


class DisputeStore:
    """Reads and writes cases with their rulings."""

    async def add(self, tx: Transaction, dispute: Dispute) -> None:
        """Insert a case; waits for another transaction that opens one for the same order.

        Raises: DisputeAlreadyOpen; DisputeIdTaken.
        """
        statement = insert(disputes).values(_columns(dispute)).on_conflict_do_nothing()
        inserted = await tx.execute(statement.returning(disputes.c.id))
        if inserted.first() is not None:
            return
        found = await tx.execute(
            sa.select(disputes.c.id).where(
                disputes.c.marketplace_id == dispute.marketplace_id,
                disputes.c.order_id == dispute.order_id,
                disputes.c.status != DisputeStatus.RESOLVED,
            )
        )
        if (open_id := found.scalar_one_or_none()) is None:
            raise DisputeIdTaken("The id belongs to another case")
        raise DisputeAlreadyOpen(
            "The order has an open dispute",
            details={"orderId": str(dispute.order_id), "disputeId": str(open_id)},
        )

    async def get(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, dispute_id: DisputeId
    ) -> Dispute:
        """Read a case, without a lock. Raises: DisputeNotFound."""
        return await self._one(tx, _SELECT.where(_is(marketplace_id, dispute_id)))

    async def find(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, dispute_id: DisputeId
    ) -> Dispute | None:
        """Read a case, without a lock; None where there is none."""
        try:
            return await self.get(tx, marketplace_id=marketplace_id, dispute_id=dispute_id)
        except DisputeNotFound:
            return None

    async def get_of_order(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, order_id: OrderId
    ) -> Dispute:
        """Read the newest case of an order, without a lock. Raises: DisputeNotFound."""
        chosen = _SELECT.where(
            disputes.c.marketplace_id == marketplace_id, disputes.c.order_id == order_id
        )
        newest = chosen.order_by(disputes.c.created_at.desc(), disputes.c.id.desc()).limit(1)
        return await self._one(tx, newest)

    async def lock(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, dispute_id: DisputeId
    ) -> Dispute:
        """Lock a case (FOR UPDATE) until the transaction ends, and read it.

        Raises: DisputeNotFound.
        """
        # Two statements: one that waits for the lock would still see the ruling as it was before.
        held = sa.select(disputes.c.id).where(_is(marketplace_id, dispute_id)).with_for_update()
        await tx.execute(held)
        return await self.get(tx, marketplace_id=marketplace_id, dispute_id=dispute_id)

    async def save(self, tx: Transaction, *, before: Dispute, after: Dispute) -> None:
        """Write what changed of a locked case; a ruling is inserted when it is new."""
        columns = _columns(after)
        changed = {name: columns[name] for name in _CHANGING}
        statement = (
            sa.update(disputes)
            .where(_is(after.marketplace_id, after.id), disputes.c.version == before.version)
            .values(changed)
        )
        if (await tx.execute(statement)).rowcount != 1:
            raise RuntimeError(f"dispute {after.id} was saved without its lock")
        if after.ruling is not None and before.ruling is None:
            await tx.execute(sa.insert(rulings).values(_ruling_columns(after, after.ruling)))

    async def withdraw(self, tx: Transaction, *, dispute: Dispute, why: str) -> None:
        """Mark the ruling of a locked case as withdrawn at the case's instant; it is kept."""
        statement = (
            sa.update(rulings)
            .where(
                rulings.c.marketplace_id == dispute.marketplace_id,
                rulings.c.dispute_id == dispute.id,
                rulings.c.withdrawn_at.is_(None),
            )
            .values(withdrawn_at=dispute.updated_at, withdrawn_why=why)
        )
        if (await tx.execute(statement)).rowcount != 1:
            raise RuntimeError(f"dispute {dispute.id} has no ruling to withdraw")

    async def page(
        self, tx: Transaction, chosen: Filter, *, after: UUID | None, limit: int
    ) -> list[Dispute]:
        """Read up to `limit` cases, newest first, that come after the case with the id `after`.

        Raises: InvalidArgument: no such case to go on from.
        """
        statement = _SELECT.where(disputes.c.marketplace_id == chosen.marketplace_id)
        if chosen.order_id is not None:
            statement = statement.where(disputes.c.order_id == chosen.order_id)
        if chosen.status is not None:
            statement = statement.where(disputes.c.status == chosen.status)
        if after is not None:
            position = sa.tuple_(disputes.c.created_at, disputes.c.id)
            statement = statement.where(position < await _position(tx, chosen, after))
        newest = statement.order_by(disputes.c.created_at.desc(), disputes.c.id.desc())
        return [_dispute(row) for row in (await tx.execute(newest.limit(limit))).mappings()]

    async def _one(self, tx: Transaction, statement: sa.Select[Any]) -> Dispute:
        row = (await tx.execute(statement)).mappings().one_or_none()
        if row is None:
            raise DisputeNotFound("No such dispute")
        return _dispute(row)


# The one ruling that stands, looked up by the case's key whatever the statistics say.
_STANDING = (
    sa.select(
        rulings.c.decision,
        rulings.c.release_minor_units,
        rulings.c.refund_minor_units,
        rulings.c.note,
        rulings.c.resolved_by,
        rulings.c.decided_at,
    )
    .where(
        rulings.c.marketplace_id == disputes.c.marketplace_id,
        rulings.c.dispute_id == disputes.c.id,
        rulings.c.withdrawn_at.is_(None),
    )
    .correlate(disputes)
    .limit(1)
    .lateral("standing")
)
_SELECT = sa.select(*disputes.c, *_STANDING.c).select_from(disputes.outerjoin(_STANDING, sa.true()))
_CHANGING = (
    "status",
    "evidence",
    "assigned_to",
    "assignment_notes",
    "version",
    "updated_at",
    "resolved_at",
)


def _is(marketplace_id: MarketplaceId, dispute_id: UUID) -> sa.ColumnElement[bool]:
    return sa.and_(disputes.c.marketplace_id == marketplace_id, disputes.c.id == dispute_id)


async def _position(tx: Transaction, chosen: Filter, after: UUID) -> sa.Tuple:
    statement = sa.select(disputes.c.created_at).where(_is(chosen.marketplace_id, after))
    created_at = (await tx.execute(statement)).scalar_one_or_none()
    if created_at is None:
        fields = [("cursor", "is not one that was given out")]
        raise InvalidArgument("Unknown cursor", fields=fields)
    return sa.tuple_(sa.literal(created_at), sa.literal(after))


def _columns(dispute: Dispute) -> dict[str, object]:
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
        "assignment_notes": dispute.assignment_notes,
        "version": dispute.version,
        "created_at": dispute.created_at,
        "updated_at": dispute.updated_at,
        "resolved_at": dispute.resolved_at,
    }


def _ruling_columns(dispute: Dispute, ruling: Ruling) -> dict[str, object]:
    return {
        "marketplace_id": dispute.marketplace_id,
        "dispute_id": dispute.id,
        "decision": ruling.decision,
        "release_minor_units": ruling.release.minor_units,
        "refund_minor_units": ruling.refund.minor_units,
        "note": ruling.note,
        "resolved_by": ruling.resolved_by,
        "decided_at": ruling.decided_at,
    }


def _dispute(row: sa.RowMapping) -> Dispute:
    return Dispute(
        id=row["id"],
        marketplace_id=row["marketplace_id"],
        order_id=row["order_id"],
        buyer_id=row["buyer_id"],
        seller_id=row["seller_id"],
        status=DisputeStatus(row["status"]),
        opened_by=Side(row["opened_by"]),
        reason=DisputeReason(row["reason"]),
        description=row["description"],
        initiated_by=row["initiated_by"],
        evidence=tuple(row["evidence"]),
        contract_snapshot_json=row["contract_snapshot_json"],
        amount=Money(asset=row["asset"], minor_units=row["minor_units"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        version=row["version"],
        assigned_to=row["assigned_to"],
        assignment_notes=row["assignment_notes"],
        ruling=None if row["decision"] is None else _ruling(row),
        resolved_at=row["resolved_at"],
    )


def _ruling(row: sa.RowMapping) -> Ruling:
    return Ruling(
        decision=DisputeDecision(row["decision"]),
        release=Money(asset=row["asset"], minor_units=row["release_minor_units"]),
        refund=Money(asset=row["asset"], minor_units=row["refund_minor_units"]),
        note=row["note"],
        resolved_by=row["resolved_by"],
        decided_at=row["decided_at"],
    )
