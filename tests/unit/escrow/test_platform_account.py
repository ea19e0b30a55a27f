"""What the platform account has sent since the books saw it, read from pages of ledgers."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from services.escrow.contracts.evidence import Finding, FindingsPage
from services.escrow.ports import Chain, ChainRefused, ChainUnavailable
from services.escrow.sending.platform_account import (
    PAGES_AT_ONCE,
    PlatformLedgers,
    PlatformNumber,
)

PLATFORM, STRANGER = "GPLATFORM", "GSTRANGER"
BOOKS = PlatformNumber(address=PLATFORM, last_sequence=10, seen_ledger=100)


class Node:
    """A node with some pages, of which the last is repeated. An envelope names what it made."""

    def __init__(self, *pages: Sequence[Finding], latest_ledger: int = 200) -> None:
        self.pages = list(pages)
        self.latest_ledger = latest_ledger
        self.asked: list[tuple[int | None, str | None]] = []

    async def transactions(
        self, *, start_ledger: int | None = None, cursor: str | None = None
    ) -> FindingsPage:
        self.asked.append((start_ledger, cursor))
        place = int(cursor or 0)
        return FindingsPage(
            found=tuple(self.pages[place]) if place < len(self.pages) else (),
            next_cursor=str(min(place + 1, len(self.pages))),
            is_last=place + 1 >= len(self.pages),
            latest_ledger=self.latest_ledger,
        )

    def created(self, envelope_xdr: str) -> frozenset[str]:
        return frozenset(envelope_xdr.split())


def sent(sequence: int, *made: str, source: str = PLATFORM, succeeded: bool = True) -> Finding:
    return Finding(
        hash=f"{sequence:064x}",
        source=source,
        sequence=sequence,
        envelope_xdr=" ".join(made),
        ledger=150,
        has_succeeded=succeeded,
    )


def reading(node: Any) -> PlatformLedgers:
    return PlatformLedgers(chain=cast("Chain", node))


async def test_accounts_of_every_transaction_since_the_books_are_returned() -> None:
    node = Node([sent(10, "GOLD"), sent(11, "GA"), sent(12, "GX", source=STRANGER)], [sent(12)])

    made = await reading(node).made_since(BOOKS, used=12, at_ledger=200)

    assert made == frozenset({"GA"})
    assert node.asked == [(100, None), (None, "1")]


async def test_a_transaction_that_failed_has_made_nothing() -> None:
    node = Node([sent(11, "GA", succeeded=False)])

    assert await reading(node).made_since(BOOKS, used=11, at_ledger=200) == frozenset()


async def test_a_number_whose_transaction_the_node_does_not_keep_is_not_explained() -> None:
    node = Node([sent(12, "GA")])

    assert await reading(node).made_since(BOOKS, used=12, at_ledger=200) is None


async def test_a_node_that_is_behind_proves_nothing() -> None:
    node = Node([], latest_ledger=199)

    with pytest.raises(ChainUnavailable, match="lags"):
        await reading(node).made_since(BOOKS, used=11, at_ledger=200)


async def test_a_number_that_was_read_too_early_is_remembered() -> None:
    ledgers = reading(Node([sent(11, "GA"), sent(12, "GB")]))

    first = await ledgers.made_since(BOOKS, used=11, at_ledger=200)
    second = await ledgers.made_since(BOOKS, used=12, at_ledger=200)

    assert first == frozenset({"GA"})
    assert second == frozenset({"GA", "GB"})


async def test_the_next_look_reads_on_where_one_look_is_too_short() -> None:
    node = Node(*[[] for _ in range(PAGES_AT_ONCE)], [sent(11, "GA")])
    ledgers = reading(node)

    with pytest.raises(ChainUnavailable, match="being read"):
        await ledgers.made_since(BOOKS, used=11, at_ledger=200)

    assert await ledgers.made_since(BOOKS, used=11, at_ledger=200) == frozenset({"GA"})
    assert len(node.asked) == PAGES_AT_ONCE + 1


async def test_a_refusal_to_list_ledgers_is_no_refusal_of_a_step() -> None:
    class Behind(Node):
        async def transactions(self, **_: Any) -> FindingsPage:
            raise ChainRefused("startLedger must be between 1 and 99")

    with pytest.raises(ChainUnavailable, match="does not list"):
        await reading(Behind([])).made_since(BOOKS, used=11, at_ledger=200)
