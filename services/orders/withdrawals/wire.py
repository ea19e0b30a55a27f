"""Translate withdrawals between Protobuf and the domain."""

from collections.abc import Sequence

from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import withdrawals_pb2

from chassis.wire import fitting, instant_to_proto, page_token
from kernel.errors import InvalidArgument
from kernel.money import USDC
from services.orders.peers.ports import Memo, MemoType
from services.orders.peers.redirecting import PayoutRedirect
from services.orders.withdrawals.domain import Withdrawal
from services.orders.withdrawals.redirects import NewRedirect
from services.orders.withdrawals.service import NewWithdrawal


def new_withdrawal(request: withdrawals_pb2.CreateWithdrawalRequest) -> NewWithdrawal:
    """Decode a request for a withdrawal.

    Raises: InvalidArgument: the amount is in another asset; the request names a user and the
        platform, or neither.
    """
    if request.by_platform == bool(request.user):
        problem = "must be given unless it is the platform's, and not then"
        raise InvalidArgument("Invalid field: user", fields=[("user", problem)])
    if request.amount.asset != USDC:
        raise InvalidArgument("Invalid field: amount", fields=[("amount", f"must be in {USDC}")])
    return NewWithdrawal(
        user=None if request.by_platform else request.user,
        amount=request.amount.minor_units,
        destination=request.destination,
        memo=_memo(request.memo) if request.HasField("memo") else None,
        reference=request.reference,
        commit=request.commit,
    )


def encode_redirect(asked: NewRedirect, found: PayoutRedirect) -> bytes:
    """Encode a redirection as the bytes of a stored answer."""
    return withdrawals_pb2.PayoutRedirect(
        order_id=str(asked.order_id),
        party=f"PARTY_{asked.party.value}",
        address=asked.address,
        is_approved=found.is_approved,
        proposed_by=found.proposed_by,
        approved_by=found.approved_by,
        expires_at=instant_to_proto(found.expires_at),
    ).SerializeToString()


def filters(request: withdrawals_pb2.ListWithdrawalsRequest) -> dict[str, object]:
    """Decode the filters of a list, by column."""
    chosen: dict[str, object] = {}
    if request.state:
        name = withdrawals_pb2.WithdrawalState.Name(request.state)
        chosen["state"] = name.removeprefix("WITHDRAWAL_STATE_")
    if request.reference:
        chosen["reference"] = request.reference
    return chosen


def withdrawal(value: Withdrawal) -> withdrawals_pb2.Withdrawal:
    """Encode a withdrawal."""
    memo = value.memo
    return withdrawals_pb2.Withdrawal(
        id=str(value.id),
        user=None
        if value.is_platforms
        else common_pb2.UserRef(id=str(value.user.id), public_id=value.user.public_id),
        amount=common_pb2.Money(asset=value.asset, minor_units=value.amount),
        destination=value.destination,
        memo=None
        if memo is None
        else common_pb2.Memo(type=f"MEMO_TYPE_{memo.type.value}", value=memo.value),
        reference=value.reference,
        state=f"WITHDRAWAL_STATE_{value.state.value}",
        in_progress=value.in_progress,
        failure_reason=value.failure_reason,
        failure_message=value.failure_message,
        transaction_hash=value.transaction_hash,
        created_at=instant_to_proto(value.created_at),
        committed_at=instant_to_proto(value.committed_at),
        finished_at=instant_to_proto(value.finished_at),
        created_by=value.created_by,
        committed_by=value.committed_by,
        approved_by=value.approved_by,
        approval_ends_at=instant_to_proto(value.approval_ends_at),
    )


def encode(value: Withdrawal) -> bytes:
    """Encode a withdrawal as the bytes of a stored answer."""
    return withdrawal(value).SerializeToString(deterministic=True)


def page(found: Sequence[Withdrawal], limit: int) -> withdrawals_pb2.ListWithdrawalsResponse:
    """Encode a page. found: up to `limit` + 1 withdrawals; more than `limit`: a page follows."""
    shown = fitting(map(withdrawal, found), limit)
    last = found[len(shown) - 1].id if len(found) > len(shown) else None
    return withdrawals_pb2.ListWithdrawalsResponse(
        withdrawals=shown, next_page_token="" if last is None else page_token(last)
    )


def _memo(message: common_pb2.Memo) -> Memo:
    name = common_pb2.MemoType.Name(message.type).removeprefix("MEMO_TYPE_")
    return Memo(type=MemoType(name), value=message.value)
