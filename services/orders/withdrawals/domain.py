"""The withdrawal: its states, the table of what may happen in each, and what follows. Pure.

While the hold is being made, a withdrawal is CREATED and in progress: nothing else may happen to it
then. What moves it afterwards is evidence from the ledger and from the chain.
"""

import datetime as dt
import enum
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace

from kernel.clock import to_milliseconds_text
from kernel.errors import FailedPrecondition, InvalidArgument, NotFound
from kernel.ids import to_public
from kernel.money import to_text
from services.orders.order.domain import Fact, UserName
from services.orders.peers.ports import Memo, MemoType

# Source: CAP-5 and the transaction's XDR: a text, a number of 64 bits, a hash.
TEXT_BYTES_MAX = 28
ID_MAX = 2**64 - 1
_DIGITS = re.compile(r"0|[1-9][0-9]{0,19}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)


class State(enum.Enum):
    """The documented states; a value is the state's public name."""

    CREATED = "CREATED"
    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class Trigger(enum.Enum):
    """What may happen to a withdrawal.

    COMMIT: the ledger holds the amount; COMPLETE: the chain has paid it; FAIL: the chain never
    will; CANCEL: a caller's command.
    """

    COMMIT = "commit"
    COMPLETE = "complete"
    FAIL = "fail"
    CANCEL = "cancel"


TRANSITIONS: Mapping[tuple[State, Trigger], State] = {
    (State.CREATED, Trigger.COMMIT): State.PENDING,
    (State.CREATED, Trigger.CANCEL): State.CANCELED,
    (State.PENDING, Trigger.COMPLETE): State.COMPLETED,
    (State.PENDING, Trigger.FAIL): State.FAILED,
}


class WithdrawalNotFound(NotFound):
    """The marketplace has no such withdrawal."""

    reason = "WITHDRAWAL_NOT_FOUND"


class WithdrawalNotCommittable(FailedPrecondition):
    """The withdrawal was committed or canceled before."""

    reason = "WITHDRAWAL_NOT_COMMITTABLE"


class WithdrawalInWrongState(FailedPrecondition):
    """The withdrawal's state does not allow it."""

    reason = "INVALID_STATE"


class DestinationInvalid(FailedPrecondition):
    """The destination of the withdrawal cannot be paid; details.why says why."""

    reason = "WITHDRAWAL_DESTINATION_INVALID"


class InsufficientFunds(FailedPrecondition):
    """The user has less available than the withdrawal's amount."""

    reason = "INSUFFICIENT_FUNDS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """A payment from a user's wallet to an account outside. amount: minor units of `asset`.

    commits: how often it was committed, each time with a hold of its own. in_progress: a process
    carries it out. is_turned_down: the ledger has refused the hold, which is to be barred. version:
    counts its events so far.
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
        """Return the id as clients see it."""
        return to_public("wd", self.id)


Decided = tuple[Withdrawal, Fact]


def require_memo(memo: Memo | None) -> None:
    """Check that a transaction can have a memo. Raises: InvalidArgument."""
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
    """Begin a withdrawal. Nothing is held."""
    return _tell(withdrawal, "withdrawal.created")


def begin(withdrawal: Withdrawal, *, at: dt.datetime) -> Withdrawal:
    """Let a process carry a withdrawal out. Raises: WithdrawalNotCommittable."""
    if withdrawal.in_progress or (withdrawal.state, Trigger.COMMIT) not in TRANSITIONS:
        raise WithdrawalNotCommittable(
            "The withdrawal was committed or canceled before", details=_standing(withdrawal)
        )
    return replace(withdrawal, in_progress=True, commits=withdrawal.commits + 1, committed_at=at)


def turned_down(withdrawal: Withdrawal) -> Withdrawal:
    """Record that the ledger has refused the hold: nobody asks for it again."""
    return replace(withdrawal, is_turned_down=True)


def given_up(withdrawal: Withdrawal) -> Withdrawal:
    """End a commit whose hold was refused: the withdrawal is as it was before."""
    return replace(withdrawal, in_progress=False, is_turned_down=False, committed_at=None)


def held(withdrawal: Withdrawal) -> Decided:
    """Record that the ledger holds the amount."""
    return _tell(_moved(withdrawal, Trigger.COMMIT), "withdrawal.pending")


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
    """Cancel a withdrawal that nothing is held for. Raises: WithdrawalInWrongState."""
    if withdrawal.in_progress or (withdrawal.state, Trigger.CANCEL) not in TRANSITIONS:
        raise WithdrawalInWrongState(
            "Only a withdrawal that was not committed can be canceled",
            details=_standing(withdrawal),
        )
    moved = replace(_moved(withdrawal, Trigger.CANCEL), finished_at=at)
    return _tell(moved, "withdrawal.canceled")


def _moved(withdrawal: Withdrawal, trigger: Trigger) -> Withdrawal:
    return replace(withdrawal, state=TRANSITIONS[withdrawal.state, trigger])


def _standing(withdrawal: Withdrawal) -> dict[str, object]:
    """Say how a withdrawal stands, for a caller whose command it refuses."""
    return {
        "withdrawalId": withdrawal.public_id,
        "currentState": withdrawal.state.value,
        "allowedStates": [State.CREATED.value],
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
