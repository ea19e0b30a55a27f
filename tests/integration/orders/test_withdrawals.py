"""Withdrawals on PostgreSQL: held once, paid once, ended once, by whichever process is alive."""

import uuid

import pytest

from kernel.errors import FailedPrecondition, PermissionDenied, Unavailable
from services.orders.operations.postings import InsufficientFunds
from services.orders.peers.ports import Flaw
from services.orders.people.users import UserNotFound
from services.orders.withdrawals.domain import (
    DestinationInvalid,
    WithdrawalInWrongState,
    WithdrawalNotCommittable,
    WithdrawalNotFound,
)
from tests.integration.orders.conftest import Shop, outcomes
from tests.integration.orders.withdrawing import (
    FIVE,
    OUTSIDE,
    asked,
    commit,
    held_and_free,
    is_in,
    made,
    now,
    read,
    state,
    told,
)
from tests.patience import until


async def test_commit_holds_pays_and_books(rich: Shop) -> None:
    withdrawal = await made(rich)
    assert held_and_free(rich) == (0, FIVE)

    answer = await commit(rich, withdrawal)

    assert (state(answer), read(answer).transaction_hash) == ("COMPLETED", "ab" * 32)
    assert held_and_free(rich) == (0, 0)
    assert len(rich.peers.escrow.commands) == 1
    assert await told(rich, withdrawal) == [("created", 1), ("pending", 2), ("completed", 3)]


async def test_created_with_commit_it_is_paid_at_once(rich: Shop) -> None:
    answer = await rich.withdrawing.create(rich.ask("one"), asked(commit=True))
    again = await rich.withdrawing.create(rich.ask("one"), asked(commit=True))

    assert state(answer) == "COMPLETED"
    assert (again.replayed, again.body) == (True, answer.body)
    assert len(rich.peers.escrow.commands) == 1


async def test_caller_that_does_not_wait_is_told_that_it_is_in_progress(rich: Shop) -> None:
    rich.peers.escrow.gate.clear()
    withdrawal = await made(rich)

    answer = await commit(rich, withdrawal, wait=0)

    assert read(answer).in_progress
    rich.peers.escrow.gate.set()
    await until(lambda: is_in(rich, withdrawal, "COMPLETED"))


async def test_payment_that_can_never_land_gives_the_money_back(rich: Shop) -> None:
    rich.peers.escrow.fails["withdraw"] = "TRUSTLINE_FULL"
    withdrawal = await made(rich)

    answer = await commit(rich, withdrawal, key="one")
    again = await commit(rich, withdrawal, key="one")

    assert (state(answer), read(answer).failure_reason) == ("FAILED", "TRUSTLINE_FULL")
    assert (again.replayed, again.body) == (True, answer.body)
    assert held_and_free(rich) == (0, FIVE)
    assert await told(rich, withdrawal) == [("created", 1), ("pending", 2), ("failed", 3)]


async def test_commit_without_the_money_leaves_the_withdrawal_created(rich: Shop) -> None:
    withdrawal = await made(rich)
    [account] = rich.peers.ledger.available
    rich.peers.ledger.available[account] = FIVE - 1

    for _ in range(2):
        with pytest.raises(FailedPrecondition, match="available balance") as refused:
            await commit(rich, withdrawal, key="one")
        assert refused.value.details["available"] == "4.9999999"

    assert await now(rich, withdrawal) == "CREATED"
    assert rich.peers.escrow.commands == {}
    rich.peers.ledger.available[account] = FIVE
    assert state(await commit(rich, withdrawal, key="two")) == "COMPLETED"


async def test_hold_of_a_refused_withdrawal_can_never_be_made(rich: Shop) -> None:
    """A process that was paused before it asked for the hold asks after the refusal."""
    withdrawal = await made(rich)
    [account] = rich.peers.ledger.available
    rich.peers.ledger.available[account] = 0
    with pytest.raises(FailedPrecondition, match="available balance"):
        await commit(rich, withdrawal)
    rich.peers.ledger.available[account] = FIVE
    [barred] = rich.peers.ledger.barred

    assert barred not in rich.peers.ledger.holds
    assert held_and_free(rich) == (0, FIVE)
    await rich.withdrawing.cancel(rich.key(), withdrawal_id=withdrawal, user_id=None)
    assert await now(rich, withdrawal) == "CANCELED"


async def test_destination_that_cannot_be_paid_is_refused_before_anything_is_held(
    rich: Shop,
) -> None:
    withdrawal = await made(rich)
    rich.peers.escrow.flaws[OUTSIDE] = Flaw(why="NO_TRUSTLINE", message="It cannot hold it")

    for _ in range(2):
        with pytest.raises(FailedPrecondition, match="cannot hold it") as refused:
            await commit(rich, withdrawal, key="one")
        assert refused.value.reason == DestinationInvalid.reason
        assert refused.value.details["why"] == "NO_TRUSTLINE"
    with pytest.raises(DestinationInvalid):
        await rich.withdrawing.create(rich.ask(), asked(commit=True))

    assert held_and_free(rich) == (0, FIVE)
    assert await now(rich, withdrawal) == "CREATED"
    assert await rich.count("withdrawals") == 1


async def test_unavailable_chain_refuses_a_withdrawal_temporarily(rich: Shop) -> None:
    rich.peers.escrow.is_away = True
    with pytest.raises(Unavailable):
        await rich.withdrawing.create(rich.ask("one"), asked(commit=True))
    rich.peers.escrow.is_away = False

    assert state(await rich.withdrawing.create(rich.ask("one"), asked(commit=True))) == "COMPLETED"


async def test_commit_twice_pays_once(rich: Shop) -> None:
    withdrawal = await made(rich)

    answers, refusals = await outcomes(*(commit(rich, withdrawal) for _ in range(5)))

    assert [state(answer) for answer in answers] == ["COMPLETED"]
    assert {type(refusal) for refusal in refusals} == {WithdrawalNotCommittable}
    assert len(rich.peers.escrow.commands) == 1
    assert held_and_free(rich) == (0, 0)


async def test_cancel_and_commit_exclude_each_other(two_shops: tuple[Shop, Shop]) -> None:
    one, two = two_shops
    buyer = await one.user("usr_buyer")
    for _ in range(20):
        one.peers.ledger.available[f"user:{buyer}"] = FIVE
        withdrawal = await made(one)

        answers, refusals = await outcomes(
            commit(one, withdrawal),
            two.withdrawing.cancel(two.key(), withdrawal_id=withdrawal, user_id=None),
        )

        [answer], [refusal] = answers, refusals
        ended = await now(one, withdrawal)
        assert state(answer) == ended
        expected = {"COMPLETED": WithdrawalInWrongState, "CANCELED": WithdrawalNotCommittable}
        assert type(refusal) is expected[ended]
        assert held_and_free(one) == (0, 0 if ended == "COMPLETED" else FIVE)


async def test_one_of_two_withdrawals_of_the_same_money_is_paid(
    two_shops: tuple[Shop, Shop],
) -> None:
    one, two = two_shops
    buyer = await one.user("usr_buyer")
    one.peers.ledger.available[f"user:{buyer}"] = FIVE
    withdrawals = [await made(one), await made(two)]

    answers, refusals = await outcomes(commit(one, withdrawals[0]), commit(two, withdrawals[1]))

    assert [state(answer) for answer in answers] == ["COMPLETED"]
    assert [refusal.reason for refusal in refusals] == [InsufficientFunds.reason]
    assert len(one.peers.escrow.commands) == 1


async def test_person_reaches_their_own_withdrawals_only(rich: Shop) -> None:
    withdrawal, other = await made(rich), uuid.uuid4()
    buyer = await rich.user("usr_buyer")

    with pytest.raises(PermissionDenied):
        await rich.withdrawing.commit(rich.ask(), withdrawal_id=withdrawal, user_id=other)
    with pytest.raises(PermissionDenied):
        await rich.withdrawing.cancel(rich.key(), withdrawal_id=withdrawal, user_id=other)
    with pytest.raises(PermissionDenied):
        await rich.withdrawing.get(
            marketplace_id=rich.marketplace_id, withdrawal_id=withdrawal, user_id=other
        )
    paid = await rich.withdrawing.commit(rich.ask(), withdrawal_id=withdrawal, user_id=buyer)

    assert state(paid) == "COMPLETED"


async def test_withdrawal_of_another_marketplace_is_not_found(rich: Shop) -> None:
    withdrawal = await made(rich)

    with pytest.raises(WithdrawalNotFound):
        await rich.withdrawing.get(
            marketplace_id=uuid.uuid4(), withdrawal_id=withdrawal, user_id=None
        )


async def test_lists_are_filtered_and_paged(rich: Shop) -> None:
    seller = await rich.user("usr_seller")
    mine = [await made(rich) for _ in range(3)]
    theirs = await rich.withdrawing.create(rich.ask(), asked(user="usr_seller"))
    await commit(rich, mine[1])

    async def listed(
        user: str = "", after: uuid.UUID | None = None, **filters: object
    ) -> list[str]:
        found = await rich.withdrawing.page(
            marketplace_id=rich.marketplace_id, user=user, filters=filters, after=after, limit=2
        )
        return [str(one.id) for one in found]

    everyone = [read(theirs).id, *(str(one) for one in reversed(mine))]
    assert await listed() == everyone[:2]
    assert await listed(after=uuid.UUID(everyone[1])) == everyone[2:]
    assert await listed(user=str(seller)) == [read(theirs).id]
    assert await listed(user="usr_buyer", state="COMPLETED") == [str(mine[1])]
    assert await listed(reference="unknown") == []


async def test_quarantined_payment_waits_with_the_money_held(rich: Shop) -> None:
    rich.peers.escrow.quarantined.add("withdraw")
    withdrawal = await made(rich)

    answer = await commit(rich, withdrawal, wait=0.3)

    assert (state(answer), read(answer).in_progress) == ("PENDING", True)
    assert held_and_free(rich) == (FIVE, 0)
    rich.peers.escrow.quarantined.clear()
    await until(lambda: is_in(rich, withdrawal, "COMPLETED"))


async def test_table_keeps_state_and_progress_consistent(rich: Shop) -> None:
    withdrawal = await made(rich)

    for change in (
        "state = 'PENDING'",
        "state = 'COMPLETED', finished_at = now()",
        "state = 'FAILED', finished_at = now()",
        "state = 'CANCELED'",
        "in_progress = true",
        "is_turned_down = true",
        "transaction_hash = 'x'",
    ):
        with pytest.raises(Exception, match="withdrawals_"):
            async with rich.database.transaction() as tx:
                await tx.execute(f"update withdrawals set {change}")  # noqa: S608 - the test's own
    assert await now(rich, withdrawal) == "CREATED"


async def test_amount_user_and_destination_never_change(rich: Shop) -> None:
    await made(rich)

    for column in ("amount = 1", "destination = 'G'", "memo = 'x'", "user_id = id"):
        with pytest.raises(Exception, match="permission denied"):
            async with rich.database.transaction() as tx:
                await tx.execute(f"update withdrawals set {column}")  # noqa: S608 - the test's own


async def test_unknown_user_is_refused(rich: Shop) -> None:
    with pytest.raises(UserNotFound):
        await rich.withdrawing.create(rich.ask(), asked(user="usr_nobody"))
