"""The books of a marketplace: its own money and invariants, as the last check found them."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest

from kernel.ids import MarketplaceId
from services.ledger.book import FEES, SUSPENSE
from services.ledger.books.domain import AssetMoney, Known
from services.ledger.books.service import Books
from services.ledger.books.store import BooksStore
from tests.integration.ledger.conftest import WORLD, House, escrow, pending, single
from tests.shop import until


@pytest.fixture
async def books(own_house: House) -> AsyncIterator[Books]:
    """The books, and a ledger that a test may break."""
    opened = Books(database=own_house.replicas[0].database, store=BooksStore())
    yield opened
    await opened.close()


async def lived_in(house: House) -> None:
    """Money of every kind."""
    ann, order = await house.user(1000), escrow()
    await house.post(single(ann, order, 300), pending(ann, escrow(), 200))
    await house.post(single(WORLD, SUSPENSE, 70), single(order, FEES, 20))


async def looked(books: Books, marketplace: MarketplaceId) -> Known:
    """Look until a check ends that began after this."""
    first, _ = await books.read(marketplace)
    if first.checked is None:
        return first
    found = [first]

    async def is_newer() -> bool:
        found[0], is_checking = await books.read(marketplace)
        return not is_checking and found[0].checked != first.checked

    await until(is_newer, what="the books were not checked again")
    return found[0]


async def test_books_have_every_kind_of_money_except_the_platforms(
    own_house: House, books: Books
) -> None:
    await lived_in(own_house)

    known, is_checking = await books.read(own_house.marketplace)

    assert known.checked is not None
    assert not is_checking
    assert known.checked.money == [
        AssetMoney(asset="USDC", available=500, reserved=200, in_escrow=280, in_suspense=70)
    ]
    assert len(known.checked.invariants) == 9
    assert all(one.holds for one in known.checked.invariants)
    # Nothing publishes the events of this ledger.
    assert known.oldest_event_at is not None


async def test_a_planted_imbalance_is_found_in_its_own_marketplace_only(
    own_house: House, books: Books
) -> None:
    await lived_in(own_house)
    theirs = own_house.marketplace
    assert await looked(books, theirs)
    own_house.rows("update ledger.accounts set credits = credits + 1 where kind = 'user'")
    own_house.marketplace = MarketplaceId(uuid.uuid4())
    await lived_in(own_house)

    broken, sound = await looked(books, theirs), await looked(books, own_house.marketplace)

    assert broken.checked is not None
    assert sound.checked is not None
    names = [one.name for one in broken.checked.invariants if not one.holds]
    assert names == ["I2 no user or escrow is overdrawn, and figures are the sums of entries"]
    assert broken.checked.money[0].available == 501
    assert all(one.holds for one in sound.checked.invariants)
    assert sound.checked.money[0].available == 500


async def test_a_marketplace_without_accounts_has_no_money(books: Books) -> None:
    known, _ = await books.read(MarketplaceId(uuid.uuid4()))

    assert known.checked is not None
    assert known.checked.money == []
    assert all(one.holds for one in known.checked.invariants)
    assert known.oldest_event_at is None


async def test_concurrent_reads_share_one_check_and_a_recent_check_is_not_repeated(
    own_house: House, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ledger.books.store.PAUSE_SECONDS_MIN", 600)
    await lived_in(own_house)

    found = await asyncio.gather(*(books.read(own_house.marketplace) for _ in range(5)))
    again, is_checking = await books.read(own_house.marketplace)

    moments = {known.checked.at for known, _ in found if known.checked is not None}
    assert len(moments) == 1
    assert again.checked is not None
    assert again.checked.at in moments
    assert not is_checking
    [(count,)] = own_house.rows("select count(*) from ledger.books")
    assert count == 1


async def test_check_found_due_before_another_ended_is_skipped(
    own_house: House, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ledger.books.store.PAUSE_SECONDS_MIN", 600)
    await lived_in(own_house)
    first, _ = await books.read(own_house.marketplace)

    # As of a look that had read the books before.
    await books._check(own_house.marketplace)

    again, _ = await books.read(own_house.marketplace)
    assert first.checked is not None
    assert again.checked == first.checked
