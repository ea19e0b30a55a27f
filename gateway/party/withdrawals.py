"""Withdrawals of the caller: their money is paid to an account outside."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import withdrawals_pb2
from pydantic import StringConstraints

from gateway.answers import Answer
from gateway.call import Call, withdrawal_id
from gateway.errors import WithdrawalNotFound
from gateway.models import Destination, Memo
from gateway.party import numbers
from gateway.party.caller import saying_where_to_pay_in, user_id
from gateway.party.order import Amount
from gateway.party.shapes import (
    Id,
    Nothing,
    Number,
    Output,
    Paging,
    Request,
    Time,
    time,
    time_or_none,
)
from gateway.routing import ANY, Routes
from kernel.errors import PermissionDenied
from kernel.money import USDC

Status = Literal["created", "awaiting_approval", "pending", "completed", "failed", "cancelled"]
MemoType = Literal["text", "id", "hash"]
Reference = Annotated[str, StringConstraints(min_length=1, max_length=255)]
STATES: dict[int, Status] = {
    withdrawals_pb2.WITHDRAWAL_STATE_CREATED: "created",
    withdrawals_pb2.WITHDRAWAL_STATE_AWAITING_APPROVAL: "awaiting_approval",
    withdrawals_pb2.WITHDRAWAL_STATE_PENDING: "pending",
    withdrawals_pb2.WITHDRAWAL_STATE_COMPLETED: "completed",
    withdrawals_pb2.WITHDRAWAL_STATE_FAILED: "failed",
    withdrawals_pb2.WITHDRAWAL_STATE_CANCELED: "cancelled",
}
_VALUES = {name: value for value, name in STATES.items()}
MEMOS: dict[int, MemoType] = {
    common_pb2.MEMO_TYPE_TEXT: "text",
    common_pb2.MEMO_TYPE_ID: "id",
    common_pb2.MEMO_TYPE_HASH: "hash",
}
_NOT_PAYABLE = (
    "WITHDRAWAL_DESTINATION_INVALID",
    "INSUFFICIENT_FUNDS",
    "WITHDRAWAL_AMOUNT_NOT_ALLOWED",
    "WITHDRAWAL_DESTINATION_NOT_LISTED",
    "WITHDRAWAL_DESTINATION_TOO_NEW",
    "WITHDRAWAL_DAILY_LIMIT_EXCEEDED",
)
# The example of an action without a body.
_EXAMPLES = {"nothing": {}}  # type: dict[str, dict[str, object]]
routes = Routes("Withdrawals")


class CreateWithdrawal(Request):
    """A payment to an account outside. No money is held before it is committed."""

    amount: Amount
    destination: Destination
    memo: Memo | None = None
    memo_type: MemoType = "text"
    reference: Reference | None = None
    commit: bool = False


class WithdrawalFailure(Output):
    """Why a withdrawal has failed: a code for programs, a message for people."""

    reason: str
    message: str


class Withdrawal(Output):
    """A payment to an account outside. in_progress: it is being carried out.

    approval_ends_at: until when the marketplace must approve it; null: no approval is needed.
    """

    id: Id
    amount: Number
    currency: str
    destination: str
    memo: str | None
    memo_type: MemoType | None
    reference: str | None
    status: Status
    in_progress: bool
    failure: WithdrawalFailure | None
    transaction_hash: str | None
    created_at: Time
    committed_at: Time | None
    finished_at: Time | None
    approval_ends_at: Time | None


class Withdrawals(Output):
    """A page of a list. next_cursor: the `cursor` of the next page; null: the last page."""

    items: list[Withdrawal]
    next_cursor: str | None


def withdrawal(message: withdrawals_pb2.Withdrawal) -> Withdrawal:
    """Return a withdrawal as the API shows it."""
    has_failed = message.state == withdrawals_pb2.WITHDRAWAL_STATE_FAILED
    return {
        "id": message.id,
        "amount": numbers.printed(message.amount.minor_units),
        "currency": message.amount.asset,
        "destination": message.destination,
        "memo": message.memo.value or None,
        "memo_type": MEMOS.get(message.memo.type),
        "reference": message.reference or None,
        "status": STATES[message.state],
        "in_progress": message.in_progress,
        "failure": {"reason": message.failure_reason, "message": message.failure_message}
        if has_failed
        else None,
        "transaction_hash": message.transaction_hash or None,
        "created_at": time(message.created_at),
        "committed_at": time_or_none(message, "committed_at"),
        "finished_at": time_or_none(message, "finished_at"),
        "approval_ends_at": time_or_none(message, "approval_ends_at"),
    }


@routes.post(
    "/me/withdrawals",
    scope=ANY,
    status=201,
    waits=True,
    previews=True,
    examples={
        "withdrawal": {
            "amount": 5.00,
            "destination": "GCLSOHCCFBAJBK5IYKYX2MAJXDITGL6X4YDZYSYUWDYU74KEU5LFKLKQ",
        },
        "committed": {
            "amount": 5.00,
            "destination": "GCLSOHCCFBAJBK5IYKYX2MAJXDITGL6X4YDZYSYUWDYU74KEU5LFKLKQ",
            "memo": "customer 1041",
            "reference": "payout-2026-11",
            "commit": True,
        },
    },
    refusals=("WALLET_NOT_FOUND", *_NOT_PAYABLE),
)
async def create_withdrawal(call: Call, body: CreateWithdrawal) -> Answer[Withdrawal]:
    """Create a withdrawal of the caller's money. With `commit`, it is held and paid out at once.

    The destination is checked first. If the amount is not available, the withdrawal stays
    `created`.
    """
    memo = None
    if body.memo is not None:
        memo = common_pb2.Memo(type=f"MEMO_TYPE_{body.memo_type.upper()}", value=body.memo)
    request = withdrawals_pb2.CreateWithdrawalRequest(
        **call.awaited(),
        user=str(user_id(call)),
        amount=common_pb2.Money(asset=USDC, minor_units=body.amount),
        destination=body.destination,
        memo=memo,
        reference=body.reference or "",
        commit=body.commit,
    )
    async with saying_where_to_pay_in(call):
        return _answered(await call.change(call.backends.orders.CreateWithdrawal, request))


class ListWithdrawals(Paging):
    """Several filters are AND."""

    status: Status | None = None
    reference: Reference | None = None


@routes.get("/me/withdrawals", scope=ANY)
async def list_withdrawals(call: Call, query: ListWithdrawals) -> Answer[Withdrawals]:
    """List the caller's withdrawals, newest first. Several filters are AND."""
    request = withdrawals_pb2.ListWithdrawalsRequest(
        page=query.message(),
        user=str(user_id(call)),
        state=_VALUES[query.status] if query.status else None,  # type: ignore[arg-type] # a number
        reference=query.reference or "",
    )
    found = await call.read(call.backends.orders.ListWithdrawals, request)
    return Answer(
        body={
            "items": [withdrawal(one) for one in found.withdrawals],
            "next_cursor": found.next_page_token or None,
        }
    )


@routes.get("/me/withdrawals/{withdrawal_id}", scope=ANY, refusals=("WITHDRAWAL_NOT_FOUND",))
async def get_withdrawal(call: Call) -> Answer[Withdrawal]:
    """Read a withdrawal of the caller."""
    request = withdrawals_pb2.GetWithdrawalRequest(withdrawal_id=_id(call))
    with _hiding_others():
        found = await call.read(call.backends.orders.GetWithdrawal, request)
    return Answer(body=withdrawal(found))


@routes.post(
    "/me/withdrawals/{withdrawal_id}/commit",
    scope=ANY,
    waits=True,
    previews=True,
    examples=_EXAMPLES,
    refusals=("WITHDRAWAL_NOT_FOUND", "WITHDRAWAL_NOT_COMMITTABLE", *_NOT_PAYABLE),
)
async def commit_withdrawal(call: Call, _body: Nothing) -> Answer[Withdrawal]:
    """Hold the amount of the withdrawal, and pay it out.

    If the chain refuses the payment permanently, the withdrawal is `failed` and its amount is
    available again. If the marketplace must approve it, it is `awaiting_approval` and nothing is
    held.
    """
    request = withdrawals_pb2.CommitWithdrawalRequest(**call.awaited(), withdrawal_id=_id(call))
    with _hiding_others():
        async with saying_where_to_pay_in(call):
            return _answered(await call.change(call.backends.orders.CommitWithdrawal, request))


@routes.post(
    "/me/withdrawals/{withdrawal_id}/cancel",
    scope=ANY,
    previews=True,
    examples=_EXAMPLES,
    refusals=("WITHDRAWAL_NOT_FOUND", "INVALID_STATE"),
)
async def cancel_withdrawal(call: Call, _body: Nothing) -> Answer[Withdrawal]:
    """Cancel a withdrawal that is not committed, or that waits for an approval."""
    request = withdrawals_pb2.CancelWithdrawalRequest(**call.written(), withdrawal_id=_id(call))
    with _hiding_others():
        canceled = await call.change(call.backends.orders.CancelWithdrawal, request)
    return Answer(body=withdrawal(canceled))


@contextmanager
def _hiding_others() -> Iterator[None]:
    """Turn a refusal about another person's withdrawal into WithdrawalNotFound, and raise it."""
    try:
        yield
    except PermissionDenied:
        raise WithdrawalNotFound("Withdrawal not found") from None


def _id(call: Call) -> str:
    return withdrawal_id(call.params["withdrawal_id"])


def _answered(message: withdrawals_pb2.Withdrawal) -> Answer[Withdrawal]:
    return Answer(body=withdrawal(message), is_accepted=message.in_progress)
