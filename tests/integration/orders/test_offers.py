"""Offers on a real database: one open at a time, answered once, paid as a split is."""

import asyncio
import datetime as dt
import uuid
from collections.abc import Callable

import pytest
from orchestrator.orders.v1 import offers_pb2, orders_pb2

from chassis.idempotency import Answer
from kernel.ids import new_id, to_public
from services.orders.offers.offer import (
    OFFERS_MAX,
    OfferAlreadyOpen,
    OfferAmountNotValid,
    OfferIsOwn,
    OfferNotFound,
    OfferNotOpen,
    TooManyOffers,
)
from services.orders.order.domain import (
    Decision,
    DisputeReason,
    FinalStatus,
    OrderInWrongState,
    OrderNotFound,
    Party,
    State,
)
from services.orders.order.parties import NotParty
from services.orders.peers.ports import ProviderError
from services.orders.wire import receipt_to_proto
from tests import passing
from tests.integration.orders.conftest import (
    EIGHTY,
    TEN,
    Shop,
    oid,
    open_shop,
    order_of,
)

HOURS = dt.timedelta(hours=72)
ROUNDS = 20
TWENTY = 2 * TEN
RUNNING = "select count(*) from operations where state = 'running'"
EVENTS = """
select event_type, version, aggregate_id from outbox where aggregate_type = 'Offer' order by id
"""


async def make(
    shop: Shop,
    order: orders_pb2.Order,
    *,
    by: Party = Party.BUYER,
    refund: int = TWENTY,
    key: str = "",
    user_id: uuid.UUID | None = None,
) -> offers_pb2.Offer:
    answer = await shop.offers.make(
        shop.key(key), order_id=oid(order), by=by, refund=refund, message="", user_id=user_id
    )
    return offers_pb2.Offer.FromString(answer.body)


async def accept(
    shop: Shop,
    offer: offers_pb2.Offer,
    *,
    by: Party | None = None,
    key: str = "",
    wait: float = 10,
    user_id: uuid.UUID | None = None,
) -> Answer:
    return await shop.offers.accept(
        shop.ask(key, wait=wait),
        order_id=uuid.UUID(offer.order_id),
        offer_id=uuid.UUID(offer.id),
        by=by,
        user_id=user_id,
    )


async def decline(
    shop: Shop,
    offer: offers_pb2.Offer,
    *,
    by: Party | None = None,
    user_id: uuid.UUID | None = None,
) -> Answer:
    return await shop.offers.decline(
        shop.key(),
        order_id=uuid.UUID(offer.order_id),
        offer_id=uuid.UUID(offer.id),
        by=by,
        user_id=user_id,
    )


async def dispute(shop: Shop, order: orders_pb2.Order) -> uuid.UUID:
    """Open a dispute, and wait until the contract is frozen; returns its id."""
    answer = await shop.service.open_dispute(
        shop.ask(),
        order_id=oid(order),
        by=Party.BUYER,
        reason=DisputeReason.OTHER,
        description="",
        evidence=(),
        user_id=None,
    )
    return uuid.UUID(order_of(answer).dispute.id)


async def release(shop: Shop, order: orders_pb2.Order) -> Answer:
    return await shop.service.release_funds(shop.ask(), order_id=oid(order), by=Party.BUYER)


async def state_of(shop: Shop, offer: offers_pb2.Offer) -> str:
    found = await shop.offers.get(
        marketplace_id=shop.marketplace_id,
        order_id=uuid.UUID(offer.order_id),
        offer_id=uuid.UUID(offer.id),
        reader=None,
    )
    return found.state.value


async def told(shop: Shop, offer: offers_pb2.Offer) -> list[str]:
    """Read the types of an offer's events; their versions have no gap."""
    async with shop.database.transaction() as tx:
        rows = await tx.fetch(EVENTS)
    name = to_public("off", uuid.UUID(offer.id))
    own = [row for row in rows if row.aggregate_id == name]
    assert [row.version for row in own] == [*range(1, len(own) + 1)]
    return [row.event_type for row in own]


async def running(shop: Shop) -> int:
    async with shop.database.transaction() as tx:
        return int(await tx.fetchval(RUNNING))


def paid(shop: Shop, order: orders_pb2.Order) -> int:
    """Sum what was booked out of an order's escrow account."""
    return sum(
        transfer.amount
        for transfer in shop.peers.ledger.transfers.values()
        if transfer.debit == f"escrow:{order.id}"
    )


async def test_accepted_offer_is_paid_as_a_split_and_closes_the_order(shop: Shop) -> None:
    order = await shop.running_order()
    offer = await make(shop, order)

    first = await accept(shop, offer, key="once")
    again = await accept(shop, offer, key="once")

    assert (again.body, again.replayed) == (first.body, True)
    found = await shop.read(order)
    assert (found.state, found.final_status) == (State.CLOSED, FinalStatus.RELEASED)
    assert (found.refunded_amount, found.released_share) == (TWENTY, EIGHTY - TWENTY)
    assert paid(shop, order) == EIGHTY
    assert await state_of(shop, offer) == "ACCEPTED"
    assert await told(shop, offer) == ["offer.created", "offer.accepted"]
    names = [name for name, _ in await shop.events(order)]
    assert names[-4:] == [
        "order.release_requested",
        "order.released",
        "order.refunded",
        "order.closed",
    ]
    receipt = receipt_to_proto(uuid.UUID(int=1), found)
    assert receipt.personal_signal == "neutral"
    assert await running(shop) == 0


async def test_agreement_ends_a_dispute_and_its_case(shop: Shop) -> None:
    order = await shop.running_order()
    dispute_id = await dispute(shop, order)
    offer = await make(shop, order, by=Party.SELLER)

    await accept(shop, offer)

    found = await shop.read(order)
    assert found.final_status is FinalStatus.RELEASED
    assert found.dispute is not None
    assert found.dispute.decision is Decision.SPLIT
    assert shop.peers.disputes.decisions[dispute_id] is not None
    assert paid(shop, order) == EIGHTY


async def test_declined_offer_moves_nothing_and_another_can_be_made(shop: Shop) -> None:
    order = await shop.running_order()
    before = await shop.read(order)
    offer = await make(shop, order)

    await decline(shop, offer)
    other = await make(shop, order, by=Party.SELLER, refund=TEN)

    assert await shop.read(order) == before
    assert (await state_of(shop, offer), await state_of(shop, other)) == ("DECLINED", "OPEN")
    for answer in (accept, decline):
        with pytest.raises(OfferNotOpen):
            await answer(shop, offer)
    listed = await shop.offers.of_order(
        marketplace_id=shop.marketplace_id, order_id=oid(order), reader=None
    )
    assert [str(one.id) for one in listed] == [other.id, offer.id]


async def test_one_offer_is_open_at_a_time(shop: Shop) -> None:
    order = await shop.running_order()
    results = await asyncio.gather(
        *(make(shop, order, by=by) for by in (Party.BUYER, Party.SELLER) * 3),
        return_exceptions=True,
    )

    made = [one for one in results if isinstance(one, offers_pb2.Offer)]
    assert len(made) == 1
    assert all(isinstance(one, OfferAlreadyOpen) for one in results if one not in made)


async def test_same_key_makes_one_offer(shop: Shop) -> None:
    order = await shop.running_order()

    assert await make(shop, order, key="k") == await make(shop, order, key="k")

    assert await shop.count("offers") == 1


async def test_offer_lapses_by_the_databases_clock(shop: Shop, postgres_admin: str) -> None:
    order = await shop.running_order()
    offer = await make(shop, order)
    passing.for_offers(postgres_admin, HOURS - passing.MOMENT)
    too_early = await shop.offers.lapse_overdue()
    passing.for_offers(postgres_admin, passing.MOMENT)

    # No timer has ended it yet, and it cannot be answered any more.
    for answer in (accept, decline):
        with pytest.raises(OfferNotOpen) as refusal:
            await answer(shop, offer)
        assert refusal.value.details["currentState"] == "LAPSED"

    assert (too_early, await shop.offers.lapse_overdue()) == (0, 1)
    assert await shop.offers.lapse_overdue() == 0
    assert await state_of(shop, offer) == "LAPSED"
    assert await told(shop, offer) == ["offer.created", "offer.lapsed"]
    assert (await shop.read(order)).state is State.IN_PROGRESS


async def test_wrong_clock_of_a_process_does_not_lapse_an_offer(shop: Shop) -> None:
    order = await shop.running_order()
    offer = await make(shop, order)
    shop.clock.ahead = HOURS * 2

    assert await shop.offers.lapse_overdue() == 0
    await accept(shop, offer)

    assert (await shop.read(order)).state is State.CLOSED


async def test_overdue_offer_does_not_block_a_new_offer_before_the_timer_runs(
    shop: Shop, postgres_admin: str
) -> None:
    order = await shop.running_order()
    offer = await make(shop, order)
    passing.for_offers(postgres_admin, HOURS)

    await make(shop, order, refund=TEN)

    assert await told(shop, offer) == ["offer.created", "offer.lapsed"]


async def test_person_acts_for_their_own_side(shop: Shop) -> None:
    order = await shop.running_order()
    buyer, seller = uuid.UUID(order.buyer.id), uuid.UUID(order.seller.id)
    # What a person says of their side counts for nothing.
    offer = await make(shop, order, by=Party.BUYER, user_id=seller)

    for answer in (accept, decline):
        with pytest.raises(OfferIsOwn):
            await answer(shop, offer, user_id=seller)
        with pytest.raises(NotParty):
            await answer(shop, offer, user_id=uuid.uuid4())
    with pytest.raises(NotParty):
        await make(shop, order, user_id=uuid.uuid4())
    await accept(shop, offer, user_id=buyer)

    assert (await shop.read(order)).state is State.CLOSED


async def test_marketplace_cannot_answer_for_the_side_that_offered(shop: Shop) -> None:
    offer = await make(shop, await shop.running_order())

    for answer in (accept, decline):
        with pytest.raises(OfferIsOwn):
            await answer(shop, offer, by=Party.BUYER)

    assert await state_of(shop, offer) == "OPEN"


async def test_offers_are_found_with_their_own_order_and_marketplace_only(
    shop: Shop, database_url: Callable[[str], str]
) -> None:
    order = await shop.running_order()
    offer = await make(shop, order)
    other = offers_pb2.Offer()
    other.CopyFrom(offer)
    other.order_id = (await shop.running_order()).id

    for answer in (accept, decline):
        with pytest.raises(OfferNotFound):
            await answer(shop, other)
    async with open_shop(database_url("orders"), shop.peers, new_id()) as stranger:
        for answer in (accept, decline):
            with pytest.raises(OrderNotFound):
                await answer(stranger, offer)


@pytest.mark.parametrize("refund", [0, 1, EIGHTY])
async def test_offer_whose_refund_is_not_a_part_of_the_amount_is_refused(
    shop: Shop, refund: int
) -> None:
    with pytest.raises(OfferAmountNotValid):
        await make(shop, await shop.running_order(), refund=refund)


async def test_order_has_a_limited_number_of_offers(shop: Shop) -> None:
    order = await shop.running_order()
    for _ in range(OFFERS_MAX):
        await decline(shop, await make(shop, order))

    with pytest.raises(TooManyOffers):
        await make(shop, order)


async def test_offer_on_an_order_that_has_ended_cannot_be_accepted(shop: Shop) -> None:
    order = await shop.running_order()
    offer = await make(shop, order)
    await release(shop, order)

    with pytest.raises(OrderInWrongState):
        await accept(shop, offer)
    with pytest.raises(OrderInWrongState):
        await make(shop, order)

    with pytest.raises(OfferNotOpen):
        await decline(shop, offer)
    assert paid(shop, order) == EIGHTY
    assert await shop.offers.lapse_overdue() == 1
    assert await state_of(shop, offer) == "LAPSED"
    assert await told(shop, offer) == ["offer.created", "offer.lapsed"]


async def test_end_of_an_order_lapses_its_own_open_offers_only(shop: Shop) -> None:
    orders = [await shop.running_order() for _ in range(2)]
    ended, other = [await make(shop, order) for order in orders]
    await decline(shop, ended)
    lapsing = await make(shop, orders[0])

    await release(shop, orders[0])

    assert await shop.offers.lapse_overdue() == 1
    assert [await state_of(shop, one) for one in (ended, lapsing, other)] == [
        "DECLINED",
        "LAPSED",
        "OPEN",
    ]


async def test_agreement_that_never_lands_leaves_the_order_unchanged(shop: Shop) -> None:
    for is_disputed in (False, True):
        order = await shop.running_order()
        if is_disputed:
            await dispute(shop, order)
        before = (await shop.read(order)).state
        offer = await make(shop, order)
        shop.peers.escrow.fails["resolve"] = "ABANDONED"

        with pytest.raises(ProviderError):
            await accept(shop, offer)

        assert (await shop.read(order)).state is before
        shop.peers.escrow.fails.clear()
        await accept(shop, await make(shop, order, refund=TEN))
        assert (await shop.read(order)).refunded_amount == TEN
        assert paid(shop, order) == EIGHTY
