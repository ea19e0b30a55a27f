"""A marketplace's rules for withdrawals on PostgreSQL: held to by every process at once."""

import datetime as dt
import uuid
from dataclasses import replace

import pytest

from chassis import identity
from kernel.errors import DomainError, FailedPrecondition
from kernel.ids import new_id
from kernel.money import UNIT
from services.orders.deadlines.chosen import ClockOfLive
from services.orders.peers.ports import Memo, MemoType
from services.orders.withdrawals.rules import (
    AmountNotAllowed,
    DailyLimitExceeded,
    DestinationNotListed,
    DestinationTooNew,
)
from tests.integration.orders.conftest import Shop, outcomes
from tests.integration.orders.withdrawing import (
    FIVE,
    OUTSIDE,
    asked,
    cancel,
    choose,
    commit,
    held_and_free,
    later,
    made,
    now,
    read,
    state,
)

HOUR = dt.timedelta(hours=1)
MOMENT = dt.timedelta(minutes=1)
RACES = 20


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("withdrawal_least", FIVE + 1, AmountNotAllowed),
        ("withdrawal_most", FIVE - 1, AmountNotAllowed),
        ("withdrawal_destinations", ["GOTHER"], DestinationNotListed),
    ],
)
async def test_amount_and_list_are_checked_at_creation_and_at_commit(
    rich: Shop, postgres_admin: str, column: str, value: object, kind: type[DomainError]
) -> None:
    before = await made(rich)
    choose(postgres_admin, rich, **{column: value})

    for is_committed in (False, True):
        with pytest.raises(kind):
            await rich.withdrawing.create(rich.ask(), asked(commit=is_committed))
    with pytest.raises(kind):
        await commit(rich, before)

    assert await rich.count("withdrawals") == 1
    assert (await now(rich, before), held_and_free(rich)) == ("CREATED", (0, FIVE))
    choose(postgres_admin, rich, **{column: None})
    assert state(await commit(rich, before)) == "COMPLETED"


async def test_listed_destination_is_paid(rich: Shop, postgres_admin: str) -> None:
    choose(postgres_admin, rich, withdrawal_destinations=["GOTHER", OUTSIDE])

    answer = await rich.withdrawing.create(rich.ask(), asked(commit=True))

    assert state(answer) == "COMPLETED"


async def test_two_processes_never_exceed_the_daily_limit_together(
    two_shops: tuple[Shop, Shop], postgres_admin: str
) -> None:
    one, two = two_shops
    choose(postgres_admin, one, withdrawal_most_per_day=12 * UNIT)
    for number in range(RACES):
        user = f"usr_{number}"
        account = f"user:{await one.user(user)}"
        one.peers.ledger.available[account] = 20 * FIVE
        created = [
            uuid.UUID(read(await one.withdrawing.create(one.ask(), asked(user=user))).id)
            for _ in range(4)
        ]

        answers, refusals = await outcomes(
            *(commit(shop, each) for shop, each in zip((one, two) * 2, created, strict=True)),
            *(
                shop.withdrawing.create(shop.ask(), asked(user=user, commit=True))
                for shop in two_shops
            ),
        )

        assert [state(answer) for answer in answers] == ["COMPLETED"] * 2
        assert {type(refusal) for refusal in refusals} == {DailyLimitExceeded}
        assert one.peers.ledger.available[account] == 18 * FIVE


async def test_daily_limit_is_free_again_after_24_hours_of_the_marketplaces_clock(
    wealthy: Shop, postgres_admin: str
) -> None:
    choose(postgres_admin, wealthy, withdrawal_most_per_day=FIVE)
    await commit(wealthy, await made(wealthy))
    withdrawal = await made(wealthy)

    await later(wealthy, 24 * HOUR - MOMENT)
    with pytest.raises(DailyLimitExceeded) as refused:
        await commit(wealthy, withdrawal)
    assert refused.value.details["counted"] == "5.00"
    await later(wealthy, MOMENT)

    assert state(await commit(wealthy, withdrawal)) == "COMPLETED"


async def test_only_paid_and_awaiting_withdrawals_count_against_the_daily_limit(
    wealthy: Shop, postgres_admin: str
) -> None:
    choose(postgres_admin, wealthy, withdrawal_most_per_day=FIVE)
    await made(wealthy)
    await cancel(wealthy, await made(wealthy))
    wealthy.peers.escrow.fails["withdraw"] = "TRUSTLINE_FULL"
    assert state(await commit(wealthy, await made(wealthy))) == "FAILED"
    wealthy.peers.escrow.fails.clear()
    [account] = wealthy.peers.ledger.available
    free, wealthy.peers.ledger.available[account] = wealthy.peers.ledger.available[account], 0
    with pytest.raises(FailedPrecondition, match="available balance"):
        await wealthy.withdrawing.create(wealthy.ask(), asked(commit=True))
    wealthy.peers.ledger.available[account] = free
    choose(postgres_admin, wealthy, approval_above=0)
    awaiting = await made(wealthy)
    await commit(wealthy, awaiting)

    with pytest.raises(DailyLimitExceeded):
        await commit(wealthy, await made(wealthy))
    await cancel(wealthy, awaiting)

    assert state(await commit(wealthy, await made(wealthy))) == "AWAITING_APPROVAL"


async def test_daily_limit_applies_to_each_user_separately(
    wealthy: Shop, postgres_admin: str
) -> None:
    choose(postgres_admin, wealthy, withdrawal_most_per_day=FIVE)
    seller = await wealthy.user("usr_seller")
    wealthy.peers.ledger.available[f"user:{seller}"] = FIVE
    await commit(wealthy, await made(wealthy))

    answer = await wealthy.withdrawing.create(wealthy.ask(), asked(user="usr_seller", commit=True))

    assert state(answer) == "COMPLETED"


async def test_new_destination_is_paid_after_its_hours_by_the_marketplaces_clock(
    wealthy: Shop, postgres_admin: str
) -> None:
    choose(postgres_admin, wealthy, new_destination_hours=48)
    with pytest.raises(DestinationTooNew):
        await wealthy.withdrawing.create(wealthy.ask(), asked(commit=True))
    withdrawal = await made(wealthy)

    await later(wealthy, 48 * HOUR - MOMENT)
    with pytest.raises(DestinationTooNew) as refused:
        await commit(wealthy, withdrawal)
    assert refused.value.details["value"] == 48
    await later(wealthy, MOMENT)
    assert state(await commit(wealthy, withdrawal)) == "COMPLETED"

    known = await wealthy.withdrawing.create(wealthy.ask(), asked(commit=True))
    assert state(known) == "COMPLETED"


async def test_destination_is_new_for_each_user_and_each_memo(
    wealthy: Shop, postgres_admin: str
) -> None:
    await made(wealthy)
    other = Memo(type=MemoType.TEXT, value="account 8")
    await wealthy.withdrawing.create(wealthy.ask(), replace(asked(), memo=other))
    await later(wealthy, 2 * HOUR)
    choose(postgres_admin, wealthy, new_destination_hours=1)
    seller = await wealthy.user("usr_seller")
    wealthy.peers.ledger.available[f"user:{seller}"] = FIVE
    memo = Memo(type=MemoType.TEXT, value="account 7")

    for new in (asked(user="usr_seller", commit=True), replace(asked(commit=True), memo=memo)):
        with pytest.raises(DestinationTooNew):
            await wealthy.withdrawing.create(wealthy.ask(), new)
    paid = await wealthy.withdrawing.create(wealthy.ask(), asked(commit=True))

    assert state(paid) == "COMPLETED"


async def test_canceled_withdrawal_does_not_make_its_destination_known(
    wealthy: Shop, postgres_admin: str
) -> None:
    choose(postgres_admin, wealthy, new_destination_hours=1)
    await cancel(wealthy, await made(wealthy))
    await later(wealthy, 2 * HOUR)

    with pytest.raises(DestinationTooNew):
        await commit(wealthy, await made(wealthy))


async def test_only_keys_of_test_marketplaces_can_move_the_clock(shop: Shop) -> None:
    for environment in ("live", "", "TEST", "staging"):
        other = replace(identity.current(), environment=environment)
        with identity.acting_as(other), pytest.raises(ClockOfLive):
            await shop.chosen.advance(shop.key(), by=HOUR)

    assert (await shop.chosen.read(shop.marketplace_id)).rules.clock_offset == dt.timedelta()


async def test_rules_apply_to_their_own_marketplace_only(rich: Shop, postgres_admin: str) -> None:
    other = replace(rich, marketplace_id=new_id())
    choose(postgres_admin, other, withdrawal_most=1)

    assert state(await commit(rich, await made(rich))) == "COMPLETED"
    assert (await rich.chosen.read(rich.marketplace_id)).rules.withdrawals.most is None
    assert (await rich.chosen.read(other.marketplace_id)).rules.withdrawals.most == 1
