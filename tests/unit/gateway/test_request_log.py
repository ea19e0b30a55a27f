"""How notes of requests wait to be written: how many, for how long, with which texts."""

import asyncio
import uuid
from collections.abc import Iterable
from typing import Any

import pytest

from chassis.identity import ROLE_MARKETPLACE, Identity
from gateway import request_log
from gateway.request_log import MASK, NOT_LOGGED, RequestLog
from gateway.request_store import LoggedRequest
from kernel.errors import Unavailable
from tests.patience import until

A, B = uuid.uuid4(), uuid.uuid4()


class Table:
    """Stores rows like the real store. trouble: the error that `add` raises instead."""

    def __init__(self) -> None:
        self.batches: list[list[LoggedRequest]] = []
        self.trimmed: list[tuple[uuid.UUID, int]] = []
        self.trouble: Exception | None = None
        self.tried = 0

    @property
    def paths(self) -> list[str]:
        return [row.path for batch in self.batches for row in batch]

    async def add(self, rows: Iterable[LoggedRequest]) -> None:
        self.tried += 1
        if self.trouble is not None:
            raise self.trouble
        self.batches.append(list(rows))

    async def trim(self, marketplace_id: uuid.UUID, *, most: int) -> None:
        self.trimmed.append((marketplace_id, most))


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def log(table: Table) -> RequestLog:
    return a_log(table)


def a_log(table: Table, *, days: int = 7) -> RequestLog:
    return RequestLog(table, days=days, most=100)  # type: ignore[arg-type] # has what it needs


def note(log: RequestLog, path: str, *, of: uuid.UUID = A, **changes: Any) -> None:
    who = Identity(caller="gateway", marketplace_id=of, principal="key:x", role=ROLE_MARKETPLACE)
    given: dict[str, Any] = {
        "method": "GET",
        "route": "/r",
        "path": path,
        "status": 200,
        "refusal": None,
        "seconds": 0.0125,
        "request_id": "r",
        "idempotency_key": "",
    }
    log.note(who, **(given | changes))


def missing() -> float:
    return float(NOT_LOGGED._value.get())


async def test_notes_are_written_in_one_batch_and_no_batch_is_empty(
    log: RequestLog, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_log, "LINGER_SECONDS", 0.05)
    writing = asyncio.create_task(log.keep_writing())
    await asyncio.sleep(0)
    assert table.tried == 0
    for number in range(3):
        note(log, f"/{number}")

    await until(lambda: found(table, 3))

    writing.cancel()
    assert [len(batch) for batch in table.batches] == [3]
    assert (table.tried, table.batches[0][0].milliseconds) == (1, 12)


async def test_full_batch_is_written_at_once(
    log: RequestLog, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_log, "LINGER_SECONDS", 600.0)
    writing = asyncio.create_task(log.keep_writing())
    for number in range(request_log.ENOUGH):
        note(log, f"/{number}")

    await until(lambda: found(table, request_log.ENOUGH))

    writing.cancel()


async def found(table: Table, count: int) -> bool:
    return len(table.paths) == count


async def test_notes_beyond_the_limits_are_dropped_and_counted(
    log: RequestLog, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_log, "WAITING_MAX", 5)
    monkeypatch.setattr(request_log, "WAITING_OF_ONE_MAX", 3)
    before = missing()
    for number in range(10):
        note(log, f"/a{number}")
    for number in range(10):
        note(log, f"/b{number}", of=B)

    assert missing() == before + 15
    await log.write()
    assert table.paths == ["/a0", "/a1", "/a2", "/b0", "/b1"]
    note(log, "/a-again")
    await log.write()
    assert table.paths[-1] == "/a-again"


async def test_notes_wait_while_the_database_is_unavailable(log: RequestLog, table: Table) -> None:
    table.trouble = Unavailable("The database is unavailable")
    before = missing()
    note(log, "/1")
    assert not await log.write()
    await log.finish()
    note(log, "/2")
    table.trouble = None

    await log.finish()

    assert (table.paths, missing()) == (["/1", "/2"], before)


async def test_batch_that_cannot_be_written_is_counted_and_does_not_block_later_ones(
    log: RequestLog, table: Table
) -> None:
    table.trouble = ValueError("no row")
    before = missing()
    note(log, "/1")
    assert await log.write()
    table.trouble = None
    note(log, "/2")

    await log.write()

    assert (table.paths, missing()) == (["/2"], before + 1)


async def test_rows_of_a_busy_marketplace_are_trimmed(
    log: RequestLog, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_log, "TRIMMED_EVERY", 4)
    note(log, "/b", of=B)
    for number in range(3):
        note(log, f"/{number}")
    await log.write()
    assert table.trimmed == []
    note(log, "/3")
    await log.write()
    note(log, "/4")
    await log.write()

    assert table.trimmed == [(A, 100)]


async def test_nothing_is_logged_if_requests_are_kept_for_zero_days(table: Table) -> None:
    log = a_log(table, days=0)
    note(log, "/1")

    await log.finish()

    assert table.tried == 0


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("/api/v1/orders/ord_02VNabc", "/api/v1/orders/ord_02VNabc"),
        ("/x/ohk_live_abc_def/y", f"/x/{MASK}/y"),
        ("/x/eyJhbGciOi.eyJzdWIi.c2ln-_", f"/x/{MASK}"),
        ("/x/whsec_ab+c/d=", f"/x/{MASK}"),
        ("S" + "A" * 55, MASK),
        ("/users/ann@shop.example/wallet", f"/users/{MASK}/wallet"),
        ("/x\x00\n\ud800y", "/x\ufffd\ufffd\ufffdy"),
        ("x" * 1000, "x" * 255),
        ("/" + "x" * 250 + "/ohk_live_" + "y" * 40, "/" + "x" * 250 + f"/{MASK}"),
    ],
)
async def test_secrets_are_masked_and_texts_are_cut(
    log: RequestLog, table: Table, text: str, kept: str
) -> None:
    refusal = {"success": False, "error": {"code": "C", "message": text}}
    note(log, text, request_id=text, idempotency_key=text, refusal=refusal)

    await log.write()

    [row] = table.batches[0]
    assert (row.path, row.request_id, row.idempotency_key, row.message) == (kept,) * 4
    assert row.code == "C"
