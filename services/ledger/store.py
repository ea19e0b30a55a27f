"""A batch in Postgres: rows in, a book out, and back.

`load` locks the accounts that a batch touches, `save` writes what was decided on them, both in the
caller's transaction and each in one round trip. Readers are in queries.py.
"""

import datetime as dt
import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from chassis.database import Transaction, constraint_name, driver, sqlstate
from chassis.idempotency import KEPT, RequestKey
from chassis.outages import is_repeatable, is_unavailable
from chassis.outbox import Event, Outbox
from kernel.errors import Unavailable
from kernel.ids import MarketplaceId, OrderId, TransferId
from services.ledger import tables
from services.ledger.book import (
    Account,
    Book,
    NewTransfer,
    Transfer,
    TransferCode,
    TransferType,
    is_limited,
)
from services.ledger.tables import ids, numbers, texts

Connection = psycopg.AsyncConnection[tuple[object, ...]]
Cursor = psycopg.AsyncCursor[tuple[Any, ...]]
Row = tuple[Any, ...]
# An account by marketplace, asset and name; a kept answer by marketplace, scope and key.
AccountKey = tuple[UUID, str, str]
AnswerKey = tuple[UUID, str, str]
# Two transactions met at the same new row; whoever comes second sees it at the next attempt.
_MEETING_POINTS = frozenset(
    {"transfers_pkey", "transfers_pending_resolved_once", "accounts_pkey", "idempotency_pkey"}
) | {"barred_holds_pkey"}
# A lock or a statement that took too long: somebody sits on a row.
_BUSY = frozenset({"55P03", "57014"})


class StaleBookError(Exception):
    """What was loaded is not what is there any more; nothing was written."""


class Trouble(enum.Enum):
    """What an exception of a transaction means for whoever made it."""

    RACE = "another transaction was quicker; the same again will see what it wrote"
    AWAY = "the database is away"
    BUSY = "a lock was not to be had in time; nothing happened"
    FAULT = "a request, or the program, is wrong"


@dataclass(slots=True, kw_only=True)
class Kept:
    """An answer that is kept under a request's key. is_new: to be written with the batch."""

    fingerprint: bytes
    body: bytes
    is_new: bool = False


@dataclass(slots=True, kw_only=True)
class Batch:
    """What a batch of requests found, and what it will write."""

    books: dict[MarketplaceId, Book]
    answers: dict[AnswerKey, Kept]


class LedgerStore:
    """Loads and saves batches."""

    def __init__(self, *, outbox: Outbox) -> None:
        self._outbox = outbox
        # Derived accounts whose row was seen; rows are never deleted.
        self._derived: set[AccountKey] = set()

    async def load(
        self,
        tx: Transaction,
        *,
        asked: Mapping[MarketplaceId, Sequence[NewTransfer]],
        keys: Sequence[RequestKey],
    ) -> Batch:
        """Lock the accounts of the transfers asked, and read what is known of them.

        Locks users' and escrows' accounts in the order of their keys. Raises: StaleBookError.
        """
        limited, derived = _accounts(asked)
        derived -= self._derived
        known_ids = {(m, transfer.id) for m, transfers in asked.items() for transfer in transfers}
        holds = {(m, t.pending_id) for m, ts in asked.items() for t in ts if t.pending_id}
        connection = await driver(tx)
        async with connection.pipeline():
            locking = (*_text_keys(limited), *_pairs(holds))
            locked = await connection.execute(tables.LOCK_ACCOUNTS, locking)
            # Only now, so that what the last owners of the locks wrote is seen.
            known = await connection.execute(tables.FIND_TRANSFERS, _pairs(known_ids | holds))
            ends = await _maybe(connection, tables.FIND_RESOLUTIONS, _pairs(holds), holds)
            barred = await connection.execute(tables.FIND_BARRED, _pairs(known_ids | holds))
            rows = await _maybe(connection, tables.FIND_DERIVED, _text_keys(derived), derived)
            names = {answer_key(key) for key in keys}
            kept = await _maybe(connection, tables.FIND_ANSWERS, (*_text_keys(names), KEPT), names)
        books = {marketplace: Book(marketplace_id=marketplace) for marketplace in asked}
        for row in await _rows(locked):
            _add_account(books, row)
        for row in await _rows(known):
            books[row[0]].transfers[row[1]] = transfer_of(row[1:])
        for marketplace, hold, how in await _rows(ends):
            books[marketplace].resolved[hold] = TransferType(how)
        for marketplace, hold in await _rows(barred):
            books[marketplace].barred.add(hold)
        self._derived.update(await _rows(rows))
        _require_locked(books, holds)
        return Batch(books=books, answers=_answers(await _rows(kept)))

    async def save(
        self, tx: Transaction, batch: Batch, *, events: Sequence[Event], at: dt.datetime
    ) -> None:
        """Write what was decided: accounts, transfers, entries, events, answers.

        Raises: StaleBookError; what `trouble_of` tells apart.
        """
        books = [book for book in batch.books.values() if book.new_transfers]
        connection = await driver(tx)
        async with connection.pipeline():
            await _save_answers(connection, batch.answers)
            await _add_barred(connection, batch.books.values(), at)
            if not books:
                return
            await self._add_derived(connection, books, at)
            await _add_escrows(connection, books, at)
            changed, expected = await _change_accounts(connection, books)
            await _add_transfers(connection, books, at)
            await _add_entries(connection, books)
            await self._outbox.append(tx, events)
        if changed is not None and changed.rowcount != expected:
            raise StaleBookError("an account changed under its lock")

    async def _add_derived(
        self, connection: Connection, books: Sequence[Book], at: dt.datetime
    ) -> None:
        named = {
            (book.marketplace_id, transfer.asset, name)
            for book in books
            for transfer in book.new_transfers
            for name in (transfer.debit, transfer.credit)
            if not is_limited(name)
        }
        if missing := named - self._derived:
            await connection.execute(tables.ADD_DERIVED, (at, *_text_keys(missing)))


def trouble_of(error: BaseException) -> Trouble:
    """Tell what an exception of a transaction means."""
    if isinstance(error, Unavailable):  # as chassis.database says it
        error = error.__cause__ or error
    if isinstance(error, StaleBookError) or is_repeatable(error):
        return Trouble.RACE
    if isinstance(error, psycopg.errors.UniqueViolation):
        is_race = constraint_name(error) in _MEETING_POINTS
        return Trouble.RACE if is_race else Trouble.FAULT
    if sqlstate(error) in _BUSY:
        return Trouble.BUSY
    return Trouble.AWAY if is_unavailable(error) or isinstance(error, OSError) else Trouble.FAULT


def answer_key(key: RequestKey) -> AnswerKey:
    """Name an answer as Batch.answers does."""
    return (key.marketplace_id, key.scope, key.key)


def transfer_of(row: Row) -> Transfer:
    """Read a transfer; columns as in tables.TRANSFER."""
    return Transfer(
        id=TransferId(row[0]),
        type=TransferType(row[1]),
        code=TransferCode(row[2]),
        debit=row[3],
        credit=row[4],
        asset=row[5],
        amount=row[6],
        pending_id=TransferId(row[7]) if row[7] else None,
        order_id=OrderId(row[8]) if row[8] else None,
        transaction_hash=row[9],
        reason=row[10],
        at=row[11],
    )


def _accounts(
    asked: Mapping[MarketplaceId, Sequence[NewTransfer]],
) -> tuple[set[AccountKey], set[AccountKey]]:
    """Sort the accounts that are named: those with figures to lock, and the derived."""
    limited: set[AccountKey] = set()
    derived: set[AccountKey] = set()
    for marketplace, transfers in asked.items():
        for transfer in transfers:
            for name in (transfer.debit, transfer.credit):
                if name:
                    keys = limited if is_limited(name) else derived
                    keys.add((marketplace, transfer.asset, name))
    return limited, derived


def _add_account(books: Mapping[MarketplaceId, Book], row: Row) -> None:
    marketplace, asset, name, public_id, credits_, debits, holds, version = row
    books[marketplace].accounts[asset, name] = Account(
        asset=asset,
        name=name,
        public_id=public_id or "",
        credits=credits_,
        debits=debits,
        holds=holds,
        version=version,
        stored_version=version,
    )


def _require_locked(
    books: Mapping[MarketplaceId, Book], holds: Iterable[tuple[MarketplaceId, TransferId]]
) -> None:
    """Refuse holds that were committed after the locks were taken: their accounts are not ours."""
    for marketplace, hold_id in holds:
        book = books[marketplace]
        hold = book.transfers.get(hold_id)
        if hold is None:
            continue
        for name in (hold.debit, hold.credit):
            if is_limited(name) and (hold.asset, name) not in book.accounts:
                raise StaleBookError("a hold appeared while its accounts were being locked")


def _answers(rows: Iterable[Row]) -> dict[AnswerKey, Kept]:
    return {
        (marketplace, scope, key): Kept(fingerprint=fingerprint, body=body or b"")
        for marketplace, scope, key, fingerprint, body in rows
    }


async def _add_escrows(connection: Connection, books: Sequence[Book], at: dt.datetime) -> None:
    """Make the rows of escrows that a new transfer names for the first time."""
    rows = sorted(
        (book.marketplace_id, *_figures(account))
        for book in books
        for account in _named_escrows(book)
    )
    if rows:
        marketplaces, assets, names, *figures = zip(*rows, strict=True)
        columns = (ids(marketplaces), texts(assets), texts(names), *map(numbers, figures))
        await connection.execute(tables.ADD_ESCROWS, (at, *columns))


def _named_escrows(book: Book) -> list[Account]:
    named = {(t.asset, name) for t in book.new_transfers for name in (t.debit, t.credit)}
    return [
        account
        for key, account in book.accounts.items()
        if account.stored_version is None and key in named
    ]


async def _change_accounts(
    connection: Connection, books: Sequence[Book]
) -> tuple[Cursor | None, int]:
    rows = [
        (book.marketplace_id, *_figures(account), account.stored_version)
        for book in books
        for account in book.accounts.values()
        if account.stored_version is not None and account.version != account.stored_version
    ]
    if not rows:
        return None, 0
    marketplaces, assets, names, *figures = zip(*rows, strict=True)
    columns = (ids(marketplaces), texts(assets), texts(names), *map(numbers, figures))
    return await connection.execute(tables.CHANGE_ACCOUNTS, columns), len(rows)


def _figures(account: Account) -> tuple[str, str, int, int, int, int]:
    return (
        account.asset,
        account.name,
        account.credits,
        account.debits,
        account.holds,
        account.version,
    )


async def _add_transfers(connection: Connection, books: Sequence[Book], at: dt.datetime) -> None:
    rows = [(book.marketplace_id, *t[:-1]) for book in books for t in book.new_transfers]
    columns = list(zip(*rows, strict=True))
    marketplaces, transfers, types, codes, debits, credits_, assets, amounts = columns[:8]
    holds, orders, hashes, reasons = columns[8:]
    await connection.execute(
        tables.ADD_TRANSFERS,
        (
            at,
            ids(marketplaces),
            ids(transfers),
            numbers(types),
            numbers(codes),
            texts(debits),
            texts(credits_),
            texts(assets),
            numbers(amounts),
            ids(holds),
            ids(orders),
            texts(hashes),
            texts(reasons),
        ),
    )


async def _add_barred(connection: Connection, books: Iterable[Book], at: dt.datetime) -> None:
    rows = [(book.marketplace_id, *bar) for book in books for bar in book.new_bars]
    if rows:
        marketplaces, holds, orders, reasons = zip(*rows, strict=True)
        columns = (ids(marketplaces), ids(holds), ids(orders), texts(reasons))
        await connection.execute(tables.ADD_BARRED, (at, *columns))


async def _add_entries(connection: Connection, books: Sequence[Book]) -> None:
    rows = [
        (
            book.marketplace_id,
            entry.transfer.asset,
            entry.account,
            entry.version,
            entry.transfer.id,
            entry.available_change,
            entry.reserved_change,
            entry.available_after,
            entry.reserved_after,
        )
        for book in books
        for entry in book.new_entries
    ]
    marketplaces, assets, names, versions, transfers, *figures = zip(*rows, strict=True)
    columns = (ids(marketplaces), texts(assets), texts(names), numbers(versions), ids(transfers))
    await connection.execute(tables.ADD_ENTRIES, (*columns, *map(numbers, figures)))


async def _save_answers(connection: Connection, answers: Mapping[AnswerKey, Kept]) -> None:
    new = {key: kept for key, kept in answers.items() if kept.is_new}
    if not new:
        return
    keys = _text_keys(new)
    await connection.execute(tables.FORGET_ANSWERS, (*keys, KEPT))
    bodies = ([kept.fingerprint for kept in new.values()], [kept.body for kept in new.values()])
    await connection.execute(tables.KEEP_ANSWERS, (*keys, *bodies))


async def _maybe(
    connection: Connection, statement: Any, columns: Sequence[object], asked: Iterable[object]
) -> Cursor | None:
    """Execute a look-up where there is something to look up."""
    return await connection.execute(statement, columns) if asked else None


async def _rows(cursor: Cursor | None) -> list[Row]:
    return [] if cursor is None else await cursor.fetchall()


def _text_keys(keys: Iterable[tuple[UUID, str, str]]) -> tuple[str, str, str]:
    """Return (id, text, text) keys as three columns."""
    first, second, third = zip(*keys, strict=True) if keys else ((), (), ())
    return ids(first), texts(second), texts(third)


def _pairs(pairs: Iterable[tuple[UUID, UUID]]) -> tuple[str, str]:
    """Return (id, id) keys as two columns."""
    first, second = zip(*pairs, strict=True) if pairs else ((), ())
    return ids(first), ids(second)
