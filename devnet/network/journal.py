"""The ledger on disk: SQLite, one durable commit per closed ledger, invisible until committed.

One connection writes, another reads. One ledger close at a time uses the writer.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from devnet.chain.keys import Key
from devnet.chain.state import Entry
from devnet.network.records import ClosedLedger, EventId, EventRecord, Header, TransactionRecord

SCHEMA = """
create table if not exists network (passphrase text not null);
create table if not exists ledgers (
    sequence integer primary key, close_time integer not null, hash text not null);
create table if not exists entries (
    key blob primary key, data blob not null, modified integer not null,
    live_until integer, sponsor text) without rowid;
create table if not exists transactions (
    hash text primary key, inner_hash text not null, ledger integer not null,
    close_time integer not null, application_order integer not null,
    successful integer not null, fee_bump integer not null, function text not null,
    envelope text not null, result text not null, meta text not null,
    contract_events blob not null, transaction_events blob not null,
    diagnostic_events blob not null) without rowid;
create index if not exists transactions_by_inner_hash on transactions (inner_hash);
create index if not exists transactions_by_ledger on transactions (ledger, application_order);
create table if not exists events (
    ledger integer not null, tx integer not null, op integer not null, idx integer not null,
    close_time integer not null, contract text not null, topics blob not null,
    value text not null, tx_hash text not null, primary key (ledger, tx, op, idx)) without rowid;
"""

_TRANSACTION_COLUMNS = (
    "hash, inner_hash, ledger, close_time, application_order, successful, fee_bump, function, "
    "envelope, result, meta, contract_events, transaction_events, diagnostic_events"
)
_GET_TRANSACTIONS = f"select {_TRANSACTION_COLUMNS} from transactions "  # noqa: S608  constant
_BY_HASH = _GET_TRANSACTIONS + "where hash = ?"
_BY_INNER_HASH = _GET_TRANSACTIONS + "where inner_hash = ?"
_OF_LEDGER = _GET_TRANSACTIONS + "where ledger = ? order by application_order"
_AFTER_PLACE = _GET_TRANSACTIONS + (
    "where (ledger, application_order) > (?, ?) order by ledger, application_order limit ?"
)
_GET_EVENTS = (
    "select ledger, tx, op, idx, close_time, contract, topics, value, tx_hash from events"
    " where (ledger, tx, op, idx) > (?, ?, ?, ?) and ledger <= ?"
    " and (? = '[]' or contract in (select value from json_each(?)))"
    " order by ledger, tx, op, idx limit ?"
)
_GET_HEADER = "select sequence, close_time, hash from ledgers "
_PUT_ENTRY = "insert or replace into entries values (?, ?, ?, ?, ?)"
_PUT_TRANSACTION = "insert into transactions values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_EVENT = "insert into events values (?, ?, ?, ?, ?, ?, ?, ?, ?)"

Row = Sequence[Any]


class WrongNetworkError(Exception):
    """The data directory belongs to a network with another passphrase."""


class Journal:
    """The database file of one network."""

    def __init__(self, path: Path, *, passphrase: str) -> None:
        self._writer = _connect(path)
        # Full synchronisation: a commit is on disk before readers see the ledger.
        self._writer.execute("pragma journal_mode = wal")
        self._writer.execute("pragma synchronous = full")
        self._writer.executescript(SCHEMA)
        self._claim(path, passphrase)
        self._reader = _connect(path)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
        self._writer.close()

    def append(self, closed: ClosedLedger) -> None:
        """Store a closed ledger in one durable commit."""
        header = closed.header
        puts = [(key, entry) for key, entry in closed.changes.items() if entry is not None]
        gone = [(key,) for key, entry in closed.changes.items() if entry is None]
        with self._transaction():
            self._writer.execute(
                "insert into ledgers values (?, ?, ?)",
                (header.sequence, header.close_time, header.hash),
            )
            self._writer.executemany(_PUT_ENTRY, (_entry_row(key, item) for key, item in puts))
            self._writer.executemany("delete from entries where key = ?", gone)
            self._writer.executemany(
                _PUT_TRANSACTION, (_transaction_row(item) for item in closed.transactions)
            )
            self._writer.executemany(_PUT_EVENT, (_event_row(item) for item in closed.events))

    def forget_before(self, sequence: int) -> None:
        """Drop ledgers, transactions and events older than a ledger; entries stay."""
        with self._transaction():
            self._writer.execute("delete from ledgers where sequence < ?", (sequence,))
            self._writer.execute("delete from transactions where ledger < ?", (sequence,))
            self._writer.execute("delete from events where ledger < ?", (sequence,))

    def clear(self) -> None:
        """Drop everything but the network's passphrase."""
        with self._transaction():
            for table in ("ledgers", "entries", "transactions", "events"):
                self._writer.execute(f"delete from {table}")  # noqa: S608  constants

    def entries(self) -> Iterator[tuple[Key, Entry]]:
        """Yield all current entries."""
        rows = self._reader.execute("select key, data, modified, live_until, sponsor from entries")
        for key, data, modified, live_until, sponsor in rows:
            yield key, Entry(data, modified=modified, live_until=live_until, sponsor=sponsor)

    def newest(self) -> Header | None:
        """Return the last closed ledger, or None before the first."""
        return self._header("order by sequence desc limit 1")

    def oldest(self) -> Header | None:
        """Return the oldest ledger kept."""
        return self._header("order by sequence limit 1")

    def header(self, sequence: int) -> Header | None:
        """Return a closed ledger by its number."""
        return self._header("where sequence = ?", sequence)

    def header_before(self, sequence: int) -> Header | None:
        """Return the closed ledger before a number; a network may have skipped some."""
        return self._header("where sequence < ? order by sequence desc limit 1", sequence)

    def headers_from(self, start: int, *, until: int, limit: int) -> Sequence[Header]:
        """Return closed ledgers from a number on, oldest first."""
        clause = "where sequence between ? and ? order by sequence limit ?"
        rows = self._reader.execute(_GET_HEADER + clause, (start, until, limit))
        return [Header(sequence=row[0], close_time=row[1], hash=row[2]) for row in rows]

    def transactions_of(self, ledger: int) -> Sequence[TransactionRecord]:
        """Return the transactions of one ledger in order."""
        rows = self._reader.execute(_OF_LEDGER, (ledger,))
        return [_transaction(row) for row in rows]

    def transaction(self, tx_hash: str) -> TransactionRecord | None:
        """Find a transaction by its hash, or by the hash of the transaction in a fee bump."""
        for sql in (_BY_HASH, _BY_INNER_HASH):
            row = self._reader.execute(sql, (tx_hash,)).fetchone()
            if row is not None:
                return _transaction(row)
        return None

    def transactions_after(
        self, *, ledger: int, order: int, limit: int
    ) -> Sequence[TransactionRecord]:
        """Return transactions after a position, oldest first."""
        rows = self._reader.execute(_AFTER_PLACE, (ledger, order, limit))
        return [_transaction(row) for row in rows]

    def events_between(
        self, *, after: EventId, until_ledger: int, contracts: Sequence[str], limit: int
    ) -> Sequence[EventRecord]:
        """Return events after an id up to and including a ledger, oldest first.

        contracts: C… addresses; empty means any.
        """
        chosen = orjson.dumps(contracts).decode()
        place = (after.ledger, after.transaction, after.operation, after.event)
        rows = self._reader.execute(_GET_EVENTS, (*place, until_ledger, chosen, chosen, limit))
        return [_event(row) for row in rows]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._writer.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._writer.execute("rollback")
            raise
        self._writer.execute("commit")

    def _claim(self, path: Path, passphrase: str) -> None:
        row = self._writer.execute("select passphrase from network").fetchone()
        if row is None:
            self._writer.execute("insert into network values (?)", (passphrase,))
        elif row[0] != passphrase:
            raise WrongNetworkError(f"{path} belongs to the network {row[0]!r}")

    def _header(self, clause: str, *values: int) -> Header | None:
        row = self._reader.execute(_GET_HEADER + clause, values).fetchone()
        if row is None:
            return None
        return Header(sequence=row[0], close_time=row[1], hash=row[2])


def _connect(path: Path) -> sqlite3.Connection:
    # A worker thread commits a closing ledger, one at a time, to keep the event loop free.
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def _entry_row(key: Key, entry: Entry) -> Row:
    return key, entry.data, entry.modified, entry.live_until, entry.sponsor


def _transaction_row(item: TransactionRecord) -> Row:
    return (
        item.hash,
        item.inner_hash,
        item.ledger,
        item.close_time,
        item.application_order,
        item.successful,
        item.fee_bump,
        item.function,
        item.envelope,
        item.result,
        item.meta,
        orjson.dumps(item.contract_events),
        orjson.dumps(item.transaction_events),
        orjson.dumps(item.diagnostic_events),
    )


def _transaction(row: Row) -> TransactionRecord:
    fields = dict(zip(_TRANSACTION_COLUMNS.split(", "), row, strict=True))
    for name in ("successful", "fee_bump"):
        fields[name] = bool(fields[name])
    for name in ("contract_events", "transaction_events", "diagnostic_events"):
        fields[name] = orjson.loads(fields[name])
    return TransactionRecord(**fields)


def _event_row(item: EventRecord) -> Row:
    place = item.id
    return (
        place.ledger,
        place.transaction,
        place.operation,
        place.event,
        item.close_time,
        item.contract,
        orjson.dumps(item.topics),
        item.value,
        item.tx_hash,
    )


def _event(row: Row) -> EventRecord:
    ledger, tx, op, idx, close_time, contract, topics, value, tx_hash = row
    return EventRecord(
        id=EventId(ledger, tx, op, idx),
        close_time=close_time,
        contract=contract,
        topics=orjson.loads(topics),
        value=value,
        tx_hash=tx_hash,
    )
