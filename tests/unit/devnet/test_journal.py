"""The journal: appended ledgers are read back after the file is opened again."""

from dataclasses import replace
from pathlib import Path

import pytest

from devnet.chain.state import Entry
from devnet.network.journal import Journal, WrongNetworkError
from devnet.network.records import ClosedLedger, EventId, EventRecord, Header, TransactionRecord


def closed(sequence: int, *, outer: str = "", inner: str = "") -> ClosedLedger:
    header = Header(sequence=sequence, close_time=1_000 + sequence, hash="00" * 32)
    name = outer or f"tx-{sequence}"
    transaction = TransactionRecord(
        hash=name,
        inner_hash=inner or name,
        ledger=sequence,
        close_time=header.close_time,
        application_order=1,
        successful=True,
        fee_bump=bool(inner),
        function="payment",
        envelope="e",
        result="r",
        meta="m",
        contract_events=[["x"]],
        transaction_events=["y"],
        diagnostic_events=[],
    )
    event = EventRecord(
        id=EventId(sequence, 1, 0, 0),
        close_time=header.close_time,
        contract=f"C{sequence % 2}",
        topics=["t"],
        value="v",
        tx_hash=name,
    )
    entry = Entry(b"data", modified=sequence, live_until=9, sponsor="G")
    return ClosedLedger(
        header=header,
        changes={b"key": entry, b"gone": None},
        transactions=[transaction],
        events=[event],
    )


def opened(folder: Path) -> Journal:
    return Journal(folder / "ledger.sqlite3", passphrase="one")


def test_a_ledger_is_read_back_after_reopening(tmp_path: Path) -> None:
    written = closed(2, outer="outer", inner="inner")
    first = opened(tmp_path)
    first.append(replace(closed(1), changes={b"gone": Entry(b"old")}))
    first.append(written)
    first.close()

    journal = opened(tmp_path)

    assert journal.newest() == written.header
    assert journal.header(1) == closed(1).header
    assert list(journal.entries()) == [(b"key", written.changes[b"key"])]
    assert journal.transaction("outer") == written.transactions[0]
    assert journal.transaction("inner") == written.transactions[0]
    assert journal.transaction("other") is None
    journal.close()


def test_a_ledger_is_appended_whole_or_not_at_all(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.append(closed(1))
    twice = replace(closed(2), transactions=closed(1).transactions)

    with pytest.raises(Exception, match="UNIQUE"):
        journal.append(twice)

    assert journal.newest() == closed(1).header
    journal.append(closed(2))
    journal.close()


def test_events_are_found_by_place_and_contract(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    for sequence in range(1, 6):
        journal.append(closed(sequence))

    def found(*contracts: str, limit: int = 10) -> list[int]:
        events = journal.events_between(
            after=EventId(1, 1, 0, 0), until_ledger=4, contracts=contracts, limit=limit
        )
        return [event.id.ledger for event in events]

    assert found() == [2, 3, 4]
    assert found("C0") == [2, 4]
    assert found("C0", "C1", limit=2) == [2, 3]
    journal.close()


def test_forgetting_keeps_entries_and_newer_ledgers(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    for sequence in range(1, 4):
        journal.append(closed(sequence))

    journal.forget_before(3)

    assert journal.oldest() == closed(3).header
    assert journal.transaction("tx-2") is None
    assert journal.transaction("tx-3") is not None
    assert len(list(journal.entries())) == 1
    journal.close()


def test_a_journal_belongs_to_one_network(tmp_path: Path) -> None:
    opened(tmp_path).close()

    with pytest.raises(WrongNetworkError, match="belongs to the network 'one'"):
        Journal(tmp_path / "ledger.sqlite3", passphrase="two")
