"""Corrections in PostgreSQL: proposals and decisions are added and never changed."""

import uuid
from typing import Any

from chassis.database import Transaction, driver
from kernel.ids import MarketplaceId, TransferId
from services.ledger import tables
from services.ledger.corrections.domain import LIFETIME, Correction, Draft, Verdict


class CorrectionStore:
    """The corrections of one marketplace per call."""

    async def add(
        self,
        tx: Transaction,
        *,
        marketplace_id: MarketplaceId,
        correction_id: uuid.UUID,
        draft: Draft,
        by: str,
    ) -> None:
        """Keep a proposal."""
        connection = await driver(tx)
        row = (
            marketplace_id,
            correction_id,
            draft.debit,
            draft.credit,
            draft.asset,
            draft.amount,
            draft.reason,
            draft.evidence_hash,
            draft.settles,
            draft.order_id,
            draft.transaction_hash,
            by,
            LIFETIME,
        )
        await connection.execute(tables.ADD_CORRECTION, row)

    async def find(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, correction_id: uuid.UUID
    ) -> Correction | None:
        """Read a correction; None: there is none."""
        connection = await driver(tx)
        key = (marketplace_id, correction_id)
        row = await (await connection.execute(tables.FIND_CORRECTION, key)).fetchone()
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
        """Record a decision; False: another one was made first. Waits for one under way."""
        connection = await driver(tx)
        row = (marketplace_id, found.id, found.proposed_by, verdict.value, by, transfer_id)
        return bool((await connection.execute(tables.DECIDE_CORRECTION, row)).rowcount == 1)

    async def page(
        self,
        tx: Transaction,
        *,
        marketplace_id: MarketplaceId,
        only_open: bool,
        after: int,
        limit: int,
    ) -> list[Correction]:
        """List corrections, oldest first, after a number."""
        connection = await driver(tx)
        key = (marketplace_id, after, only_open, limit)
        cursor = await connection.execute(tables.LIST_CORRECTIONS, key)
        return [_correction(row) for row in await cursor.fetchall()]

    async def has_account(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, asset: str, name: str
    ) -> bool:
        """Tell whether an account exists."""
        connection = await driver(tx)
        key = (marketplace_id, asset, name)
        return await (await connection.execute(tables.HAS_ACCOUNT, key)).fetchone() is not None


def _correction(row: Any) -> Correction:
    number, correction_id, debit, credit, asset, amount, reason, evidence, settles = row[:9]
    order_id, transaction_hash, proposed_by, proposed_at, expires_at = row[9:14]
    verdict, decided_by, decided_at, transfer_id, is_expired = row[14:]
    return Correction(
        number=number,
        id=correction_id,
        draft=Draft(
            debit=debit,
            credit=credit,
            asset=asset,
            amount=amount,
            reason=reason,
            evidence_hash=evidence,
            settles=settles,
            order_id=order_id,
            transaction_hash=transaction_hash,
        ),
        proposed_by=proposed_by,
        proposed_at=proposed_at,
        expires_at=expires_at,
        verdict=None if verdict is None else Verdict(verdict),
        decided_by=decided_by or "",
        decided_at=decided_at,
        transfer_id=transfer_id,
        is_expired=is_expired,
    )
