"""Withdrawals: a user's money is paid to an account outside."""

from typing import Annotated, Literal

from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import withdrawals_pb2
from pydantic import StringConstraints

from gateway.answers import Answer
from gateway.call import Call, withdrawal_id
from gateway.funds import saying_where_to_pay_in
from gateway.keys import READ, WRITE
from gateway.marketplace.shapes import (
    Decimal,
    Names,
    Output,
    Page,
    Paging,
    Success,
    Text,
    Time,
    amount,
    money,
    page,
    public,
    success,
    time,
    time_or_none,
)
from gateway.models import Amount, Destination, Memo, Nothing, Request, UserName
from gateway.routing import Routes

Status = Literal["CREATED", "AWAITING_APPROVAL", "PENDING", "COMPLETED", "FAILED", "CANCELED"]
MemoType = Literal["TEXT", "ID", "HASH"]
STATES: Names[Status] = Names(withdrawals_pb2.WithdrawalState, "WITHDRAWAL_STATE_")
MEMOS: Names[MemoType] = Names(common_pb2.MemoType, "MEMO_TYPE_")
WithdrawalId = Annotated[str, StringConstraints(pattern=r"^wd_[0-9A-Za-z]{22}$")]
NOT_PAYABLE = (
    "WITHDRAWAL_DESTINATION_INVALID",
    "INSUFFICIENT_FUNDS",
    "WITHDRAWAL_AMOUNT_NOT_ALLOWED",
    "WITHDRAWAL_DESTINATION_NOT_LISTED",
    "WITHDRAWAL_DESTINATION_TOO_NEW",
    "WITHDRAWAL_DAILY_LIMIT_EXCEEDED",
)
# The example of an action without a body.
EXAMPLES = {"nothing": {}}  # type: dict[str, dict[str, object]]
routes = Routes("Withdrawals")


class CreateWithdrawal(Request):
    """A payment to an account outside. No money is held before it is committed."""

    user_id: UserName
    amount: Amount
    destination: Destination
    memo: Memo | None = None
    memo_type: MemoType = "TEXT"
    reference: Text | None = None
    commit: bool = False


class WithdrawalFailure(Output):
    """Why a withdrawal has failed: a code for programs, a message for people."""

    reason: str
    message: str


class PaidOut(Output):
    """A payment to an account outside. inProgress: it is being carried out.

    createdBy, committedBy, approvedBy: the id of the API key that did it; null: the user did, or
    nobody yet. approvalEndsAt: until when a second key must approve it; null: no approval is
    needed.
    """

    id: WithdrawalId
    amount: Decimal
    currency: str
    destination: str
    memo: str | None
    memoType: MemoType | None
    reference: str | None
    status: Status
    inProgress: bool
    failure: WithdrawalFailure | None
    transactionHash: str | None
    createdAt: Time
    committedAt: Time | None
    finishedAt: Time | None
    createdBy: str | None
    committedBy: str | None
    approvedBy: str | None
    approvalEndsAt: Time | None


class Withdrawal(PaidOut):
    """A payment of a user's money to an account outside."""

    userId: str


def withdrawal(message: withdrawals_pb2.Withdrawal) -> Withdrawal:
    """Return a user's withdrawal as the API shows it."""
    found = paid_out(message)
    return {"id": found["id"], "userId": message.user.public_id, **found}


def paid_out(message: withdrawals_pb2.Withdrawal) -> PaidOut:
    """Return a withdrawal of a user or of the platform as the API shows it."""
    has_failed = message.state == withdrawals_pb2.WITHDRAWAL_STATE_FAILED
    return {
        "id": public("wd", message.id),
        "amount": amount(message.amount),
        "currency": message.amount.asset,
        "destination": message.destination,
        "memo": message.memo.value or None,
        "memoType": MEMOS.find(message.memo.type),
        "reference": message.reference or None,
        "status": STATES[message.state],
        "inProgress": message.in_progress,
        "failure": {"reason": message.failure_reason, "message": message.failure_message}
        if has_failed
        else None,
        "transactionHash": message.transaction_hash or None,
        "createdAt": time(message.created_at),
        "committedAt": time_or_none(message, "committed_at"),
        "finishedAt": time_or_none(message, "finished_at"),
        "createdBy": _key_id(message.created_by),
        "committedBy": _key_id(message.committed_by),
        "approvedBy": _key_id(message.approved_by),
        "approvalEndsAt": time_or_none(message, "approval_ends_at"),
    }


@routes.post(
    "/withdrawals",
    scope=WRITE,
    status=201,
    waits=True,
    previews=True,
    examples={
        "withdrawal": {
            "userId": "usr_bob",
            "amount": "5.00",
            "destination": "GCLSOHCCFBAJBK5IYKYX2MAJXDITGL6X4YDZYSYUWDYU74KEU5LFKLKQ",
        },
        "committed": {
            "userId": "usr_bob",
            "amount": "5.00",
            "destination": "GCLSOHCCFBAJBK5IYKYX2MAJXDITGL6X4YDZYSYUWDYU74KEU5LFKLKQ",
            "memo": "customer 1041",
            "reference": "payout-2026-11",
            "commit": True,
        },
    },
    refusals=("USER_NOT_FOUND", "WALLET_NOT_FOUND", *NOT_PAYABLE),
)
async def create_withdrawal(call: Call, body: CreateWithdrawal) -> Answer[Success[Withdrawal]]:
    """Create a withdrawal. With `commit`, the amount is held and paid out at once.

    The destination is checked first. If the amount is not available, the withdrawal stays CREATED.
    If a rule of the marketplace refuses the withdrawal, nothing is created.
    """
    memo = None
    if body.memo is not None:
        memo = common_pb2.Memo(type=MEMOS.value(body.memo_type), value=body.memo)
    request = withdrawals_pb2.CreateWithdrawalRequest(
        **call.awaited(),
        user=body.user_id,
        amount=money(body.amount),
        destination=body.destination,
        memo=memo,
        reference=body.reference or "",
        commit=body.commit,
    )

    async def payer() -> str:
        return str((await call.backends.user(body.user_id)).id)

    async with saying_where_to_pay_in(call, payer):
        return _answered(await call.change(call.backends.orders.CreateWithdrawal, request))


class ListWithdrawals(Paging):
    """Several filters are AND."""

    user_id: UserName | None = None
    status: Status | None = None
    reference: Text | None = None


@routes.get("/withdrawals", scope=READ, refusals=("USER_NOT_FOUND",))
async def list_withdrawals(call: Call, query: ListWithdrawals) -> Answer[Page[Withdrawal]]:
    """List the marketplace's withdrawals, newest first. Several filters are AND."""
    request = withdrawals_pb2.ListWithdrawalsRequest(
        page=query.message(),
        user=query.user_id or "",
        state=STATES.value(query.status),
        reference=query.reference or "",
    )
    found = await call.read(call.backends.orders.ListWithdrawals, request)
    return page([withdrawal(one) for one in found.withdrawals], next_token=found.next_page_token)


@routes.get("/withdrawals/{id}", scope=READ, refusals=("WITHDRAWAL_NOT_FOUND",))
async def get_withdrawal(call: Call) -> Answer[Success[Withdrawal]]:
    """Read a withdrawal."""
    request = withdrawals_pb2.GetWithdrawalRequest(withdrawal_id=withdrawal_id(call.params["id"]))
    return success(withdrawal(await call.read(call.backends.orders.GetWithdrawal, request)))


@routes.post(
    "/withdrawals/{id}/commit",
    scope=WRITE,
    waits=True,
    previews=True,
    examples=EXAMPLES,
    refusals=("WITHDRAWAL_NOT_FOUND", "WITHDRAWAL_NOT_COMMITTABLE", *NOT_PAYABLE),
)
async def commit_withdrawal(call: Call, _body: Nothing) -> Answer[Success[Withdrawal]]:
    """Hold the amount of the withdrawal, and pay it out.

    If the chain refuses the payment permanently, the withdrawal is FAILED and its amount is
    available again. If another key must approve it, it is AWAITING_APPROVAL and nothing is held.
    """
    known = withdrawal_id(call.params["id"])
    request = withdrawals_pb2.CommitWithdrawalRequest(**call.awaited(), withdrawal_id=known)
    async with saying_where_to_pay_in(call, lambda: _payer(call, known)):
        return _answered(await call.change(call.backends.orders.CommitWithdrawal, request))


@routes.post(
    "/withdrawals/{id}/approve",
    scope=WRITE,
    waits=True,
    previews=True,
    examples=EXAMPLES,
    refusals=(
        "WITHDRAWAL_NOT_FOUND",
        "WITHDRAWAL_NOT_APPROVABLE",
        "WITHDRAWAL_APPROVAL_IS_OWN",
        *NOT_PAYABLE,
    ),
)
async def approve_withdrawal(call: Call, _body: Nothing) -> Answer[Success[Withdrawal]]:
    """Approve a withdrawal that waits for approval, hold its amount and pay it out.

    The approving key must differ from the keys that created and committed the withdrawal. If the
    amount is not available, or a rule now refuses it, the withdrawal keeps waiting.
    """
    known = withdrawal_id(call.params["id"])
    request = withdrawals_pb2.ApproveWithdrawalRequest(**call.awaited(), withdrawal_id=known)
    async with saying_where_to_pay_in(call, lambda: _payer(call, known)):
        return _answered(await call.change(call.backends.orders.ApproveWithdrawal, request))


@routes.post(
    "/withdrawals/{id}/cancel",
    scope=WRITE,
    previews=True,
    examples=EXAMPLES,
    refusals=("WITHDRAWAL_NOT_FOUND", "INVALID_STATE"),
)
async def cancel_withdrawal(call: Call, _body: Nothing) -> Answer[Success[Withdrawal]]:
    """Cancel a withdrawal that is not committed, or that waits for an approval."""
    request = withdrawals_pb2.CancelWithdrawalRequest(
        **call.written(), withdrawal_id=withdrawal_id(call.params["id"])
    )
    return success(withdrawal(await call.change(call.backends.orders.CancelWithdrawal, request)))


async def _payer(call: Call, known: str) -> str:
    """Return the UUID of the user whose money a withdrawal pays."""
    request = withdrawals_pb2.GetWithdrawalRequest(withdrawal_id=known)
    return (await call.read(call.backends.orders.GetWithdrawal, request)).user.id


def _key_id(principal: str) -> str | None:
    """Return the id of the key that acted; None: a user acted, or nobody."""
    kind, _, name = principal.partition(":")
    return name if kind == "key" else None


def _answered(message: withdrawals_pb2.Withdrawal) -> Answer[Success[Withdrawal]]:
    return success(withdrawal(message), is_accepted=message.in_progress)
