"""Users' wallets in Postgres. Rows in, dataclasses out.

Every statement names the marketplace: another's row is not there.
"""

import datetime as dt
import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from chassis.outbox import Event, Outbox
from kernel.ids import to_public
from services.escrow.domain import Wallet, WalletNotFound, WalletState
from services.escrow.tables import wallets
from services.escrow.wallets.vault import Sealed


class WalletStore:
    """Reads and writes wallets, with the one event about each."""

    def __init__(self, *, outbox: Outbox) -> None:
        self._outbox = outbox

    async def add_wallet(self, tx: Transaction, *, wallet: Wallet, sealed: Sealed) -> bool:
        """Insert a wallet; False where the user has one already (waits for one being made)."""
        row = {
            "id": wallet.id,
            "marketplace_id": wallet.marketplace_id,
            "user_id": wallet.user_id,
            "user_public_id": wallet.user_public_id,
            "address": wallet.address,
            "sealed": dict(sealed),
            "state": wallet.state,
            "created_at": wallet.created_at,
        }
        unique = [wallets.c.marketplace_id, wallets.c.user_id]
        statement = insert(wallets).values(row).on_conflict_do_nothing(index_elements=unique)
        return (await tx.execute(statement.returning(wallets.c.id))).first() is not None

    async def wallet_of_user(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, user_id: uuid.UUID
    ) -> Wallet:
        """Read a user's wallet. Raises: WalletNotFound."""
        found = await self.find_wallet(tx, marketplace_id=marketplace_id, user_id=user_id)
        if found is None:
            raise WalletNotFound("The user has no wallet", details={"userId": str(user_id)})
        return found

    async def find_wallet(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, user_id: uuid.UUID
    ) -> Wallet | None:
        """Read a user's wallet, or None."""
        chosen = sa.select(wallets).where(
            wallets.c.marketplace_id == marketplace_id, wallets.c.user_id == user_id
        )
        row = (await tx.execute(chosen)).first()
        return None if row is None else to_wallet(row)

    async def lock_wallet(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, user_id: uuid.UUID
    ) -> Wallet:
        """Read a user's wallet and lock its row. Raises: NoResultFound."""
        chosen = sa.select(wallets).where(
            wallets.c.marketplace_id == marketplace_id, wallets.c.user_id == user_id
        )
        return to_wallet((await tx.execute(chosen.with_for_update())).one())

    async def wallet(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, wallet_id: uuid.UUID
    ) -> tuple[Wallet, Sealed]:
        """Read a wallet and its sealed key. Raises: WalletNotFound."""
        chosen = sa.select(wallets).where(
            wallets.c.marketplace_id == marketplace_id, wallets.c.id == wallet_id
        )
        row = (await tx.execute(chosen)).first()
        if row is None:
            raise WalletNotFound("There is no such wallet")
        return to_wallet(row), row.sealed

    async def set_wallet_state(
        self, tx: Transaction, *, wallet: Wallet, state: WalletState
    ) -> None:
        """Write where a wallet is."""
        statement = (
            sa.update(wallets)
            .where(wallets.c.marketplace_id == wallet.marketplace_id, wallets.c.id == wallet.id)
            .values(state=state)
        )
        await _exactly_one(tx, statement)

    async def tell_wallet(
        self, tx: Transaction, *, wallet: Wallet, at: dt.datetime, correlation_id: str
    ) -> None:
        """Write the one event of a wallet, in the caller's transaction."""
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
        await self._outbox.append(tx, [event])


def to_wallet(row: Any) -> Wallet:
    """Read a wallet's row."""
    return Wallet(
        id=row.id,
        marketplace_id=row.marketplace_id,
        user_id=row.user_id,
        user_public_id=row.user_public_id,
        address=row.address,
        state=WalletState(row.state),
        created_at=row.created_at,
    )


async def _exactly_one(tx: Transaction, statement: sa.Update) -> None:
    if (await tx.execute(statement)).rowcount != 1:
        raise LookupError("the row to write is not there")
