"""Approvals of withdrawals by a second key on PostgreSQL: paid once, with nothing held before."""

import asyncio
import datetime as dt
import uuid

import pytest

from kernel.errors import FailedPrecondition
from services.orders.withdrawals.domain import (
    ApproverIsCommitter,
    WithdrawalInWrongState,
    WithdrawalNotApprovable,
    WithdrawalNotCommittable,
)
from services.orders.withdrawals.rules import DailyLimitExceeded, DestinationNotListed
from tests.integration.orders.conftest import Shop, outcomes
from tests.integration.orders.withdrawing import (
    FIVE,
    approve,
    asked,
    cancel,
    choose,
    commit,
    held_and_free,
    key,
    later,
    made,
    now,
    read,
    state,
    told,
    waiting,
)

HOUR = dt.timedelta(hours=1)
MOMENT = dt.timedelta(minutes=1)
RACES = 20


async def test_approved_withdrawal_is_paid_and_holds_nothing_before(
    rich: Shop, postgres_admin: str
) -> None:
    withdrawal = await waiting(rich, postgres_admin)
    assert held_and_free(rich) == (0, FIVE)
    with pytest.raises(WithdrawalNotCommittable):
        await commit(rich, withdrawal)

    with pytest.raises(ApproverIsCommitter) as refused:
        await approve(rich, withdrawal, by="test")
    answer = await approve(rich, withdrawal)

    assert refused.value.details["value"] == "4.9999999"
    found = read(answer)
    assert (state(answer), found.committed_by, found.approved_by) == (
        "COMPLETED",
        "key:test",
        "key:other",
    )
    assert held_and_free(rich) == (0, 0)
    assert await told(rich, withdrawal) == [
        ("created", 1),
        ("approval_required", 2),
        ("pending", 3),
        ("completed", 4),
    ]


async def test_neither_the_maker_nor_the_committer_can_approve(
    rich: Shop, postgres_admin: str
) -> None:
    choose(postgres_admin, rich, approval_above=0)
    with key("maker"):
        withdrawal = await made(rich)
    with key("committer"):
        await commit(rich, withdrawal)

    for own in ("maker", "committer"):
        with pytest.raises(ApproverIsCommitter):
            await approve(rich, withdrawal, by=own)

    assert state(await approve(rich, withdrawal, by="third")) == "COMPLETED"


async def test_withdrawal_created_with_commit_waits_for_its_approval(
    rich: Shop, postgres_admin: str
) -> None:
    choose(postgres_admin, rich, approval_above=FIVE - 1)

    answer = await rich.withdrawing.create(rich.ask("one"), asked(commit=True))
    again = await rich.withdrawing.create(rich.ask("one"), asked(commit=True))

    assert (state(answer), read(answer).in_progress) == ("AWAITING_APPROVAL", False)
    assert (again.replayed, again.body) == (True, answer.body)
    assert state(await approve(rich, uuid.UUID(read(answer).id))) == "COMPLETED"


async def test_amount_that_needs_no_approval_cannot_be_approved(
    rich: Shop, postgres_admin: str
) -> None:
    choose(postgres_admin, rich, approval_above=FIVE)
    withdrawal = await made(rich)

    with pytest.raises(WithdrawalNotApprovable):
        await approve(rich, withdrawal)
    assert state(await commit(rich, withdrawal)) == "COMPLETED"
    with pytest.raises(WithdrawalNotApprovable):
        await approve(rich, withdrawal)


async def test_approval_without_the_money_leaves_the_withdrawal_waiting(
    rich: Shop, postgres_admin: str
) -> None:
    withdrawal = await waiting(rich, postgres_admin)
    [account] = rich.peers.ledger.available
    rich.peers.ledger.available[account] = 0

    with pytest.raises(FailedPrecondition, match="available balance"):
        await approve(rich, withdrawal)

    assert await now(rich, withdrawal) == "AWAITING_APPROVAL"
    rich.peers.ledger.available[account] = FIVE
    assert state(await approve(rich, withdrawal)) == "COMPLETED"


async def test_rules_hold_again_at_the_approval(wealthy: Shop, postgres_admin: str) -> None:
    withdrawal = await waiting(wealthy, postgres_admin)
    await later(wealthy, HOUR)
    choose(postgres_admin, wealthy, approval_above=None, withdrawal_most_per_day=2 * FIVE - 1)
    with pytest.raises(DailyLimitExceeded):
        await commit(wealthy, await made(wealthy))
    choose(postgres_admin, wealthy, withdrawal_most_per_day=FIVE, withdrawal_destinations=[])

    with pytest.raises(DestinationNotListed):
        await approve(wealthy, withdrawal)

    choose(postgres_admin, wealthy, withdrawal_destinations=None)
    assert state(await approve(wealthy, withdrawal)) == "COMPLETED"


async def test_withdrawal_that_no_key_approves_in_time_is_canceled(
    rich: Shop, postgres_admin: str
) -> None:
    withdrawal = await waiting(rich, postgres_admin)
    await later(rich, 24 * HOUR - MOMENT)
    assert await rich.withdrawing.lapse_unapproved() == 0
    await later(rich, MOMENT)

    with pytest.raises(WithdrawalNotApprovable, match="in time"):
        await approve(rich, withdrawal)
    assert await rich.withdrawing.lapse_unapproved() == 1
    assert await rich.withdrawing.lapse_unapproved() == 0

    assert await now(rich, withdrawal) == "CANCELED"
    assert await told(rich, withdrawal) == [
        ("created", 1),
        ("approval_required", 2),
        ("canceled", 3),
    ]
    assert held_and_free(rich) == (0, FIVE)


async def test_two_keys_that_approve_at_once_pay_once(
    two_shops: tuple[Shop, Shop], postgres_admin: str
) -> None:
    one, two = two_shops
    buyer = await one.user("usr_buyer")
    one.peers.ledger.available[f"user:{buyer}"] = 20 * FIVE
    withdrawal = await waiting(one, postgres_admin)

    answers, refusals = await outcomes(
        *(
            asyncio.create_task(approve(shop, withdrawal, by=f"key {number}"))
            for number, shop in enumerate((one, two) * 2)
        )
    )

    assert [state(answer) for answer in answers] == ["COMPLETED"]
    assert {type(refusal) for refusal in refusals} == {WithdrawalNotApprovable}
    assert len(one.peers.escrow.commands) == 1


async def races_of_approval(shops: tuple[Shop, Shop], url: str, *, rounds: int) -> set[str]:
    """Approve and cancel the same withdrawal at once, in two processes; returns how it ended."""
    one, two = shops
    buyer = await one.user("usr_buyer")
    ends = set()
    for number in range(rounds):
        one.peers.ledger.available[f"user:{buyer}"] = FIVE
        withdrawal = await waiting(one, url)
        calls = [approve(one, withdrawal), cancel(two, withdrawal)]

        # Alternately, so that each is sometimes the first.
        answers, refusals = await outcomes(
            *(asyncio.create_task(call) for call in calls[:: 1 if number % 2 else -1])
        )

        [answer], [refusal] = answers, refusals
        ended = await now(one, withdrawal)
        assert state(answer) == ended
        expected = {"COMPLETED": WithdrawalInWrongState, "CANCELED": WithdrawalNotApprovable}
        assert type(refusal) is expected[ended]
        assert held_and_free(one) == (0, 0 if ended == "COMPLETED" else FIVE)
        ends.add(ended)
    assert len(one.peers.escrow.commands) <= rounds
    return ends


async def test_approve_and_cancel_exclude_each_other(
    two_shops: tuple[Shop, Shop], postgres_admin: str
) -> None:
    await races_of_approval(two_shops, postgres_admin, rounds=RACES)


@pytest.mark.slow
async def test_approve_and_cancel_exclude_each_other_in_200_rounds(
    two_shops: tuple[Shop, Shop], postgres_admin: str
) -> None:
    ends = await races_of_approval(two_shops, postgres_admin, rounds=200)

    assert ends == {"COMPLETED", "CANCELED"}


async def test_approval_by_its_own_key_is_refused_by_the_table_too(
    rich: Shop, postgres_admin: str
) -> None:
    withdrawal = await waiting(rich, postgres_admin)

    for change in (
        "approved_by = committed_by, in_progress = true",
        "approved_by = created_by, in_progress = true",
        "state = 'PENDING', in_progress = true",
        "approval_ends_at = null",
        "approved_by = 'key:other'",
    ):
        with pytest.raises(Exception, match="withdrawals_"):
            async with rich.database.transaction() as tx:
                await tx.execute(f"update withdrawals set {change}, commits = 1")  # noqa: S608 - the test's own
    assert await now(rich, withdrawal) == "AWAITING_APPROVAL"
