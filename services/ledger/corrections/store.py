"""Corrections in PostgreSQL: proposals and decisions are inserted and never changed."""

import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from chassis.sql import compiled
from kernel.ids import MarketplaceId, TransferId
from services.ledger.corrections.domain import LIFETIME, Correction, Draft, Verdict
from services.ledger.tables import accounts, correction_decisions, corrections


class CorrectionStore:
    """Reads and writes corrections. Each call concerns one marketplace."""

    async def add(
        self,
        tx: Transaction,
        *,
        marketplace_id: MarketplaceId,
        correction_id: uuid.UUID,
        draft: Draft,
        by: str,
    ) -> None:
        """Insert a proposal. It expires by the database's clock."""
        row = {
            "marketplace_id": marketplace_id,
            "id": correction_id,
            "debit_account": draft.debit,
            "credit_account": draft.credit,
            "asset": draft.asset,
            "amount": draft.amount,
            "reason": draft.reason,
            "evidence_hash": draft.evidence_hash,
            "settles": draft.settles,
            "order_id": draft.order_id,
            "transaction_hash": draft.transaction_hash,
            "proposed_by": by,
            "lifetime": LIFETIME,
        }
        await tx.run(_ADD, row)

    async def find(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, correction_id: uuid.UUID
    ) -> Correction | None:
        """Read a correction; None: there is none."""
        key = {"marketplace_id": marketplace_id, "id": correction_id}
        row = await tx.fetchrow(_FIND, key)
        return None if row is None else _correction(row)

    async def decide(
        self,
        tx: Transaction,
        *,
        marketplace_id: MarketplaceId,
        found: Correction,
        verdict: Verdict,
        by: str,
        transfer_id: TransferId | None,
    ) -> bool:
        """Record a decision; False: another decision was recorded first.

        Waits for a concurrent transaction that decides on the same correction.
        """
        row = {
            "marketplace_id": marketplace_id,
            "correction_id": found.id,
            "proposed_by": found.proposed_by,
            "verdict": verdict.value,
            "decided_by": by,
            "transfer_id": transfer_id,
        }
        return await tx.run(_DECIDE, row) == 1

    async def page(
        self,
        tx: Transaction,
        *,
        marketplace_id: MarketplaceId,
        only_open: bool,
        after: int,
        limit: int,
    ) -> list[Correction]:
        """List corrections, oldest first. after: the number after which the page begins."""
        chosen = {
            "marketplace_id": marketplace_id,
            "only_open": only_open,
            "after": after,
            "limit": limit,
        }
        return [_correction(row) for row in await tx.fetch(_LIST, chosen)]

    async def has_account(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, asset: str, name: str
    ) -> bool:
        """Tell whether an account exists."""
        key = {"marketplace_id": marketplace_id, "asset": asset, "name": name}
        return await tx.fetchrow(_HAS_ACCOUNT, key) is not None


def _correction(row: Any) -> Correction:
    return Correction(
        number=row.number,
        id=row.id,
        draft=Draft(
            debit=row.debit_account,
            credit=row.credit_account,
            asset=row.asset,
            amount=row.amount,
            reason=row.reason,
            evidence_hash=row.evidence_hash,
            settles=row.settles,
            order_id=row.order_id,
            transaction_hash=row.transaction_hash,
        ),
        proposed_by=row.proposed_by,
        proposed_at=row.proposed_at,
        expires_at=row.expires_at,
        verdict=None if row.verdict is None else Verdict(row.verdict),
        decided_by=row.decided_by or "",
        decided_at=row.decided_at,
        transfer_id=row.transfer_id,
        is_expired=row.is_expired,
    )


_GIVEN = (
    "marketplace_id",
    "id",
    "debit_account",
    "credit_account",
    "asset",
    "amount",
    "reason",
    "evidence_hash",
    "settles",
    "order_id",
    "transaction_hash",
    "proposed_by",
)
_ADD = compiled(
    sa.insert(corrections).values(
        {column: sa.bindparam(column) for column in _GIVEN}
        | {"expires_at": sa.func.now() + sa.bindparam("lifetime", type_=sa.Interval)}
    )
)
_IS_UNDECIDED = correction_decisions.c.verdict.is_(None)
_CORRECTION = sa.select(
    corrections.c.number,
    *(corrections.c[column] for column in _GIVEN if column != "marketplace_id"),
    corrections.c.proposed_at,
    corrections.c.expires_at,
    correction_decisions.c.verdict,
    correction_decisions.c.decided_by,
    correction_decisions.c.decided_at,
    correction_decisions.c.transfer_id,
    sa.and_(_IS_UNDECIDED, corrections.c.expires_at <= sa.func.now()).label("is_expired"),
).join_from(
    corrections,
    correction_decisions,
    sa.and_(
        correction_decisions.c.marketplace_id == corrections.c.marketplace_id,
        correction_decisions.c.correction_id == corrections.c.id,
    ),
    isouter=True,
)
_OF_MARKETPLACE = corrections.c.marketplace_id == sa.bindparam("marketplace_id")
_FIND = compiled(_CORRECTION.where(_OF_MARKETPLACE, corrections.c.id == sa.bindparam("id")))
_LIST = compiled(
    _CORRECTION.where(
        _OF_MARKETPLACE,
        corrections.c.number > sa.bindparam("after"),
        sa.or_(
            sa.not_(sa.bindparam("only_open", type_=sa.Boolean)),
            sa.and_(_IS_UNDECIDED, corrections.c.expires_at > sa.func.now()),
        ),
    )
    .order_by(corrections.c.number)
    .limit(sa.bindparam("limit"))
)
# The second of two operators waits until the first commits, and then inserts nothing.
_DECIDE = compiled(
    insert(correction_decisions)
    .values(
        {
            column: sa.bindparam(column)
            for column in (
                "marketplace_id",
                "correction_id",
                "proposed_by",
                "verdict",
                "decided_by",
                "transfer_id",
            )
        }
    )
    .on_conflict_do_nothing(index_elements=["marketplace_id", "correction_id"])
)
_HAS_ACCOUNT = compiled(
    sa.select(sa.literal(1)).where(
        accounts.c.marketplace_id == sa.bindparam("marketplace_id"),
        accounts.c.asset == sa.bindparam("asset"),
        accounts.c.name == sa.bindparam("name"),
    )
)
