"""Reads of the ledger, and the opening of accounts. Every statement names a marketplace."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from chassis.database import Transaction
from chassis.sql import compiled
from kernel.ids import MarketplaceId, OrderId, TransferId, UserId
from kernel.money import USDC
from services.ledger.book import (
    BORNE,
    CREDITED,
    FEES,
    SUSPENSE,
    USER,
    Balance,
    HouseAccount,
    PlatformMoney,
    Transfer,
    TransferType,
)
from services.ledger.statement import Line
from services.ledger.store import transfer_of
from services.ledger.tables import TRANSFER, accounts, entries, transfers

NUMBER_MAX = 2**63 - 1


class LedgerQueries:
    """Reads, and opens accounts, in the caller's transaction. Locks nothing."""

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
        """Open a user's account if there is none, and return it; None: the public id is taken."""
        row = {
            "marketplace_id": marketplace_id,
            "asset": asset,
            "name": f"{USER}{user_id}",
            "public_id": public_id,
            "opened_at": at,
        }
        await tx.run(_OPEN_ACCOUNT, row)
        return await self.balance(tx, marketplace_id=marketplace_id, user_id=user_id, asset=asset)

    async def balance(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, user_id: UserId, asset: str
    ) -> Balance | None:
        """Return a user's balance; None: there is no account."""
        key = {"marketplace_id": marketplace_id, "asset": asset, "name": f"{USER}{user_id}"}
        row = await tx.fetchrow(_FIND_ACCOUNT, key)
        if row is None:
            return None
        return Balance(str(user_id), row.public_id, row.asset, row.available, row.holds)

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
        """Return lines of a statement, newest first. before: only lines of lower versions."""
        chosen = {
            "marketplace_id": marketplace_id,
            "asset": asset,
            "account": f"{USER}{user_id}",
            "before": NUMBER_MAX if before is None else before,
            "limit": limit,
        }
        return [
            Line(
                version=row.version,
                transfer=transfer_of(row),
                available_change=row.available_change,
                reserved_change=row.reserved_change,
                available_after=row.available_after,
                reserved_after=row.reserved_after,
            )
            for row in await tx.fetch(_LIST_ENTRIES, chosen)
        ]

    async def transfer(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, transfer_id: TransferId
    ) -> Transfer | None:
        """Return a transfer; None: there is none."""
        key = {"marketplace_id": marketplace_id, "id": transfer_id}
        row = await tx.fetchrow(_FIND_TRANSFER, key)
        return None if row is None else transfer_of(row)

    async def transfers_of(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, order_id: OrderId
    ) -> list[Transfer]:
        """Return an order's transfers, oldest first."""
        key = {"marketplace_id": marketplace_id, "order_id": order_id}
        return [transfer_of(row) for row in await tx.fetch(_LIST_TRANSFERS, key)]

    async def open_holds(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, after: int, limit: int
    ) -> list[tuple[int, Transfer]]:
        """Return holds that are neither posted nor voided, each with its number.

        after: the number after which the page begins.
        """
        chosen = {"marketplace_id": marketplace_id, "after": after, "limit": limit}
        return [(row.number, transfer_of(row)) for row in await tx.fetch(_LIST_OPEN_HOLDS, chosen)]

    async def house_accounts(
        self,
        tx: Transaction,
        *,
        marketplace_id: MarketplaceId,
        only_open: bool,
        after: int,
        limit: int,
    ) -> list[HouseAccount]:
        """Return house and escrow accounts after a number. A house account's entries are summed."""
        chosen = {
            "marketplace_id": marketplace_id,
            "only_open": only_open,
            "after": after,
            "limit": limit,
        }
        return [_house_account(row) for row in await tx.fetch(_LIST_ACCOUNTS, chosen)]

    async def named_accounts(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, names: Sequence[str]
    ) -> list[HouseAccount]:
        """Return accounts of users and escrows by name, with their stored figures."""
        key = {"marketplace_id": marketplace_id, "asset": USDC, "names": sorted(set(names))}
        return [_house_account(row) for row in await tx.fetch(_NAMED_ACCOUNTS, key)]

    async def platform_money(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, asset: str
    ) -> PlatformMoney:
        """Sum the platform's own money."""
        row = await tx.fetchrow(_PLATFORM_MONEY, {"marketplace_id": marketplace_id, "asset": asset})
        return PlatformMoney(asset=asset, **row._asdict())

    async def platform_transfers(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, asset: str, before: int, limit: int
    ) -> list[tuple[int, Transfer]]:
        """Return transfers of the platform's own money, newest first, each with its number."""
        chosen = {
            "marketplace_id": marketplace_id,
            "asset": asset,
            "before": before,
            "limit": limit,
        }
        rows = await tx.fetch(_PLATFORM_TRANSFERS, chosen)
        return [(row.number, transfer_of(row)) for row in rows]


def _house_account(row: Any) -> HouseAccount:
    return HouseAccount(number=row.number, name=row.name, asset=row.asset, balance=row.balance)


_OPEN_ACCOUNT = compiled(
    insert(accounts)
    .values(
        marketplace_id=sa.bindparam("marketplace_id"),
        asset=sa.bindparam("asset"),
        name=sa.bindparam("name"),
        public_id=sa.bindparam("public_id"),
        opened_at=sa.bindparam("opened_at"),
    )
    .on_conflict_do_nothing()
)
_FIND_ACCOUNT = compiled(
    sa.select(
        accounts.c.public_id,
        accounts.c.asset,
        (accounts.c.credits - accounts.c.debits - accounts.c.holds).label("available"),
        accounts.c.holds,
    ).where(
        accounts.c.marketplace_id == sa.bindparam("marketplace_id"),
        accounts.c.asset == sa.bindparam("asset"),
        accounts.c.name == sa.bindparam("name"),
    )
)
_NAMED_ACCOUNTS = compiled(
    sa.select(
        accounts.c.number,
        accounts.c.name,
        accounts.c.asset,
        (accounts.c.credits - accounts.c.debits).label("balance"),
    ).where(
        accounts.c.marketplace_id == sa.bindparam("marketplace_id"),
        accounts.c.asset == sa.bindparam("asset"),
        accounts.c.name == sa.any_(sa.bindparam("names", type_=ARRAY(sa.Text))),
    )
)
# The balance of a house account is the sum of its entries. `offset 0` keeps the planner from
# computing the sum twice for each row.
_LIST_ACCOUNTS = """
select a.number, a.name, a.asset, b.balance
from accounts a
cross join lateral (
    select case when a.kind = 'escrow' then a.credits - a.debits else coalesce((
        select sum(e.available_change) from entries e
        where e.marketplace_id = a.marketplace_id and e.asset = a.asset and e.account = a.name
    ), 0)::bigint end as balance
    offset 0
) as b
where a.marketplace_id = %(marketplace_id)s and a.kind <> 'user' and a.number > %(after)s
    and (b.balance <> 0 or not %(only_open)s)
order by a.number limit %(limit)s
"""
_PLATFORM_MONEY = f"""
with sums as (
    select a.account, coalesce((
        select sum(e.available_change) from entries e
        where e.marketplace_id = %(marketplace_id)s and e.asset = %(asset)s
            and e.account = a.account
    ), 0)::bigint as balance
    from (values ('{FEES}'), ('{BORNE}'), ('{CREDITED}'), ('{SUSPENSE}')) as a (account)
), taken as (
    select coalesce(sum(t.amount) filter (where t.type = 3), 0)::bigint as withdrawn,
           coalesce(sum(t.amount) filter (where t.type = 2 and not exists (
               select from transfers r
               where r.marketplace_id = t.marketplace_id and r.pending_id = t.id
           )), 0)::bigint as reserved
    from transfers t
    where t.marketplace_id = %(marketplace_id)s and t.asset = %(asset)s
        and t.debit_account = '{FEES}'
)
select (select balance from sums where account = '{FEES}') + withdrawn as earned,
       -(select balance from sums where account = '{BORNE}') as borne,
       withdrawn, reserved,
       -(select balance from sums where account = '{CREDITED}') as credited,
       (select balance from sums where account = '{SUSPENSE}') as suspense
from taken
"""  # noqa: S608 - joined from constants of this file
# The condition is the one of the partial index.
_PLATFORM_TRANSFERS = f"""
select {", ".join(column.name for column in TRANSFER)}, number
from transfers
where marketplace_id = %(marketplace_id)s and asset = %(asset)s and number < %(before)s
    and type in (1, 3) and (debit_account in ('{FEES}', '{BORNE}', '{CREDITED}')
        or credit_account in ('{FEES}', '{BORNE}', '{CREDITED}'))
order by number desc limit %(limit)s
"""  # noqa: S608 - joined from constants of this file
_OF_MARKETPLACE = transfers.c.marketplace_id == sa.bindparam("marketplace_id")
_FIND_TRANSFER = compiled(
    sa.select(*TRANSFER).where(_OF_MARKETPLACE, transfers.c.id == sa.bindparam("id"))
)
_LIST_TRANSFERS = compiled(
    sa.select(*TRANSFER)
    .where(_OF_MARKETPLACE, transfers.c.order_id == sa.bindparam("order_id"))
    .order_by(transfers.c.number)
)
_RESOLUTION = transfers.alias("resolution")
# Reads all holds of a marketplace, so it serves operators only.
_LIST_OPEN_HOLDS = compiled(
    sa.select(*TRANSFER, transfers.c.number)
    .where(
        _OF_MARKETPLACE,
        transfers.c.type == TransferType.PENDING,
        transfers.c.number > sa.bindparam("after"),
        ~sa.select(_RESOLUTION.c.id)
        .where(
            _RESOLUTION.c.marketplace_id == transfers.c.marketplace_id,
            _RESOLUTION.c.pending_id == transfers.c.id,
        )
        .exists(),
    )
    .order_by(transfers.c.number)
    .limit(sa.bindparam("limit"))
)
_LIST_ENTRIES = compiled(
    sa.select(
        *TRANSFER,
        entries.c.version,
        entries.c.available_change,
        entries.c.reserved_change,
        entries.c.available_after,
        entries.c.reserved_after,
    )
    .join_from(
        entries,
        transfers,
        sa.and_(
            transfers.c.marketplace_id == entries.c.marketplace_id,
            transfers.c.id == entries.c.transfer_id,
        ),
    )
    .where(
        entries.c.marketplace_id == sa.bindparam("marketplace_id"),
        entries.c.asset == sa.bindparam("asset"),
        entries.c.account == sa.bindparam("account"),
        entries.c.version < sa.bindparam("before"),
    )
    .order_by(entries.c.version.desc())
    .limit(sa.bindparam("limit"))
)
