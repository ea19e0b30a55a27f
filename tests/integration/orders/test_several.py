"""Operations that begin or advance at the same time share a statement, and each is as if alone."""

import asyncio
import contextvars
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import psycopg
import pytest
import structlog
from orchestrator.orders.v1 import orders_pb2

from chassis import identity, tracing
from chassis.database import Connection, Database
from chassis.grouped import Form, Grouped, Statement
from chassis.leases import LeaseLost
from kernel.ids import new_id
from services.orders.operations import hot
from services.orders.operations.operation import Operation
from services.orders.order.domain import Order, State
from services.orders.order.store import OrderMovedOn
from tests.integration.orders.conftest import EIGHTY, Peers, Shop, an_order, oid, open_shop
from tests.integration.orders.holding import (
    AUDITED,
    advance,
    all_of,
    begin,
    held_of,
    next_of,
    of_order,
    orders_of,
    read_again,
    reserving,
    rows,
    state_of,
)
from tests.integration.orders.test_leases import execute
from tests.patience import until
from tests.serving import identity_of

LOSE = "update operations set lease_epoch = lease_epoch + 1 where id = %s"
MOVE = "update orders set version = version + 1 where id = %s"
END = "update operations set state = 'succeeded', finished_at = now() where id = %s"
ANSWERS = "select key, body from idempotency where state = 'done'"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b{}-01"
WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
ALL = (State.ORDER_CREATED.value, State.FUNDS_RESERVED.value)


@pytest.fixture
async def shop(database_url: Callable[[str], str]) -> AsyncIterator[Shop]:
    """A process that takes no operation over."""
    async with open_shop(database_url("orders"), Peers(), new_id(), takes_over=False) as opened:
        yield opened


@pytest.fixture
def shared(recorded: list[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
    """As `recorded`; fails if a group is split because one of its statements has failed."""
    with structlog.testing.capture_logs() as logs:
        yield recorded
    assert [line for line in logs if line["event"] == "gathering.split"] == []


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Record the statements for several callers: the name and the number of callers."""
    found: list[tuple[str, int]] = []

    def recording(name: str, form: Form[Any]) -> Form[Any]:
        def several(rows: Sequence[Any], connection: Connection) -> Statement:
            found.append((name, len(rows)))
            return form.several(rows, connection)

        return replace(form, several=several)

    for name in ("_BEGINNING", "_ADVANCING"):
        monkeypatch.setattr(hot, name, recording(name, getattr(hot, name)))
    return found


async def test_only_those_whose_lease_or_order_has_changed_write_nothing(
    shop: Shop, shared: list[tuple[str, int]]
) -> None:
    held = await held_of(shop, 6)
    lost, ended, moved = held[1], held[3], held[4]
    await execute(shop, LOSE, lost[1].operation.id)
    await execute(shop, END, ended[1].operation.id)
    await execute(shop, MOVE, moved[1].before.id)
    before = {order.id: await of_order(shop, order) for order, _ in (lost, ended, moved)}

    outcomes = await all_of(*(advance(shop.saga.grouped, one) for _, one in held))

    assert shared == [("_ADVANCING", 6)]
    assert [type(one) for one in outcomes] == [
        type(None),
        LeaseLost,
        type(None),
        LeaseLost,
        OrderMovedOn,
        type(None),
    ]
    for order, one in held:
        if order.id in before:
            assert await of_order(shop, order) == before[order.id]
            assert await shop.events(order) == [("order.created", 1)]
            continue
        assert await shop.read(order) == one.after
        assert [version for _, version in await shop.events(order)] == [1, 2, 3]
        assert await state_of(shop, one.operation) == "succeeded"
    whole = [one for order, one in held if order.id not in before]
    assert {key for key, body in await rows(shop, ANSWERS) if body == b"answer"} == {
        one.operation.key for one in whole
    }


async def test_each_has_its_own_answer_and_its_own_end(
    shop: Shop, shared: list[tuple[str, int]]
) -> None:
    held = [one for _, one in await held_of(shop, 4)]
    wishes = [(None, False), (b"first", False), (None, True), (b"second", True)]

    outcomes = await all_of(
        *(
            advance(shop.saga.grouped, one, body=body, ends=ends)
            for one, (body, ends) in zip(held, wishes, strict=True)
        )
    )

    assert outcomes == [None] * 4
    assert shared == [("_ADVANCING", 4)]
    states = [await state_of(shop, one.operation) for one in held]
    assert states == ["running", "running", "succeeded", "succeeded"]
    answers = dict(await rows(shop, ANSWERS))
    own = {
        one.operation.key: answers[one.operation.key]
        for one in held
        if one.operation.key in answers
    }
    assert own == {held[1].operation.key: b"first", held[3].operation.key: b"second"}


@pytest.mark.usefixtures("shared")
async def test_events_of_an_order_are_in_the_order_of_its_versions(shop: Shop) -> None:
    held = await held_of(shop, 8)

    await all_of(*(advance(shop.saga.grouped, one) for _, one in reversed(held)))

    told = await rows(shop, "select aggregate_id, version from outbox order by id")
    for _, one in held:
        assert [version for name, version in told if name == one.after.public_id] == [1, 2, 3]


async def test_the_same_key_on_two_orders_answers_each(
    shop: Shop, shared: list[tuple[str, int]]
) -> None:
    """The keys of two scopes may be the same."""
    first, second = [one for _, one in await held_of(shop, 2)]
    await execute(
        shop,
        "update idempotency set scope = 'a person', key = %s where key = %s",
        first.operation.key,
        second.operation.key,
    )
    second = replace(
        second, operation=replace(second.operation, scope="a person", key=first.operation.key)
    )
    await execute(shop, MOVE, second.before.id)

    outcomes = await all_of(*(advance(shop.saga.grouped, one) for one in (first, second)))

    assert [type(one) for one in outcomes] == [type(None), OrderMovedOn]
    assert shared == [("_ADVANCING", 2)]
    assert await rows(shop, f"{ANSWERS} and body = 'answer'") == [(first.operation.key, b"answer")]


async def test_one_of_two_that_advance_the_same_operation_writes(
    shop: Shop, shared: list[tuple[str, int]]
) -> None:
    (order, one), (_, other) = await held_of(shop, 2)
    again = reserving(shop, one.operation, one.before)

    outcomes = await all_of(*(advance(shop.saga.grouped, each) for each in (one, again, other)))

    assert shared == [("_ADVANCING", 2), ("_ADVANCING", 1)]
    assert [type(outcome) for outcome in outcomes] == [type(None), LeaseLost, type(None)]
    assert await shop.read(order) == one.after
    assert [version for _, version in await shop.events(order)] == [1, 2, 3]


async def test_only_those_begin_whose_conditions_hold(
    shop: Shop, shared: list[tuple[str, int]]
) -> None:
    orders = await orders_of(shop, 7)
    state, used, running, amount = (orders[place] for place in (1, 2, 4, 5))
    await execute(shop, "update orders set state = 'FUNDS_RESERVED' where id = %s", state[1].id)
    await shop.queries.create_order(shop.key("used"), an_order())
    assert await begin(shop, running[1]) is not None
    refused = {order.id for order, _ in (state, used, running, amount)}
    before = {order.id: await of_order(shop, order) for order, _ in orders}
    counted = await shop.count("idempotency")

    begun = await all_of(
        *(
            begin(
                shop,
                read,
                key="used" if order is used[0] else "",
                amount=EIGHTY + 1 if order is amount[0] else EIGHTY,
            )
            for order, read in orders
        )
    )

    assert shared == [("_BEGINNING", 7)]
    for (order, read), operation in zip(orders, begun, strict=True):
        if order.id in refused:
            assert operation is None
            assert await of_order(shop, order) == before[order.id]
            continue
        found, recorded = await shop.queries.get_order(
            marketplace_id=shop.marketplace_id, order_id=read.id
        )
        assert (found, recorded) == (read, operation)
        assert await shop.count(AUDITED.format(read.public_id)) == before[order.id][1] + 1
    assert await shop.count("idempotency where state = 'running'") == len(orders) - len(refused) + 1
    assert await shop.count("idempotency") == counted + len(orders) - len(refused)


async def test_one_of_two_begins_on_an_order_or_with_a_key_is_recorded(
    shop: Shop, shared: list[tuple[str, int]]
) -> None:
    orders = [read for _, read in await orders_of(shop, 4)]
    one, two, three, four = orders

    begun = await all_of(
        begin(shop, one),
        begin(shop, one),
        begin(shop, two),
        begin(shop, three, key="same"),
        begin(shop, four, key="same"),
    )

    assert shared == [("_BEGINNING", 3), ("_BEGINNING", 2)]
    assert [isinstance(operation, Operation) for operation in begun] == [
        True,
        False,
        True,
        True,
        False,
    ]
    assert await shop.count("operations") == 3
    assert await shop.count("idempotency where state = 'running'") == 3
    assert await shop.count("audit where action = 'order.reserve'") == 3


async def test_several_begin_without_waiting_for_a_locked_order(
    shop: Shop, postgres_admin: str
) -> None:
    (_, one), (order, locked), (_, other) = await orders_of(shop, 3)
    before = await of_order(shop, order)

    with psycopg.connect(postgres_admin) as holder, structlog.testing.capture_logs() as logs:
        holder.execute("select from orders.orders where id = %s for update", (oid(order),))
        begun = await all_of(*(begin(shop, read) for read in (one, locked, other)))

    assert [isinstance(operation, Operation) for operation in begun] == [True, False, True]
    assert await of_order(shop, order) == before
    assert logs == []


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("table", ["operations", "orders"])
async def test_several_that_advance_lock_rows_in_the_order_of_their_orders(
    shop: Shop, postgres_admin: str, table: str
) -> None:
    held = [one for _, one in await held_of(shop, 12)]
    key = {"operations": "order_id", "orders": "id"}[table]
    lock = f"select from orders.{table} where {key} {{}} %s for update nowait"

    async def waits() -> bool:
        with psycopg.connect(postgres_admin) as connection:
            return connection.execute(WAITING).fetchone() == (1,)

    with psycopg.connect(postgres_admin) as holder:
        holder.execute(lock.format("=").encode(), (held[0].before.id,))
        advancing = asyncio.create_task(
            all_of(*(advance(shop.saga.grouped, one) for one in reversed(held)))
        )
        await until(waits)
        # They wait for the first row, and have locked none of the others.
        holder.execute(lock.format(">").encode(), (held[0].before.id,))
        holder.rollback()
        assert await advancing == [None] * 12


async def test_an_operation_that_fails_fails_alone(
    shop: Shop, recorded: list[tuple[str, int]]
) -> None:
    held = [one for _, one in await held_of(shop, 3)]
    # The database refuses a state that the table of orders does not know.
    held[1] = replace(held[1], after=replace(held[1].after, provider_fee=-1))

    outcomes = await all_of(*(advance(shop.saga.grouped, one) for one in held))

    assert recorded == [("_ADVANCING", 3)]
    assert [type(one) for one in outcomes] == [
        type(None),
        psycopg.errors.CheckViolation,
        type(None),
    ]
    states = [await state_of(shop, one.operation) for one in held]
    assert states == ["succeeded", "running", "succeeded"]


async def test_two_processes_in_opposite_orders_do_not_block_each_other(
    shop: Shop, recorded: list[tuple[str, int]]
) -> None:
    orders = [read for _, read in await orders_of(shop, 30)]
    other = Database.open(url=shop.url, schema="orders")
    processes = (shop.saga.grouped, Grouped(other, name="theirs"))
    running: dict[uuid.UUID, Operation] = {}

    with structlog.testing.capture_logs() as logs:
        for number in range(8):
            orders = [await read_again(shop, one) for one in orders]
            runs = {one.id: running.pop(one.id) for one in orders if one.id in running}
            begins: list[tuple[Order, Awaitable[Any]]] = []
            advances: list[tuple[Order, Awaitable[Any]]] = []
            for grouped, own in zip(processes, (orders, orders[::-1]), strict=True):
                begins += [(one, begin(shop, one, grouped=grouped, states=ALL)) for one in own]
                held = [next_of(shop, runs[one.id], one) for one in own if one.id in runs]
                ends = number % 3 != 0
                advances += [(one.before, advance(grouped, one, ends=ends)) for one in held]
            found = await all_of(*(call for _, call in begins + advances))
            for (one, _), outcome in zip(begins, found[: len(begins)], strict=True):
                if isinstance(outcome, Operation):
                    assert one.id not in running, "both have begun"
                    running[one.id] = outcome
            kinds = Counter(type(outcome) for outcome in found[len(begins) :])
            assert kinds[type(None)] == len(runs), "one of both writes"
            assert kinds.keys() <= {type(None), OrderMovedOn, LeaseLost}
            running |= {} if ends else runs
            assert await shop.count("operations where state = 'running'") == len(running)
    await other.close()

    assert max(count for name, count in recorded if name == "_BEGINNING") > 1
    assert max(count for name, count in recorded if name == "_ADVANCING") > 1
    # Two that began at the same moment may violate the index of running operations.
    assert [line for line in logs if "UniqueViolation" not in line.get("error", "")] == []


async def test_reservations_at_the_same_time_keep_their_own_principal_request_and_trace(
    shop: Shop, shared: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    trace: contextvars.ContextVar[str] = contextvars.ContextVar("trace", default="")
    monkeypatch.setattr(tracing, "recorded", trace.get)
    orders = await orders_of(shop, 8)
    buyer = orders[0][0].buyer.id
    shop.peers.ledger.available[f"user:{buyer}"] = EIGHTY * len(orders)

    def asking(number: int, order: orders_pb2.Order) -> "asyncio.Task[Any]":
        who = identity_of("gateway", marketplace_id=shop.marketplace_id)
        context = contextvars.copy_context()
        context.run(identity.bind, who, request_id=f"req-{number}", address=f"203.0.113.{number}")
        context.run(trace.set, TRACE.format(number))
        work = shop.service.reserve_funds(shop.ask(), order_id=oid(order))
        return asyncio.get_running_loop().create_task(work, context=context)

    await all_of(*(asking(number, order) for number, (order, _) in enumerate(orders)))

    assert {name for name, _ in shared} == {"_BEGINNING", "_ADVANCING"}
    for number, (order, read) in enumerate(orders):
        assert (await shop.read(order)).state is State.FUNDS_RESERVED
        assert await shop.events(order) == [("order.created", 1), ("order.funds_reserved", 2)]
        assert await rows(
            shop,
            "select request_id, address from audit"
            " where action = 'order.reserve' and target_id = %s",
            read.public_id,
        ) == [(f"req-{number}", f"203.0.113.{number}")]
        assert await rows(
            shop,
            "select trace, correlation_id from outbox where version = 2 and aggregate_id = %s",
            read.public_id,
        ) == [(TRACE.format(number), f"req-{number}")]
