"""Changes that others have made to our contracts, in PostgreSQL."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from chassis.sql import compiled
from services.escrow.contracts.evidence import ContractChange
from services.escrow.tables import attempts, escrows, foreign_changes

# At most this many are listed, oldest first.
LISTED_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignChange:
    """A change of an order's contract by a transaction that is not ours. name: of the event."""

    event_id: str
    order_id: uuid.UUID
    contract_id: str
    name: str
    transaction_hash: str
    ledger: int
    found_at: dt.datetime


class ForeignChanges:
    """Stores and lists changes by others."""

    async def add(self, tx: Transaction, changes: Sequence[ContractChange]) -> None:
        """Store changes, each once."""
        for change in changes:
            row = {
                "event_id": change.event_id,
                "contract_id": change.contract_id,
                "name": change.name,
                "transaction_hash": change.transaction_hash,
                "ledger": change.ledger,
            }
            await tx.run(_ADD, row)

    async def open_ones(self, tx: Transaction, *, marketplace_id: uuid.UUID) -> list[ForeignChange]:
        """List the changes of contracts whose orders have not ended.

        A change whose transaction a step has claimed since is ours and is left out: the books had
        lost it.
        """
        rows = await tx.fetch(_OPEN, {"marketplace_id": marketplace_id})
        return [ForeignChange(**row._asdict()) for row in rows]


_C = foreign_changes.c
_ADD = compiled(
    insert(foreign_changes)
    .values({column: sa.bindparam(column.name) for column in _C if column is not _C.found_at})
    .on_conflict_do_nothing()
)
_IS_OURS = sa.or_(
    sa.select(attempts.c.hash).where(attempts.c.hash == _C.transaction_hash).exists(),
    # Events carry the hash of the fee bump in which a transaction landed.
    sa.select(attempts.c.hash)
    .where(attempts.c.bump_hash == _C.transaction_hash, attempts.c.bump_hash != "")
    .exists(),
)
_OPEN = compiled(
    sa.select(
        _C.event_id,
        escrows.c.order_id,
        _C.contract_id,
        _C.name,
        _C.transaction_hash,
        _C.ledger,
        _C.found_at,
    )
    .join_from(foreign_changes, escrows, escrows.c.contract_id == _C.contract_id)
    .where(
        escrows.c.marketplace_id == sa.bindparam("marketplace_id"),
        escrows.c.closed_at.is_(None),
        ~_IS_OURS,
    )
    .order_by(_C.event_id)
    .limit(LISTED_MAX)
)
