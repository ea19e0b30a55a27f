"""Statements of concurrent callers share a commit, and each caller gets the row of their own."""

import asyncio
from uuid import UUID

import psycopg
import pytest
import structlog

from chassis.database import Database
from chassis.grouped import Grouped
from deploy.local.ports import free_port
from kernel.errors import Unavailable
from tests.integration.chassis.conftest import Shop
from tests.patience import PATIENCE_SECONDS

ADD = "insert into things (id, value) values (%(id)s, %(value)s) returning id, value"
RAISE = "update things set value = value + 1 where id = %(id)s returning value"
DIVIDE = "update things set value = 10 / %(value)s::int where id = %(id)s returning value"
COMMITS = "select count(distinct xmin::text) from things where id >= 10"


@pytest.fixture
async def grouped(shop: Shop) -> Grouped:
    """Groups on the shop's database."""
    return Grouped(shop.database, name="things")


async def ask(grouped: Grouped, statement: str, id_: int, value: int = 0, **named: bool) -> object:
    """Execute a statement on a thing."""
    async with grouped.statement(locks=UUID(int=id_)) as one:
        one.has_told = named.get("tells", False)
        return await one.fetchrow(statement, {"id": id_, "value": value})


async def all_of(*asked: object) -> list[object]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await asyncio.gather(*asked, return_exceptions=True)  # type: ignore[call-overload,no-any-return]


async def test_each_gets_its_row_and_all_share_a_commit(shop: Shop, grouped: Grouped) -> None:
    for turn in range(4):  # the statement is prepared at the third
        first = 10 + 10 * turn
        rows = await all_of(*(ask(grouped, ADD, first + n, n) for n in reversed(range(10))))

        assert [tuple(row) for row in rows] == [(first + n, n) for n in reversed(range(10))]  # type: ignore[arg-type]
        assert shop.rows(COMMITS) == [(turn + 1,)]


async def test_a_statement_that_finds_nothing_has_no_row(grouped: Grouped) -> None:
    missing, found = await all_of(ask(grouped, RAISE, 99), ask(grouped, RAISE, 1))

    assert missing is None
    assert found == (1,)
    assert await ask(grouped, RAISE, 99) is None


async def test_one_that_fails_does_not_undo_the_others(shop: Shop, grouped: Grouped) -> None:
    with structlog.testing.capture_logs() as logs:
        one, taken, zero, other = await all_of(
            ask(grouped, ADD, 10),
            ask(grouped, ADD, 1),
            ask(grouped, DIVIDE, 2, 0),
            ask(grouped, ADD, 11),
        )

    assert (one, other) == ((10, 0), (11, 0))
    assert isinstance(taken, psycopg.errors.UniqueViolation)
    assert isinstance(zero, psycopg.errors.DivisionByZero)
    assert shop.rows("select id, value from things order by id") == [
        (1, 0),
        (2, 0),
        (10, 0),
        (11, 0),
    ]
    assert [line["event"] for line in logs] == ["gathering.split"]


async def test_rows_are_locked_in_their_order(grouped: Grouped) -> None:
    statement = "select clock_timestamp() from things where %(id)s::int > 0 limit 1"

    rows = await all_of(*(ask(grouped, statement, id_) for id_ in (3, 1, 4, 2)))

    third, first, fourth, second = rows
    assert [first, second, third, fourth] == sorted(rows)  # type: ignore[type-var]


async def test_two_processes_that_lock_the_same_rows_do_not_wait_for_each_other(
    shop: Shop, grouped: Grouped
) -> None:
    shop.run("insert into things select n, 0 from generate_series(10, 39) n")
    other = Database.open(url=shop.url, schema="shop")
    theirs = Grouped(other, name="theirs")

    with structlog.testing.capture_logs() as logs:
        for _ in range(5):
            await all_of(
                *(ask(grouped, RAISE, n) for n in range(10, 40)),
                *(ask(theirs, RAISE, n) for n in reversed(range(10, 40))),
            )
    await other.close()

    assert shop.rows("select distinct value from things where id >= 10") == [(10,)]
    assert logs == []


async def test_a_row_that_is_locked_delays_only_its_own_statement(
    shop: Shop, grouped: Grouped, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.gathering.STUCK_SECONDS", -1.0)
    with psycopg.connect(shop.url, options="-c search_path=shop") as holder:
        holder.execute("select from things where id = 1 for update")
        locked = asyncio.create_task(ask(grouped, RAISE, 1))
        await asyncio.sleep(0)
        free = asyncio.create_task(ask(grouped, RAISE, 2))

        assert await asyncio.wait_for(free, PATIENCE_SECONDS) == (1,)
        holder.rollback()
        assert await asyncio.wait_for(locked, PATIENCE_SECONDS) == (1,)


async def test_a_row_that_stays_locked_does_not_fail_the_rest_of_its_group(
    shop: Shop, grouped: Grouped
) -> None:
    with psycopg.connect(shop.url, options="-c search_path=shop") as holder:
        holder.execute("select from things where id = 1 for update")
        locked, free = (asyncio.create_task(ask(grouped, RAISE, id_)) for id_ in (1, 2))

        # The group ends when the lock's time limit is over. Each statement is then alone.
        assert await asyncio.wait_for(free, PATIENCE_SECONDS) == (1,)
        assert not locked.done()
        holder.rollback()
        assert await asyncio.wait_for(locked, PATIENCE_SECONDS) == (1,)


@pytest.mark.parametrize("tells", [False, True])
async def test_events_wake_the_relay(shop: Shop, grouped: Grouped, *, tells: bool) -> None:
    shop.database.told.clear()

    await all_of(ask(grouped, RAISE, 1), ask(grouped, RAISE, 2, tells=tells))

    assert shop.database.told.is_set() is tells


async def test_without_a_database_each_caller_is_told() -> None:
    away = Database.open(url=f"postgresql://nobody@127.0.0.1:{free_port()}/none", schema="shop")
    grouped = Grouped(away, name="things")

    with structlog.testing.capture_logs() as logs:
        answers = await all_of(*(ask(grouped, RAISE, n) for n in range(3)))
    await away.close()

    assert [type(answer) for answer in answers] == [Unavailable] * 3
    assert "gathering.split" not in [line["event"] for line in logs]
