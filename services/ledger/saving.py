"""Write the decisions of a batch to PostgreSQL, while later transfers are being decided.

The writes run in the caller's transaction and in one round trip: a few statements, which take rows
as arrays, for every few hundred transfers. store.py has the reads of a batch.
"""

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from chassis.arrays import Columns
from chassis.database import Answer, Together, Transaction
from chassis.idempotency import ANSWERS, KEEP, KEPT
from chassis.outbox import Event, Outbox
from services.ledger.book import Account, Book, Entry, Transfer, is_limited
from services.ledger.trouble import StaleBookError

# An account by marketplace, asset and name; a stored answer by marketplace, scope and key.
AccountKey = tuple[UUID, str, str]
AnswerKey = tuple[UUID, str, str]
# This many transfers are written together. PostgreSQL works on them while the next are decided.
TOGETHER = 200


@dataclass(slots=True, kw_only=True)
class Kept:
    """An answer stored under a request's key. is_new: it must be written with the batch."""

    fingerprint: bytes
    body: bytes
    is_new: bool = False


@dataclass(slots=True)
class _Waiting:
    """The unwritten decisions on a book. entries: each with the function that makes its event.

    transfers: the number of the book's new transfers that are written. noted: the number of its new
    entries that were added to `entries` so far.
    """

    book: Book
    transfers: int = 0
    noted: int = 0
    entries: list[tuple[Entry, Callable[[Entry], Event]]] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Return the number of unwritten transfers."""
        return len(self.book.new_transfers) - self.transfers


class Saving:
    """Writes the decisions on books, in a block of statements that share a round trip."""

    def __init__(
        self,
        many: Together,
        *,
        tx: Transaction,
        books: Collection[Book],
        outbox: Outbox,
        derived: Collection[AccountKey],
        at: dt.datetime,
    ) -> None:
        """Take the block of statements. derived: house accounts that are known to have a row."""
        self._many = many
        self._tx = tx
        self._waiting = {book.marketplace_id: _Waiting(book) for book in books}
        self._outbox = outbox
        self._derived = derived
        self._added: set[AccountKey] = set()
        self._at = {"at": at}
        self._changes: list[tuple[object, ...]] = []
        self._changed: Answer | None = None

    def add(self, book: Book, *, event: Callable[[Entry], Event]) -> None:
        """Take the decisions on a book since the last call. event: makes the event of an entry."""
        own = self._waiting[book.marketplace_id]
        own.entries += [(entry, event) for entry in book.new_entries[own.noted :]]
        own.noted = len(book.new_entries)
        if own.count >= TOGETHER:
            self._write()

    def end(self, answers: Mapping[AnswerKey, Kept]) -> None:
        """Write the rest: the last transfers, the figures of accounts, tombstones, answers."""
        self._write()
        books = [one.book for one in self._waiting.values()]
        self._changes = _changes(books)
        if self._changes:
            values = _CHANGED_ACCOUNT.values(self._changes)
            self._changed = self._many.add(_CHANGE_ACCOUNTS, values)
        if bars := [(book.marketplace_id, *bar) for book in books for bar in book.new_bars]:
            self._many.add(_ADD_BARRED, _BAR.values(bars) | self._at)
        if new := {key: kept for key, kept in answers.items() if kept.is_new}:
            rows = [(*key, kept.fingerprint, kept.body) for key, kept in new.items()]
            self._many.add(_FORGET_ANSWERS, ANSWER_KEY.values(new) | {"kept": KEPT})
            self._many.add(KEEP, ANSWERS.values(rows))

    def check(self) -> None:
        """Check that every account was updated. Raises: StaleBookError."""
        if self._changed is not None and self._changed.count != len(self._changes):
            raise StaleBookError("an account changed under its lock")

    def _write(self) -> None:
        """Write the waiting transfers: first new accounts, then transfers, entries and events."""
        waiting = [one for one in self._waiting.values() if one.count]
        if not waiting:
            return
        transfers = [
            (one.book.marketplace_id, transfer)
            for one in waiting
            for transfer in one.book.new_transfers[one.transfers :]
        ]
        self._open_accounts(transfers)
        rows = [(marketplace, *transfer[:-1]) for marketplace, transfer in transfers]
        self._many.add(_ADD_TRANSFERS, _TRANSFER.values(rows) | self._at)
        entries = [
            (one.book.marketplace_id, *_line(entry)) for one in waiting for entry, _ in one.entries
        ]
        self._many.add(_ADD_ENTRIES, _ENTRY.values(entries))
        # The events are made while PostgreSQL works on the rows above.
        events = [
            event(entry) for one in waiting for entry, event in one.entries if entry.public_id
        ]
        self._outbox.add(self._many, events, on=self._tx)
        for one in waiting:
            one.transfers, one.entries = len(one.book.new_transfers), []

    def _open_accounts(self, transfers: Sequence[tuple[UUID, Transfer]]) -> None:
        """Insert the accounts that these transfers name first."""
        named = {
            (marketplace, transfer.asset, name)
            for marketplace, transfer in transfers
            for name in (transfer.debit, transfer.credit)
        }
        missing = {
            key
            for key in named
            if not is_limited(key[2]) and key not in self._derived and key not in self._added
        }
        if missing:
            self._added |= missing
            self._many.add(_ADD_DERIVED, ACCOUNT.values(sorted(missing)) | self._at)
        escrows = []
        for one in self._waiting.values():
            for (asset, name), account in one.book.accounts.items():
                key = (one.book.marketplace_id, asset, name)
                if account.stored_version is None and key in named:
                    escrows.append(_figures(one.book, account))
                    account.stored_version = account.version
        if escrows:
            self._many.add(_ADD_ESCROWS, _NEW_ACCOUNT.values(sorted(escrows)) | self._at)


def _figures(book: Book, account: Account) -> tuple[UUID, str, str, int, int, int, int]:
    figures = (account.credits, account.debits, account.holds, account.version)
    return (book.marketplace_id, account.asset, account.name, *figures)


def _changes(books: Collection[Book]) -> list[tuple[object, ...]]:
    """Return the accounts whose figures have changed, each with the version of its row."""
    return [
        (*_figures(book, account), account.stored_version)
        for book in books
        for account in book.accounts.values()
        if account.stored_version is not None and account.version != account.stored_version
    ]


def _line(entry: Entry) -> tuple[object, ...]:
    return (
        entry.transfer.asset,
        entry.account,
        entry.version,
        entry.transfer.id,
        entry.available_change,
        entry.reserved_change,
        entry.available_after,
        entry.reserved_after,
    )


ACCOUNT = Columns("k", marketplace_id="uuid", asset="text", name="text")
ANSWER_KEY = Columns("k", marketplace_id="uuid", scope="text", key="text")
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

_FORGET_ANSWERS = f"""
delete from idempotency i using {ANSWER_KEY.unnested}
where i.marketplace_id = k.marketplace_id and i.scope = k.scope and i.key = k.key
    and i.created_at < now() - %(kept)s::interval
"""  # noqa: S608 - joined from constants of this file
_ADD_DERIVED = f"""
insert into accounts ({ACCOUNT.names}, opened_at)
select {ACCOUNT.names}, %(at)s from {ACCOUNT.unnested}
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
