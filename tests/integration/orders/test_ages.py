"""An idempotency key belongs to its request for 24 hours of the database's clock, then is free.

Each way of claiming a key is tested past that time: the statement that creates an order, the
statement that begins an operation, the command that waits for its row, the look before a ruling,
and the rest.
"""

import uuid
from collections.abc import Awaitable, Callable

import psycopg
import pytest

from chassis.idempotency import Answer, IdempotencyKeyReused
from kernel.errors import NotFound
from services.orders.funds.credits import NewCredit
from services.orders.order.domain import Decision
from services.orders.people.users import UserType
from tests import passing
from tests.integration.orders.conftest import TEN, Shop, an_order, oid
from tests.passing import DAY, MOMENT

KEY = "one key"
# Asks with the key for something named, which makes it another request.
Ask = Callable[[Shop, str], Awaitable[Answer]]


async def create(shop: Shop, name: str) -> Answer:
    return await shop.queries.create_order(shop.key(KEY, name.encode()), an_order(title=name))


async def reserve(shop: Shop, name: str) -> Answer:
    order = await shop.order()
    request = shop.ask(KEY, fingerprint=name.encode())
    return await shop.service.reserve_funds(request, order_id=oid(order))


async def deliver(shop: Shop, name: str) -> Answer:
    order = await shop.running_order()
    request = shop.ask(KEY, fingerprint=name.encode())
    return await shop.service.deliver(
        request, order_id=oid(order), notes=name, url="", user_id=None
    )


async def register(shop: Shop, name: str) -> Answer:
    return await shop.registry.register(
        shop.key(KEY, name.encode()),
        external_user_id=name,
        public_id="",
        email="",
        user_type=UserType.BOTH,
        user_id=None,
    )


async def credit(shop: Shop, name: str) -> Answer:
    return await shop.crediting.credit(
        shop.key(KEY, name.encode()),
        NewCredit(user="usr_buyer", amount=TEN, reference=name, description=""),
        wait_seconds=10,
    )


@pytest.mark.parametrize("ask", [create, reserve, deliver, register, credit])
async def test_an_expired_key_is_free_for_another_request(
    shop: Shop, postgres_admin: str, ask: Ask
) -> None:
    async with await psycopg.AsyncConnection.connect(postgres_admin, autocommit=True) as admin:
        await admin.execute(
            "insert into orders.marketplaces (id, allows_manual_credit) values (%s, true)",
            (shop.marketplace_id,),
        )
    await shop.rich_order()
    shop.peers.ledger.available = dict.fromkeys(shop.peers.ledger.available, 10**12)
    first = await ask(shop, "first")

    passing.for_answers(postgres_admin, DAY - MOMENT, schema="orders")
    with pytest.raises(IdempotencyKeyReused):
        await ask(shop, "second")
    passing.for_answers(postgres_admin, 2 * MOMENT, schema="orders")
    second = await ask(shop, "second")

    assert (first.replayed, second.replayed) == (False, False)
    assert second.body != first.body
    with pytest.raises(IdempotencyKeyReused):
        await ask(shop, "first")


async def test_a_ruling_is_read_again_when_its_key_has_expired(
    shop: Shop, postgres_admin: str
) -> None:
    async def resolve(name: str) -> NotFound:
        with pytest.raises(NotFound, match="Dispute not found") as refusal:
            await shop.service.resolve_dispute(
                shop.ask(KEY, fingerprint=name.encode()),
                dispute_id=uuid.uuid4(),
                decision=Decision.FULL_REFUND,
                release=None,
                refund=None,
                note="",
            )
        return refusal.value

    first = await resolve("first")
    again = await resolve("first")
    passing.for_answers(postgres_admin, DAY - MOMENT, schema="orders")
    with pytest.raises(IdempotencyKeyReused):
        await resolve("second")
    passing.for_answers(postgres_admin, 2 * MOMENT, schema="orders")
    second = await resolve("second")

    assert [one.replayed for one in (first, again, second)] == [False, True, False]
