"""The shape of a preview in the marketplace API, declared once for all routes with previews."""

from typing import Literal

from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import orders_pb2, withdrawals_pb2

from gateway.marketplace.order import DECISIONS, FINALS, STATES, OrderStatus
from gateway.marketplace.shapes import (
    Decimal,
    Names,
    OrderId,
    Output,
    Success,
    amount,
    amount_or_none,
    public,
)
from gateway.marketplace.withdrawals import STATES as WITHDRAWAL_STATES
from gateway.marketplace.withdrawals import Status as WithdrawalStatus

Side = Literal["BUYER", "SELLER"]
SIDES: Names[Side] = Names(common_pb2.Party, "PARTY_")


class PreviewedDispute(Output):
    """The dispute after the request."""

    status: str
    decision: str | None


class PreviewedOrder(Output):
    """The order after the request. releasedAmount, refundedAmount: what each side would receive."""

    id: OrderId
    status: OrderStatus
    finalStatus: str | None
    escrowStatus: str | None
    releasedAmount: Decimal | None
    refundedAmount: Decimal | None
    dispute: PreviewedDispute | None


class PreviewedWithdrawal(Output):
    """The withdrawal after the request. id: null if it does not exist yet."""

    id: str | None
    status: WithdrawalStatus
    amount: Decimal
    destination: str


class PreviewedCredit(Output):
    """The credit after the request. id: null if it does not exist yet."""

    id: str | None
    status: str
    amount: Decimal
    reference: str


class PreviewedBalance(Output):
    """A balance at one moment."""

    available: Decimal
    reserved: Decimal


class PreviewedChange(Output):
    """A user's balance before and after. side: null for a withdrawal or a credit."""

    userId: str
    side: Side | None
    before: PreviewedBalance
    after: PreviewedBalance


class PreviewedFees(Output):
    """The fees of the payout. reimbursed: what the platform's wallet pays back to the sides."""

    platform: Decimal
    provider: Decimal
    reimbursed: Decimal


class Preview(Output):
    """What the request would do if it were carried out now. Nothing was changed.

    chainSteps: the chain transactions that would follow, in order. order, withdrawal, credit: the
    object of the request; the other two are null.
    """

    dryRun: Literal[True]
    order: PreviewedOrder | None
    withdrawal: PreviewedWithdrawal | None
    credit: PreviewedCredit | None
    balances: list[PreviewedChange]
    fees: PreviewedFees
    chainSteps: list[str]


def preview(message: orders_pb2.Preview) -> Success[Preview]:
    """Return a preview as the API shows it."""
    data: Preview = {
        "dryRun": True,
        "order": _order(message.order) if message.HasField("order") else None,
        "withdrawal": _withdrawal(message.withdrawal) if message.HasField("withdrawal") else None,
        "credit": _credit(message.credit) if message.HasField("credit") else None,
        "balances": [
            {
                "userId": one.user.public_id,
                "side": SIDES.find(one.side),
                "before": _balance(one.before),
                "after": _balance(one.after),
            }
            for one in message.balances
        ],
        "fees": {
            "platform": amount(message.platform_fee),
            "provider": amount(message.provider_fee),
            "reimbursed": amount(message.reimbursed),
        },
        "chainSteps": list(message.chain_steps),
    }
    return {"success": True, "data": data}


def _order(message: orders_pb2.Order) -> PreviewedOrder:
    dispute = message.dispute
    return {
        "id": public("ord", message.id),
        "status": STATES[message.state],
        "finalStatus": FINALS.find(message.final_status),
        "escrowStatus": message.escrow.status or None,
        "releasedAmount": amount_or_none(message, "released_amount"),
        "refundedAmount": amount_or_none(message, "refunded_amount"),
        "dispute": {"status": dispute.status, "decision": DECISIONS.find(dispute.decision)}
        if message.HasField("dispute")
        else None,
    }


def _withdrawal(message: withdrawals_pb2.Withdrawal) -> PreviewedWithdrawal:
    return {
        "id": public("wd", message.id) if message.id else None,
        "status": WITHDRAWAL_STATES[message.state],
        "amount": amount(message.amount),
        "destination": message.destination,
    }


def _credit(message: orders_pb2.Credit) -> PreviewedCredit:
    return {
        "id": public("crd", message.id) if message.id else None,
        "status": message.state,
        "amount": amount(message.amount),
        "reference": message.reference,
    }


def _balance(message: orders_pb2.PreviewBalance) -> PreviewedBalance:
    return {"available": amount(message.available), "reserved": amount(message.reserved)}
