"""The withdrawal: its states, the table of transitions between them, and the decisions. Pure.

While its hold is being made, a withdrawal keeps its state and is in progress; every other command
on it is refused. After that, only evidence from the ledger and the chain changes its state.
"""

import datetime as dt
import enum
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace

from kernel.clock import to_milliseconds_text
from kernel.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from kernel.ids import hashed_id, to_public
from kernel.money import to_text
from services.orders.order.domain import Fact, UserName
from services.orders.peers.ports import Memo, MemoType

# The limits of memos: a text, a number of 64 bits, or a hash.
# Source: CAP-5 and the transaction's XDR.
TEXT_BYTES_MAX = 28
ID_MAX = 2**64 - 1
_DIGITS = re.compile(r"0|[1-9][0-9]{0,19}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)


# The owner of withdrawals of platform fees. No token and no user can have this id.
PLATFORM = UserName(id=hashed_id("platform"), public_id="")


class State(enum.Enum):
    """The documented states; a value is the state's public name."""

    CREATED = "CREATED"
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class Trigger(enum.Enum):
    """What may happen to a withdrawal.

    COMMIT, APPROVE: the ledger holds the amount. SUBMIT: a second key must approve it. COMPLETE:
    the chain has paid it. FAIL: the payment can never land. CANCEL: a caller's command. LAPSE: no
    key approved it in time.
    """

    COMMIT = "commit"
    SUBMIT = "submit"
    APPROVE = "approve"
    COMPLETE = "complete"
    FAIL = "fail"
    CANCEL = "cancel"
    LAPSE = "lapse"


TRANSITIONS: Mapping[tuple[State, Trigger], State] = {
    (State.CREATED, Trigger.COMMIT): State.PENDING,
    (State.CREATED, Trigger.SUBMIT): State.AWAITING_APPROVAL,
    (State.CREATED, Trigger.CANCEL): State.CANCELED,
    (State.AWAITING_APPROVAL, Trigger.APPROVE): State.PENDING,
    (State.AWAITING_APPROVAL, Trigger.CANCEL): State.CANCELED,
    (State.AWAITING_APPROVAL, Trigger.LAPSE): State.CANCELED,
    (State.PENDING, Trigger.COMPLETE): State.COMPLETED,
    (State.PENDING, Trigger.FAIL): State.FAILED,
}


class WithdrawalNotFound(NotFound):
    """The marketplace has no such withdrawal."""

    reason = "WITHDRAWAL_NOT_FOUND"


class WithdrawalNotCommittable(FailedPrecondition):
    """The withdrawal was committed or canceled before."""

    reason = "WITHDRAWAL_NOT_COMMITTABLE"


class WithdrawalNotApprovable(FailedPrecondition):
    """The withdrawal does not wait for an approval."""

    reason = "WITHDRAWAL_NOT_APPROVABLE"


class ApproverIsCommitter(PermissionDenied):
    """Only a key that neither created nor committed the withdrawal can approve it."""

    reason = "WITHDRAWAL_APPROVAL_IS_OWN"


class WithdrawalInWrongState(FailedPrecondition):
    """The withdrawal's state does not allow it."""

    reason = "INVALID_STATE"


class DestinationInvalid(FailedPrecondition):
    """The destination of the withdrawal cannot be paid; details.why says why."""

    reason = "WITHDRAWAL_DESTINATION_INVALID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """A payment from a user's wallet to an account outside. amount: minor units of `asset`.

    commits: how often it was committed; each commit has its own hold. in_progress: a process
    carries it out. is_turned_down: the ledger has refused the hold, which needs a tombstone.
    version: the number of its events so far. created_by, committed_by, approved_by: the principals;
    "": none. approval_ends_at: by the marketplace's clock; None: it never waited for an approval.
    """

    id: uuid.UUID
    marketplace_id: uuid.UUID
    user: UserName
    asset: str
    amount: int
    destination: str
    memo: Memo | None
    reference: str
    state: State
    created_at: dt.datetime
    created_by: str = ""
    committed_by: str = ""
    approved_by: str = ""
    approval_ends_at: dt.datetime | None = None
    version: int = 0
    commits: int = 0
    in_progress: bool = False
    is_turned_down: bool = False
    committed_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None
    transaction_hash: str = ""
    failure_reason: str = ""
    failure_message: str = ""

    @property
    def public_id(self) -> str:
        """The withdrawal's public id (`wd_…`)."""
        return to_public("wd", self.id)

    @property
    def is_platforms(self) -> bool:
        """Whether it pays out platform fees instead of a user's money."""
        return self.user == PLATFORM

    @property
    def payer(self) -> uuid.UUID | None:
        """Return the user whose wallet pays; None: the platform wallet pays."""
        return None if self.is_platforms else self.user.id


Decided = tuple[Withdrawal, Fact]


def require_platforms(withdrawal: Withdrawal, *, by_platform: bool) -> None:
    """Check that a request about the platform's money names its withdrawal, and no other does.

    Raises: WithdrawalNotFound.
    """
    if withdrawal.is_platforms is not by_platform:
        raise WithdrawalNotFound("Withdrawal not found")


def require_memo(memo: Memo | None) -> None:
    """Check that a memo fits into a transaction. Raises: InvalidArgument."""
    if memo is None:
        return
    if memo.type is MemoType.TEXT:
        is_fit = 0 < len(memo.value.encode()) <= TEXT_BYTES_MAX
        problem = f"must be 1 to {TEXT_BYTES_MAX} bytes of text"
    elif memo.type is MemoType.ID:
        is_fit = _DIGITS.fullmatch(memo.value) is not None and int(memo.value) <= ID_MAX
        problem = f"must be a whole number from 0 to {ID_MAX}"
    else:
        is_fit = _HEX.fullmatch(memo.value) is not None
        problem = "must be 32 bytes in lower-case hex"
    if not is_fit:
        raise InvalidArgument("Invalid field: memo", fields=[("memo", problem)])


def created(withdrawal: Withdrawal) -> Decided:
    """Record that a withdrawal was created. No money is held."""
    return _tell(withdrawal, "withdrawal.created")


def begin(withdrawal: Withdrawal, *, by: str, at: dt.datetime) -> Withdrawal:
    """Commit a withdrawal, so that a process carries it out. by: the principal that commits.

    Raises: WithdrawalNotCommittable.
    """
    _require_committable(withdrawal)
    return replace(
        withdrawal,
        in_progress=True,
        commits=withdrawal.commits + 1,
        committed_by=by,
        committed_at=at,
    )


def submitted(withdrawal: Withdrawal, *, by: str, at: dt.datetime, ends_at: dt.datetime) -> Decided:
    """Commit a withdrawal that must wait for a second key. No money is held.

    by, Raises: as `begin`. ends_at: until when it can be approved, by the marketplace's clock.
    """
    _require_committable(withdrawal)
    waiting = replace(
        _moved(withdrawal, Trigger.SUBMIT),
        committed_by=by,
        committed_at=at,
        approval_ends_at=ends_at,
    )
    facts = {"approvalEndsAt": to_milliseconds_text(ends_at)}
    return _tell(waiting, "withdrawal.approval_required", facts)


def approve(withdrawal: Withdrawal, *, by: str, above: int | None) -> Withdrawal:
    """Approve a withdrawal, so that a process carries it out. by: the second key.

    above: the largest amount that the marketplace pays without a second key; None: no limit.
    Raises: WithdrawalNotApprovable; ApproverIsCommitter.
    """
    if withdrawal.in_progress or (withdrawal.state, Trigger.APPROVE) not in TRANSITIONS:
        raise WithdrawalNotApprovable(
            "The withdrawal does not wait for an approval",
            details=_standing(withdrawal, Trigger.APPROVE),
        )
    if by in {withdrawal.created_by, withdrawal.committed_by}:
        raise ApproverIsCommitter(
            "Only a key that neither created nor committed the withdrawal can approve it",
            details={
                "rule": "approvalAbove",
                "value": None if above is None else to_text(above),
                "withdrawalId": withdrawal.public_id,
            },
        )
    return replace(withdrawal, in_progress=True, commits=withdrawal.commits + 1, approved_by=by)


def require_in_time(withdrawal: Withdrawal, *, at: dt.datetime) -> None:
    """Check that an approval comes in time. at: by the marketplace's clock.

    Raises: WithdrawalNotApprovable.
    """
    if withdrawal.approval_ends_at is not None and at >= withdrawal.approval_ends_at:
        raise WithdrawalNotApprovable(
            "The withdrawal was not approved in time",
            details={
                "withdrawalId": withdrawal.public_id,
                "approvalEndsAt": to_milliseconds_text(withdrawal.approval_ends_at),
            },
        )


def turned_down(withdrawal: Withdrawal) -> Withdrawal:
    """Record that the ledger has refused the hold. No process requests the hold again."""
    return replace(withdrawal, is_turned_down=True)


def given_up(withdrawal: Withdrawal) -> Withdrawal:
    """Undo a commit or an approval whose hold was refused."""
    before = replace(withdrawal, in_progress=False, is_turned_down=False, approved_by="")
    if withdrawal.state is State.AWAITING_APPROVAL:
        return before
    return replace(before, committed_by="", committed_at=None)


def held(withdrawal: Withdrawal) -> Decided:
    """Record that the ledger holds the amount."""
    trigger = Trigger.APPROVE if withdrawal.approved_by else Trigger.COMMIT
    return _tell(_moved(withdrawal, trigger), "withdrawal.pending")


def completed(withdrawal: Withdrawal, *, transaction_hash: str, at: dt.datetime) -> Decided:
    """Record that the chain has paid the amount."""
    moved = replace(
        _moved(withdrawal, Trigger.COMPLETE),
        in_progress=False,
        transaction_hash=transaction_hash,
        finished_at=at,
    )
    facts = {"transactionHash": transaction_hash, "completedAt": to_milliseconds_text(at)}
    return _tell(moved, "withdrawal.completed", facts)


def failed(withdrawal: Withdrawal, *, reason: str, message: str, at: dt.datetime) -> Decided:
    """Record that the payment can never land, and that the amount is available again."""
    moved = replace(
        _moved(withdrawal, Trigger.FAIL),
        in_progress=False,
        failure_reason=reason,
        failure_message=message,
        finished_at=at,
    )
    return _tell(moved, "withdrawal.failed", {"reason": reason})


def canceled(withdrawal: Withdrawal, *, at: dt.datetime) -> Decided:
    """Cancel a withdrawal that has no hold. Raises: WithdrawalInWrongState."""
    if withdrawal.in_progress or (withdrawal.state, Trigger.CANCEL) not in TRANSITIONS:
        raise WithdrawalInWrongState(
            "Only a withdrawal that nothing is held for can be canceled",
            details=_standing(withdrawal, Trigger.CANCEL),
        )
    moved = replace(_moved(withdrawal, Trigger.CANCEL), finished_at=at)
    return _tell(moved, "withdrawal.canceled")


def lapsed(withdrawal: Withdrawal, *, at: dt.datetime) -> Decided:
    """Cancel a withdrawal that no key approved in time."""
    moved = replace(_moved(withdrawal, Trigger.LAPSE), finished_at=at)
    return _tell(moved, "withdrawal.canceled", {"reason": "NOT_APPROVED"})


def _moved(withdrawal: Withdrawal, trigger: Trigger) -> Withdrawal:
    return replace(withdrawal, state=TRANSITIONS[withdrawal.state, trigger])


def _require_committable(withdrawal: Withdrawal) -> None:
    if withdrawal.in_progress or (withdrawal.state, Trigger.COMMIT) not in TRANSITIONS:
        raise WithdrawalNotCommittable(
            "The withdrawal was committed or canceled before",
            details=_standing(withdrawal, Trigger.COMMIT),
        )


def _standing(withdrawal: Withdrawal, trigger: Trigger) -> dict[str, object]:
    """Return the details of a refused command: the withdrawal, its state, the allowed states."""
    return {
        "withdrawalId": withdrawal.public_id,
        "currentState": withdrawal.state.value,
        "allowedStates": [state.value for state, allowed in TRANSITIONS if allowed is trigger],
    }


def _tell(
    withdrawal: Withdrawal, event_type: str, facts: Mapping[str, object] | None = None
) -> Decided:
    payload: dict[str, object] = {
        "withdrawalId": withdrawal.public_id,
        "userId": withdrawal.user.public_id,
        "amount": to_text(withdrawal.amount),
        "destination": withdrawal.destination,
        "reference": withdrawal.reference,
        **(facts or {}),
    }
    after = replace(withdrawal, version=withdrawal.version + 1)
    return after, Fact(event_type=event_type, payload=payload)
