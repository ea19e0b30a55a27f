"""Offers: the states of each command, who may answer, and the payments of an agreement."""

import datetime as dt
import itertools
import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.money import CENT
from services.orders.offers import offer as offers
from services.orders.offers.offer import (
    OFFERS_MAX,
    TRANSITIONS,
    Decided,
    Offer,
    OfferAlreadyOpen,
    OfferAmountNotValid,
    OfferIsOwn,
    OfferNotOpen,
    State,
    TooManyOffers,
    Trigger,
)
from services.orders.order import endings, use_cases
from services.orders.order.domain import Order, OrderInWrongState, Party
from services.orders.order.domain import State as OrderState
from services.orders.order.endings import AGREEABLE
from services.orders.order.use_cases import Kind
from tests.unit.orders.test_domain import EIGHTY, NOW, an_order

LATER, END = NOW + dt.timedelta(hours=1), NOW + dt.timedelta(hours=72)
SIDES = (Party.BUYER, Party.SELLER)
OTHER = {Party.BUYER: Party.SELLER, Party.SELLER: Party.BUYER}
REFUND = 2000 * CENT
COMMANDS: dict[Trigger, Callable[[Offer], Decided]] = {
    Trigger.ACCEPT: lambda offer: offers.accepted(offer, by=None, at=LATER, time=LATER),
    Trigger.DECLINE: lambda offer: offers.declined(offer, by=None, at=LATER, time=LATER),
    Trigger.LAPSE: lambda offer: offers.lapsed(offer, at=END),
}
EVENTS = {
    Trigger.ACCEPT: "offer.accepted",
    Trigger.DECLINE: "offer.declined",
    Trigger.LAPSE: "offer.lapsed",
}


def make(
    order: Order | None = None,
    *,
    by: Party = Party.BUYER,
    refund: int = REFUND,
    before: tuple[Offer, ...] = (),
) -> Decided:
    return offers.made(
        order or an_order(OrderState.IN_PROGRESS),
        offer_id=uuid.UUID(int=9),
        by=by,
        refund=refund,
        message="",
        at=NOW,
        expires_at=END,
        before=before,
    )


def an_offer(state: State = State.OPEN, *, by: Party = Party.BUYER) -> Offer:
    return replace(make(by=by)[0], state=state)


def test_open_offer_can_end_and_ended_offer_is_never_reopened() -> None:
    assert {state for state, _ in TRANSITIONS} == {State.OPEN}
    assert set(TRANSITIONS.values()) == set(State) - {State.OPEN}


@pytest.mark.parametrize(("state", "trigger"), list(itertools.product(State, Trigger)))
def test_offer_command_is_accepted_only_in_the_states_of_the_table(
    state: State, trigger: Trigger
) -> None:
    offer = an_offer(state)

    if (state, trigger) in TRANSITIONS:
        after, fact = COMMANDS[trigger](offer)
        assert after.state is TRANSITIONS[state, trigger]
        assert (after.version, after.decided_at is None) == (2, False)
        assert fact.event_type == EVENTS[trigger]
        return
    with pytest.raises(OfferNotOpen) as refusal:
        COMMANDS[trigger](offer)
    assert refusal.value.details["currentState"] == state.value


@pytest.mark.parametrize("state", OrderState)
def test_offer_is_made_and_agreed_on_in_progress_and_disputed_only(state: OrderState) -> None:
    order = an_order(state)

    if state in AGREEABLE:
        assert make(order)[0].state is State.OPEN
        offers.require_agreeable(order)
        return
    for refused in (lambda: make(order), lambda: offers.require_agreeable(order)):
        with pytest.raises(OrderInWrongState) as refusal:
            refused()
        assert refusal.value.details["allowedStates"] == ["IN_PROGRESS", "DISPUTED"]


@pytest.mark.parametrize("refund", [-CENT, 0, 1, CENT + 1, EIGHTY, EIGHTY + CENT])
def test_refund_that_is_not_a_proper_part_of_the_amount_is_refused(refund: int) -> None:
    with pytest.raises(OfferAmountNotValid) as refusal:
        make(refund=refund)

    assert [name for name, _ in refusal.value.fields] == ["refund_amount"]


@given(cents=st.integers(1, 7999))
def test_parts_of_an_offer_sum_to_the_order_amount(cents: int) -> None:
    offer, _ = make(refund=cents * CENT)

    assert (offer.refund, offer.refund + offer.release) == (cents * CENT, EIGHTY)


def test_one_offer_of_an_order_is_open_at_a_time() -> None:
    with pytest.raises(OfferAlreadyOpen) as refusal:
        make(before=(an_offer(State.DECLINED), an_offer()))

    assert refusal.value.details["offerId"] == an_offer().public_id
    assert make(before=(an_offer(State.DECLINED), an_offer(State.LAPSED)))[0].state is State.OPEN


def test_order_has_a_limited_number_of_offers() -> None:
    with pytest.raises(TooManyOffers):
        make(before=(an_offer(State.DECLINED),) * OFFERS_MAX)


@pytest.mark.parametrize("by", SIDES)
def test_only_the_other_side_answers_an_offer(by: Party) -> None:
    offer = an_offer(by=by)

    for command in (offers.accepted, offers.declined):
        with pytest.raises(OfferIsOwn):
            command(offer, by=by, at=LATER, time=LATER)
        for asked in (OTHER[by], None):
            assert command(offer, by=asked, at=LATER, time=LATER)[0].decided_by is OTHER[by]


def test_expired_offer_cannot_be_answered() -> None:
    last = END - dt.timedelta(microseconds=1)

    for command in (offers.accepted, offers.declined):
        assert command(an_offer(), by=None, at=LATER, time=last)[0].decided_at == LATER
        with pytest.raises(OfferNotOpen) as refusal:
            command(an_offer(), by=None, at=LATER, time=END)
        assert refusal.value.details["currentState"] == "LAPSED"


def test_payloads_have_the_documented_fields() -> None:
    offer, created = make(by=Party.SELLER)
    _, accepted = offers.accepted(offer, by=None, at=LATER, time=LATER)
    names = {"offerId": offer.public_id, "orderId": an_order().public_id}
    parts = {"refundAmount": "20.00", "releaseAmount": "60.00"}

    assert created.payload == {
        **names,
        **parts,
        "offeredBy": "SELLER",
        "expiresAt": "2026-02-21T10:00:00.000Z",
    }
    assert accepted.payload == {**names, **parts, "acceptedBy": "BUYER"}


def test_agreement_in_progress_moves_the_order_and_in_a_dispute_waits_for_the_money() -> None:
    for state, after, told in (
        (OrderState.IN_PROGRESS, OrderState.RELEASE_REQUESTED, ["order.release_requested"]),
        (OrderState.DISPUTED, OrderState.DISPUTED, []),
    ):
        accepted = use_cases.agree(
            an_order(state),
            offer_id=uuid.UUID(int=9),
            release=EIGHTY - REFUND,
            refund=REFUND,
            by=Party.SELLER,
            at=LATER,
        )

        assert accepted.order.state is after
        assert [fact.event_type for fact in accepted.facts] == told
        assert accepted.work is not None
        assert accepted.work.kind is Kind.ACCEPT_OFFER
        assert accepted.work.context["decision"] == "SPLIT"


@pytest.mark.parametrize("state", [state for state in OrderState if state not in AGREEABLE])
def test_agreement_in_another_state_is_refused(state: OrderState) -> None:
    with pytest.raises(OrderInWrongState):
        endings.agreed(an_order(state), by=Party.BUYER, at=LATER)
