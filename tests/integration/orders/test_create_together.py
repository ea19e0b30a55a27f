"""Orders that are created at the same time are written in one statement, and each as if alone."""

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any

import psycopg
import pytest
import structlog
from orchestrator.orders.v1 import orders_pb2

from chassis import identity, tracing
from chassis.idempotency import IdempotencyKeyReused
from kernel.ids import to_public
from services.orders import wire
from services.orders.order.store import ClientOrderRefTaken
from tests.integration.orders.conftest import Shop, an_order, oid, order_of, outcomes
from tests.serving import identity_of

# The transactions that wrote the rows of a table.
TRANSACTIONS = "select count(distinct xmin::text) from orders.{}"
WRITTEN = ("orders", "outbox", "audit", "idempotency")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b{}-01"
AGE = "update orders.idempotency set created_at = now() - interval '25 hours' where key = 'old'"


@pytest.fixture(autouse=True)
async def two_users(shop: Shop) -> None:
    """Register the guide's two, and let the process learn their names."""
    await shop.user("usr_buyer")
    await shop.user("usr_seller")
    await shop.order()


def transactions(admin: str, table: str, *, since: int) -> int:
    with psycopg.connect(admin) as connection:
        row = connection.execute(TRANSACTIONS.format(table).encode()).fetchone()
    assert row is not None
    return int(row[0]) - since


async def test_they_share_a_transaction(shop: Shop, postgres_admin: str) -> None:
    before = {table: transactions(postgres_admin, table, since=0) for table in WRITTEN}

    answers = await asyncio.gather(
        *(shop.queries.create_order(shop.key(), an_order(title=f"No. {n}")) for n in range(20))
    )

    assert [order_of(answer).title for answer in answers] == [f"No. {n}" for n in range(20)]
    assert not any(answer.replayed for answer in answers)
    for table, since in before.items():
        assert transactions(postgres_admin, table, since=since) == 1
    for answer in answers:
        assert await shop.events(order_of(answer)) == [("order.created", 1)]


async def test_an_order_is_the_same_as_one_written_alone(shop: Shop) -> None:
    full: dict[str, object] = {
        "description": "ü€😀",
        "client_order_ref": "A-1",
        "metadata_json": '{"a":1}',
        "contract_terms_json": '{"b":2}',
    }
    alone = await shop.order(**full)
    answers = await asyncio.gather(
        *(
            shop.queries.create_order(shop.key(), an_order(**(full | {"client_order_ref": ref})))
            for ref in ("A-2", "A-3")
        )
    )

    for answer in answers:
        written = await _stored(shop, order_of(answer))
        assert written == order_of(answer)
        for each in (written, alone):
            for field in ("id", "client_order_ref", "created_at", "updated_at"):
                each.ClearField(field)
        assert written == alone


async def _stored(shop: Shop, order: orders_pb2.Order) -> orders_pb2.Order:
    """Return an order as it is read from its row."""
    read, operation = await shop.queries.get_order(
        marketplace_id=shop.marketplace_id, order_id=oid(order)
    )
    return wire.order_to_proto(read, operation)


async def test_a_repeated_key_gets_the_same_order_and_the_others_their_own(shop: Shop) -> None:
    known = await shop.queries.create_order(shop.key("known"), an_order())

    answers, refusals = await outcomes(
        shop.queries.create_order(shop.key(), an_order()),
        shop.queries.create_order(shop.key("known"), an_order()),
        shop.queries.create_order(shop.key("twice"), an_order()),
        shop.queries.create_order(shop.key("twice"), an_order()),
        shop.queries.create_order(shop.key("known", b"other"), an_order(title="Another")),
        shop.queries.create_order(shop.key(), an_order()),
    )

    assert [type(refusal) for refusal in refusals] == [IdempotencyKeyReused]
    one, again, first, second, last = answers
    assert (again.body, again.replayed) == (known.body, True)
    assert first.body == second.body
    assert sorted([first.replayed, second.replayed]) == [False, True]
    assert not one.replayed
    assert not last.replayed
    # With the order of the fixture.
    assert await shop.count("orders") == 5
    assert await shop.count("outbox where event_type = 'order.created'") == 5
    assert await shop.count("audit where action = 'order.create'") == 5


async def test_a_taken_reference_is_refused_and_the_others_are_created(shop: Shop) -> None:
    await shop.order(client_order_ref="A-1")

    with structlog.testing.capture_logs() as logs:
        answers, refusals = await outcomes(
            *(
                shop.queries.create_order(shop.key(), an_order(client_order_ref=ref))
                for ref in ("A-2", "A-1", "A-3", "A-3")
            )
        )

    assert [type(refusal) for refusal in refusals] == [ClientOrderRefTaken] * 2
    assert {order_of(answer).client_order_ref for answer in answers} == {"A-2", "A-3"}
    assert "gathering.split" in [line["event"] for line in logs]


async def test_an_expired_key_is_free_again(shop: Shop, postgres_admin: str) -> None:
    old = await shop.queries.create_order(shop.key("old"), an_order())
    with psycopg.connect(postgres_admin, autocommit=True) as connection:
        connection.execute(AGE.encode())

    answers = await asyncio.gather(
        *(shop.queries.create_order(shop.key(key), an_order()) for key in ("", "old", ""))
    )

    assert not any(answer.replayed for answer in answers)
    assert old.body not in {answer.body for answer in answers}
    assert await shop.count("orders") == 5


async def test_each_order_is_recorded_for_its_own_principal_request_and_trace(
    shop: Shop, postgres_admin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace: contextvars.ContextVar[str] = contextvars.ContextVar("trace", default="")
    monkeypatch.setattr(tracing, "recorded", trace.get)

    def asking(number: int) -> "asyncio.Task[Any]":
        who = identity_of("gateway", marketplace_id=shop.marketplace_id)
        context = contextvars.copy_context()
        context.run(identity.bind, who, request_id=f"req-{number}", address=f"203.0.113.{number}")
        context.run(trace.set, TRACE.format(number))
        work: Coroutine[Any, Any, Any] = shop.queries.create_order(shop.key(), an_order())
        return asyncio.get_running_loop().create_task(work, context=context)

    answers = await asyncio.gather(*(asking(number) for number in (1, 2, 3)))

    with psycopg.connect(postgres_admin) as connection:
        for number, answer in enumerate(answers, 1):
            public_id = to_public("ord", oid(order_of(answer)))
            line = connection.execute(
                "select request_id, address, actor from orders.audit where target_id = %s",
                (public_id,),
            ).fetchone()
            event = connection.execute(
                "select trace, correlation_id from orders.outbox where aggregate_id = %s",
                (public_id,),
            ).fetchone()
            assert line == (f"req-{number}", f"203.0.113.{number}", "key:test")
            assert event == (TRACE.format(number), f"req-{number}")


async def test_two_processes_create_for_the_same_keys(two_shops: tuple[Shop, Shop]) -> None:
    one, two = two_shops
    for name in ("usr_buyer", "usr_seller"):
        await one.user(name)
    keys = [f"k{number}" for number in range(30)]

    answers, refusals = await outcomes(
        *(one.queries.create_order(one.key(key), an_order()) for key in keys),
        *(two.queries.create_order(two.key(key), an_order()) for key in reversed(keys)),
    )

    assert not refusals
    assert len({answer.body for answer in answers}) == 30
    assert sum(answer.replayed for answer in answers) == 30
    # With the order of the fixture.
    assert await one.count("orders") == 31
