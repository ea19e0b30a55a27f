"""Transfers that are checked: answered as if they were posted, and nothing is written or locked."""

import uuid

import psycopg

from kernel.ids import UserId
from services.ledger.batch import Checked, Posting
from services.ledger.book import NewTransfer
from tests.integration.ledger.conftest import USDC, House, bar, escrow, pending, post, single


async def checked(house: House, *asked: NewTransfer, users: tuple[str, ...] = ()) -> Checked:
    """Check transfers, and the balances of users."""
    return await house.service.check_transfers(
        Posting(marketplace_id=house.marketplace, transfers=asked),
        asset=USDC,
        user_ids=[UserId(uuid.UUID(name.removeprefix("user:"))) for name in users],
    )


def rows(house: House) -> list[tuple[object, ...]]:
    """Hash every table of the ledger."""
    with psycopg.connect(house.owner_url) as connection:
        tables = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'ledger'"
        ).fetchall()
        statement = "select '{0}', count(*), sum(hashtextextended(t::text, 0)) from ledger.{0} t"
        return [
            row
            for (table,) in tables
            for row in connection.execute(statement.format(table)).fetchall()
        ]


async def test_checked_transfers_have_the_answers_of_posted_transfers(house: House) -> None:
    buyer, seller, order = await house.user(100), await house.user(), escrow()
    hold = pending(buyer, order, 80)
    asked = (hold, post(hold), single(order, seller, 80))
    before = rows(house)

    found = await checked(house, *asked, users=(buyer, seller))
    poor = await checked(house, pending(buyer, order, 101), users=(buyer,))
    barred = await checked(house, bar(hold))

    assert rows(house) == before
    assert [(b.available, b.reserved) for b in found.before] == [(100, 0), (0, 0)]
    assert [(b.available, b.reserved) for b in found.after] == [(20, 0), (80, 0)]
    assert [one.reason for one in poor.results] == ["INSUFFICIENT_FUNDS"]
    assert poor.after == poor.before
    assert [one.reason for one in barred.results] == [""]
    posted = await house.post(*asked)
    assert [one.status for one in posted] == [one.status for one in found.results]
    assert [one.debited for one in posted] == [one.debited for one in found.results]
    assert (await house.balance(seller)).available == 80


async def test_user_without_an_account_counts_as_one_with_nothing(house: House) -> None:
    nobody = f"user:{uuid.uuid4()}"

    found = await checked(house, pending(nobody, escrow(), 1), users=(nobody,))
    unnamed = await checked(house, pending(nobody, escrow(), 1))

    assert [one.reason for one in found.results] == ["INSUFFICIENT_FUNDS"]
    assert [one.reason for one in unnamed.results] == ["ACCOUNT_NOT_FOUND"]
    assert [(one.available, one.reserved) for one in found.after] == [(0, 0)]


async def test_check_waits_for_no_lock_on_the_accounts(house: House) -> None:
    buyer = await house.user(100)
    async with house.replicas[0].database.transaction() as tx:
        await tx.run("select * from accounts for update")

        found = await checked(house, pending(buyer, escrow(), 80), users=(buyer,))

    assert (found.after[0].available, found.after[0].reserved) == (20, 80)
