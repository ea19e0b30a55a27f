"""Redirections: a party of an order is paid at another address, because theirs cannot receive."""

from typing import Annotated, Literal

from orchestrator.orders.v1 import withdrawals_pb2
from pydantic import StringConstraints

from gateway.answers import Answer
from gateway.call import Call, order_id
from gateway.keys import WRITE
from gateway.marketplace.offers import SIDES, Side
from gateway.marketplace.shapes import (
    OrderId,
    Output,
    Success,
    Time,
    public,
    success,
    time,
)
from gateway.models import Request
from gateway.routing import Routes

REASON_MAX = 500
routes = Routes("Orders")


class RedirectPayout(Request):
    """Another account of the same party, and why the party is paid there."""

    party: Side
    address: Annotated[str, StringConstraints(pattern=r"^G[A-Z2-7]{55}$")]
    reason: Annotated[str, StringConstraints(min_length=1, max_length=REASON_MAX)]


class PayoutRedirect(Output):
    """Where a party is paid once the redirection is APPROVED.

    proposedBy, approvedBy: ids of API keys. approvedBy is null while the redirection is PROPOSED,
    or if one key is enough. expiresAt: until when a proposal can be approved.
    """

    orderId: OrderId
    party: Side
    address: str
    status: Literal["PROPOSED", "APPROVED"]
    proposedBy: str | None
    approvedBy: str | None
    expiresAt: Time


@routes.post(
    "/orders/{id}/redirect-payout",
    scope=WRITE,
    examples={
        "redirect": {
            "party": "SELLER",
            "address": "GCLSOHCCFBAJBK5IYKYX2MAJXDITGL6X4YDZYSYUWDYU74KEU5LFKLKQ",
            "reason": "The issuer has frozen the seller's wallet",
        },
    },
    refusals=(
        "ORDER_NOT_FOUND",
        "PAYOUT_REDIRECT_NOT_ALLOWED",
        "PAYEE_CAN_RECEIVE",
        "PAYOUT_ADDRESS_INVALID",
        "WITHDRAWAL_DESTINATION_NOT_LISTED",
        "WITHDRAWAL_DESTINATION_TOO_NEW",
        "ESCROW_NOT_READY",
        "INVALID_STATE",
        "COMMAND_HAS_PAID",
    ),
)
async def redirect_payout(call: Call, body: RedirectPayout) -> Answer[Success[PayoutRedirect]]:
    """Pay a party at another address, because the network refuses to pay the present one.

    No money moves now: the next release, refund or decision pays the address. A payment that the
    network has refused is given up first. Above the marketplace's amount for approvals, another key
    must send the same request.
    """
    request = withdrawals_pb2.RedirectPayoutRequest(
        **call.written(),
        order_id=order_id(call.params["id"]),
        party=SIDES.value(body.party),
        address=body.address,
        why=body.reason,
    )
    return success(_printed(await call.change(call.backends.orders.RedirectPayout, request)))


def _printed(message: withdrawals_pb2.PayoutRedirect) -> PayoutRedirect:
    return {
        "orderId": public("ord", message.order_id),
        "party": SIDES[message.party],
        "address": message.address,
        "status": "APPROVED" if message.is_approved else "PROPOSED",
        "proposedBy": _key_id(message.proposed_by),
        "approvedBy": _key_id(message.approved_by),
        "expiresAt": time(message.expires_at),
    }


def _key_id(principal: str) -> str | None:
    kind, _, name = principal.partition(":")
    return name if kind == "key" else None
