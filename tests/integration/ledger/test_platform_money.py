"""The platform's own money: no more of its fees is taken than it has earned."""

import asyncio
import uuid
from typing import Any

import psycopg
import pytest
from orchestrator.common.v1 import common_pb2
from orchestrator.ledger.v1 import ledger_pb2

from services.ledger.book import BORNE, FEES, NewTransfer, TransferCode, TransferStatus
from tests.integration.ledger.conftest import (
    USDC,
    WORLD,
    House,
    bar,
    escrow,
    pending,
    post,
    single,
    void,
)
from tests.integration.ledger.test_walls import INSERT_TRANSFER, refused
from tests.serving import Client

CREATED, REFUSED = TransferStatus.CREATED, TransferStatus.REFUSED


def hold(amount: int) -> NewTransfer:
    """Ask to hold fees for a withdrawal."""
    return pending(FEES, WORLD, amount, code=TransferCode.WITHDRAWAL)


async def earn(house: House, amount: int, *, borne: int = 0) -> None:
    """Earn a fee on an order, and bear the provider's."""
    ann, order = await house.user(amount), escrow()
    payments = [single(ann, order, amount), single(order, FEES, amount)]
    if borne:
        payments.append(single(BORNE, ann, borne))
    for result in await house.post(*payments):
        assert result.status is CREATED


async def test_fees_can_be_withdrawn_up_to_earned_minus_borne_fees(house: House) -> None:
    await earn(house, 100, borne=30)

    [short] = await house.post(hold(71))
    first = hold(60)
    [held] = await house.post(first)
    [more] = await house.post(hold(11))
    await house.post(post(first, code=TransferCode.WITHDRAWAL))
    [rest] = await house.post(single(FEES, WORLD, 11))
    [exact] = await house.post(hold(10))

    assert (short.reason, short.available, short.requested) == ("INSUFFICIENT_FUNDS", 70, 71)
    assert held.status is exact.status is CREATED
    assert (more.reason, more.available) == ("INSUFFICIENT_FUNDS", 10)
    assert (rest.reason, rest.available) == ("INSUFFICIENT_FUNDS", 10)
    found = await house.service.platform_money(marketplace_id=house.marketplace, asset=USDC)
    assert (found.earned, found.borne, found.withdrawn) == (100, 30, 60)
    assert (found.available, found.reserved) == (0, 10)


async def test_nothing_can_be_withdrawn_unless_earned_fees_exceed_borne_fees(house: House) -> None:
    [before] = await house.post(hold(1))
    await earn(house, 5, borne=9)
    [after] = await house.post(hold(1))

    assert (before.reason, before.available) == ("INSUFFICIENT_FUNDS", 0)
    assert (after.reason, after.available) == ("INSUFFICIENT_FUNDS", 0)


async def test_money_of_users_is_never_the_platforms(house: House) -> None:
    ann = await house.user(1000)
    await house.post(pending(ann, escrow(), 500))
    await house.post(single(WORLD, "suspense", 300))

    [refusal] = await house.post(hold(1))

    assert refusal.reason == "INSUFFICIENT_FUNDS"
    assert (await house.balance(ann)).available == 500


async def test_voided_hold_of_fees_can_be_held_again(house: House) -> None:
    await earn(house, 100)
    first = hold(100)
    await house.post(first)

    [voided] = await house.post(void(first))
    [again] = await house.post(hold(100))

    assert voided.status is again.status is CREATED


async def test_a_barred_hold_of_fees_is_refused_for_ever(house: House) -> None:
    await earn(house, 100)
    late = hold(100)

    [barred] = await house.post(bar(late))
    [refusal] = await house.post(late)

    assert barred.status is CREATED
    assert refusal.reason == "PENDING_ALREADY_VOIDED"


async def test_linked_transfers_beyond_the_earned_fees_are_all_refused(house: House) -> None:
    await earn(house, 100)

    results = await house.post(
        single(FEES, WORLD, 60, linked=True), single(FEES, WORLD, 60, linked=False)
    )
    [whole] = await house.post(hold(100))

    assert {one.status for one in results} == {REFUSED}
    assert whole.status is CREATED


async def test_one_of_two_withdrawals_of_all_fees_at_once_is_held(house: House) -> None:
    await house.replica()
    for _ in range(20):
        await earn(house, 100)

        asked = [hold(100) for _ in range(2)]
        answers = await asyncio.gather(
            *(house.post(one, replica=index) for index, one in enumerate(asked))
        )

        said = [answer[0].reason for answer in answers]
        assert sorted(said) == ["", "INSUFFICIENT_FUNDS"]
        await house.post(post(asked[said.index("")]))


async def test_fees_are_earned_concurrently_with_a_withdrawal_of_fees(house: House) -> None:
    await earn(house, 100)
    with psycopg.connect(house.owner_url) as other:
        other.execute(
            "select 1 from ledger.accounts where marketplace_id = %s and name = %s for update",
            (house.marketplace, FEES),
        )

        await earn(house, 50)

    found = await house.service.platform_money(marketplace_id=house.marketplace, asset=USDC)
    assert found.available == 150


@pytest.mark.parametrize("kind", [1, 2])
async def test_database_refuses_to_withdraw_more_than_was_earned(house: House, kind: int) -> None:
    await earn(house, 100, borne=30)

    def taking(amount: int) -> tuple[object, ...]:
        return (house.marketplace, uuid.uuid4(), kind, USDC, FEES, WORLD, amount, None)

    await house.post(single(WORLD, await house.user(), 1))
    assert await refused(house, INSERT_TRANSFER, *taking(71)) == "transfers_of_earned_fees"
    with psycopg.connect(house.owner_url) as connection:
        connection.execute("set search_path = ledger")
        connection.execute(INSERT_TRANSFER, taking(70))
        connection.rollback()


async def test_platform_reads_its_own_money_and_its_changes(ledger: Client) -> None:
    async def read(**page: Any) -> tuple[list[tuple[str, int]], str]:
        paging = common_pb2.PageRequest(**page)
        request = ledger_pb2.ListPlatformEntriesRequest(asset=USDC, page=paging)
        found = await ledger.call("ListPlatformEntries", request, caller="operator")
        return [(one.account, one.change) for one in found.entries], found.next_page_token

    def asked(debit: str, credit: str, amount: int) -> ledger_pb2.NewTransfer:
        return ledger_pb2.NewTransfer(
            id=str(uuid.uuid4()),
            type="TRANSFER_TYPE_SINGLE",
            code="TRANSFER_CODE_PLATFORM_FEE",
            debit_account=debit,
            credit_account=credit,
            amount=common_pb2.Money(asset=USDC, minor_units=amount),
        )

    transfers = [
        asked(WORLD, FEES, 100),
        asked(BORNE, WORLD, 20),
        asked("manual", WORLD, 7),
        asked(WORLD, "suspense", 3),
    ]
    request = ledger_pb2.PostTransfersRequest(transfers=transfers)
    await ledger.call("PostTransfers", request, caller="orders")

    balance = await ledger.call(
        "GetPlatformBalance", ledger_pb2.GetPlatformBalanceRequest(asset=USDC), caller="operator"
    )
    first, token = await read(page_size=2)
    second, end = await read(page_size=2, page_token=token)

    names = ("earned", "borne", "withdrawn", "available", "reserved", "credited", "suspense")
    figures = [getattr(balance, name).minor_units for name in names]
    assert figures == [100, 20, 0, 80, 0, 7, 3]
    assert first == [("manual", -7), (BORNE, -20)]
    assert (second, end) == ([(FEES, 100)], "")
