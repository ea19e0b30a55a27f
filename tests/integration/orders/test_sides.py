"""A person's side follows from the order; fields in which the person names a side are ignored."""

import json
import uuid

import pytest

from kernel.urls import InvalidUrl
from services.orders.order.domain import DisputeReason, Party
from services.orders.order.parties import NotPersonal
from tests.integration.orders.conftest import Shop, oid, order_of


async def canceled_by(shop: Shop) -> list[str]:
    """Read who canceled, as subscribers are told."""
    async with shop.database.transaction() as tx:
        cursor = await tx.execute("select payload from outbox where event_type = 'order.canceled'")
        return [json.loads(str(row[0]))["canceledBy"] for row in await cursor.fetchall()]


@pytest.mark.parametrize("claimed", [Party.SELLER, Party.SUPPORT, Party.SYSTEM])
async def test_a_buyer_cancels_as_the_buyer(shop: Shop, claimed: Party) -> None:
    order = await shop.reserved_order()

    await shop.service.cancel(
        shop.ask(),
        order_id=oid(order),
        by=claimed,
        reason="",
        user_id=uuid.UUID(order.buyer.id),
    )

    assert await canceled_by(shop) == ["BUYER"]


async def test_a_seller_cannot_cancel_for_the_buyer(shop: Shop) -> None:
    order = await shop.reserved_order()

    with pytest.raises(NotPersonal):
        await shop.service.cancel(
            shop.ask(),
            order_id=oid(order),
            by=Party.BUYER,
            reason="",
            user_id=uuid.UUID(order.seller.id),
        )

    assert await canceled_by(shop) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.example/a",
        "https://somebody@cdn.example/a",
        "https://cdn.example/" + "a" * 2029,
        "https://cdn.example/a b",
    ],
)
async def test_a_delivery_with_an_unsafe_link_is_refused(shop: Shop, url: str) -> None:
    order = await shop.running_order()
    events = await shop.events(order)

    with pytest.raises(InvalidUrl) as refusal:
        await shop.service.deliver(
            shop.ask("d"), order_id=oid(order), notes="done", url=url, user_id=None
        )

    assert [field for field, _ in refusal.value.fields] == ["url"]
    assert (await shop.read(order)).delivery is None
    assert await shop.events(order) == events


async def test_a_seller_opens_a_dispute_as_the_seller(shop: Shop) -> None:
    order = await shop.running_order()

    answer = await shop.service.open_dispute(
        shop.ask(),
        order_id=oid(order),
        by=Party.BUYER,
        reason=DisputeReason.OTHER,
        description="",
        evidence=[],
        user_id=uuid.UUID(order.seller.id),
    )

    assert order_of(answer).dispute.opened_by == 2
