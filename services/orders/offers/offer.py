"""Offers: their states, and what each side may do. Pure.

TRANSITIONS lists every allowed change of state; a change that is not listed is refused.
"""

import datetime as dt
import enum
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kernel.clock import to_milliseconds_text
from kernel.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from kernel.ids import to_public
from kernel.money import CENT, to_text
from services.orders.order.domain import Fact, Order, Party, wrong_state
from services.orders.order.endings import AGREEABLE

# The most offers of one order. After that, the parties agree on the last one, or support decides.
OFFERS_MAX = 50


class State(enum.Enum):
    """The state of an offer; every state except OPEN is final."""

    OPEN = "OPEN"
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    LAPSED = "LAPSED"


class Trigger(enum.Enum):
    """What may happen to an offer: the other side answers, or the offer's time ends."""

    ACCEPT = "accept"
    DECLINE = "decline"
    LAPSE = "lapse"


TRANSITIONS: Mapping[tuple[State, Trigger], State] = {
    (State.OPEN, Trigger.ACCEPT): State.ACCEPTED,
    (State.OPEN, Trigger.DECLINE): State.DECLINED,
    (State.OPEN, Trigger.LAPSE): State.LAPSED,
}


class OfferNotFound(NotFound):
    """The order has no such offer."""

    reason = "OFFER_NOT_FOUND"


class OfferNotOpen(FailedPrecondition):
    """The offer was accepted or declined, or it has lapsed."""

    reason = "OFFER_NOT_OPEN"


class OfferAlreadyOpen(FailedPrecondition):
    """The order has an open offer; it must be answered or lapse first."""

    reason = "OFFER_ALREADY_OPEN"


class TooManyOffers(FailedPrecondition):
    """The order has had the maximum number of offers."""

    reason = "TOO_MANY_OFFERS"


class OfferIsOwn(PermissionDenied):
    """Only the other side can accept or decline an offer."""

    reason = "OFFER_IS_OWN"


class OfferAmountNotValid(InvalidArgument):
    """The refund of an offer is in whole cents, more than 0 and less than the order's amount."""

    reason = "OFFER_AMOUNT_NOT_VALID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An offer of one side. refund: the part that the buyer gets back, in minor units.

    release: the rest of the amount, before fees. version: the version of its newest event.
    """

    id: uuid.UUID
    marketplace_id: uuid.UUID
    order_id: uuid.UUID
    by: Party
    refund: int
    release: int
    message: str
    created_at: dt.datetime
    expires_at: dt.datetime
    state: State = State.OPEN
    version: int = 1
    decided_at: dt.datetime | None = None
    decided_by: Party | None = None

    @property
    def public_id(self) -> str:
        """The offer's public id (`off_…`)."""
        return to_public("off", self.id)


Decided = tuple[Offer, Fact]


def made(
    order: Order,
    *,
    offer_id: uuid.UUID,
    by: Party,
    refund: int,
    message: str,
    at: dt.datetime,
    expires_at: dt.datetime,
    before: Sequence[Offer],
) -> Decided:
    """Make an offer: a part is refunded, and the rest is paid to the seller.

    before: the order's offers so far. Raises: OfferAmountNotValid; OrderInWrongState;
        OfferAlreadyOpen; TooManyOffers.
    """
    if not 0 < refund < order.amount or refund % CENT:
        problem = f"must be in whole cents, more than 0 and less than {to_text(order.amount)}"
        raise OfferAmountNotValid(f"The refund {problem}", fields=[("refund_amount", problem)])
    require_agreeable(order)
    if open_one := next((one for one in before if one.state is State.OPEN), None):
        details = {"orderId": order.public_id, "offerId": open_one.public_id}
        raise OfferAlreadyOpen("The order has an open offer", details=details)
    if len(before) >= OFFERS_MAX:
        raise TooManyOffers(f"An order has at most {OFFERS_MAX} offers")
    offer = Offer(
        id=offer_id,
        marketplace_id=order.marketplace_id,
        order_id=order.id,
        by=by,
        refund=refund,
        release=order.amount - refund,
        message=message,
        created_at=at,
        expires_at=expires_at,
    )
    payload = {
        **_names(offer),
        "offeredBy": by.value,
        "refundAmount": to_text(offer.refund),
        "releaseAmount": to_text(offer.release),
        "expiresAt": to_milliseconds_text(expires_at),
    }
    return offer, Fact(event_type="offer.created", payload=payload)


def accepted(offer: Offer, *, by: Party | None, at: dt.datetime, time: dt.datetime) -> Decided:
    """Accept an offer. by: the side that answers; None: the other side, whichever it is.

    time: the present time by the marketplace's clock, which decides whether the offer has lapsed.

    Raises: OfferNotOpen; OfferIsOwn.
    """
    after = _decided(offer, Trigger.ACCEPT, by=by, at=at, time=time)
    payload = {
        **_names(offer),
        "acceptedBy": _by(after),
        "refundAmount": to_text(offer.refund),
        "releaseAmount": to_text(offer.release),
    }
    return after, Fact(event_type="offer.accepted", payload=payload)


def declined(offer: Offer, *, by: Party | None, at: dt.datetime, time: dt.datetime) -> Decided:
    """Decline an offer. by, time, Raises: as `accepted`."""
    after = _decided(offer, Trigger.DECLINE, by=by, at=at, time=time)
    payload = {**_names(offer), "declinedBy": _by(after)}
    return after, Fact(event_type="offer.declined", payload=payload)


def lapsed(offer: Offer, *, at: dt.datetime) -> Decided:
    """End an offer that was not answered in time. Raises: OfferNotOpen."""
    after = replace(
        offer, state=_after(offer, Trigger.LAPSE), version=offer.version + 1, decided_at=at
    )
    payload = {**_names(offer), "lapsedAt": to_milliseconds_text(at)}
    return after, Fact(event_type="offer.lapsed", payload=payload)


def require_agreeable(order: Order) -> None:
    """Check that the order's state allows an agreement. Raises: OrderInWrongState."""
    if order.state not in AGREEABLE:
        message = f"Order is {order.state.value}; its sides cannot agree on a refund"
        raise wrong_state(order, message, allowed=[state.value for state in AGREEABLE])


def _decided(
    offer: Offer, trigger: Trigger, *, by: Party | None, at: dt.datetime, time: dt.datetime
) -> Offer:
    other = Party.SELLER if offer.by is Party.BUYER else Party.BUYER
    if by is not None and by is not other:
        raise OfferIsOwn(f"Only the {other.value.lower()} can answer this offer")
    state = _after(offer, trigger)
    if time >= offer.expires_at:
        raise _not_open(offer, State.LAPSED)
    return replace(offer, state=state, version=offer.version + 1, decided_at=at, decided_by=other)


def _after(offer: Offer, trigger: Trigger) -> State:
    after = TRANSITIONS.get((offer.state, trigger))
    if after is None:
        raise _not_open(offer, offer.state)
    return after


def _not_open(offer: Offer, state: State) -> OfferNotOpen:
    details = {"offerId": offer.public_id, "currentState": state.value}
    return OfferNotOpen(f"The offer is {state.value.lower()}", details=details)


def _by(offer: Offer) -> str:
    return offer.decided_by.value if offer.decided_by else ""


def _names(offer: Offer) -> dict[str, str]:
    return {"offerId": offer.public_id, "orderId": to_public("ord", offer.order_id)}
