"""Deposits in suspense, in PostgreSQL."""

import datetime as dt
from typing import Any

from chassis.database import Transaction, driver
from kernel.ids import MarketplaceId, TransferId, UserId
from services.ledger import tables
from services.ledger.book import USER
from services.ledger.deposits.domain import Suspended
from services.ledger.store import transfer_of

_TRANSFER_COLUMNS = 12


class DepositStore:
    """The deposits in suspense, of one marketplace per call."""

    async def look_at_account(
        self,
        tx: Transaction,
        *,
        marketplace_id: MarketplaceId,
        user_id: UserId | None,
        asset: str,
        late_after: dt.datetime,
    ) -> tuple[bool, bool]:
        """Tell whether a user has an account, and whether an instant is past, by the database."""
        connection = await driver(tx)
        key = (marketplace_id, asset, f"{USER}{user_id}", late_after)
        row: Any = await (await connection.execute(tables.LOOK_AT_ACCOUNT, key)).fetchone()
        is_open, is_late = row
        return is_open, is_late

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
