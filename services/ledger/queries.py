"""What is read of the ledger, and the opening of accounts; every statement names a marketplace."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from chassis.database import Transaction, driver
from kernel.ids import MarketplaceId, OrderId, TransferId, UserId
from kernel.money import USDC
from services.ledger import tables
from services.ledger.book import USER, Balance, HouseAccount, Transfer
from services.ledger.statement import Line
from services.ledger.store import transfer_of

VERSION_MAX = 2**63 - 1
_TRANSFER_COLUMNS = 12


class LedgerQueries:
    """Reads in the caller's transaction; locks nothing."""

    async def open_account(
        self,
        tx: Transaction,
        *,
        marketplace_id: MarketplaceId,
        user_id: UserId,
        public_id: str,
        asset: str,
        at: dt.datetime,
    ) -> Balance | None:
        """Make a user's account where there is none and return it; None: the name is another's."""
        connection = await driver(tx)
        row = (marketplace_id, asset, f"{USER}{user_id}", public_id, at)
        await connection.execute(tables.OPEN_ACCOUNT, row)
        return await self.balance(tx, marketplace_id=marketplace_id, user_id=user_id, asset=asset)

    async def balance(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, user_id: UserId, asset: str
    ) -> Balance | None:
        """Return a user's balance; None: there is no account."""
        connection = await driver(tx)
        key = (marketplace_id, asset, f"{USER}{user_id}")
        cursor = await connection.execute(tables.FIND_ACCOUNT, key)
        row: Any = await cursor.fetchone()
        return None if row is None else Balance(str(user_id), *row)

    async def lines(
        self,
        tx: Transaction,
        *,
        marketplace_id: MarketplaceId,
        user_id: UserId,
        asset: str,
        before: int | None,
        limit: int,
    ) -> list[Line]:
        """Return lines of a statement, newest first, below a version."""
        connection = await driver(tx)
        version = VERSION_MAX if before is None else before
        key = (marketplace_id, asset, f"{USER}{user_id}", version, limit)
        cursor = await connection.execute(tables.LIST_ENTRIES, key)
        return [_line(row) for row in await cursor.fetchall()]

    async def transfer(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, transfer_id: TransferId
    ) -> Transfer | None:
        """Return a transfer; None: there is none."""
        connection = await driver(tx)
        cursor = await connection.execute(tables.FIND_TRANSFER, (marketplace_id, transfer_id))
        row = await cursor.fetchone()
        return None if row is None else transfer_of(row)

    async def transfers_of(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, order_id: OrderId
    ) -> list[Transfer]:
        """Return an order's transfers, oldest first."""
        connection = await driver(tx)
        cursor = await connection.execute(tables.LIST_TRANSFERS, (marketplace_id, order_id))
        return [transfer_of(row) for row in await cursor.fetchall()]

    async def open_holds(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, after: int, limit: int
    ) -> list[tuple[int, Transfer]]:
        """Return holds that nothing has ended, each with its number, after a number."""
        connection = await driver(tx)
        key = (marketplace_id, after, limit)
        cursor = await connection.execute(tables.LIST_OPEN_HOLDS, key)
        rows: list[Any] = await cursor.fetchall()
        return [(row[_TRANSFER_COLUMNS], transfer_of(row)) for row in rows]

    async def house_accounts(
        self,
        tx: Transaction,
        *,
        marketplace_id: MarketplaceId,
        only_open: bool,
        after: int,
        limit: int,
    ) -> list[HouseAccount]:
        """Return the accounts that are no user's, after a number; sums the derived ones' lines."""
        connection = await driver(tx)
        key = (marketplace_id, after, only_open, limit)
        cursor = await connection.execute(tables.LIST_ACCOUNTS, key)
        rows: list[Any] = await cursor.fetchall()
        return [
            HouseAccount(number=number, name=name, asset=asset, balance=balance)
            for number, name, asset, balance in rows
        ]

    async def named_accounts(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, names: Sequence[str]
    ) -> list[HouseAccount]:
        """Return accounts of users and escrows by name, with the figures of their rows."""
        connection = await driver(tx)
        key = (marketplace_id, USDC, sorted(set(names)))
        cursor = await connection.execute(tables.NAMED_ACCOUNTS, key)
        rows: list[Any] = await cursor.fetchall()
        return [
            HouseAccount(number=number, name=name, asset=asset, balance=balance)
            for number, name, asset, balance in rows
        ]


def _line(row: Any) -> Line:
    version, available_change, reserved_change, available_after, reserved_after = row[
        _TRANSFER_COLUMNS:
    ]
    return Line(
        version=version,
        transfer=transfer_of(row),
        available_change=available_change,
        reserved_change=reserved_change,
        available_after=available_after,
        reserved_after=reserved_after,
    )
