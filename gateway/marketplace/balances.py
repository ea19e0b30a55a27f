"""Balances: what a user can spend, the statement of payments, and manual credits."""

from collections.abc import Sequence
from typing import Annotated

from orchestrator.ledger.v1 import ledger_pb2
from orchestrator.orders.v1 import orders_pb2
from pydantic import StringConstraints

from gateway.answers import Answer
from gateway.call import Call
from gateway.funds import payments
from gateway.keys import ADMIN, READ
from gateway.marketplace.order import RUNNING
from gateway.marketplace.shapes import (
    Decimal,
    Names,
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
    time,
    time_or_none,
)
from gateway.marketplace.users import known_user, user_name
from gateway.models import Amount, Request
from gateway.routing import Routes
from kernel.money import USDC, to_text

CODES: Names[str] = Names(ledger_pb2.TransferCode, "TRANSFER_CODE_")
_TYPES: Names[str] = Names(ledger_pb2.TransferType, "TRANSFER_TYPE_")
routes = Routes("Users")


class Balance(Output):
    """A user's money: `available` can be spent, `reserved` is held."""

    userId: str
    available: Decimal
    reserved: Decimal
    currency: str


def balance(account: ledger_pb2.Account, *, user_id: str) -> Balance:
    """Return a balance as the API shows it: what a user can spend, and what is held."""
    return {
        "userId": user_id,
        "available": amount(account.available),
        "reserved": amount(account.reserved),
        "currency": USDC,
    }


@routes.get(
    "/users/{id}/balance", scope=READ, name="get_user_balance", refusals=("USER_NOT_FOUND",)
)
@routes.get("/balances/{id}", scope=READ, refusals=("USER_NOT_FOUND",))
async def get_balance(call: Call) -> Answer[Success[Balance]]:
    """Read how much a user can spend, and how much is held."""
    owner = await known_user(call)
    request = ledger_pb2.GetBalanceRequest(user_id=str(owner.id), asset=USDC)
    account = await call.read(call.backends.ledger.GetBalance, request)
    return success(balance(account, user_id=owner.public_id))


class Posting(Output):
    """One transfer of a payment: the change of the account, and the balance after it."""

    transferId: str
    availableChange: Decimal
    reservedChange: Decimal
    available: Decimal
    reserved: Decimal
    transactionHash: str | None
    reason: str | None


class Entry(Output):
    """One line of a statement: a payment, the balance after it, and its postings in order."""

    transferId: str
    code: str
    type: str
    orderId: OrderId | None
    availableChange: Decimal
    reservedChange: Decimal
    available: Decimal
    reserved: Decimal
    currency: str
    transactionHash: str | None
    reason: str | None
    at: Time | None
    postings: list[Posting]


def entry(postings: Sequence[ledger_pb2.Entry]) -> Entry:
    """Return a payment as the API shows it.

    The kind is that of the first posting; the balance is the one after the last posting.
    """
    # The ledger lists postings newest first.
    last, first = postings[0], postings[-1]
    return {
        "transferId": first.transfer_id,
        "code": CODES[first.code],
        "type": _TYPES[first.type],
        "orderId": public("ord", first.order_id) if first.order_id else None,
        "availableChange": to_text(sum(one.available_change for one in postings)),
        "reservedChange": to_text(sum(one.reserved_change for one in postings)),
        "available": amount(last.available_after),
        "reserved": amount(last.reserved_after),
        "currency": first.available_after.asset,
        "transactionHash": first.transaction_hash or None,
        "reason": first.reason or None,
        "at": time_or_none(last, "at"),
        "postings": [
            {
                "transferId": one.transfer_id,
                "availableChange": to_text(one.available_change),
                "reservedChange": to_text(one.reserved_change),
                "available": amount(one.available_after),
                "reserved": amount(one.reserved_after),
                "transactionHash": one.transaction_hash or None,
                "reason": one.reason or None,
            }
            for one in reversed(postings)
        ],
    }


@routes.get("/users/{id}/balance/entries", scope=READ, refusals=("USER_NOT_FOUND",))
async def list_entries(call: Call, query: Paging) -> Answer[Page[Entry]]:
    """Read a user's statement, newest first: each payment with its postings and balance after it.

    A payout and the reimbursement of its fee are one payment.
    """
    owner = await known_user(call)
    request = ledger_pb2.ListEntriesRequest(user_id=str(owner.id), asset=USDC, page=query.message())
    found = await call.read(call.backends.ledger.ListEntries, request)
    lines = [entry(one) for one in payments(found.entries)]
    return page(lines, next_token=found.next_page_token)


class CreditUser(Request):
    """A payment from the platform, made once per `reference`."""

    amount: Amount
    reference: Text
    description: Annotated[str, StringConstraints(max_length=1000)] | None = None


class Credit(Output):
    """A payment from the platform to a user. It is RUNNING until it is confirmed on chain."""

    id: str
    userId: str
    amount: Decimal
    currency: str
    reference: str
    description: str | None
    status: str
    transactionHash: str | None
    createdAt: Time
    finishedAt: Time | None


@routes.post(
    "/users/{id}/balance/credit",
    scope=ADMIN,
    status=201,
    waits=True,
    previews=True,
    examples={"credit": {"amount": "5.00", "reference": "welcome-alice", "description": "Welcome"}},
    refusals=(
        "USER_NOT_FOUND",
        "MANUAL_CREDIT_DISABLED",
        "REFERENCE_TAKEN",
        "INSUFFICIENT_FUNDS",
        "PROVIDER_ERROR",
    ),
)
async def credit_user(call: Call, body: CreditUser) -> Answer[Success[Credit]]:
    """Pay a user from the platform's wallet, on chain. It is booked when it is confirmed."""
    request = orders_pb2.CreditUserRequest(
        **call.awaited(),
        user=user_name(call),
        amount=money(body.amount),
        reference=body.reference,
        description=body.description or "",
    )
    credit = await call.change(call.backends.orders.CreditUser, request)
    data: Credit = {
        "id": public("crd", credit.id),
        "userId": credit.user.public_id,
        "amount": amount(credit.amount),
        "currency": credit.amount.asset,
        "reference": credit.reference,
        "description": credit.description or None,
        "status": credit.state,
        "transactionHash": credit.transaction_hash or None,
        "createdAt": time(credit.created_at),
        "finishedAt": time_or_none(credit, "finished_at"),
    }
    return success(data, is_accepted=credit.state == RUNNING)
