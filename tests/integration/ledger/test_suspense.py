"""Deposits in suspense can be listed, and credited once to the user whose wallet they reached."""

import asyncio
import uuid
from typing import Any

import pytest

from kernel.errors import DomainError
from kernel.ids import MarketplaceId, TransferId
from services.ledger.deposits.domain import ACCOUNT_PATIENCE
from tests.integration.ledger.conftest import House
from tests.integration.ledger.test_deposits import deliver, open_account, suspense, told
from tests.lines import actions

AMOUNT = 250_000_000


def deposit_of(event: dict[str, Any]) -> TransferId:
    return TransferId(uuid.UUID(event["payload"]["depositId"]))


async def listed(house: House, *, only_open: bool = True) -> list[str]:
    found = await house.deposits.list_suspense(
        marketplace_id=house.marketplace, only_open=only_open, after=0, size=10
    )
    return [one.memo for one in found]


async def suspended(house: House, memo: str = "7") -> tuple[str, dict[str, Any]]:
    """Deliver a deposit of a user whose account is opened too late; returns both."""
    user = uuid.uuid4()
    event = told(house.marketplace, f"user:{user}", age=ACCOUNT_PATIENCE * 2, memo=memo)
    await deliver(house, event)
    open_account(house, user)
    return f"user:{user}", event


async def test_deposits_in_suspense_are_listed_with_their_user_and_memo(house: House) -> None:
    people = [(await suspended(house, memo))[0] for memo in ("7", "8", "9")]
    await deliver(house, told(house.marketplace, people[0]))

    first = await house.deposits.list_suspense(
        marketplace_id=house.marketplace, only_open=True, after=0, size=2
    )
    rest = await house.deposits.list_suspense(
        marketplace_id=house.marketplace, only_open=True, after=first[1].number, size=2
    )

    assert [(one.memo, str(one.user_id)) for one in first] == [
        (memo, user.removeprefix("user:"))
        for memo, user in zip(("7", "8", "9"), people, strict=True)
    ]
    assert [one.memo for one in rest] == ["9"]


async def test_a_deposit_in_suspense_is_credited_once_by_concurrent_requests(house: House) -> None:
    ann, event = await suspended(house)
    other = await house.replica()
    deposit = deposit_of(event)

    answers = await asyncio.gather(
        *(
            deposits.credit_suspense(
                marketplace_id=house.marketplace, transfer_id=deposit, reason="asked the payer"
            )
            for deposits in (house.deposits, other.deposits) * 3
        )
    )

    assert len({answer.credited_by for answer in answers}) == 1
    assert (await house.balance(ann)).available == AMOUNT
    assert suspense(house) == 0
    assert await listed(house) == []
    assert await listed(house, only_open=False) == ["7"]
    assert await actions(other.database, house.marketplace) == ["suspense.credit"]


async def test_a_deposit_without_a_user_stays_in_suspense(house: House) -> None:
    event = told(house.marketplace, memo="7")
    await deliver(house, event)
    late = told(house.marketplace, f"user:{uuid.uuid4()}", age=ACCOUNT_PATIENCE * 2)
    await deliver(house, late)

    for one in (event, late):
        with pytest.raises(DomainError) as refused:
            await house.deposits.credit_suspense(
                marketplace_id=house.marketplace,
                transfer_id=deposit_of(one),
                reason="nobody's",
            )
        assert refused.value.reason == "USER_NOT_FOUND"

    assert suspense(house) == 2 * AMOUNT


async def test_another_marketplace_can_neither_see_nor_credit_a_deposit(house: House) -> None:
    _, event = await suspended(house)
    stranger = MarketplaceId(uuid.uuid4())

    found = await house.deposits.list_suspense(
        marketplace_id=stranger, only_open=True, after=0, size=10
    )
    with pytest.raises(DomainError) as refused:
        await house.deposits.credit_suspense(
            marketplace_id=stranger,
            transfer_id=deposit_of(event),
            reason="mine",
        )

    assert found == []
    assert refused.value.reason == "TRANSFER_NOT_FOUND"
    assert suspense(house) == AMOUNT


async def test_a_deposit_that_is_not_in_suspense_is_not_found(house: House) -> None:
    ann = await house.user()
    event = told(house.marketplace, ann)
    await deliver(house, event)

    with pytest.raises(DomainError) as refused:
        await house.deposits.credit_suspense(
            marketplace_id=house.marketplace,
            transfer_id=deposit_of(event),
            reason="again",
        )

    assert refused.value.reason == "TRANSFER_NOT_FOUND"
    assert (await house.balance(ann)).available == AMOUNT
