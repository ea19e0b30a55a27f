"""The deposit watcher polls less often while nothing arrives, and often after a transfer."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kernel.clock import SystemClock
from services.escrow.contracts.evidence import TransfersPage, UnreadableTransfer
from services.escrow.deposits import watcher
from services.escrow.deposits.watcher import QUIET_SECONDS, Watched, Watcher

POLL_SECONDS = 0.25
UNREADABLE = UnreadableTransfer(
    event_id="1-1",
    transaction_hash="",
    ledger=1,
    to_address="",
    event="{}",
    why="it has no amount",
)


class Enough(BaseException):
    """Ends the watcher."""


class Books:
    """A database whose cursor moves, and nothing else."""

    async def cursor(self, *_: object) -> str:
        return "0"

    async def move_cursor(self, *_: object, **__: object) -> bool:
        return True

    async def note(self, *_: object, **__: object) -> None:
        return

    async def wallets_at(self, *_: object) -> dict[str, object]:
        return {}

    async def put_aside(self, *_: object, **__: object) -> None:
        return

    @contextlib.asynccontextmanager
    async def statement(self) -> AsyncIterator[None]:
        yield None

    transaction = statement


async def pauses(
    monkeypatch: pytest.MonkeyPatch,
    arriving: list[tuple[UnreadableTransfer, ...]],
    *,
    has_more: bool = False,
) -> list[float]:
    """Return the watcher's pause after each page. arriving: each page's unreadable transfers."""
    pages, seen, books = iter(arriving), [], Books()

    class Chain:
        async def transfers_since(self, cursor: str, *, limit: int) -> TransfersPage:
            del cursor, limit
            return TransfersPage(
                transfers=(),
                unreadable=next(pages),
                next_cursor="1",
                latest_ledger=1,
                oldest_ledger=1,
                has_more=has_more,
            )

    async def sleep(seconds: float) -> None:
        seen.append(seconds)
        if len(seen) == len(arriving):
            raise Enough

    @contextlib.asynccontextmanager
    async def apart(_: object) -> AsyncIterator[None]:
        yield

    monkeypatch.setattr(watcher, "apart", apart)
    monkeypatch.setattr("services.escrow.deposits.watcher.asyncio.sleep", sleep)
    watched = Watched(passphrase="", asset_contract="C", platform="", poll_seconds=POLL_SECONDS)
    books_: Any = books
    chain: Any = Chain()
    one = Watcher(
        database=books_, deposits=books_, chain=chain, clock=SystemClock(), watched=watched
    )
    with pytest.raises(Enough):
        await one.run()
    return seen


async def test_pauses_grow_while_nothing_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = await pauses(monkeypatch, [()] * 20)

    assert seen[0] < seen[1] < seen[2]
    assert seen[-1] == max(seen) == QUIET_SECONDS


async def test_a_transfer_makes_the_pause_short_again(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = await pauses(monkeypatch, [()] * 20 + [(UNREADABLE,)])

    assert seen[-1] == POLL_SECONDS


async def test_ledgers_behind_the_newest_are_read_without_a_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = await pauses(monkeypatch, [()] * 5, has_more=True)

    assert seen == [0.0] * 5
