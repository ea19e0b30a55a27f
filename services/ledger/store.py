"""A batch in PostgreSQL: rows in, a book out, and back.

`load` locks the accounts that a batch touches and reads the rest; `save` writes the decisions.
Both run in the caller's transaction, each in one round trip. A batch is a handful of statements
whatever its size: they take its rows as arrays, and look rows up by index. Readers are in
queries.py.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.arrays import Columns
from chassis.database import Answer, Together, Transaction
from chassis.idempotency import KEPT, RequestKey
from chassis.outbox import Event, Outbox
from kernel.ids import MarketplaceId, OrderId, TransferId
from services.ledger import fees
from services.ledger.book import (
    Account,
    Book,
    NewTransfer,
    Transfer,
    TransferCode,
    TransferType,
    is_limited,
)
from services.ledger.tables import TRANSFER
from services.ledger.trouble import StaleBookError

# An account by marketplace, asset and name; a stored answer by marketplace, scope and key.
AccountKey = tuple[UUID, str, str]
AnswerKey = tuple[UUID, str, str]


@dataclass(slots=True, kw_only=True)
class Kept:
    """An answer that is stored under a request's key. is_new: to be written with the batch."""

    fingerprint: bytes
    body: bytes
    is_new: bool = False


@dataclass(slots=True, kw_only=True)
class Batch:
    """The rows that a batch of requests found, and those that it will write."""

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
        keys: Sequence[RequestKey] = (),
        looked_at: Collection[AccountKey] = (),
        at: dt.datetime | None = None,
    ) -> Batch:
        """Lock the accounts of the transfers asked, and read the rows that they refer to.

        Locks users' and escrows' accounts by key, and last the fees taken. at: the time; None: only
        reads. looked_at: accounts that no transfer needs to name. Raises: StaleBookError.
        """
        transfers = [(m, t) for m, ts in asked.items() for t in ts]
        named = {(m, t.asset, name) for m, t in transfers for name in (t.debit, t.credit) if name}
        limited = {key for key in named if is_limited(key[2])} | set(looked_at)
        derived = named - limited - self._derived
        holds = {(m, t.pending_id) for m, t in transfers if t.pending_id}
        ids = holds | {(m, t.id) for m, t in transfers}
        answers = {answer_key(key) for key in keys}
        async with tx.together() as many:
            locked = many.add(
                _READ_ACCOUNTS if at is None else _LOCK_ACCOUNTS,
                _ACCOUNT.values(limited) | _TRANSFER_ID.values(holds),
            )
            earned = fees.left(many, fees.taken(asked), at=at)
            # After the locks, so that it sees what their last owners wrote.
            known = many.add(_FIND_TRANSFERS, _TRANSFER_ID.values(ids))
            ends = _maybe(many, _FIND_RESOLUTIONS, _TRANSFER_ID, holds)
            barred = many.add(_FIND_BARRED, _TRANSFER_ID.values(ids))
            seen = _maybe(many, _FIND_DERIVED, _ACCOUNT, derived)
            kept = None
            if answers:
                values = _ANSWER_KEY.values(answers) | {"kept": KEPT}
                kept = many.add(_FIND_ANSWERS, values)
        books = {marketplace: Book(marketplace_id=marketplace) for marketplace in asked}
        for row in locked.rows():
            books[row.marketplace_id].accounts[row.asset, row.name] = _account(row)
        for row in known.rows():
            books[row.marketplace_id].transfers[row.id] = transfer_of(row)
        for row in _rows(ends):
            books[row.marketplace_id].resolved[row.pending_id] = TransferType(row.type)
        for row in barred.rows():
            books[row.marketplace_id].barred.add(row.hold_id)
        for row in _rows(earned):
            books[row.marketplace_id].earned[row.asset] = row.available
        self._derived.update(_rows(seen))
        _require_locked(books, holds)
        return Batch(
            books=books,
            answers={
                (row.marketplace_id, row.scope, row.key): Kept(
                    fingerprint=row.fingerprint, body=row.body or b""
                )
                for row in _rows(kept)
            },
        )

    async def save(
        self, tx: Transaction, batch: Batch, *, events: Iterable[Event], at: dt.datetime
    ) -> None:
        """Write the decisions: accounts, transfers, entries, events, answers.

        Raises: StaleBookError; what `trouble_of` tells apart.
        """
        books = [book for book in batch.books.values() if book.new_transfers]
        escrows, changes = _new_escrows(books), _changes(books)
        transfers = [(book.marketplace_id, *t[:-1]) for book in books for t in book.new_transfers]
        bars = [(b.marketplace_id, *bar) for b in batch.books.values() for bar in b.new_bars]
        named = {
            (book.marketplace_id, t.asset, name)
            for book in books
            for t in book.new_transfers
            for name in (t.debit, t.credit)
            if not is_limited(name)
        }
        new = {key: kept for key, kept in batch.answers.items() if kept.is_new}
        moment = {"at": at}
        async with tx.together() as many:
            if new:
                answers = [(*key, kept.fingerprint, kept.body) for key, kept in new.items()]
                many.add(_FORGET_ANSWERS, _ANSWER_KEY.values(new) | {"kept": KEPT})
                many.add(_KEEP_ANSWERS, _ANSWER.values(answers))
            if bars:
                many.add(_ADD_BARRED, _BAR.values(bars) | moment)
            if not books:
                return
            if missing := named - self._derived:
                many.add(_ADD_DERIVED, _ACCOUNT.values(missing) | moment)
            if escrows:
                many.add(_ADD_ESCROWS, _NEW_ACCOUNT.values(escrows) | moment)
            changed = _maybe(many, _CHANGE_ACCOUNTS, _CHANGED_ACCOUNT, changes)
            many.add(_ADD_TRANSFERS, _TRANSFER.values(transfers) | moment)
            many.add(_ADD_ENTRIES, _ENTRY.values(_entries(books)))
            self._outbox.add(many, events, on=tx)
        if changed is not None and changed.count != len(changes):
            raise StaleBookError("an account changed under its lock")


def answer_key(key: RequestKey) -> AnswerKey:
    """Name an answer as Batch.answers does."""
    return (key.marketplace_id, key.scope, key.key)


def transfer_of(row: Any) -> Transfer:
    """Read a transfer from a row that has the columns tables.TRANSFER."""
    return Transfer(
        id=TransferId(row.id),
        type=TransferType(row.type),
        code=TransferCode(row.code),
        debit=row.debit_account,
        credit=row.credit_account,
        asset=row.asset,
        amount=row.amount,
        pending_id=TransferId(row.pending_id) if row.pending_id else None,
        order_id=OrderId(row.order_id) if row.order_id else None,
        transaction_hash=row.transaction_hash,
        reason=row.reason,
        at=row.at,
    )


def _account(row: Any) -> Account:
    return Account(
        asset=row.asset,
        name=row.name,
        public_id=row.public_id or "",
        credits=row.credits,
        debits=row.debits,
        holds=row.holds,
        version=row.version,
        stored_version=row.version,
    )


def _require_locked(
    books: Mapping[MarketplaceId, Book], holds: Iterable[tuple[MarketplaceId, TransferId]]
) -> None:
    """Refuse holds that were committed after the locks: their accounts are not locked."""
    for marketplace, hold_id in holds:
        book = books[marketplace]
        hold = book.transfers.get(hold_id)
        if hold is None:
            continue
        for name in (hold.debit, hold.credit):
            if is_limited(name) and (hold.asset, name) not in book.accounts:
                raise StaleBookError("a hold appeared while its accounts were being locked")


def _figures(book: Book, account: Account) -> tuple[UUID, str, str, int, int, int, int]:
    figures = (account.credits, account.debits, account.holds, account.version)
    return (book.marketplace_id, account.asset, account.name, *figures)


def _new_escrows(books: Sequence[Book]) -> list[tuple[object, ...]]:
    """Return the rows of escrows that a new transfer names for the first time, sorted by key."""
    rows = []
    for book in books:
        named = {(t.asset, name) for t in book.new_transfers for name in (t.debit, t.credit)}
        rows += [
            _figures(book, account)
            for key, account in book.accounts.items()
            if account.stored_version is None and key in named
        ]
    return sorted(rows)


def _changes(books: Sequence[Book]) -> list[tuple[object, ...]]:
    """Return the accounts whose figures have changed, with the version they had."""
    return [
        (*_figures(book, account), account.stored_version)
        for book in books
        for account in book.accounts.values()
        if account.stored_version is not None and account.version != account.stored_version
    ]


def _entries(books: Sequence[Book]) -> list[tuple[object, ...]]:
    return [
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


def _maybe(
    many: Together, statement: str, columns: Columns, rows: Iterable[Sequence[object]]
) -> Answer | None:
    """Execute a statement where there are rows to give it."""
    return many.add(statement, columns.values(rows)) if rows else None


def _rows(answer: Answer | None) -> list[Any]:
    return [] if answer is None else answer.rows()


_ACCOUNT = Columns("k", marketplace_id="uuid", asset="text", name="text")
_TRANSFER_ID = Columns("p", marketplace_id="uuid", id="uuid")
_ANSWER_KEY = Columns("k", marketplace_id="uuid", scope="text", key="text")
_ACCOUNT_ROW = {
    "marketplace_id": "uuid",
    "asset": "text",
    "name": "text",
    "credits": "bigint",
    "debits": "bigint",
    "holds": "bigint",
    "version": "bigint",
}
_NEW_ACCOUNT = Columns("n", **_ACCOUNT_ROW)
_CHANGED_ACCOUNT = Columns("n", **_ACCOUNT_ROW, stored_version="bigint")
_TRANSFER = Columns(
    "n",
    marketplace_id="uuid",
    id="uuid",
    type="smallint",
    code="smallint",
    debit_account="text",
    credit_account="text",
    asset="text",
    amount="bigint",
    pending_id="uuid",
    order_id="uuid",
    transaction_hash="text",
    reason="text",
)
_ENTRY = Columns(
    "n",
    marketplace_id="uuid",
    asset="text",
    account="text",
    version="bigint",
    transfer_id="uuid",
    available_change="bigint",
    reserved_change="bigint",
    available_after="bigint",
    reserved_after="bigint",
)
_BAR = Columns("n", marketplace_id="uuid", hold_id="uuid", order_id="uuid", reason="text")
_ANSWER = Columns(
    "n", marketplace_id="uuid", scope="text", key="text", fingerprint="bytea", body="bytea"
)

# The accounts of holds that are to be resolved come with those named. Every replica locks in the
# order of the key, so that no two wait for each other.
_READ_ACCOUNTS = f"""
with asked as (
    select marketplace_id, asset, name from {_ACCOUNT.unnested}
    union
    select t.marketplace_id, t.asset, side.name
    from {_TRANSFER_ID.unnested}
    join transfers t using (marketplace_id, id)
    cross join lateral (values (t.debit_account), (t.credit_account)) as side (name)
)
select a.marketplace_id, a.asset, a.name, a.public_id, a.credits, a.debits, a.holds, a.version
from asked join accounts a using (marketplace_id, asset, name)
where a.kind in ('user', 'escrow')
order by a.marketplace_id, a.asset, a.name
"""  # noqa: S608 - joined from constants of this file
_LOCK_ACCOUNTS = f"{_READ_ACCOUNTS}for no key update of a"
_FIND_TRANSFERS = f"""
select t.marketplace_id, {", ".join(f"t.{column.name}" for column in TRANSFER)}
from {_TRANSFER_ID.unnested} join transfers t using (marketplace_id, id)
"""  # noqa: S608 - joined from constants of this file
_FIND_RESOLUTIONS = f"""
select t.marketplace_id, t.pending_id, t.type
from {_TRANSFER_ID.unnested}
join transfers t on t.marketplace_id = p.marketplace_id and t.pending_id = p.id
"""  # noqa: S608 - joined from constants of this file
_FIND_BARRED = f"""
select b.marketplace_id, b.hold_id
from {_TRANSFER_ID.unnested}
join barred_holds b on b.marketplace_id = p.marketplace_id and b.hold_id = p.id
"""  # noqa: S608 - joined from constants of this file
_FIND_DERIVED = f"""
select marketplace_id, asset, name
from {_ACCOUNT.unnested} join accounts using (marketplace_id, asset, name)
"""  # noqa: S608 - joined from constants of this file
_FIND_ANSWERS = f"""
select marketplace_id, scope, key, i.fingerprint, i.body
from {_ANSWER_KEY.unnested} join idempotency i using (marketplace_id, scope, key)
where i.created_at >= now() - %(kept)s::interval
"""  # noqa: S608 - joined from constants of this file
_FORGET_ANSWERS = f"""
delete from idempotency i using {_ANSWER_KEY.unnested}
where i.marketplace_id = k.marketplace_id and i.scope = k.scope and i.key = k.key
    and i.created_at < now() - %(kept)s::interval
"""  # noqa: S608 - joined from constants of this file
_KEEP_ANSWERS = f"""
insert into idempotency ({_ANSWER.names}, state, created_at)
select {_ANSWER.names}, 'done', now() from {_ANSWER.unnested}
"""  # noqa: S608 - joined from constants of this file
_ADD_DERIVED = f"""
insert into accounts ({_ACCOUNT.names}, opened_at)
select {_ACCOUNT.names}, %(at)s from {_ACCOUNT.unnested}
on conflict do nothing
"""  # noqa: S608 - joined from constants of this file
_ADD_ESCROWS = f"""
insert into accounts ({_NEW_ACCOUNT.names}, opened_at)
select {_NEW_ACCOUNT.names}, %(at)s from {_NEW_ACCOUNT.unnested}
"""  # noqa: S608 - joined from constants of this file
_CHANGE_ACCOUNTS = f"""
update accounts a
set credits = n.credits, debits = n.debits, holds = n.holds, version = n.version
from {_CHANGED_ACCOUNT.unnested}
where a.marketplace_id = n.marketplace_id and a.asset = n.asset and a.name = n.name
    and a.version = n.stored_version
"""  # noqa: S608 - joined from constants of this file
_ADD_TRANSFERS = f"""
insert into transfers ({_TRANSFER.names}, at)
select {_TRANSFER.names}, %(at)s from {_TRANSFER.unnested}
"""  # noqa: S608 - joined from constants of this file
_ADD_ENTRIES = f"""
insert into entries ({_ENTRY.names}) select {_ENTRY.names} from {_ENTRY.unnested}
"""  # noqa: S608 - joined from constants of this file
_ADD_BARRED = f"""
insert into barred_holds ({_BAR.names}, at)
select {_BAR.names}, %(at)s from {_BAR.unnested}
"""  # noqa: S608 - joined from constants of this file
