"""Withdrawals of the platform's fees: its own money, by its own wallet, hidden from all others."""

import asyncio
import uuid
from collections.abc import Mapping

import pytest

from kernel.errors import FailedPrecondition
from services.orders.people.users import UserNotFound
from services.orders.withdrawals.domain import PLATFORM, WithdrawalNotFound
from services.orders.withdrawals.service import NewWithdrawal
from tests.integration.orders.conftest import Shop
from tests.integration.orders.withdrawing import FIVE, OUTSIDE, made, read, state, told

FEES = "fees:platform"


@pytest.fixture
async def earning(rich: Shop) -> Shop:
    """A marketplace that has earned 5.00, and whose buyer has 5.00."""
    rich.peers.ledger.available[FEES] = FIVE
    return rich


def fees(*, commit: bool = False, amount: int = FIVE) -> NewWithdrawal:
    return NewWithdrawal(
        user=None, amount=amount, destination=OUTSIDE, memo=None, reference="fees", commit=commit
    )


async def created(shop: Shop) -> uuid.UUID:
    return uuid.UUID(read(await shop.withdrawing.create(shop.ask(), fees())).id)


async def listed(shop: Shop, user: str | None, **filters: str) -> list[uuid.UUID]:
    chosen: Mapping[str, object] = filters
    found = await shop.withdrawing.page(
        marketplace_id=shop.marketplace_id, user=user, filters=chosen, after=None, limit=10
    )
    return [one.id for one in found]


async def test_fees_are_held_paid_by_the_platform_and_booked(earning: Shop) -> None:
    answer = await earning.withdrawing.create(earning.ask("one"), fees(commit=True))
    again = await earning.withdrawing.create(earning.ask("one"), fees(commit=True))

    assert (state(answer), read(answer).HasField("user")) == ("COMPLETED", False)
    assert (again.replayed, again.body) == (True, answer.body)
    assert list(earning.peers.escrow.payers.values()) == [None]
    assert earning.peers.ledger.available[FEES] == 0
    assert {one.debit for one in earning.peers.ledger.transfers.values()} == {FEES, ""}
    withdrawal = uuid.UUID(read(answer).id)
    assert [kind for kind, _ in await told_of_platform(earning, withdrawal)] == [
        "created",
        "pending",
        "completed",
    ]


async def told_of_platform(shop: Shop, withdrawal: uuid.UUID) -> list[tuple[str, int]]:
    found = await shop.withdrawing.get(
        marketplace_id=shop.marketplace_id,
        withdrawal_id=withdrawal,
        user_id=None,
        by_platform=True,
    )
    async with shop.database.transaction() as tx:
        rows = await tx.fetch(
            "select event_type, version from outbox where aggregate_id = %(id)s order by version",
            {"id": found.public_id},
        )
    return [(row.event_type.removeprefix("withdrawal."), row.version) for row in rows]


async def test_more_than_the_fees_is_refused_and_users_money_is_not_touched(earning: Shop) -> None:
    before = dict(earning.peers.ledger.available)

    with pytest.raises(FailedPrecondition) as refusal:
        await earning.withdrawing.create(earning.ask(), fees(commit=True, amount=2 * FIVE))

    assert refusal.value.reason == "INSUFFICIENT_FUNDS"
    assert refusal.value.details["available"] == "5.00"
    assert earning.peers.ledger.available == before
    assert earning.peers.escrow.commands == {}


async def test_one_of_two_withdrawals_of_all_fees_at_once_is_paid(earning: Shop) -> None:
    withdrawals = [await created(earning) for _ in range(2)]

    ended = await asyncio.gather(
        *(
            earning.withdrawing.commit(
                earning.ask(), withdrawal_id=one, user_id=None, by_platform=True
            )
            for one in withdrawals
        ),
        return_exceptions=True,
    )

    refused = [one.reason for one in ended if isinstance(one, FailedPrecondition)]
    assert refused == ["INSUFFICIENT_FUNDS"]
    assert len(earning.peers.escrow.commands) == 1


async def test_failed_payment_gives_the_fees_back(earning: Shop) -> None:
    earning.peers.escrow.fails["withdraw"] = "NO_TRUSTLINE"

    answer = await earning.withdrawing.create(earning.ask(), fees(commit=True))

    assert state(answer) == "FAILED"
    assert earning.peers.ledger.available[FEES] == FIVE


async def test_platforms_withdrawals_and_users_are_hidden_from_each_other(earning: Shop) -> None:
    own, users = await created(earning), await made(earning)
    one = earning.withdrawing
    place = {"marketplace_id": earning.marketplace_id}

    for withdrawal, by_platform in ((own, False), (users, True)):
        named = {"withdrawal_id": withdrawal, "user_id": None, "by_platform": by_platform}
        with pytest.raises(WithdrawalNotFound):
            await one.get(**place, **named)  # type: ignore[arg-type] # as keywords
        with pytest.raises(WithdrawalNotFound):
            await one.commit(earning.ask(), **named)  # type: ignore[arg-type] # as keywords
        with pytest.raises(WithdrawalNotFound):
            await one.cancel(earning.key(), **named)  # type: ignore[arg-type] # as keywords
        with pytest.raises(WithdrawalNotFound):
            await one.approve(earning.ask(), withdrawal_id=withdrawal, by_platform=by_platform)
    assert await listed(earning, "") == [users]
    assert await listed(earning, "", state="CREATED") == [users]
    assert await listed(earning, None) == [own]
    assert await listed(earning, None, reference="fees") == [own]
    assert await listed(earning, "usr_buyer") == [users]
    with pytest.raises(UserNotFound):
        await listed(earning, str(PLATFORM.id))
    assert await told(earning, users) == [("created", 1)]
