"""Creating orders on a real database: once per key, once per reference, and what is refused."""

import asyncio

import pytest

from chassis.idempotency import IdempotencyKeyReused
from kernel.errors import DomainError, InvalidArgument
from kernel.ids import to_public
from kernel.money import CENT, InvalidAmountFormat
from services.orders.order.domain import Milestone
from services.orders.order.intake import BuyerIsSeller, InvalidCurrency, MilestonesMismatch
from services.orders.order.store import ClientOrderRefTaken
from services.orders.people.users import UserNotFound
from tests.integration.orders.conftest import EIGHTY, Shop, an_order, oid, order_of, outcomes


@pytest.fixture(autouse=True)
async def two_users(shop: Shop) -> None:
    """Register the guide's two."""
    await shop.user("usr_buyer")
    await shop.user("usr_seller")


async def test_a_new_order_has_one_event(shop: Shop) -> None:
    order = await shop.order()

    assert await shop.events(order) == [("order.created", 1)]
    assert (await shop.read(order)).version == 1


async def test_the_same_key_makes_one_order_and_gives_the_same_bytes(
    two_shops: tuple[Shop, Shop],
) -> None:
    one, two = two_shops
    await one.user("usr_buyer")
    await one.user("usr_seller")

    answers, refusals = await outcomes(
        *(s.queries.create_order(s.key("c"), an_order()) for s in (one, two, one, two))
    )

    assert not refusals
    assert len({answer.body for answer in answers}) == 1
    assert sorted(answer.replayed for answer in answers) == [False, True, True, True]
    assert await one.count("orders") == 1
    assert await one.count("outbox where event_type = 'order.created'") == 1


async def test_the_same_key_for_another_order_is_refused(shop: Shop) -> None:
    await shop.queries.create_order(shop.key("c"), an_order())

    with pytest.raises(IdempotencyKeyReused):
        await shop.queries.create_order(shop.key("c", b"other"), an_order(title="Another"))

    assert await shop.count("orders") == 1


async def test_a_reference_names_one_order_and_its_refusal_is_kept(shop: Shop) -> None:
    known = await shop.order(client_order_ref="A-1")
    first = to_public("ord", oid(known))

    for replayed in (False, True):
        with pytest.raises(DomainError) as refusal:
            await shop.queries.create_order(shop.key("d"), an_order(client_order_ref="A-1"))
        assert refusal.value.reason == ClientOrderRefTaken.reason
        # A client that lost the first answer finds the order.
        assert refusal.value.details == {"clientOrderRef": "A-1", "orderId": first}
        assert refusal.value.replayed is replayed

    assert await shop.count("orders") == 1


async def test_an_unknown_seller_is_refused_and_again_with_the_same_key(shop: Shop) -> None:
    with pytest.raises(UserNotFound):
        await shop.queries.create_order(shop.key("u"), an_order(seller="usr_nobody"))
    await shop.user("usr_nobody")

    with pytest.raises(DomainError) as again:
        await shop.queries.create_order(shop.key("u"), an_order(seller="usr_nobody"))

    assert again.value.reason == "USER_NOT_FOUND"
    assert again.value.replayed


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"seller": "usr_buyer"}, BuyerIsSeller),
        ({"currency": "EUR"}, InvalidCurrency),
        ({"asset": "EURC"}, InvalidCurrency),
        ({"amount": 0}, InvalidAmountFormat),
        ({"amount": EIGHTY + 1}, InvalidAmountFormat),
        ({"metadata_json": "[1]"}, InvalidArgument),
        ({"contract_terms_json": "{"}, InvalidArgument),
        ({"milestones": (Milestone(ref="a", title="A", minor_units=CENT),)}, MilestonesMismatch),
        (
            {"milestones": (Milestone(ref="a", title="A", minor_units=EIGHTY // 2),) * 2},
            MilestonesMismatch,
        ),
    ],
)
async def test_a_wrong_field_is_refused_and_writes_nothing(
    shop: Shop, changes: dict[str, object], refusal: type[DomainError]
) -> None:
    before = await shop.count("idempotency")

    with pytest.raises(refusal):
        await shop.queries.create_order(shop.key(), an_order(**changes))

    assert await shop.count("orders") == 0
    assert await shop.count("idempotency") == before


async def test_orders_created_at_once_all_exist(shop: Shop) -> None:
    answers = await asyncio.gather(
        *(shop.queries.create_order(shop.key(), an_order()) for _ in range(50))
    )

    assert len({order_of(answer).id for answer in answers}) == 50
    assert await shop.count("orders") == 50
