"""Offers: one side of an order offers the other a refund of a part, instead of a dispute."""

from typing import Annotated, Any, Literal

from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import offers_pb2
from pydantic import StringConstraints

from gateway.answers import Answer
from gateway.call import Call, offer_id, order_id
from gateway.keys import READ, WRITE
from gateway.marketplace.order import ClosedOrder, closed, is_in_progress
from gateway.marketplace.shapes import (
    Decimal,
    Names,
    OrderId,
    Output,
    Page,
    Success,
    Time,
    amount,
    money,
    page,
    public,
    success,
    time,
    time_or_none,
)
from gateway.models import Amount, Request
from gateway.routing import Routes

Side = Literal["BUYER", "SELLER"]
OfferStatus = Literal["OPEN", "ACCEPTED", "DECLINED", "LAPSED"]
OfferId = Annotated[str, StringConstraints(pattern=r"^off_[0-9A-Za-z]{22}$")]
MESSAGE_MAX = 1000
STATES: Names[OfferStatus] = Names(offers_pb2.OfferState, "OFFER_STATE_")
SIDES: Names[Side] = Names(common_pb2.Party, "PARTY_")
_ANSWER = ("ORDER_NOT_FOUND", "OFFER_NOT_FOUND", "OFFER_NOT_OPEN", "OFFER_IS_OWN")
routes = Routes("Orders")


class Offer(Output):
    """An offer. releaseAmount: the rest, which the seller gets, before fees."""

    id: OfferId
    orderId: OrderId
    status: OfferStatus
    offeredBy: Side
    refundAmount: Decimal
    releaseAmount: Decimal
    message: str | None
    createdAt: Time
    expiresAt: Time
    decidedBy: Side | None
    decidedAt: Time | None


def offer(message: offers_pb2.Offer) -> Offer:
    """Return an offer as the API shows it."""
    return {
        "id": public("off", message.id),
        "orderId": public("ord", message.order_id),
        "status": STATES[message.state],
        "offeredBy": SIDES[message.offered_by],
        "refundAmount": amount(message.refund_amount),
        "releaseAmount": amount(message.release_amount),
        "message": message.message or None,
        "createdAt": time(message.created_at),
        "expiresAt": time(message.expires_at),
        "decidedBy": SIDES.find(message.decided_by),
        "decidedAt": time_or_none(message, "decided_at"),
    }


class MakeOffer(Request):
    """What the buyer gets back, and the side that offers it; by default the buyer."""

    refund_amount: Amount
    message: Annotated[str, StringConstraints(max_length=MESSAGE_MAX)] | None = None
    requested_by: Side | None = None


@routes.post(
    "/orders/{id}/offers",
    scope=WRITE,
    status=201,
    examples={
        "offer": {"refundAmount": "20.00", "message": "Two drafts are missing"},
    },
    refusals=(
        "ORDER_NOT_FOUND",
        "INVALID_STATE",
        "OFFER_AMOUNT_NOT_VALID",
        "OFFER_ALREADY_OPEN",
        "TOO_MANY_OFFERS",
    ),
)
async def make_offer(call: Call, body: MakeOffer) -> Answer[Success[Offer]]:
    """Offer the other side a partial refund, while in progress or disputed. No money moves."""
    request = offers_pb2.MakeOfferRequest(
        **call.written(),
        order_id=order_id(call.params["id"]),
        refund_amount=money(body.refund_amount),
        message=body.message or "",
        offered_by=SIDES.value(body.requested_by),
    )
    return success(offer(await call.change(call.backends.orders.MakeOffer, request)))


@routes.get("/orders/{id}/offers", scope=READ, support=True, refusals=("ORDER_NOT_FOUND",))
async def list_offers(call: Call) -> Answer[Page[Offer]]:
    """List the offers of an order, newest first. There is only one page."""
    request = offers_pb2.ListOffersRequest(order_id=order_id(call.params["id"]))
    found = await call.read(call.backends.orders.ListOffers, request)
    return page([offer(one) for one in found.offers], next_token="")


@routes.get("/orders/{id}/offers/{offerId}", scope=READ, support=True, refusals=_ANSWER[:2])
async def get_offer(call: Call) -> Answer[Success[Offer]]:
    """Read an offer."""
    request = offers_pb2.GetOfferRequest(**_ids(call))
    return success(offer(await call.read(call.backends.orders.GetOffer, request)))


class AnswerOffer(Request):
    """The side that answers the offer; by default the side that did not make it."""

    requested_by: Side | None = None


@routes.post(
    "/orders/{id}/offers/{offerId}/accept",
    scope=WRITE,
    waits=True,
    previews=True,
    examples={"nothing": {}},
    refusals=(*_ANSWER, "INVALID_STATE", "PROVIDER_ERROR"),
)
async def accept_offer(call: Call, body: AnswerOffer) -> Answer[Success[ClosedOrder]]:
    """Accept an offer. The contract pays both sides, and the order is closed."""
    request = offers_pb2.AcceptOfferRequest(
        **call.awaited(), **_ids(call), answered_by=SIDES.value(body.requested_by)
    )
    order = await call.change(call.backends.orders.AcceptOffer, request)
    return success(closed(order), is_accepted=is_in_progress(order))


@routes.post(
    "/orders/{id}/offers/{offerId}/decline",
    scope=WRITE,
    examples={"nothing": {}},
    refusals=_ANSWER,
)
async def decline_offer(call: Call, body: AnswerOffer) -> Answer[Success[Offer]]:
    """Decline an offer. No money moves. Another offer can be made."""
    request = offers_pb2.DeclineOfferRequest(
        **call.written(), **_ids(call), answered_by=SIDES.value(body.requested_by)
    )
    return success(offer(await call.change(call.backends.orders.DeclineOffer, request)))


def _ids(call: Call) -> dict[str, Any]:
    return {
        "order_id": order_id(call.params["id"]),
        "offer_id": offer_id(call.params["offerId"]),
    }
