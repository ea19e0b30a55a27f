"""Offers that meet other commands, die half way, or have any amount: paid once, books right."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import replace

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.idempotency import Answer
from kernel.ids import new_id
from kernel.money import CENT
from services.orders.offers.offer import OfferNotOpen
from services.orders.order.domain import Decision, Party, State
from tests import passing
from tests.integration.orders.conftest import EIGHTY, Peers, Shop, open_shop, outcomes
from tests.integration.orders.test_leases import EXPIRE, execute
from tests.integration.orders.test_offers import (
    HOURS,
    TWENTY,
    accept,
    decline,
    dispute,
    make,
    paid,
    release,
    running,
    state_of,
    told,
)
from tests.patience import PATIENCE_SECONDS

ROUNDS = 20


async def test_offer_is_either_accepted_or_declined(shop: Shop) -> None:
    for _ in range(ROUNDS):
        order = await shop.running_order()
        offer = await make(shop, order)

        answers, refusals = await outcomes(
            accept(shop, offer), decline(shop, offer), accept(shop, offer)
        )

        assert len(answers) == 1
        assert {refusal.reason for refusal in refusals} == {"OFFER_NOT_OPEN"}
        is_paid = (await shop.read(order)).state is State.CLOSED
        assert await state_of(shop, offer) == ("ACCEPTED" if is_paid else "DECLINED")
        assert paid(shop, order) == (EIGHTY if is_paid else 0)


async def test_order_is_either_released_or_agreed_on(shop: Shop) -> None:
    for _ in range(ROUNDS):
        order = await shop.running_order()
        offer = await make(shop, order)

        answers, refusals = await outcomes(accept(shop, offer), release(shop, order))

        assert len(answers) == 1
        assert {refusal.reason for refusal in refusals} == {"INVALID_STATE"}
        found = await shop.read(order)
        is_agreed = await state_of(shop, offer) == "ACCEPTED"
        assert found.refunded_amount == (TWENTY if is_agreed else 0)
        assert paid(shop, order) == EIGHTY
        assert await running(shop) == 0


async def test_dispute_is_either_decided_or_agreed_on(shop: Shop) -> None:
    for _ in range(ROUNDS):
        order = await shop.running_order()
        dispute_id = await dispute(shop, order)
        offer = await make(shop, order)
        decided: Awaitable[Answer] = shop.service.resolve_dispute(
            shop.ask(),
            dispute_id=dispute_id,
            decision=Decision.FULL_REFUND,
            release=None,
            refund=None,
            note="",
        )

        answers, refusals = await outcomes(accept(shop, offer), decided)

        assert len(answers) == 1
        assert {refusal.reason for refusal in refusals} == {"INVALID_STATE"}
        found = await shop.read(order)
        is_agreed = await state_of(shop, offer) == "ACCEPTED"
        assert found.refunded_amount == (TWENTY if is_agreed else EIGHTY)
        assert paid(shop, order) == EIGHTY


async def test_offer_is_either_accepted_or_lapses(shop: Shop, postgres_admin: str) -> None:
    for _ in range(ROUNDS):
        order = await shop.running_order()
        offer = await make(shop, order)
        passing.for_offers(postgres_admin, HOURS - dt.timedelta(milliseconds=5))

        results = await asyncio.gather(
            accept(shop, offer), shop.offers.lapse_overdue(), return_exceptions=True
        )
        await shop.offers.lapse_overdue()

        is_agreed = isinstance(results[0], Answer)
        assert is_agreed or isinstance(results[0], OfferNotOpen)
        assert paid(shop, order) == (EIGHTY if is_agreed else 0)
        events = await told(shop, offer)
        assert events == ["offer.created", "offer.accepted" if is_agreed else "offer.lapsed"]


@pytest.mark.parametrize("is_disputed", [False, True])
async def test_agreement_of_a_dead_process_is_taken_over_and_paid_once(
    database_url: Callable[[str], str], *, is_disputed: bool
) -> None:
    url, peers, marketplace_id = database_url("orders"), Peers(), new_id()
    stuck = replace(peers, escrow=replace(peers.escrow, gate=asyncio.Event()))
    async with open_shop(url, peers, marketplace_id) as builder:
        order = await builder.running_order()
        if is_disputed:
            await dispute(builder, order)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await running(builder):  # noqa: ASYNC110 - asks Postgres
                    await asyncio.sleep(0.01)
        offer = await make(builder, order)
    async with open_shop(url, stuck, marketplace_id, takes_over=False) as dying:
        dying.peers.escrow.gate.clear()
        await accept(dying, offer, wait=0)
        await execute(dying, EXPIRE)

    async with open_shop(url, peers, marketplace_id) as successor:
        await successor.until(order, State.CLOSED)
        assert paid(successor, order) == EIGHTY
        assert await told(successor, offer) == ["offer.created", "offer.accepted"]
    assert list(peers.escrow.kinds.values()).count("resolve") == 1


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    cents=st.integers(1, 7999),
    by=st.sampled_from((Party.BUYER, Party.SELLER)),
    is_disputed=st.booleans(),
)
async def test_every_agreement_pays_the_whole_amount_and_no_other(
    shop: Shop, *, cents: int, by: Party, is_disputed: bool
) -> None:
    order = await shop.running_order()
    if is_disputed:
        await dispute(shop, order)
    before = dict(shop.peers.ledger.available)

    await accept(shop, await make(shop, order, by=by, refund=cents * CENT))

    after = shop.peers.ledger.available
    changed = {name: after[name] - before.get(name, 0) for name in after}
    assert changed.pop(f"user:{order.buyer.id}") == cents * CENT
    assert changed.pop(f"user:{order.seller.id}") == EIGHTY - cents * CENT
    assert {name for name, change in changed.items() if change} <= {"fees:provider"}
    assert paid(shop, order) == EIGHTY
    found = await shop.read(order)
    assert found.refunded_amount + found.released_amount == EIGHTY


async def test_database_admits_one_open_offer_of_an_order(shop: Shop, postgres_admin: str) -> None:
    offer = await make(shop, await shop.running_order())
    copy = """
        insert into orders.offers select marketplace_id, gen_random_uuid(), order_id, offered_by,
            refund, release, message, state, version, created_at, expires_at, decided_at, decided_by
        from orders.offers where id = %s
    """

    async with await psycopg.AsyncConnection.connect(postgres_admin, autocommit=True) as admin:
        with pytest.raises(psycopg.errors.UniqueViolation):
            await admin.execute(copy, (offer.id,))
