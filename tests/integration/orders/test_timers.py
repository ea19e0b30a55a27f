"""What happens by the clock: overdue deliveries are accepted, the parties' totals are folded."""

import asyncio
import datetime as dt
import uuid
from collections.abc import Callable

import psycopg
import pytest
from orchestrator.orders.v1 import orders_pb2

from kernel.ids import new_id
from services.orders.order.domain import DisputeReason, Order, Party, State
from services.orders.wire import receipt_to_proto
from tests import passing
from tests.integration.orders.conftest import Peers, Shop, oid, open_shop, order_of
from tests.patience import PATIENCE_SECONDS

SEVEN_DAYS = dt.timedelta(days=7)


async def _delivered(shop: Shop) -> orders_pb2.Order:
    order = await shop.running_order()
    return order_of(
        await shop.service.deliver(
            shop.ask(), order_id=oid(order), notes="done", url="", user_id=None
        )
    )


async def test_an_unanswered_delivery_is_accepted_after_seven_days(
    shop: Shop, postgres_admin: str
) -> None:
    order = await _delivered(shop)
    passing.for_orders(postgres_admin, SEVEN_DAYS - passing.MOMENT)
    too_early = await shop.timers.meet_deadlines()
    passing.for_orders(postgres_admin, passing.MOMENT)

    begun = await shop.timers.meet_deadlines()

    await shop.until(order, State.CLOSED)
    receipt = receipt_to_proto(uuid.UUID(int=1), await shop.read(order))
    assert (too_early, begun) == (0, 1)
    assert receipt.personal_signal == "neutral"
    assert await shop.timers.meet_deadlines() == 0


async def test_a_marketplace_chooses_its_days(shop: Shop, postgres_admin: str) -> None:
    order = await _delivered(shop)
    async with await psycopg.AsyncConnection.connect(postgres_admin, autocommit=True) as admin:
        await admin.execute(
            "insert into orders.marketplaces (id, auto_confirm_days) values (%s, 2)",
            (shop.marketplace_id,),
        )
    passing.for_orders(postgres_admin, dt.timedelta(days=2))

    begun = await shop.timers.meet_deadlines()

    await shop.until(order, State.CLOSED)
    assert begun == 1


async def test_a_dispute_stops_the_timer(shop: Shop, postgres_admin: str) -> None:
    order = await _delivered(shop)
    await shop.service.open_dispute(
        shop.ask(),
        order_id=oid(order),
        by=Party.BUYER,
        reason=DisputeReason.OTHER,
        description="",
        evidence=(),
        user_id=None,
    )
    passing.for_orders(postgres_admin, SEVEN_DAYS + dt.timedelta(days=1))

    begun = await shop.timers.meet_deadlines()

    assert begun == 0
    assert (await shop.read(order)).state is State.DISPUTED


async def test_a_process_whose_clock_is_ahead_accepts_nothing_early(shop: Shop) -> None:
    order = await _delivered(shop)
    shop.clock.ahead = SEVEN_DAYS + dt.timedelta(days=1)

    begun = await shop.timers.meet_deadlines()

    assert begun == 0
    assert (await shop.read(order)).state is State.IN_PROGRESS


async def test_an_order_that_was_not_delivered_waits(shop: Shop) -> None:
    order = await shop.running_order()

    begun = await shop.timers.meet_deadlines()

    assert begun == 0
    assert (await shop.read(order)).state is State.IN_PROGRESS


async def test_totals_are_right_before_and_after_they_are_folded(shop: Shop) -> None:
    order = await shop.running_order()
    await shop.order()
    expected = {"": 2, "paid": 1, "pending_payment": 1, "delivered": 0}

    for _ in range(2):
        for status, total in expected.items():
            for is_seller, user in ((False, order.buyer.id), (True, order.seller.id)):
                orders, counted = await shop.queries.list_party_orders(
                    marketplace_id=shop.marketplace_id,
                    user_id=uuid.UUID(user),
                    is_seller=is_seller,
                    status=status,
                    offset=0,
                    limit=10,
                )
                assert (len(orders), counted) == (total, total), status
        await shop.timers.fold_totals()

    assert await shop.count("party_changes") == 0


async def test_an_order_that_moves_after_a_fold_is_counted_in_its_new_status(shop: Shop) -> None:
    order = await shop.rich_order()
    await shop.timers.fold_totals()
    await shop.service.pay(shop.ask(), order_id=oid(order), user_id=None)

    await shop.timers.fold_totals()

    totals = {}
    for status in ("pending_payment", "paid"):
        _, totals[status] = await shop.queries.list_party_orders(
            marketplace_id=shop.marketplace_id,
            user_id=uuid.UUID(order.buyer.id),
            is_seller=False,
            status=status,
            offset=0,
            limit=1,
        )
    assert totals == {"pending_payment": 0, "paid": 1}
    assert await shop.count("party_changes") == 0


async def test_folding_twice_at_once_counts_once(two_shops: tuple[Shop, Shop]) -> None:
    one, two = two_shops
    order = await one.rich_order()
    for _ in range(5):
        await one.order()

    await asyncio.gather(*(shop.timers.fold_totals() for shop in (one, two, one, two)))

    _, total = await one.queries.list_party_orders(
        marketplace_id=one.marketplace_id,
        user_id=uuid.UUID(order.buyer.id),
        is_seller=False,
        status="",
        offset=0,
        limit=1,
    )
    assert total == 6


@pytest.mark.parametrize("status", ["", "pending_payment"])
async def test_a_list_and_its_total_are_read_at_one_moment(
    two_shops: tuple[Shop, Shop], status: str
) -> None:
    one, two = two_shops
    order = await one.rich_order()

    async def make() -> None:
        for number in range(60):
            await two.order()
            if number % 7 == 0:
                await two.timers.fold_totals()

    making = asyncio.create_task(make())
    seen = set()
    while not making.done():
        orders, total = await one.queries.list_party_orders(
            marketplace_id=one.marketplace_id,
            user_id=uuid.UUID(order.buyer.id),
            is_seller=False,
            status=status,
            offset=0,
            limit=100,
        )
        assert len(orders) == total
        seen.add(total)
    await making
    # Orders were made between lists, and not before or after all of them.
    assert len(seen) > 2


async def test_a_page_beyond_the_last_order_has_the_total(shop: Shop) -> None:
    order = await shop.rich_order()

    orders, total = await shop.queries.list_party_orders(
        marketplace_id=shop.marketplace_id,
        user_id=uuid.UUID(order.seller.id),
        is_seller=True,
        status="",
        offset=7,
        limit=10,
    )

    assert (orders, total) == ([], 1)


async def test_the_parties_never_see_another_marketplaces_orders(
    shop: Shop, database_url: Callable[[str], str]
) -> None:
    user_id = uuid.uuid4()
    async with open_shop(database_url("orders"), Peers(), new_id()) as other:
        for count, one in ((1, other), (2, shop)):
            await one.user("usr_buyer")
            await one.user("usr_seller", user_id=user_id)
            for _ in range(count):
                await one.order()

        # What was appended, what was folded, and both at once.
        for appended in range(3):
            for count, one in ((1, other), (2, shop)):
                orders, total = await _sold(one, user_id)
                assert (len(orders), total) == (count + appended, count + appended)
                assert {order.marketplace_id for order in orders} == {one.marketplace_id}
                _, filtered = await _sold(one, user_id, status="pending_payment")
                assert filtered == total
            await shop.timers.fold_totals()
            for one in (other, shop):
                orders, total = await _sold(one, user_id)
                assert len(orders) == total
                await one.order()


async def test_totals_are_folded_by_one_process_at_a_time(shop: Shop, postgres_admin: str) -> None:
    await shop.rich_order()
    before = await shop.count("party_changes")
    async with await psycopg.AsyncConnection.connect(postgres_admin, autocommit=True) as admin:
        await admin.execute("select pg_advisory_lock(hashtext('totals'))")
        async with asyncio.timeout(PATIENCE_SECONDS):
            await shop.timers.fold_totals()
        while_another_folds = await shop.count("party_changes")
        await admin.execute("select pg_advisory_unlock(hashtext('totals'))")
    await shop.timers.fold_totals()

    assert before == while_another_folds > 0
    assert await shop.count("party_changes") == 0


async def _sold(shop: Shop, user_id: uuid.UUID, *, status: str = "") -> tuple[list[Order], int]:
    return await shop.queries.list_party_orders(
        marketplace_id=shop.marketplace_id,
        user_id=user_id,
        is_seller=True,
        status=status,
        offset=0,
        limit=10,
    )
