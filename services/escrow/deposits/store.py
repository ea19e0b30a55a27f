"""The watcher's cursor, deposits, and transfers that could not be recorded, in PostgreSQL."""

import datetime as dt
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from chassis.database import Transaction
from chassis.sql import compiled
from services.escrow.contracts.evidence import TransfersPage, UnreadableTransfer
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
# A watcher records every ten seconds that it has looked.
BLIND_AFTER = "interval '2 minutes'"
# At most this many are listed, oldest first. More mean that something is broken.
LISTED_MAX = 200

# Errors about the values, not about the database: these values are refused at every attempt.
REFUSALS = (
    psycopg.DataError,
    psycopg.IntegrityError,
    ValueError,
    TypeError,
    OverflowError,
)


class NotRecordable(Exception):
    """The database refuses these values at every attempt; the message says why."""


@asynccontextmanager
async def apart(tx: Transaction) -> AsyncIterator[None]:
    """Run a block in a savepoint: if its values are refused, only the block is undone.

    Raises: NotRecordable; the database's own errors, if the database is in trouble.
    """
    try:
        async with tx.transaction():
            yield
    except REFUSALS as error:
        raise NotRecordable(f"{type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    """Money from outside at a user's wallet. event_id: the same on every node."""

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
    """Deposits are not seen. since: when the chain was last read; why: "" if it is unknown."""

    since: dt.datetime
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferAside:
    """A transfer whose record was refused. to_address: "" if it could not be read."""

    event_id: str
    transaction_hash: str
    ledger: int
    to_address: str
    why: str


class Deposits:
    """Reads and writes what arrives from outside, and how far the chain was read."""

    async def cursor(self, tx: Transaction, asset_contract: str) -> str | None:
        """Read the cursor of the asset's transfers; None before the first start."""
        position: str | None = await tx.fetchval(_CURSOR, {"asset_contract": asset_contract})
        return position

    async def start_cursor(self, tx: Transaction, *, asset_contract: str, position: str) -> None:
        """Set the first cursor; a cursor that exists stays."""
        await tx.run(_START_CURSOR, {"asset_contract": asset_contract, "position": position})

    async def move_cursor(
        self, tx: Transaction, *, asset_contract: str, old: str, new: str
    ) -> bool:
        """Move the cursor and lock it; False: another watcher moved it first."""
        names = {"asset_contract": asset_contract, "old": old, "new": new}
        return await tx.run(_MOVE_CURSOR, names) == 1

    async def note(self, tx: Transaction, asset_contract: str, *, trouble: str) -> None:
        """Store the watcher's trouble; "" records that it has just read the chain."""
        names = {"asset_contract": asset_contract, "trouble": printable(trouble)}
        await tx.run(_NOTE_TROUBLE if trouble else _NOTE_LOOK, names)

    async def blindness(self, tx: Transaction, asset_contract: str) -> Blindness | None:
        """Return since when and why deposits are not seen; None: the watcher reads the chain."""
        row = await tx.fetchrow(_BLINDNESS, {"asset_contract": asset_contract})
        return None if row is None else Blindness(since=row.looked_at, why=row.trouble)

    async def known_ledger(self, tx: Transaction) -> int:
        """Return a closed ledger, that of the cursor; 0: none is known."""
        found = await tx.fetchval(_NEWEST_CURSOR)
        return 0 if found is None else int(found.partition("-")[0]) >> 32

    async def has_news(self, tx: Transaction, page: TransfersPage, *, platform: str) -> bool:
        """Tell whether a page may have something to record, by what the books know now.

        That is money at a wallet, unless our escrows or the platform paid it, and what a contract
        of ours did. Our own transactions are never news.
        """
        moved = [(t.from_address, t.to_address, t.transaction_hash) for t in page.transfers]
        changed = [(c.contract_id, "", c.transaction_hash) for c in page.changes]
        names = {
            "payers": [payer for payer, _, _ in moved + changed],
            "payees": [payee for _, payee, _ in moved + changed],
            "hashes": [each for _, _, each in moved + changed],
            "platform": platform,
        }
        return bool(await tx.fetchval(_HAS_NEWS, names))

    async def wallets_at(self, tx: Transaction, addresses: Sequence[str]) -> dict[str, Wallet]:
        """Read the wallets behind addresses, by address."""
        rows = await tx.fetch(_WALLETS_AT, {"addresses": list(addresses)})
        return {row.address: to_wallet(row) for row in rows}

    async def contracts_among(self, tx: Transaction, addresses: Sequence[str]) -> frozenset[str]:
        """Return those addresses that are contracts of ours."""
        rows = await tx.fetch(_CONTRACTS_AMONG, {"addresses": list(addresses)})
        return frozenset(row.contract_id for row in rows)

    async def our_transactions_among(
        self, tx: Transaction, hashes: Sequence[str]
    ) -> frozenset[str]:
        """Return those transactions that are attempts of ours."""
        rows = await tx.fetch(_ATTEMPTS_AMONG, {"hashes": list(hashes)})
        return frozenset(row.hash for row in rows)

    async def add_deposit(self, tx: Transaction, deposit: Deposit) -> bool:
        """Store a deposit; False: it was stored before."""
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
        return await tx.run(_ADD_DEPOSIT, row) == 1

    async def put_aside(
        self, tx: Transaction, transfer: UnreadableTransfer, *, marketplace_id: uuid.UUID | None
    ) -> None:
        """Store what is known of a transfer that cannot be recorded, once."""
        row = {
            "event_id": transfer.event_id,
            "marketplace_id": marketplace_id,
            "transaction_hash": transfer.transaction_hash,
            "ledger": transfer.ledger,
            "to_address": transfer.to_address,
            "event": transfer.event,
            # Others wrote this text. It must not contain characters that a column refuses.
            "why": printable(transfer.why),
        }
        await tx.run(_PUT_ASIDE, row)

    async def transfers_aside(
        self, tx: Transaction, *, marketplace_id: uuid.UUID
    ) -> list[TransferAside]:
        """List transfers that were set aside: to a marketplace's wallets, or to an unknown one."""
        rows = await tx.fetch(_ASIDE, {"marketplace_id": marketplace_id})
        return [TransferAside(**row._asdict()) for row in rows]


def printable(text: str) -> str:
    """Return a text that every column accepts and every screen shows."""
    return ascii(text)[1:-1][:WHY_MAX]


_IS_THE_ASSETS = cursors.c.asset_contract == sa.bindparam("asset_contract")
_HASHES = sa.any_(sa.bindparam("hashes", type_=ARRAY(sa.Text)))
_ADDRESSES = sa.any_(sa.bindparam("addresses", type_=ARRAY(sa.Text)))
_CURSOR = compiled(sa.select(cursors.c.position).where(_IS_THE_ASSETS))
_NEWEST_CURSOR = compiled(sa.select(sa.func.max(cursors.c.position)))
_START_CURSOR = compiled(
    insert(cursors)
    .values(asset_contract=sa.bindparam("asset_contract"), position=sa.bindparam("position"))
    .on_conflict_do_nothing()
)
_MOVE_CURSOR = compiled(
    sa.update(cursors)
    .where(_IS_THE_ASSETS, cursors.c.position == sa.bindparam("old"))
    .values(position=sa.bindparam("new"))
)
_NOTE = sa.update(cursors).where(_IS_THE_ASSETS).values(trouble=sa.bindparam("trouble"))
_NOTE_TROUBLE = compiled(_NOTE)
_NOTE_LOOK = compiled(_NOTE.values(looked_at=sa.func.clock_timestamp()))
_BLINDNESS = compiled(
    sa.select(cursors.c.looked_at, cursors.c.trouble).where(
        _IS_THE_ASSETS,
        sa.or_(
            cursors.c.trouble != "",
            cursors.c.looked_at < sa.func.clock_timestamp() - sa.text(BLIND_AFTER),
        ),
    )
)
_WALLETS_AT = compiled(sa.select(*wallets.c).where(wallets.c.address == _ADDRESSES))
# Events carry the hash of the fee bump in which a transaction landed.
_HAS_NEWS = """
select exists (
    select from unnest(%(payers)s::text[], %(payees)s::text[], %(hashes)s::text[])
        as told (payer, payee, hash)
    left join escrows e on e.contract_id = told.payer
    left join wallets w on w.address = told.payee
    left join attempts a on a.hash = told.hash
    left join attempts b on b.bump_hash = told.hash and b.bump_hash <> ''
    where a.hash is null and b.hash is null
      and (e.id is not null or w.id is not null and told.payer <> %(platform)s))
"""
_CONTRACTS_AMONG = compiled(
    sa.select(escrows.c.contract_id).where(escrows.c.contract_id == _ADDRESSES)
)
_ATTEMPTS_AMONG = compiled(
    sa.union_all(
        sa.select(attempts.c.hash).where(attempts.c.hash == _HASHES),
        # Events carry the hash of the fee bump in which a transaction landed.
        sa.select(attempts.c.bump_hash).where(
            attempts.c.bump_hash == _HASHES, attempts.c.bump_hash != ""
        ),
    )
)
_ADD_DEPOSIT = compiled(insert(deposits).on_conflict_do_nothing())
_ASIDE_COLUMNS = unreadable_transfers.c
_PUT_ASIDE = compiled(
    insert(unreadable_transfers)
    .values(
        {
            column: sa.bindparam(column.name)
            for column in _ASIDE_COLUMNS
            if column is not _ASIDE_COLUMNS.found_at
        }
    )
    .on_conflict_do_nothing()
)
_ASIDE = compiled(
    sa.select(
        _ASIDE_COLUMNS.event_id,
        _ASIDE_COLUMNS.transaction_hash,
        _ASIDE_COLUMNS.ledger,
        _ASIDE_COLUMNS.to_address,
        _ASIDE_COLUMNS.why,
    )
    .where(
        sa.or_(
            _ASIDE_COLUMNS.marketplace_id == sa.bindparam("marketplace_id"),
            _ASIDE_COLUMNS.marketplace_id.is_(None),
        )
    )
    .order_by(_ASIDE_COLUMNS.event_id)
    .limit(LISTED_MAX)
)
