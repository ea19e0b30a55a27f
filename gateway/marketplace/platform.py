"""The platform's own money: fees that the marketplace has earned and borne, and their payout."""

from typing import Annotated, Literal

from orchestrator.common.v1 import common_pb2
from orchestrator.ledger.v1 import ledger_pb2
from orchestrator.orders.v1 import withdrawals_pb2
from pydantic import Field

from gateway.answers import Answer
from gateway.call import Call, withdrawal_id
from gateway.keys import ADMIN
from gateway.marketplace.balances import CODES
from gateway.marketplace.shapes import (
    Decimal,
    OrderId,
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
    time_or_none,
)
from gateway.marketplace.withdrawals import (
    EXAMPLES,
    MEMOS,
    NOT_PAYABLE,
    STATES,
    MemoType,
    PaidOut,
    Status,
    paid_out,
)
from gateway.models import Amount, Destination, Memo, Nothing, Request
from gateway.routing import Routes
from kernel.money import USDC, to_text

Account = Literal["FEES_EARNED", "FEES_BORNE", "FLOAT"]
EARNED: Account = "FEES_EARNED"
ACCOUNTS: dict[str, Account] = {
    "fees:platform": EARNED,
    "fees:absorbed": "FEES_BORNE",
    "manual": "FLOAT",
}
routes = Routes("Platform")


class PlatformBalance(Output):
    """The platform's own money. available: fees that can be withdrawn.

    available = feesEarned - feesBorne - feesWithdrawn - reserved, but never less than zero.
    """

    available: Decimal
    reserved: Decimal
    feesEarned: Decimal
    feesBorne: Annotated[
        Decimal, Field(description="Provider fees that the platform wallet has reimbursed.")
    ]
    feesWithdrawn: Decimal
    float: Annotated[
        Decimal,
        Field(
            description="Manual credits that the platform wallet has paid; its float bears them."
        ),
    ]
    suspense: Annotated[
        Decimal, Field(description="Deposits that are assigned to no user; not the platform's.")
    ]
    currency: str


@routes.get("/platform/balance", scope=ADMIN)
async def get_platform_balance(call: Call) -> Answer[Success[PlatformBalance]]:
    """Read the fees that the marketplace has earned, borne and withdrawn, and what is left."""
    request = ledger_pb2.GetPlatformBalanceRequest(asset=USDC)
    found = await call.read(call.backends.ledger.GetPlatformBalance, request)
    return success(
        {
            "available": amount(found.available),
            "reserved": amount(found.reserved),
            "feesEarned": amount(found.earned),
            "feesBorne": amount(found.borne),
            "feesWithdrawn": amount(found.withdrawn),
            "float": amount(found.credited),
            "suspense": amount(found.suspense),
            "currency": USDC,
        }
    )


class PlatformEntry(Output):
    """One change of the platform's own money. `change` has a sign."""

    transferId: str
    account: Account
    code: str
    orderId: OrderId | None
    change: Decimal
    currency: str
    transactionHash: str | None
    reason: str | None
    at: Time | None


def platform_entry(message: ledger_pb2.PlatformEntry) -> PlatformEntry:
    """Return a change of the platform's own money as the API shows it."""
    transfer = message.transfer
    return {
        "transferId": transfer.id,
        "account": ACCOUNTS[message.account],
        "code": CODES[transfer.code],
        "orderId": public("ord", transfer.order_id) if transfer.order_id else None,
        "change": to_text(message.change),
        "currency": transfer.amount.asset,
        "transactionHash": transfer.transaction_hash or None,
        "reason": transfer.reason or None,
        "at": time_or_none(transfer, "at"),
    }


@routes.get("/platform/entries", scope=ADMIN)
async def list_platform_entries(call: Call, query: Paging) -> Answer[Page[PlatformEntry]]:
    """List the changes of the platform's own money, newest first."""
    request = ledger_pb2.ListPlatformEntriesRequest(asset=USDC, page=query.message())
    found = await call.read(call.backends.ledger.ListPlatformEntries, request)
    lines = [platform_entry(one) for one in found.entries]
    return page(lines, next_token=found.next_page_token)


class WithdrawFees(Request):
    """A payment of fees to an account outside. No money is held before it is committed."""

    amount: Amount
    destination: Destination
    memo: Memo | None = None
    memo_type: MemoType = "TEXT"
    reference: Text | None = None
    commit: bool = False


@routes.post(
    "/platform/withdrawals",
    scope=ADMIN,
    status=201,
    waits=True,
    previews=True,
    examples={
        "fees": {
            "amount": "0.50",
            "destination": "GCLSOHCCFBAJBK5IYKYX2MAJXDITGL6X4YDZYSYUWDYU74KEU5LFKLKQ",
        }
    },
    refusals=NOT_PAYABLE,
)
async def withdraw_fees(call: Call, body: WithdrawFees) -> Answer[Success[PaidOut]]:
    """Create a withdrawal of fees. With `commit`, the amount is held and paid out at once.

    The platform's wallet pays. If less than the amount is available, the withdrawal stays CREATED.
    """
    memo = None
    if body.memo is not None:
        memo = common_pb2.Memo(type=MEMOS.value(body.memo_type), value=body.memo)
    request = withdrawals_pb2.CreateWithdrawalRequest(
        **call.awaited(),
        by_platform=True,
        amount=money(body.amount),
        destination=body.destination,
        memo=memo,
        reference=body.reference or "",
        commit=body.commit,
    )
    return _answered(await call.change(call.backends.orders.CreateWithdrawal, request))


class ListFeeWithdrawals(Paging):
    """Several filters are AND."""

    status: Status | None = None
    reference: Text | None = None


@routes.get("/platform/withdrawals", scope=ADMIN)
async def list_fee_withdrawals(call: Call, query: ListFeeWithdrawals) -> Answer[Page[PaidOut]]:
    """List the withdrawals of fees, newest first. Several filters are AND."""
    request = withdrawals_pb2.ListWithdrawalsRequest(
        page=query.message(),
        by_platform=True,
        state=STATES.value(query.status),
        reference=query.reference or "",
    )
    found = await call.read(call.backends.orders.ListWithdrawals, request)
    return page([paid_out(one) for one in found.withdrawals], next_token=found.next_page_token)


@routes.get("/platform/withdrawals/{id}", scope=ADMIN, refusals=("WITHDRAWAL_NOT_FOUND",))
async def get_fee_withdrawal(call: Call) -> Answer[Success[PaidOut]]:
    """Read a withdrawal of fees."""
    request = withdrawals_pb2.GetWithdrawalRequest(withdrawal_id=_id(call), by_platform=True)
    return success(paid_out(await call.read(call.backends.orders.GetWithdrawal, request)))


@routes.post(
    "/platform/withdrawals/{id}/commit",
    scope=ADMIN,
    waits=True,
    previews=True,
    examples=EXAMPLES,
    refusals=("WITHDRAWAL_NOT_FOUND", "WITHDRAWAL_NOT_COMMITTABLE", *NOT_PAYABLE),
)
async def commit_fee_withdrawal(call: Call, _body: Nothing) -> Answer[Success[PaidOut]]:
    """Hold the amount of the withdrawal, and pay it out.

    If the chain refuses the payment permanently, the withdrawal is FAILED and its amount is
    available again.
    """
    request = withdrawals_pb2.CommitWithdrawalRequest(
        **call.awaited(), withdrawal_id=_id(call), by_platform=True
    )
    return _answered(await call.change(call.backends.orders.CommitWithdrawal, request))


@routes.post(
    "/platform/withdrawals/{id}/approve",
    scope=ADMIN,
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
async def approve_fee_withdrawal(call: Call, _body: Nothing) -> Answer[Success[PaidOut]]:
    """Approve a withdrawal of fees that waits for approval, hold its amount and pay it out."""
    request = withdrawals_pb2.ApproveWithdrawalRequest(
        **call.awaited(), withdrawal_id=_id(call), by_platform=True
    )
    return _answered(await call.change(call.backends.orders.ApproveWithdrawal, request))


@routes.post(
    "/platform/withdrawals/{id}/cancel",
    scope=ADMIN,
    previews=True,
    examples=EXAMPLES,
    refusals=("WITHDRAWAL_NOT_FOUND", "INVALID_STATE"),
)
async def cancel_fee_withdrawal(call: Call, _body: Nothing) -> Answer[Success[PaidOut]]:
    """Cancel a withdrawal of fees that is not committed, or that waits for an approval."""
    request = withdrawals_pb2.CancelWithdrawalRequest(
        **call.written(), withdrawal_id=_id(call), by_platform=True
    )
    return success(paid_out(await call.change(call.backends.orders.CancelWithdrawal, request)))


def _id(call: Call) -> str:
    return withdrawal_id(call.params["id"])


def _answered(message: withdrawals_pb2.Withdrawal) -> Answer[Success[PaidOut]]:
    return success(paid_out(message), is_accepted=message.in_progress)
