"""Deadlines on a real database: warned of, met by the clock, and never against a caller's command.

The clock of a test marketplace moves its own deadlines and kept answers, and no other's.
"""

import asyncio
import datetime as dt
import itertools
from collections.abc import Awaitable, Callable

import psycopg
import pytest
from orchestrator.orders.v1 import orders_pb2

from chassis.idempotency import Answer
from kernel.ids import new_id
from services.orders.deadlines.chosen import ClockTooFar
from services.orders.offers.offer import OfferNotOpen
from services.orders.order.deadlines import RULES, WARNING_HOURS, Action, Rule, SupportTime
from services.orders.order.domain import DisputeReason, FinalStatus, Party, State
from tests import passing
from tests.integration.orders.conftest import Peers, Shop, oid, open_shop, outcomes
from tests.integration.orders.test_offers import accept as accept_offer
from tests.integration.orders.test_offers import decline as decline_offer
from tests.integration.orders.test_offers import make as make_offer
from tests.integration.orders.test_offers import state_of as offer_state
from tests.passing import MOMENT

DAY = dt.timedelta(days=1)
WARNING = dt.timedelta(hours=WARNING_HOURS)
BY_NAME = {rule.name: rule for rule in RULES}


async def _delivered(shop: Shop) -> orders_pb2.Order:
    order = await shop.running_order()
    await shop.service.deliver(shop.ask(), order_id=oid(order), notes="", url="", user_id=None)
    return order


async def _disputed(shop: Shop) -> orders_pb2.Order:
    order = await shop.running_order()
    await shop.service.open_dispute(
        shop.ask(),
        order_id=oid(order),
        by=Party.BUYER,
        reason=DisputeReason.OTHER,
        description="",
        evidence=(),
        user_id=None,
    )
    await _quiet(shop)
    return order


async def _quiet(shop: Shop) -> None:
    """Wait until no operation runs."""
    async with asyncio.timeout(30):
        while await shop.count("operations where state = 'running'"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


RESTING: dict[str, Callable[[Shop], Awaitable[orders_pb2.Order]]] = {
    "reservation": Shop.reserved_order,
    "funding": Shop.deployed_order,
    "delivery": Shop.running_order,
    "acceptance": _delivered,
    "decision": _disputed,
}


async def _told(shop: Shop, order: orders_pb2.Order) -> list[str]:
    return [name for name, _ in await shop.events(order) if "deadline" in name]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
async def test_deadline_warns_once_and_then_takes_its_action(
    shop: Shop, postgres_admin: str, rule: Rule
) -> None:
    order = await RESTING[rule.name](shop)
    await _quiet(shop)
    passing.for_orders(postgres_admin, dt.timedelta(days=rule.days) - WARNING - MOMENT)
    assert await shop.timers.meet_deadlines() == 0
    assert await _told(shop, order) == []

    passing.for_orders(postgres_admin, 2 * MOMENT)
    for _ in range(2):
        assert await shop.timers.meet_deadlines() == 0
    assert await _told(shop, order) == ["order.deadline_warning"]
    assert (await shop.read(order)).state is rule.state

    passing.for_orders(postgres_admin, WARNING)
    assert await shop.timers.meet_deadlines() == 1
    await _quiet(shop)
    assert await shop.timers.meet_deadlines() == 0

    after = await shop.read(order)
    endings = {Action.CANCEL: FinalStatus.CANCELED, Action.RELEASE: FinalStatus.RELEASED}
    assert after.final_status is endings.get(rule.action)
    is_told = after.final_status is None
    assert await _told(shop, order) == [
        "order.deadline_warning",
        *(["order.deadline_passed"] if is_told else []),
    ]
    held = shop.peers.ledger.reserved(f"user:{order.buyer.id}")
    assert held == 0


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
async def test_a_marketplace_chooses_the_days(shop: Shop, postgres_admin: str, rule: Rule) -> None:
    order = await RESTING[rule.name](shop)
    await _quiet(shop)
    with psycopg.connect(postgres_admin) as admin:
        admin.execute(
            f"insert into orders.marketplaces (id, {rule.setting}, warning_hours)"  # noqa: S608
            " values (%s, 60, 48)",
            (shop.marketplace_id,),
        )
    passing.for_orders(postgres_admin, 58 * DAY - MOMENT)
    await shop.timers.meet_deadlines()
    assert await _told(shop, order) == []

    passing.for_orders(postgres_admin, 2 * MOMENT)
    assert await shop.timers.meet_deadlines() == 0
    assert await _told(shop, order) == ["order.deadline_warning"]
    passing.for_orders(postgres_admin, 2 * DAY)

    assert await shop.timers.meet_deadlines() == 1


async def test_a_dispute_is_opened_with_the_hours_that_support_has(
    shop: Shop, postgres_admin: str
) -> None:
    by_default = await _disputed(shop)
    with psycopg.connect(postgres_admin) as admin:
        admin.execute(
            "insert into orders.marketplaces (id, dispute_answer_hours, dispute_decision_hours,"
            " clock_offset_seconds) values (%s, null, 12, 60)",
            (shop.marketplace_id,),
        )
    chosen = await _disputed(shop)

    disputes = [(await shop.read(order)).dispute for order in (by_default, chosen)]
    first, second = [shop.peers.disputes.rules[one.id] for one in disputes if one]
    assert first.support_time == SupportTime(answer_hours=24, decision_hours=168)
    assert second.support_time == SupportTime(answer_hours=None, decision_hours=12)
    assert second.clock_offset == dt.timedelta(seconds=60)


async def test_state_change_restarts_the_deadline(shop: Shop, postgres_admin: str) -> None:
    order = await shop.reserved_order()
    passing.for_orders(postgres_admin, 7 * DAY - MOMENT)
    await shop.timers.meet_deadlines()
    await shop.service.create_escrow(shop.ask(), order_id=oid(order))
    await _quiet(shop)
    passing.for_orders(postgres_admin, 2 * MOMENT)

    assert await shop.timers.meet_deadlines() == 0
    assert (await shop.read(order)).state is State.ESCROW_CREATING


async def test_no_deadline_applies_while_an_operation_runs(shop: Shop, postgres_admin: str) -> None:
    order = await shop.reserved_order()
    shop.peers.escrow.gate.clear()
    await shop.service.create_escrow(shop.ask(), order_id=oid(order))
    passing.for_orders(postgres_admin, 30 * DAY)

    assert await shop.timers.meet_deadlines() == 0
    assert await _told(shop, order) == []
    shop.peers.escrow.gate.set()
    await _quiet(shop)
    assert await shop.timers.meet_deadlines() == 1


@pytest.mark.parametrize("turn", range(12))
async def test_deadline_and_concurrent_command_exclude_each_other(
    two_shops: tuple[Shop, Shop], postgres_admin: str, turn: int
) -> None:
    one, two = two_shops
    name, command = _RACES[turn % len(_RACES)]
    order = await RESTING[name](one)
    await _quiet(one)
    passing.for_orders(postgres_admin, 40 * DAY)

    results = await asyncio.gather(
        command(two, order),
        one.timers.meet_deadlines(),
        two.timers.meet_deadlines(),
        return_exceptions=True,
    )

    await _quiet(one)
    wrong = [one for one in results[1:] if isinstance(one, BaseException)]
    assert not wrong
    after, ledger = await one.read(order), one.peers.ledger
    account = f"user:{order.buyer.id}"
    if after.final_status is FinalStatus.CANCELED:
        assert (ledger.available[account], ledger.reserved(account)) == (1_000_000_000, 0)
    versions = [version for _, version in await one.events(order)]
    assert versions == list(range(1, len(versions) + 1))
    assert after.version == len(versions)
    closed = [event for event, _ in await one.events(order) if event == "order.closed"]
    assert len(closed) <= 1


def _create(shop: Shop, order: orders_pb2.Order) -> Awaitable[Answer]:
    return shop.service.create_escrow(shop.ask(), order_id=oid(order))


def _fund(shop: Shop, order: orders_pb2.Order) -> Awaitable[Answer]:
    return shop.service.fund_escrow(shop.ask(), order_id=oid(order))


def _release(shop: Shop, order: orders_pb2.Order) -> Awaitable[Answer]:
    return shop.service.release_funds(shop.ask(), order_id=oid(order), by=Party.BUYER)


_RACES = (("reservation", _create), ("funding", _fund), ("acceptance", _release))


async def test_deadline_action_of_a_dead_process_is_finished_by_another(
    database_url: Callable[..., str],
) -> None:
    peers, marketplace_id = Peers(), new_id()
    url = database_url("orders")
    async with open_shop(url, peers, marketplace_id) as first:
        order = await first.reserved_order()
        passing.for_orders(database_url(), 8 * DAY)
        peers.ledger.gate.clear()
        assert await first.timers.meet_deadlines() == 1
        assert (await first.read(order)).state is State.FUNDS_RESERVED
    peers.ledger.gate.set()

    async with open_shop(url, peers, marketplace_id) as second:
        await second.until(order, State.CLOSED)
        names = [name for name, _ in await second.events(order)]

    assert names.count("order.canceled") == 1
    assert peers.ledger.reserved(f"user:{order.buyer.id}") == 0


async def test_two_processes_warn_once(two_shops: tuple[Shop, Shop], postgres_admin: str) -> None:
    one, two = two_shops
    order = await one.reserved_order()
    passing.for_orders(postgres_admin, 7 * DAY - MOMENT)

    await asyncio.gather(*(shop.timers.meet_deadlines() for shop in (one, two) * 3))

    assert await _told(one, order) == ["order.deadline_warning"]


async def test_moved_clock_affects_its_own_marketplace_only(
    database_url: Callable[..., str],
) -> None:
    url, peers = database_url("orders"), Peers()
    async with open_shop(url, peers, new_id()) as other:
        others = await other.reserved_order()
        async with open_shop(url, peers, new_id()) as test:
            own = await test.reserved_order()
            before = await test.chosen.read(test.marketplace_id)
            await test.chosen.advance(test.key(), by=8 * DAY)
            after = await test.chosen.read(test.marketplace_id)

            assert await test.timers.meet_deadlines() == 1
            await test.until(own, State.CLOSED)

        moved = after.time - before.time
        assert 8 * DAY <= moved < 8 * DAY + MOMENT
        assert (await other.chosen.read(other.marketplace_id)).rules.clock_offset == dt.timedelta()
        assert (await other.read(others)).state is State.FUNDS_RESERVED
        assert await _told(other, others) == []


async def test_order_created_after_the_clock_was_moved_has_its_full_deadline(shop: Shop) -> None:
    await shop.chosen.advance(shop.key(), by=100 * DAY)
    order = await shop.reserved_order()

    assert await shop.timers.meet_deadlines() == 0
    await shop.chosen.advance(shop.key(), by=6 * DAY - MOMENT)
    assert await shop.timers.meet_deadlines() == 0
    assert await _told(shop, order) == []
    await shop.chosen.advance(shop.key(), by=DAY + 2 * MOMENT)
    assert await shop.timers.meet_deadlines() == 1


async def test_stored_answers_age_with_the_moved_clock_except_the_moves_own_answer(
    shop: Shop,
) -> None:
    order = await shop.rich_order()
    first = await shop.service.reserve_funds(shop.ask("kept"), order_id=oid(order))
    moved = await shop.chosen.advance(shop.key("clock"), by=DAY - MOMENT)
    again = await shop.service.reserve_funds(shop.ask("kept"), order_id=oid(order))
    assert again.replayed
    assert again.body == first.body

    await shop.chosen.advance(shop.key("clock 2"), by=2 * MOMENT)
    taken = await shop.service.cancel(
        shop.ask("kept", fingerprint=b"another"),
        order_id=oid(order),
        by=Party.BUYER,
        reason="",
        user_id=None,
    )
    repeated = await shop.chosen.advance(shop.key("clock 2"), by=2 * MOMENT)

    assert not taken.replayed
    assert repeated.replayed
    assert repeated.body != moved.body


async def test_offers_lapse_by_the_test_clock_of_their_own_marketplace(
    shop: Shop, database_url: Callable[[str], str]
) -> None:
    order = await shop.running_order()
    offer = await make_offer(shop, order)
    async with open_shop(database_url("orders"), Peers(), new_id()) as other:
        kept = await make_offer(other, await other.running_order())
        await shop.chosen.advance(shop.key(), by=3 * DAY - MOMENT)
        assert await shop.offers.lapse_overdue() == 0
        await shop.chosen.advance(shop.key(), by=2 * MOMENT)

        for answer in (accept_offer, decline_offer):
            with pytest.raises(OfferNotOpen) as refusal:
                await answer(shop, offer)
            assert refusal.value.details["currentState"] == "LAPSED"
        assert await shop.offers.lapse_overdue() == 1
        assert await offer_state(shop, offer) == "LAPSED"
        assert await offer_state(other, kept) == "OPEN"


async def test_offer_made_after_the_clock_was_moved_is_open_for_its_hours(shop: Shop) -> None:
    await shop.chosen.advance(shop.key(), by=100 * DAY)
    order = await shop.running_order()
    offer = await make_offer(shop, order)
    await shop.chosen.advance(shop.key(), by=3 * DAY - MOMENT)

    assert await shop.offers.lapse_overdue() == 0
    shown = (await shop.chosen.read(shop.marketplace_id)).time
    left = offer.expires_at.ToDatetime(dt.UTC) - shown
    assert dt.timedelta() < left <= MOMENT
    await accept_offer(shop, offer)

    closed = await shop.read(order)
    assert closed.state is State.CLOSED
    # The clock moves deadlines. What happened is written down with the time at which it did.
    assert closed.closed_at is not None
    assert offer.created_at.ToDatetime(dt.UTC) < closed.closed_at < shown - DAY


async def test_offer_overdue_by_the_test_clock_does_not_block_a_new_offer(shop: Shop) -> None:
    order = await shop.running_order()
    offer = await make_offer(shop, order)
    await shop.chosen.advance(shop.key(), by=3 * DAY)

    await make_offer(shop, order)

    assert await offer_state(shop, offer) == "LAPSED"


async def test_a_clock_is_moved_by_ten_years_at_most(shop: Shop) -> None:
    for _ in range(10):
        await shop.chosen.advance(shop.key(), by=366 * DAY)
    answers, refusals = await outcomes(shop.chosen.advance(shop.key(), by=DAY))

    assert answers == []
    assert [type(one) for one in refusals] == [ClockTooFar]


async def test_every_rule_is_tested() -> None:
    assert set(RESTING) == set(BY_NAME)
    assert len(list(itertools.chain(RESTING))) == len(RULES)
