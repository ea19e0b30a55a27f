"""Load a batch from PostgreSQL into books, and save the decisions on them.

`load` locks the accounts that a batch touches and reads the other rows. `saving` writes the
decisions (saving.py). Both run in the caller's transaction, each in one round trip of a few
statements, which take rows as arrays and look them up by index. queries.py has the other reads.
"""

import datetime as dt
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from chassis.arrays import Columns
from chassis.database import Answer, Together, Transaction
from chassis.idempotency import KEPT, RequestKey
from chassis.outbox import Outbox
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
from services.ledger.saving import ACCOUNT, ANSWER_KEY, AccountKey, AnswerKey, Kept, Saving
from services.ledger.tables import TRANSFER
from services.ledger.trouble import StaleBookError


@dataclass(slots=True, kw_only=True)
class Batch:
    """The books and stored answers that a batch of requests found, and will write."""

    books: dict[MarketplaceId, Book]
    answers: dict[AnswerKey, Kept]


class LedgerStore:
    """Loads and saves batches."""

    def __init__(self, *, outbox: Outbox) -> None:
        self._outbox = outbox
        # House accounts that are known to have a row. Rows are never deleted.
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
        """Lock the accounts of the requested transfers, and read the rows that they refer to.

        Locks the accounts of users and escrows in the order of their keys, and then the fees that
        transfers take. at: the time; None: read without locks. looked_at: further accounts to read.

        Raises: StaleBookError.
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
                ACCOUNT.values(limited) | _TRANSFER_ID.values(holds),
            )
            earned = fees.left(many, fees.taken(asked), at=at)
            # After the locks, so that it sees what their previous holders wrote.
            known = many.add(_FIND_TRANSFERS, _TRANSFER_ID.values(ids))
            ends = _maybe(many, _FIND_RESOLUTIONS, _TRANSFER_ID, holds)
            barred = many.add(_FIND_BARRED, _TRANSFER_ID.values(ids))
            seen = _maybe(many, _FIND_DERIVED, ACCOUNT, derived)
            kept = None
            if answers:
                values = ANSWER_KEY.values(answers) | {"kept": KEPT}
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

    @asynccontextmanager
    async def saving(
        self, tx: Transaction, batch: Batch, *, at: dt.datetime
    ) -> AsyncIterator[Saving]:
        """Open a block that writes the decisions made in it.

        Raises: StaleBookError; database errors, which `trouble_of` classifies.
        """
        async with tx.together() as many:
            saving = Saving(
                many,
                tx=tx,
                books=batch.books.values(),
                outbox=self._outbox,
                derived=self._derived,
                at=at,
            )
            yield saving
            saving.end(batch.answers)
        saving.check()


def answer_key(key: RequestKey) -> AnswerKey:
    """Return the key of an answer in Batch.answers."""
    return (key.marketplace_id, key.scope, key.key)


def transfer_of(row: Any) -> Transfer:
    """Decode a transfer from a row that has the columns tables.TRANSFER."""
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
    """Check that the accounts of all holds are locked.

    Raises: StaleBookError: a hold was committed after the locks were taken.
    """
    for marketplace, hold_id in holds:
        book = books[marketplace]
        hold = book.transfers.get(hold_id)
        if hold is None:
            continue
        for name in (hold.debit, hold.credit):
            if is_limited(name) and (hold.asset, name) not in book.accounts:
                raise StaleBookError("a hold appeared while its accounts were being locked")


def _maybe(
    many: Together, statement: str, columns: Columns, rows: Iterable[Sequence[object]]
) -> Answer | None:
    """Execute a statement if there are rows for it."""
    return many.add(statement, columns.values(rows)) if rows else None


def _rows(answer: Answer | None) -> list[Any]:
    return [] if answer is None else answer.rows()


_TRANSFER_ID = Columns("p", marketplace_id="uuid", id="uuid")
# Reads the named accounts and the accounts of holds to be resolved. Every replica locks in the
# order of the key, so that no two deadlock.
_READ_ACCOUNTS = f"""
with asked as (
    select marketplace_id, asset, name from {ACCOUNT.unnested}
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
from {ACCOUNT.unnested} join accounts using (marketplace_id, asset, name)
"""  # noqa: S608 - joined from constants of this file
_FIND_ANSWERS = f"""
select marketplace_id, scope, key, i.fingerprint, i.body
from {ANSWER_KEY.unnested} join idempotency i using (marketplace_id, scope, key)
where i.created_at >= now() - %(kept)s::interval
"""  # noqa: S608 - joined from constants of this file
