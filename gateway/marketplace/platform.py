"""The platform's own money: the fees that the marketplace has earned, and what it has borne."""

from typing import Annotated, Literal

from orchestrator.ledger.v1 import ledger_pb2
from pydantic import Field

from gateway.answers import Answer
from gateway.call import Call
from gateway.keys import ADMIN
from gateway.marketplace.balances import CODES
from gateway.marketplace.shapes import (
    Decimal,
    OrderId,
    Output,
    Page,
    Paging,
    Success,
    Time,
    amount,
    page,
    public,
    success,
    time_or_none,
)
from gateway.routing import Routes
from kernel.money import USDC, to_text

Account = Literal["FEES_EARNED", "FEES_BORNE", "FLOAT"]
ACCOUNTS: dict[str, Account] = {
    "fees:platform": "FEES_EARNED",
    "fees:absorbed": "FEES_BORNE",
    "manual": "FLOAT",
}
routes = Routes("Platform")


class PlatformBalance(Output):
    """The platform's own money. available: fees that can be withdrawn.

    available = feesEarned - feesBorne - feesWithdrawn - reserved, and never less than zero.
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
    """One change of the platform's own money; `change` is signed."""

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
    """Print a change of the platform's own money."""
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
