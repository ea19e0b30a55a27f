"""The withdrawal: the triggers that each state accepts, and the transfers of each step."""

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest

from kernel.errors import DomainError, InvalidArgument
from kernel.money import UNIT
from services.orders.order.domain import UserName
from services.orders.peers.ports import Memo, MemoType
from services.orders.withdrawals import domain, postings
from services.orders.withdrawals.domain import (
    PLATFORM,
    TRANSITIONS,
    ApproverIsCommitter,
    State,
    Trigger,
    Withdrawal,
    WithdrawalInWrongState,
    WithdrawalNotApprovable,
    WithdrawalNotCommittable,
    WithdrawalNotFound,
)

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
HASH = "ab" * 32
ENDED = (State.COMPLETED, State.FAILED, State.CANCELED)
MAKER, COMMITTER, OTHER = "key:maker", "key:committer", "key:other"
# The triggers of a withdrawal: commands of callers, answers of the ledger, ends on chain.
TRIGGERS: dict[Trigger, Callable[[Withdrawal], Withdrawal]] = {
    Trigger.COMMIT: lambda one: domain.held(domain.begin(one, by=MAKER, at=NOON))[0],
    Trigger.SUBMIT: lambda one: submitted(one)[0],
    Trigger.APPROVE: lambda one: domain.held(domain.approve(one, by=OTHER, above=0))[0],
    Trigger.LAPSE: lambda one: domain.lapsed(one, at=NOON)[0],
    Trigger.COMPLETE: lambda one: domain.completed(one, transaction_hash=HASH, at=NOON)[0],
    Trigger.FAIL: lambda one: domain.failed(one, reason="R", message="It said so", at=NOON)[0],
    Trigger.CANCEL: lambda one: domain.canceled(one, at=NOON)[0],
}


def a_withdrawal(state: State = State.CREATED, *, in_progress: bool = False) -> Withdrawal:
    """Return a withdrawal of 5.00 in a state."""
    return Withdrawal(
        id=uuid.UUID(int=7),
        marketplace_id=uuid.UUID(int=1),
        user=UserName(id=uuid.UUID(int=2), public_id="usr_bob"),
        asset="USDC",
        amount=5 * UNIT,
        destination="GOUTSIDE",
        memo=None,
        reference="payout-1",
        state=state,
        created_at=NOON,
        created_by=MAKER,
        version=1,
        commits=1 if in_progress else 0,
        in_progress=in_progress or state is State.PENDING,
    )


def begun() -> Withdrawal:
    """Return a withdrawal that was just committed."""
    return domain.begin(a_withdrawal(), by=COMMITTER, at=NOON)


def submitted(withdrawal: Withdrawal) -> domain.Decided:
    """Submit a withdrawal, so that it waits for a second key's approval for an hour."""
    ends_at = NOON + dt.timedelta(hours=1)
    return domain.submitted(withdrawal, by=COMMITTER, at=NOON, ends_at=ends_at)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("trigger", Trigger)
def test_trigger_is_accepted_only_in_the_states_of_the_table(
    state: State, trigger: Trigger
) -> None:
    before = a_withdrawal(state)
    after = TRANSITIONS.get((state, trigger))

    if after is not None:
        assert TRIGGERS[trigger](before).state is after
        return
    with pytest.raises((DomainError, KeyError)):
        TRIGGERS[trigger](before)


@pytest.mark.parametrize("by_platform", [False, True])
@pytest.mark.parametrize("is_platforms", [False, True])
def test_platform_and_user_withdrawals_are_not_found_by_the_others_routes(
    *, is_platforms: bool, by_platform: bool
) -> None:
    users = a_withdrawal()
    withdrawal = replace(users, user=PLATFORM) if is_platforms else users

    if is_platforms is by_platform:
        domain.require_platforms(withdrawal, by_platform=by_platform)
        return
    with pytest.raises(WithdrawalNotFound):
        domain.require_platforms(withdrawal, by_platform=by_platform)


@pytest.mark.parametrize("state", State)
def test_only_a_created_withdrawal_can_be_committed(state: State) -> None:
    if state is State.CREATED:
        after = begun()
        assert (after.state, after.in_progress, after.commits) == (State.CREATED, True, 1)
        assert (after.committed_by, after.committed_at) == (COMMITTER, NOON)
        return
    with pytest.raises(WithdrawalNotCommittable) as refused:
        domain.begin(a_withdrawal(state), by=MAKER, at=NOON)
    assert refused.value.details["currentState"] == state.value


def test_withdrawal_takes_no_other_command_while_its_hold_is_made() -> None:
    with pytest.raises(WithdrawalNotCommittable):
        domain.begin(begun(), by=MAKER, at=NOON)
    with pytest.raises(WithdrawalInWrongState):
        domain.canceled(begun(), at=NOON)
    approved = domain.approve(submitted(a_withdrawal())[0], by=OTHER, above=0)
    with pytest.raises(WithdrawalNotApprovable):
        domain.approve(approved, by=OTHER, above=0)
    with pytest.raises(WithdrawalInWrongState) as refused:
        domain.canceled(approved, at=NOON)
    assert refused.value.details["allowedStates"] == ["CREATED", "AWAITING_APPROVAL"]


def test_refused_commit_leaves_the_withdrawal_created() -> None:
    after = domain.given_up(domain.turned_down(begun()))

    assert after == replace(a_withdrawal(), commits=1)
    again = domain.begin(after, by=MAKER, at=NOON)
    assert postings.hold_id(again) != postings.hold_id(begun())


def test_refused_approval_leaves_the_withdrawal_waiting() -> None:
    waiting, _ = submitted(a_withdrawal())
    approved = domain.approve(waiting, by=OTHER, above=0)

    assert (approved.in_progress, approved.approved_by) == (True, OTHER)
    assert domain.given_up(domain.turned_down(approved)) == replace(waiting, commits=1)


@pytest.mark.parametrize("key", [MAKER, COMMITTER])
def test_the_key_that_made_or_committed_a_withdrawal_cannot_approve_it(key: str) -> None:
    waiting, _ = submitted(a_withdrawal())

    with pytest.raises(ApproverIsCommitter) as refused:
        domain.approve(waiting, by=key, above=100 * UNIT)

    details = refused.value.details
    assert (details["rule"], details["value"]) == ("approvalAbove", "100.00")


def test_approval_after_its_deadline_is_refused() -> None:
    waiting, _ = submitted(a_withdrawal())
    domain.require_in_time(waiting, at=NOON + dt.timedelta(minutes=59))
    domain.require_in_time(a_withdrawal(), at=NOON)

    with pytest.raises(WithdrawalNotApprovable):
        domain.require_in_time(waiting, at=NOON + dt.timedelta(hours=1))


@pytest.mark.parametrize(
    ("decided", "event_type", "facts"),
    [
        (domain.created(a_withdrawal()), "withdrawal.created", {}),
        (domain.held(a_withdrawal(in_progress=True)), "withdrawal.pending", {}),
        (
            domain.completed(a_withdrawal(State.PENDING), transaction_hash=HASH, at=NOON),
            "withdrawal.completed",
            {"transactionHash": HASH, "completedAt": "2026-03-01T12:00:00.000Z"},
        ),
        (
            domain.failed(a_withdrawal(State.PENDING), reason="R", message="", at=NOON),
            "withdrawal.failed",
            {"reason": "R"},
        ),
        (domain.canceled(a_withdrawal(), at=NOON), "withdrawal.canceled", {}),
        (
            submitted(a_withdrawal()),
            "withdrawal.approval_required",
            {"approvalEndsAt": "2026-03-01T13:00:00.000Z"},
        ),
        (
            domain.lapsed(a_withdrawal(State.AWAITING_APPROVAL), at=NOON),
            "withdrawal.canceled",
            {"reason": "NOT_APPROVED"},
        ),
    ],
)
def test_each_step_has_its_event(
    decided: domain.Decided, event_type: str, facts: dict[str, str]
) -> None:
    after, fact = decided

    assert fact.event_type == event_type
    assert fact.payload == {
        "withdrawalId": after.public_id,
        "userId": "usr_bob",
        "amount": "5.00",
        "destination": "GOUTSIDE",
        "reference": "payout-1",
        **facts,
    }
    assert after.version == 2
    assert after.in_progress is (event_type == "withdrawal.pending")


def test_hold_is_posted_or_voided_by_separate_transfers() -> None:
    hold, void = postings.hold(begun()), postings.void(begun())
    post = postings.post(begun(), transaction_hash=HASH)

    assert (hold.type, hold.code, hold.amount) == ("PENDING", "WITHDRAWAL", 5 * UNIT)
    assert (hold.debit, hold.credit) == (f"user:{uuid.UUID(int=2)}", "external:stellar")
    assert (post.type, post.pending_id, post.transaction_hash) == ("POST", hold.id, HASH)
    assert (void.type, void.pending_id, void.bars) == ("VOID", hold.id, True)
    assert (void.debit, void.credit, void.amount) == (hold.debit, hold.credit, hold.amount)
    assert len({hold.id, void.id, post.id}) == 3


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (MemoType.TEXT, "account 7"),
        (MemoType.TEXT, "x" * 28),
        (MemoType.TEXT, "ü" * 14),
        (MemoType.ID, "0"),
        (MemoType.ID, str(2**64 - 1)),
        (MemoType.HASH, "ab" * 32),
    ],
)
def test_valid_memo_is_accepted(kind: MemoType, value: str) -> None:
    domain.require_memo(Memo(type=kind, value=value))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (MemoType.TEXT, "x" * 29),
        (MemoType.TEXT, "ü" * 15),
        (MemoType.ID, str(2**64)),
        (MemoType.ID, "-1"),
        (MemoType.ID, "07"),
        (MemoType.ID, "seven"),
        (MemoType.ID, "\u0667"),
        (MemoType.HASH, "ab" * 31),
        (MemoType.HASH, "AB" * 32),
        (MemoType.HASH, "zz" * 32),
    ],
)
def test_memo_that_no_transaction_can_carry_is_refused(kind: MemoType, value: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        domain.require_memo(Memo(type=kind, value=value))

    assert [name for name, _ in refused.value.fields] == ["memo"]
