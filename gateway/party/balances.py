"""The caller's money: what they can spend, their statement, and where they pay money in."""

from collections.abc import Sequence
from typing import Annotated, Literal

from orchestrator.common.v1 import common_pb2
from orchestrator.ledger.v1 import ledger_pb2
from pydantic import WithJsonSchema

from gateway import exports, funds
from gateway.answers import Answer, CsvFile
from gateway.call import Call
from gateway.exports import Period, Row
from gateway.funds import PayIn, pay_in
from gateway.party import numbers
from gateway.party.caller import user_id
from gateway.party.shapes import Id, Number, Output, Paging, Time, enum_name, time_or_none
from gateway.routing import ANY, Routes
from kernel.ids import from_public
from kernel.money import USDC

# The address belongs to one user, so a memo is not needed but does no harm; see docs/money.md.
NO_MEMO: Literal["none"] = "none"
routes = Routes("Balance")


class Balance(Output):
    """The caller's money: what can be spent, and what is held for their orders and withdrawals."""

    available: Number
    reserved: Number
    currency: str


@routes.get("/me/balance", scope=ANY)
async def get_balance(call: Call) -> Answer[Balance]:
    """Read how much the caller can spend, and how much is held."""
    request = ledger_pb2.GetBalanceRequest(user_id=str(user_id(call)), asset=USDC)
    account = await call.read(call.backends.ledger.GetBalance, request)
    return Answer(
        body={
            "available": numbers.printed(account.available.minor_units),
            "reserved": numbers.printed(account.reserved.minor_units),
            "currency": USDC,
        }
    )


class Entry(Output):
    """One line of the statement: a payment, and the balance after it.

    order_id, withdrawal_id: the order or withdrawal that the payment was for, if any.
    """

    transfer_id: Id
    code: Annotated[str, WithJsonSchema({"type": "string", "examples": ["deposit", "reserve"]})]
    type: Annotated[str, WithJsonSchema({"enum": ["single", "pending", "post", "void"]})]
    order_id: Id | None
    withdrawal_id: Id | None
    available_change: Number
    reserved_change: Number
    available: Number
    reserved: Number
    currency: str
    transaction_hash: str | None
    at: Time | None


class Entries(Output):
    """A page of the statement. next_cursor: the `cursor` of the next page; null: the last page."""

    items: list[Entry]
    next_cursor: str | None


def entry(postings: Sequence[ledger_pb2.Entry]) -> Entry:
    """Return a payment as the API shows it.

    The kind is that of the first posting; the balance is the one after the last posting.
    """
    # The ledger lists postings newest first.
    last, first = postings[0], postings[-1]
    is_withdrawal = first.code == ledger_pb2.TRANSFER_CODE_WITHDRAWAL
    withdrawn = from_public("wd", first.reason) if is_withdrawal else None
    return {
        "transfer_id": first.transfer_id,
        "code": enum_name(ledger_pb2.TransferCode, first.code),
        "type": enum_name(ledger_pb2.TransferType, first.type),
        "order_id": first.order_id or None,
        "withdrawal_id": None if withdrawn is None else str(withdrawn),
        "available_change": numbers.printed(sum(one.available_change for one in postings)),
        "reserved_change": numbers.printed(sum(one.reserved_change for one in postings)),
        "available": numbers.printed(last.available_after.minor_units),
        "reserved": numbers.printed(last.reserved_after.minor_units),
        "currency": first.available_after.asset,
        "transaction_hash": first.transaction_hash or None,
        "at": time_or_none(last, "at"),
    }


@routes.get("/me/balance/entries", scope=ANY)
async def list_entries(call: Call, query: Paging) -> Answer[Entries]:
    """Read the caller's statement, newest first: each payment with the balance after it."""
    request = ledger_pb2.ListEntriesRequest(
        user_id=str(user_id(call)), asset=USDC, page=query.message()
    )
    found = await call.read(call.backends.ledger.ListEntries, request)
    items = [entry(one) for one in funds.payments(found.entries)]
    return Answer(body={"items": items, "next_cursor": found.next_page_token or None})


@routes.get("/me/statement.csv", scope=ANY)
async def export_statement(call: Call, query: Period) -> CsvFile:
    """Export the caller's statement as CSV: each payment with the balance after it."""
    owner = str(user_id(call))

    async def read(page: common_pb2.PageRequest) -> tuple[Sequence[Row], str]:
        request = ledger_pb2.ListEntriesRequest(user_id=owner, asset=USDC, page=page)
        found = await call.read(call.backends.ledger.ListEntries, request)
        return [entry(one) for one in funds.payments(found.entries)], found.next_page_token

    return await exports.file("statement", Entry, query, read, at="at")


class Deposit(PayIn):
    """Where the caller pays money in. memo: `none`, because the address belongs to them alone."""

    memo: Literal["none"]


@routes.get("/me/wallet/deposit", scope=ANY, refusals=("WALLET_NOT_FOUND",))
async def get_deposit(call: Call) -> Answer[Deposit]:
    """Read where the caller pays money in: address, asset and issuer, network, and no memo."""
    return Answer(body={**await pay_in(call, str(user_id(call))), "memo": NO_MEMO})
