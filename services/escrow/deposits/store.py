"""The watcher's cursor, deposits, and transfers that could not be recorded, in Postgres."""

import datetime as dt
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from services.escrow.contracts.evidence import UnreadableTransfer
from services.escrow.domain import Wallet
from services.escrow.tables import (
    attempts,
    cursors,
    deposits,
    escrows,
    unreadable_transfers,
    wallets,
)
from services.escrow.wallets.store import to_wallet

WHY_MAX = 500
# A watcher notes every ten seconds that it has looked.
BLIND_AFTER = dt.timedelta(minutes=2)

# What speaks of the values, not of the database: they are refused whenever it is tried.
REFUSALS = (
    psycopg.DataError,
    psycopg.IntegrityError,
    ValueError,
    TypeError,
    OverflowError,
)


class NotRecordable(Exception):
    """The database never takes these values; the text says why."""


@asynccontextmanager
async def apart(tx: Transaction) -> AsyncIterator[None]:
    """Undo what is inside, and no more of the transaction, where it cannot be recorded.

    Raises: NotRecordable; where the database itself is in trouble, its own errors.
    """
    try:
        async with tx.transaction():
            yield
    except REFUSALS as error:
        raise NotRecordable(f"{type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    """Money from outside at a wallet of ours. event_id: the same on every node."""

    id: uuid.UUID
    wallet: Wallet
    event_id: str
    transaction_hash: str
    ledger: int
    from_address: str
    memo: str
    minor_units: int
    created_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Blindness:
    """No deposit is seen. since: when the chain was last read; why: "" where nobody has said."""

    since: dt.datetime
    why: str


class Deposits:
    """Reads and writes what arrives from outside, and how far it was read."""

    async def cursor(self, tx: Transaction, asset_contract: str) -> str | None:
        """Read how far the asset's transfers were read; None before the first start."""
        chosen = sa.select(cursors.c.position).where(cursors.c.asset_contract == asset_contract)
        found: str | None = (await tx.execute(chosen)).scalar_one_or_none()
        return found

    async def start_cursor(self, tx: Transaction, *, asset_contract: str, position: str) -> None:
        """Set where reading begins; a cursor that is there stays."""
        row = {"asset_contract": asset_contract, "position": position}
        await tx.execute(insert(cursors).values(row).on_conflict_do_nothing())

    async def move_cursor(
        self, tx: Transaction, *, asset_contract: str, old: str, new: str
    ) -> bool:
        """Move the cursor and lock it; False where another watcher moved it first."""
        statement = (
            sa.update(cursors)
            .where(cursors.c.asset_contract == asset_contract, cursors.c.position == old)
            .values(position=new)
        )
        return bool((await tx.execute(statement)).rowcount == 1)

    async def note(self, tx: Transaction, asset_contract: str, *, trouble: str) -> None:
        """Keep what keeps the watcher from looking, "": that it has looked just now."""
        statement = sa.update(cursors).where(cursors.c.asset_contract == asset_contract)
        seen = {"looked_at": sa.func.clock_timestamp()} if not trouble else {}
        await tx.execute(statement.values(trouble=printable(trouble), **seen))

    async def blindness(self, tx: Transaction, asset_contract: str) -> Blindness | None:
        """Return since when, and why, no deposit is seen; None: the watcher looks."""
        chosen = sa.select(cursors.c.looked_at, cursors.c.trouble).where(
            cursors.c.asset_contract == asset_contract,
            sa.or_(
                cursors.c.trouble != "",
                cursors.c.looked_at < sa.func.clock_timestamp() - BLIND_AFTER,
            ),
        )
        row = (await tx.execute(chosen)).first()
        return None if row is None else Blindness(since=row.looked_at, why=row.trouble)

    async def wallets_at(self, tx: Transaction, addresses: Sequence[str]) -> dict[str, Wallet]:
        """Read the wallets behind addresses, by address."""
        chosen = sa.select(wallets).where(wallets.c.address.in_(addresses))
        return {row.address: to_wallet(row) for row in await tx.execute(chosen)}

    async def contracts_among(self, tx: Transaction, addresses: Sequence[str]) -> frozenset[str]:
        """Tell which addresses are contracts of ours."""
        chosen = sa.select(escrows.c.contract_id).where(escrows.c.contract_id.in_(addresses))
        return frozenset((await tx.execute(chosen)).scalars())

    async def our_transactions_among(
        self, tx: Transaction, hashes: Sequence[str]
    ) -> frozenset[str]:
        """Tell which transactions are attempts of ours."""
        chosen = sa.select(attempts.c.hash).where(attempts.c.hash.in_(hashes))
        return frozenset((await tx.execute(chosen)).scalars())

    async def add_deposit(self, tx: Transaction, deposit: Deposit) -> bool:
        """Keep a deposit; False where it was kept before."""
        row = {
            "id": deposit.id,
            "marketplace_id": deposit.wallet.marketplace_id,
            "wallet_id": deposit.wallet.id,
            "event_id": deposit.event_id,
            "transaction_hash": deposit.transaction_hash,
            "ledger": deposit.ledger,
            "from_address": deposit.from_address,
            "memo": deposit.memo,
            "minor_units": deposit.minor_units,
            "created_at": deposit.created_at,
        }
        statement = insert(deposits).values(row).on_conflict_do_nothing()
        return (await tx.execute(statement.returning(deposits.c.id))).first() is not None

    async def put_aside(
        self, tx: Transaction, transfer: UnreadableTransfer, *, marketplace_id: uuid.UUID | None
    ) -> None:
        """Keep what is known of a transfer that cannot be recorded, once."""
        row = {
            "event_id": transfer.event_id,
            "marketplace_id": marketplace_id,
            "transaction_hash": transfer.transaction_hash,
            "ledger": transfer.ledger,
            "to_address": transfer.to_address,
            "event": transfer.event,
            # Others wrote what is in it: no character of it may be refused again.
            "why": printable(transfer.why),
        }
        await tx.execute(insert(unreadable_transfers).values(row).on_conflict_do_nothing())


def printable(text: str) -> str:
    """Return a text that every column takes and every screen shows."""
    return ascii(text)[1:-1][:WHY_MAX]
