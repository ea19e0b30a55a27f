"""Deposits in suspense: kept with what is known of them, and credited when an operator says so."""

from dataclasses import dataclass
from typing import Any

from chassis.database import Transaction, driver
from kernel.ids import MarketplaceId, TransferId, UserId
from services.ledger import tables
from services.ledger.book import Transfer
from services.ledger.store import transfer_of

_TRANSFER_COLUMNS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """A deposit in suspense. user_id: whose wallet it reached; number: its place in the list."""

    number: int
    transfer: Transfer
    user_id: UserId | None
    memo: str
    credited_by: TransferId | None


class SuspenseStore:
    """The deposits in suspense, of one marketplace per call."""

    async def add(
        self,
        tx: Transaction,
        *,
        marketplace_id: MarketplaceId,
        transfer_id: TransferId,
        user_id: UserId | None,
        memo: str,
    ) -> None:
        """Keep what is known of a deposit that was booked to suspense."""
        connection = await driver(tx)
        row = (marketplace_id, transfer_id, user_id, memo)
        await connection.execute(tables.ADD_SUSPENSE, row)

    async def lock(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, transfer_id: TransferId
    ) -> Suspended | None:
        """Lock a deposit and read it; None: there is no such one in suspense."""
        connection = await driver(tx)
        cursor = await connection.execute(tables.LOCK_SUSPENSE, (marketplace_id, transfer_id))
        row = await cursor.fetchone()
        return None if row is None else _suspended(row)

    async def page(
        self,
        tx: Transaction,
        *,
        marketplace_id: MarketplaceId,
        only_open: bool,
        after: int,
        limit: int,
    ) -> list[Suspended]:
        """List deposits, oldest first, after a number."""
        connection = await driver(tx)
        key = (marketplace_id, after, only_open, limit)
        cursor = await connection.execute(tables.LIST_SUSPENSE, key)
        return [_suspended(row) for row in await cursor.fetchall()]

    async def credited(
        self,
        tx: Transaction,
        *,
        marketplace_id: MarketplaceId,
        transfer_id: TransferId,
        by: TransferId,
    ) -> None:
        """Record which transfer credited a deposit."""
        connection = await driver(tx)
        await connection.execute(tables.CREDIT_SUSPENSE, (by, marketplace_id, transfer_id))


def _suspended(row: Any) -> Suspended:
    number, user_id, memo, credited_by = row[_TRANSFER_COLUMNS:]
    return Suspended(
        number=number,
        transfer=transfer_of(row),
        user_id=user_id,
        memo=memo,
        credited_by=credited_by,
    )
