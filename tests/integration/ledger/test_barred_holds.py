"""A hold that its order's cancellation has barred is never made."""

import asyncio

import psycopg
import pytest

from services.ledger.book import TransferStatus
from tests.integration.ledger.conftest import House, bar, escrow, pending

ROUNDS = 12


async def test_a_barred_hold_is_refused_for_ever(house: House) -> None:
    buyer = await house.user(100)
    hold = pending(buyer, escrow(), 80)

    [barred] = await house.post(bar(hold))
    [late] = await house.post(hold)
    [again] = await house.post(bar(hold))

    assert barred.status is TransferStatus.CREATED
    assert (late.status, late.reason) == (TransferStatus.REFUSED, "PENDING_ALREADY_VOIDED")
    assert again.status is TransferStatus.EXISTS
    assert (await house.balance(buyer)).reserved == 0


async def test_a_bar_needs_the_buyers_account_which_both_lock(house: House) -> None:
    [refused] = await house.post(bar(pending(await _unopened(house), escrow(), 80)))

    assert refused.reason == "ACCOUNT_NOT_FOUND"


async def test_a_bar_applies_to_one_marketplace_only(house: House) -> None:
    buyer = await house.user(100)
    hold = pending(buyer, escrow(), 80)
    other = House(url=house.url, owner_url=house.owner_url, replicas=house.replicas)
    theirs = hold._replace(debit=await other.user(100))
    await other.post(bar(theirs))

    [made] = await house.post(hold)

    assert made.status is TransferStatus.CREATED


async def test_a_hold_and_its_bar_race_between_replicas_and_nothing_stays_held(
    house: House,
) -> None:
    await house.replica()
    buyer = await house.user(ROUNDS * 80)
    holds = [pending(buyer, escrow(), 80) for _ in range(ROUNDS)]

    answers = await asyncio.gather(
        *(house.post(hold, replica=0) for hold in holds),
        *(house.post(bar(hold), replica=1) for hold in reversed(holds)),
    )

    reasons = {result.reason for (result,) in answers}
    assert reasons <= {"", "PENDING_ALREADY_VOIDED"}
    balance = await house.balance(buyer)
    assert (balance.available, balance.reserved) == (ROUNDS * 80, 0)


@pytest.mark.parametrize("first", ["hold", "bar"])
async def test_the_database_refuses_a_hold_beside_its_bar(own_house: House, first: str) -> None:
    buyer, other = await own_house.user(100), await own_house.user()
    hold = pending(buyer, other, 80)
    await own_house.post(hold if first == "hold" else bar(hold))
    write = {
        "hold": "insert into ledger.barred_holds values (%(m)s, %(h)s, null, '', now())",
        "bar": "insert into ledger.transfers (marketplace_id, id, type, code, asset, debit_account,"
        " credit_account, amount, transaction_hash, reason, at) values"
        " (%(m)s, %(h)s, 2, 2, 'USDC', %(a)s, %(b)s, 1, '', '', now())",
    }[first]
    values = {"m": own_house.marketplace, "h": hold.id, "a": buyer, "b": other}

    with (
        psycopg.connect(own_house.owner_url) as connection,
        pytest.raises(psycopg.errors.CheckViolation) as caught,
    ):
        connection.execute(write.encode(), values)

    name = {"hold": "barred_holds_absent", "bar": "transfers_not_barred"}[first]
    assert caught.value.diag.constraint_name == name


async def _unopened(house: House) -> str:
    name = await house.user(0)
    return name[:-1] + ("0" if name[-1] != "0" else "1")
