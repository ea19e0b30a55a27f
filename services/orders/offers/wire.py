"""Translate offers between Protobuf and the domain."""

from collections.abc import Sequence

from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import offers_pb2

from chassis.wire import instant_to_proto
from kernel.money import USDC
from services.orders import wire
from services.orders.offers.offer import Offer
from services.orders.order.domain import Party


def side(value: int) -> Party | None:
    """Decode the side for which a marketplace answers; None: the other side of the offer."""
    if value == common_pb2.PARTY_UNSPECIFIED:
        return None
    return wire.enum_from_proto(Party, common_pb2.Party, value, field="answered_by")


def offer_to_proto(offer: Offer) -> offers_pb2.Offer:
    """Encode an offer."""
    by = offer.decided_by.value if offer.decided_by else "UNSPECIFIED"
    return offers_pb2.Offer(
        id=str(offer.id),
        order_id=str(offer.order_id),
        state=f"OFFER_STATE_{offer.state.value}",
        offered_by=f"PARTY_{offer.by.value}",
        refund_amount=common_pb2.Money(asset=USDC, minor_units=offer.refund),
        release_amount=common_pb2.Money(asset=USDC, minor_units=offer.release),
        message=offer.message,
        created_at=instant_to_proto(offer.created_at),
        expires_at=instant_to_proto(offer.expires_at),
        decided_at=instant_to_proto(offer.decided_at),
        decided_by=f"PARTY_{by}",
    )


def encode_offer(offer: Offer) -> bytes:
    """Encode an offer as the bytes of a stored answer."""
    return offer_to_proto(offer).SerializeToString(deterministic=True)


def offers_to_proto(offers: Sequence[Offer]) -> offers_pb2.ListOffersResponse:
    """Encode all offers of an order."""
    return offers_pb2.ListOffersResponse(offers=[offer_to_proto(one) for one in offers])
