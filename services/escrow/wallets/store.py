"""Users' wallets in PostgreSQL. Rows in, dataclasses out.

Every statement but the walk through all wallets names the marketplace, so rows of another
marketplace are not found.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy.dialects.postgresql import ARRAY, insert

from chassis.database import Transaction
from chassis.outbox import Event, Outbox
from chassis.sql import compiled
from kernel.ids import to_public
from services.escrow.domain import Wallet, WalletNotFound, WalletState
from services.escrow.tables import wallets
from services.escrow.wallets.vault import Sealed


class WalletStore:
    """Reads and writes wallets, with the single event of each."""

    async def add_wallet(self, tx: Transaction, *, wallet: Wallet, sealed: Sealed) -> bool:
        """Insert a wallet; False: the user has one already. Waits while one is being inserted."""
        row = {
            "id": wallet.id,
            "marketplace_id": wallet.marketplace_id,
            "user_id": wallet.user_id,
            "user_public_id": wallet.user_public_id,
            "address": wallet.address,
            "sealed": Jsonb(dict(sealed)),
            "state": wallet.state,
            "created_at": wallet.created_at,
        }
        return await tx.run(_ADD, row) == 1

    async def wallet_of_user(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, user_id: uuid.UUID
    ) -> Wallet:
        """Read a user's wallet. Raises: WalletNotFound."""
        found = await self.find_wallet(tx, marketplace_id=marketplace_id, user_id=user_id)
        if found is None:
            raise _without_wallet(user_id)
        return found

    async def wallets_of_users(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, user_ids: Sequence[uuid.UUID]
    ) -> list[Wallet]:
        """Read users' wallets, in the given order. Raises: WalletNotFound."""
        names = {"marketplace_id": marketplace_id, "ids": list(user_ids)}
        found = {row.user_id: to_wallet(row) for row in await tx.fetch(_OF_USERS, names)}
        for user_id in user_ids:
            if user_id not in found:
                raise _without_wallet(user_id)
        return [found[user_id] for user_id in user_ids]

    async def find_wallet(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, user_id: uuid.UUID
    ) -> Wallet | None:
        """Read a user's wallet, or None."""
        names = {"marketplace_id": marketplace_id, "user_id": user_id}
        row = await tx.fetchrow(_OF_USER, names)
        return None if row is None else to_wallet(row)

    async def lock_wallet(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, user_id: uuid.UUID
    ) -> Wallet:
        """Read a user's wallet and lock its row. Raises: LookupError."""
        names = {"marketplace_id": marketplace_id, "user_id": user_id}
        row = await tx.fetchrow(_LOCK_OF_USER, names)
        if row is None:
            raise LookupError("the user has no wallet")
        return to_wallet(row)

    async def wallets(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, wallet_ids: Sequence[uuid.UUID]
    ) -> list[tuple[Wallet, Sealed]]:
        """Read wallets and their sealed keys, in the given order. Raises: WalletNotFound."""
        names = {"marketplace_id": marketplace_id, "ids": list(wallet_ids)}
        rows = {row.id: row for row in await tx.fetch(_BY_IDS, names)}
        if not rows.keys() >= set(wallet_ids):
            raise WalletNotFound("Wallet not found")
        return [(to_wallet(rows[each]), rows[each].sealed) for each in wallet_ids]

    async def set_wallet_state(
        self, tx: Transaction, *, wallet: Wallet, state: WalletState
    ) -> None:
        """Write the state of a wallet."""
        names = {"marketplace_id": wallet.marketplace_id, "id": wallet.id, "state": state}
        if await tx.run(_SET_STATE, names) != 1:
            raise LookupError("the wallet to write is not there")

    async def is_idle(self, tx: Transaction, *, wallet: Wallet, before: dt.datetime) -> bool:
        """Tell whether nothing was done with a wallet since an instant, and nothing is to be done.

        The wallet's row must be locked: a command that begins meanwhile waits, or finds the wallet
        MERGING.
        """
        names = {"marketplace": wallet.marketplace_id, "id": wallet.id, "before": before}
        return bool(await tx.fetchval(_IS_IDLE, names))

    async def page_of_all(
        self, tx: Transaction, *, after: tuple[uuid.UUID, uuid.UUID], size: int
    ) -> list[Wallet]:
        """List wallets of all marketplaces by marketplace and id.

        after: those of the last wallet.
        """
        names = {"marketplace": after[0], "id": after[1], "size": size}
        return [to_wallet(row) for row in await tx.fetch(_OF_ALL, names)]

    async def tell_wallet(
        self, tx: Transaction, *, wallet: Wallet, at: dt.datetime, correlation_id: str
    ) -> None:
        """Write the single event of a wallet, in the caller's transaction."""
        name = to_public("wal", wallet.id)
        event = Event(
            event_type="wallet.created",
            aggregate_type="Wallet",
            aggregate_id=name,
            version=1,
            marketplace_id=wallet.marketplace_id,
            occurred_at=at,
            payload={
                "walletId": name,
                "userId": wallet.user_public_id,
                "address": wallet.address,
            },
            correlation_id=correlation_id,
            user_id=wallet.user_public_id,
        )
        await Outbox().append(tx, [event])


def _without_wallet(user_id: uuid.UUID) -> WalletNotFound:
    return WalletNotFound("The user has no wallet", details={"userId": str(user_id)})


def to_wallet(row: Any) -> Wallet:
    """Convert a wallet's row."""
    return Wallet(
        id=row.id,
        marketplace_id=row.marketplace_id,
        user_id=row.user_id,
        user_public_id=row.user_public_id,
        address=row.address,
        state=WalletState(row.state),
        created_at=row.created_at,
    )


_IS_ITS_MARKETPLACES = wallets.c.marketplace_id == sa.bindparam("marketplace_id")
_WALLETS = sa.select(*wallets.c).where(_IS_ITS_MARKETPLACES)
_ADD = compiled(
    insert(wallets).on_conflict_do_nothing(
        index_elements=[wallets.c.marketplace_id, wallets.c.user_id]
    )
)
_USERS = _WALLETS.where(wallets.c.user_id == sa.bindparam("user_id"))
_OF_USER = compiled(_USERS)
_LOCK_OF_USER = compiled(_USERS.with_for_update())
_OF_USERS = compiled(
    _WALLETS.where(wallets.c.user_id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.Uuid))))
)
_BY_IDS = compiled(
    _WALLETS.where(wallets.c.id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.Uuid))))
)
_SET_STATE = compiled(
    sa.update(wallets)
    .where(_IS_ITS_MARKETPLACES, wallets.c.id == sa.bindparam("id"))
    .values(state=sa.bindparam("state"))
)
_OF_ALL = """
select marketplace_id, id, user_id, user_public_id, address, state, created_at from wallets
where (marketplace_id, id) > (%(marketplace)s, %(id)s) order by marketplace_id, id limit %(size)s
"""
# A failed escrow keeps no wallet: a new request for it finds its parties' wallets, and wakes them.
_IS_IDLE = """
select w.state = 'ACTIVE' and w.created_at < %(before)s
   and not exists (
       select from commands c where c.marketplace_id = w.marketplace_id and c.wallet_id = w.id
       and (c.finished_at is null or c.finished_at >= %(before)s))
   and not exists (
       select from escrows e where e.marketplace_id = w.marketplace_id and e.buyer_wallet_id = w.id
       and (e.closed_at is null and e.state <> 'FAILED'
            or coalesce(e.closed_at, e.created_at) >= %(before)s))
   and not exists (
       select from escrows e where e.marketplace_id = w.marketplace_id and e.seller_wallet_id = w.id
       and (e.closed_at is null and e.state <> 'FAILED'
            or coalesce(e.closed_at, e.created_at) >= %(before)s))
   and not exists (
       select from deposits d where d.marketplace_id = w.marketplace_id and d.wallet_id = w.id
       and d.created_at >= %(before)s)
from wallets w where w.marketplace_id = %(marketplace)s and w.id = %(id)s
"""
