"""Offers: a party of an order offers the other a refund of a part, instead of a dispute."""

from typing import Annotated, Any

from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import offers_pb2
from pydantic import StringConstraints, WithJsonSchema

from gateway.answers import Answer
from gateway.call import Call, offer_id, order_id
from gateway.party import numbers
from gateway.party.order import Amount, Order, moved
from gateway.party.shapes import (
    Id,
    Nothing,
    Number,
    Output,
    Request,
    Time,
    enum_name,
    time,
    time_or_none,
)
from gateway.routing import ANY, Routes
from kernel.money import USDC

MESSAGE_MAX = 1000
# The example of an action without a body.
_EXAMPLES = {"nothing": {}}  # type: dict[str, dict[str, object]]
_SIDES = {common_pb2.PARTY_BUYER: "personal", common_pb2.PARTY_SELLER: "business"}
_READ = ("NOT_PARTY", "ORDER_NOT_FOUND", "OFFER_NOT_FOUND")
_ANSWER = (*_READ, "OFFER_IS_OWN", "OFFER_NOT_OPEN")
routes = Routes("Orders")


class Offer(Output):
    """An offer. release_amount: the rest, which the business gets, before fees."""

    id: Id
    order_id: Id
    status: Annotated[str, WithJsonSchema({"enum": ["open", "accepted", "declined", "lapsed"]})]
    offered_by: Annotated[str, WithJsonSchema({"enum": ["personal", "business"]})]
    refund_amount: Number
    release_amount: Number
    message: str | None
    created_at: Time
    expires_at: Time
    decided_at: Time | None


class Offers(Output):
    """All offers of an order, newest first."""

    items: list[Offer]
    total: int


def offer(message: offers_pb2.Offer) -> Offer:
    """Return an offer as the API shows it."""
    return {
        "id": message.id,
        "order_id": message.order_id,
        "status": enum_name(offers_pb2.OfferState, message.state),
        "offered_by": _SIDES[message.offered_by],
        "refund_amount": numbers.printed(message.refund_amount.minor_units),
        "release_amount": numbers.printed(message.release_amount.minor_units),
        "message": message.message or None,
        "created_at": time(message.created_at),
        "expires_at": time(message.expires_at),
        "decided_at": time_or_none(message, "decided_at"),
    }


class MakeOffer(Request):
    """What the personal user gets back, and a message for the other party."""

    refund_amount: Amount
    message: Annotated[str, StringConstraints(max_length=MESSAGE_MAX)] | None = None


@routes.post(
    "/orders/{order_id}/offers",
    scope=ANY,
    status=201,
    examples={"offer": {"refund_amount": 20.00, "message": "Two figures are missing"}},
    refusals=(
        "NOT_PARTY",
        "ORDER_NOT_FOUND",
        "INVALID_STATE",
        "OFFER_AMOUNT_NOT_VALID",
        "OFFER_ALREADY_OPEN",
        "TOO_MANY_OFFERS",
    ),
)
async def make_offer(call: Call, body: MakeOffer) -> Answer[Offer]:
    """Offer the other party a partial refund, while paid, delivered or disputed."""
    request = offers_pb2.MakeOfferRequest(
        **call.written(),
        order_id=order_id(call.params["order_id"]),
        refund_amount=common_pb2.Money(asset=USDC, minor_units=body.refund_amount),
        message=body.message or "",
    )
    return Answer(body=offer(await call.change(call.backends.orders.MakeOffer, request)))


@routes.get("/orders/{order_id}/offers", scope=ANY, refusals=_READ[:2])
async def list_offers(call: Call) -> Answer[Offers]:
    """List the offers of an order, newest first."""
    request = offers_pb2.ListOffersRequest(order_id=order_id(call.params["order_id"]))
    found = await call.read(call.backends.orders.ListOffers, request)
    items = [offer(one) for one in found.offers]
    return Answer(body={"items": items, "total": len(items)})


@routes.get("/orders/{order_id}/offers/{offer_id}", scope=ANY, refusals=_READ)
async def get_offer(call: Call) -> Answer[Offer]:
    """Read an offer."""
    request = offers_pb2.GetOfferRequest(**_ids(call))
    return Answer(body=offer(await call.read(call.backends.orders.GetOffer, request)))


@routes.post(
    "/orders/{order_id}/offers/{offer_id}/accept",
    scope=ANY,
    waits=True,
    previews=True,
    examples=_EXAMPLES,
    refusals=(*_ANSWER, "INVALID_STATE", "PROVIDER_ERROR"),
)
async def accept_offer(call: Call, _body: Nothing) -> Answer[Order]:
    """Accept the other party's offer. Both parties are paid: `completed`."""
    request = offers_pb2.AcceptOfferRequest(**call.awaited(), **_ids(call))
    return moved(await call.change(call.backends.orders.AcceptOffer, request))


@routes.post(
    "/orders/{order_id}/offers/{offer_id}/decline",
    scope=ANY,
    examples=_EXAMPLES,
    refusals=_ANSWER,
)
async def decline_offer(call: Call, _body: Nothing) -> Answer[Offer]:
    """Decline the other party's offer. No money moves. Another offer can be made."""
    request = offers_pb2.DeclineOfferRequest(**call.written(), **_ids(call))
    return Answer(body=offer(await call.change(call.backends.orders.DeclineOffer, request)))


def _ids(call: Call) -> dict[str, Any]:
    return {
        "order_id": order_id(call.params["order_id"]),
        "offer_id": offer_id(call.params["offer_id"]),
    }
