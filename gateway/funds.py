"""What both views know about users' money: the payments of a statement, and where to pay in."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal

from orchestrator.escrow.v1 import escrow_pb2
from orchestrator.ledger.v1 import ledger_pb2
from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from gateway.call import Call
from kernel.errors import DomainError, FailedPrecondition
from kernel.money import UNIT, to_text

INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"


@with_config(ConfigDict(extra="forbid"))
class DepositAsset(TypedDict):
    """The only asset that is credited."""

    code: str
    issuer: str


@with_config(ConfigDict(extra="forbid"))
class PayIn(TypedDict):
    """Where money for a user is paid in."""

    address: str
    asset: DepositAsset
    network: str


async def pay_in(call: Call, user_id: str) -> PayIn:
    """Return where money for a user is paid in. Raises: NotFound: WALLET_NOT_FOUND."""
    request = escrow_pb2.GetWalletRequest(user_id=user_id)
    wallet = await call.read(call.backends.escrow.GetWallet, request)
    network = await call.backends.network()
    return {
        "address": wallet.address,
        "asset": {"code": network.asset_code, "issuer": network.asset_issuer},
        "network": network.name,
    }


@asynccontextmanager
async def saying_where_to_pay_in(
    call: Call, payer: Callable[[], Awaitable[str]]
) -> AsyncGenerator[None]:
    """Add the missing amount and the payer's deposit address to a refusal INSUFFICIENT_FUNDS.

    payer: returns the UUID of the user who has too little money; the caller must be allowed to see
    that user's wallet. If the address cannot be read, the refusal is passed on without it.
    """
    try:
        yield
    except FailedPrecondition as error:
        facts = error.details
        if error.reason == INSUFFICIENT_FUNDS and {"available", "requested"} <= facts.keys():
            short = Decimal(str(facts["requested"])) - Decimal(str(facts["available"]))
            facts["missing"] = to_text(int(short * UNIT))
            with suppress(DomainError):
                facts["deposit"] = await pay_in(call, await payer())
        raise


def payments(entries: Iterable[ledger_pb2.Entry]) -> list[list[ledger_pb2.Entry]]:
    """Group the entries of a statement by payment, in the ledger's order: newest first."""
    found: dict[str, list[ledger_pb2.Entry]] = {}
    for one in entries:
        found.setdefault(one.payment_id or one.transfer_id, []).append(one)
    return list(found.values())
