"""The shape of a preview in the party API, declared once for all routes with previews."""

from typing import Annotated, Literal

from orchestrator.orders.v1 import orders_pb2, withdrawals_pb2
from pydantic import WithJsonSchema

from gateway.party import numbers
from gateway.party.order import Status, status
from gateway.party.shapes import Id, Number, Output, enum_name
from gateway.party.withdrawals import STATES as WITHDRAWAL_STATES
from gateway.party.withdrawals import Status as WithdrawalStatus


class PreviewedOrder(Output):
    """The order after the request. business_income, refunded: what each party would receive."""

    id: Id
    status: Status
    business_income: Number | None
    refunded: Number | None
    resolution: Annotated[
        str | None, WithJsonSchema({"enum": ["full_release", "full_refund", "split", None]})
    ]


class PreviewedWithdrawal(Output):
    """The withdrawal after the request. id: null if it does not exist yet."""

    id: Id | None
    status: WithdrawalStatus
    amount: Number
    destination: str


class PreviewedBalance(Output):
    """A balance at one moment."""

    available: Number
    reserved: Number


class PreviewedChange(Output):
    """The caller's balance before and after."""

    before: PreviewedBalance
    after: PreviewedBalance


class PreviewedFees(Output):
    """The fees of the payout. reimbursed: what the platform pays back to the parties."""

    platform: Number
    provider: Number
    reimbursed: Number


class Preview(Output):
    """What the request would do if it were carried out now. Nothing was changed.

    chain_steps: the chain transactions that would follow, in order. balance: the caller's own.
    order, withdrawal: the object of the request; the other one is null.
    """

    dry_run: Literal[True]
    order: PreviewedOrder | None
    withdrawal: PreviewedWithdrawal | None
    balance: PreviewedChange | None
    fees: PreviewedFees
    chain_steps: list[str]


def preview(message: orders_pb2.Preview) -> Preview:
    """Return a preview as the API shows it."""
    return {
        "dry_run": True,
        "order": _order(message.order) if message.HasField("order") else None,
        "withdrawal": _withdrawal(message.withdrawal) if message.HasField("withdrawal") else None,
        "balance": _change(message.balances[0]) if message.balances else None,
        "fees": {
            "platform": numbers.printed(message.platform_fee.minor_units),
            "provider": numbers.printed(message.provider_fee.minor_units),
            "reimbursed": numbers.printed(message.reimbursed.minor_units),
        },
        "chain_steps": list(message.chain_steps),
    }


def _order(order: orders_pb2.Order) -> PreviewedOrder:
    is_resolved = order.HasField("dispute") and order.dispute.decision
    return {
        "id": order.id,
        "status": status(order),
        "business_income": _amount_or_none(order, "released_amount"),
        "refunded": _amount_or_none(order, "refunded_amount"),
        "resolution": enum_name(orders_pb2.DisputeDecision, order.dispute.decision)
        if is_resolved
        else None,
    }


def _withdrawal(message: withdrawals_pb2.Withdrawal) -> PreviewedWithdrawal:
    return {
        "id": message.id or None,
        "status": WITHDRAWAL_STATES[message.state],
        "amount": numbers.printed(message.amount.minor_units),
        "destination": message.destination,
    }


def _amount_or_none(order: orders_pb2.Order, name: str) -> Number | None:
    return numbers.printed(getattr(order, name).minor_units) if order.HasField(name) else None


def _change(message: orders_pb2.BalanceChange) -> PreviewedChange:
    return {"before": _balance(message.before), "after": _balance(message.after)}


def _balance(message: orders_pb2.PreviewBalance) -> PreviewedBalance:
    return {
        "available": numbers.printed(message.available.minor_units),
        "reserved": numbers.printed(message.reserved.minor_units),
    }
