"""Deposits in suspense, in PostgreSQL."""

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from chassis.sql import compiled
from kernel.ids import MarketplaceId, TransferId, UserId
from services.ledger.book import USER
from services.ledger.deposits.domain import Suspended
from services.ledger.store import transfer_of
from services.ledger.tables import TRANSFER, accounts, suspense, transfers


class DepositStore:
    """Reads and writes deposits in suspense. Each call concerns one marketplace."""

    async def look_at_account(
        self,
        tx: Transaction,
        *,
        marketplace_id: MarketplaceId,
        user_id: UserId | None,
        asset: str,
        late_after: dt.datetime,
    ) -> tuple[bool, bool]:
        """Tell whether a user has an account, and whether late_after is past.

        The database's clock decides.
        """
        key = {
            "marketplace_id": marketplace_id,
            "asset": asset,
            "name": f"{USER}{user_id}",
            "late_after": late_after,
        }
        row = await tx.fetchrow(_LOOK_AT_ACCOUNT, key)
        return row.is_open, row.is_late

    async def add(
        self,
        tx: Transaction,
        *,
        marketplace_id: MarketplaceId,
        transfer_id: TransferId,
        user_id: UserId | None,
        memo: str,
    ) -> None:
        """Insert the details of a deposit that was booked to suspense."""
        row = {
            "marketplace_id": marketplace_id,
            "transfer_id": transfer_id,
            "user_id": user_id,
            "memo": memo,
        }
        await tx.run(_ADD, row)

    async def lock(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, transfer_id: TransferId
    ) -> Suspended | None:
        """Lock a deposit in suspense and read it; None: there is no such deposit."""
        key = {"marketplace_id": marketplace_id, "transfer_id": transfer_id}
        row = await tx.fetchrow(_LOCK, key)
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
        """List deposits, oldest first. after: the number after which the page begins."""
        chosen = {
            "marketplace_id": marketplace_id,
            "only_open": only_open,
            "after": after,
            "limit": limit,
        }
        return [_suspended(row) for row in await tx.fetch(_LIST, chosen)]

    async def credited(
        self,
        tx: Transaction,
        *,
        marketplace_id: MarketplaceId,
        transfer_id: TransferId,
        by: TransferId,
    ) -> None:
        """Record the transfer that credited a deposit."""
        values = {"marketplace_id": marketplace_id, "transfer_id": transfer_id, "by": by}
        await tx.run(_CREDITED, values)


def _suspended(row: Any) -> Suspended:
    return Suspended(
        number=row.number,
        transfer=transfer_of(row),
        user_id=row.user_id,
        memo=row.memo,
        credited_by=row.credited_by,
    )


_LOOK_AT_ACCOUNT = compiled(
    sa.select(
        sa.select(accounts.c.name)
        .where(
            accounts.c.marketplace_id == sa.bindparam("marketplace_id"),
            accounts.c.asset == sa.bindparam("asset"),
            accounts.c.name == sa.bindparam("name"),
        )
        .exists()
        .label("is_open"),
        (sa.bindparam("late_after", type_=sa.DateTime(timezone=True)) <= sa.func.now()).label(
            "is_late"
        ),
    )
)
_ADD = compiled(
    insert(suspense)
    .values(
        marketplace_id=sa.bindparam("marketplace_id"),
        transfer_id=sa.bindparam("transfer_id"),
        user_id=sa.bindparam("user_id"),
        memo=sa.bindparam("memo"),
    )
    .on_conflict_do_nothing()
)
_SUSPENDED = sa.select(
    *TRANSFER, suspense.c.number, suspense.c.user_id, suspense.c.memo, suspense.c.credited_by
).join_from(
    suspense,
    transfers,
    sa.and_(
        transfers.c.marketplace_id == suspense.c.marketplace_id,
        transfers.c.id == suspense.c.transfer_id,
    ),
)
_KEY = (
    suspense.c.marketplace_id == sa.bindparam("marketplace_id"),
    suspense.c.transfer_id == sa.bindparam("transfer_id"),
)
_LOCK = compiled(_SUSPENDED.where(*_KEY).with_for_update(of=suspense))
_LIST = compiled(
    _SUSPENDED.where(
        suspense.c.marketplace_id == sa.bindparam("marketplace_id"),
        suspense.c.number > sa.bindparam("after"),
        sa.or_(
            suspense.c.credited_by.is_(None),
            sa.not_(sa.bindparam("only_open", type_=sa.Boolean)),
        ),
    )
    .order_by(suspense.c.number)
    .limit(sa.bindparam("limit"))
)
_CREDITED = compiled(sa.update(suspense).where(*_KEY).values(credited_by=sa.bindparam("by")))
