"""The RPCs of offers: decode, call one use case, encode. They contain no business rule."""

import uuid

from orchestrator.orders.v1 import offers_pb2, orders_pb2

from chassis.idempotency import request_key
from chassis.identity import MARKETPLACE, PEOPLE, STAFF, allow
from services.orders import calls
from services.orders.calls import Context
from services.orders.offers import wire
from services.orders.offers.service import OfferService
from services.orders.wire import optional_amount

_WITH_PEOPLE = MARKETPLACE | PEOPLE
ACCESS = {
    "MakeOffer": allow("gateway", scope="write", roles=_WITH_PEOPLE),
    "AcceptOffer": allow("gateway", scope="write", roles=_WITH_PEOPLE),
    "DeclineOffer": allow("gateway", scope="write", roles=_WITH_PEOPLE),
    "GetOffer": allow("gateway", "operator", scope="read", roles=_WITH_PEOPLE | STAFF),
    "ListOffers": allow("gateway", "operator", scope="read", roles=_WITH_PEOPLE | STAFF),
}


class OfferMethods:
    """The RPCs of offers, a mixin of OrdersServicer."""

    _offers: OfferService

    async def MakeOffer(
        self, request: offers_pb2.MakeOfferRequest, context: Context
    ) -> offers_pb2.Offer:
        answer = await self._offers.make(
            request_key(request),
            order_id=uuid.UUID(request.order_id),
            by=calls.party(request.offered_by, "offered_by"),
            refund=optional_amount(request, "refund_amount") or 0,
            message=request.message,
            user_id=calls.user(),
        )
        calls.mark(context, answer)
        return offers_pb2.Offer.FromString(answer.body)

    async def AcceptOffer(
        self, request: offers_pb2.AcceptOfferRequest, context: Context
    ) -> orders_pb2.Order:
        answer = await self._offers.accept(
            calls.request(request),
            order_id=uuid.UUID(request.order_id),
            offer_id=uuid.UUID(request.offer_id),
            by=wire.side(request.answered_by),
            user_id=calls.user(),
        )
        return calls.order(context, answer)

    async def DeclineOffer(
        self, request: offers_pb2.DeclineOfferRequest, context: Context
    ) -> offers_pb2.Offer:
        answer = await self._offers.decline(
            request_key(request),
            order_id=uuid.UUID(request.order_id),
            offer_id=uuid.UUID(request.offer_id),
            by=wire.side(request.answered_by),
            user_id=calls.user(),
        )
        calls.mark(context, answer)
        return offers_pb2.Offer.FromString(answer.body)

    async def GetOffer(
        self, request: offers_pb2.GetOfferRequest, context: Context
    ) -> offers_pb2.Offer:
        del context
        found = await self._offers.get(
            marketplace_id=calls.marketplace(),
            order_id=uuid.UUID(request.order_id),
            offer_id=uuid.UUID(request.offer_id),
            reader=calls.reader(),
        )
        return wire.offer_to_proto(found)

    async def ListOffers(
        self, request: offers_pb2.ListOffersRequest, context: Context
    ) -> offers_pb2.ListOffersResponse:
        del context
        found = await self._offers.of_order(
            marketplace_id=calls.marketplace(),
            order_id=uuid.UUID(request.order_id),
            reader=calls.reader(),
        )
        return wire.offers_to_proto(found)
