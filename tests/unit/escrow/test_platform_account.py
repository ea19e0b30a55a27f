"""The platform account's transactions since its recorded sequence number, read in pages."""

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
    """A node with pages of transactions; the last page repeats.

    An envelope here is a text with the addresses of the accounts that it creates.
    """

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


async def test_accounts_created_since_the_recorded_number_are_returned() -> None:
    node = Node([sent(10, "GOLD"), sent(11, "GA"), sent(12, "GX", source=STRANGER)], [sent(12)])

    made = await reading(node).made_since(BOOKS, used=12, at_ledger=200)

    assert made == frozenset({"GA"})
    assert node.asked == [(100, None), (None, "1")]


async def test_failed_transaction_has_created_no_account() -> None:
    node = Node([sent(11, "GA", succeeded=False)])

    assert await reading(node).made_since(BOOKS, used=11, at_ledger=200) == frozenset()


async def test_sequence_number_without_its_transaction_is_not_explained() -> None:
    node = Node([sent(12, "GA")])

    assert await reading(node).made_since(BOOKS, used=12, at_ledger=200) is None


async def test_lagging_node_is_not_evidence() -> None:
    node = Node([], latest_ledger=199)

    with pytest.raises(ChainUnavailable, match="lags"):
        await reading(node).made_since(BOOKS, used=11, at_ledger=200)


async def test_transaction_read_before_it_was_needed_is_remembered() -> None:
    ledgers = reading(Node([sent(11, "GA"), sent(12, "GB")]))

    first = await ledgers.made_since(BOOKS, used=11, at_ledger=200)
    second = await ledgers.made_since(BOOKS, used=12, at_ledger=200)

    assert first == frozenset({"GA"})
    assert second == frozenset({"GA", "GB"})


async def test_next_call_continues_where_the_last_call_stopped() -> None:
    node = Node(*[[] for _ in range(PAGES_AT_ONCE)], [sent(11, "GA")])
    ledgers = reading(node)

    with pytest.raises(ChainUnavailable, match="being read"):
        await ledgers.made_since(BOOKS, used=11, at_ledger=200)

    assert await ledgers.made_since(BOOKS, used=11, at_ledger=200) == frozenset({"GA"})
    assert len(node.asked) == PAGES_AT_ONCE + 1


async def test_refusal_to_list_ledgers_is_not_a_refusal_of_the_step() -> None:
    class Behind(Node):
        async def transactions(self, **_: Any) -> FindingsPage:
            raise ChainRefused("startLedger must be between 1 and 99")

    with pytest.raises(ChainUnavailable, match="does not list"):
        await reading(Behind([])).made_since(BOOKS, used=11, at_ledger=200)
