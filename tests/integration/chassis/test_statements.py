"""Statements on a connection: preparing, reading rows, time limits and cancellation."""

import asyncio
import datetime as dt
import uuid

import psycopg
import pytest
import uvloop

from chassis.arrays import Columns
from chassis.database import Answer, Connection, Database
from kernel.errors import Unavailable
from tests.integration.chassis.conftest import Shop
from tests.patience import PATIENCE_SECONDS

EVERYTHING = Columns(
    "a",
    id="uuid",
    kind="smallint",
    middle="integer",
    number="bigint",
    name="text",
    digest="bytea",
    at="timestamptz",
)
PREPARED = "select count(*) from pg_prepared_statements where statement like 'select $1::int%'"


@pytest.fixture
async def one(shop: Shop) -> Database:
    """The shop's database by one connection."""
    return Database.open(url=shop.url, schema="shop", pool_size=1)


async def test_a_statement_is_prepared_when_it_is_executed_for_the_third_time(
    one: Database,
) -> None:
    prepared = []
    for number in range(5):
        async with one.statement() as connection:
            assert await connection.fetchval("select %s::int + 1", (number,)) == number + 1
            prepared.append(await connection.fetchval(PREPARED))

    assert prepared == [0, 0, 1, 1, 1]
    await one.close()


async def test_a_statement_that_has_one_plan_is_prepared_at_once(shop: Shop) -> None:
    planned = Database.open(url=shop.url, schema="shop", pool_size=1, is_planned_once=True)
    async with planned.statement() as connection:
        assert await connection.fetchval("select %s::int + 1", (1,)) == 2
        assert await connection.fetchval(PREPARED) == 1
    await planned.close()


async def test_rows_have_the_columns_that_the_tables_have_now(one: Database) -> None:
    columns = []
    for number in range(6):
        async with one.statement() as connection:
            await connection.run(f"alter table things add column more_{number} int")
            row = await connection.fetchrow("select * from things limit %s", (1,))
            columns.append(len(row._fields))

    assert columns == list(range(columns[0], columns[0] + 6))
    await one.close()


async def test_duplicate_column_name_is_refused(one: Database) -> None:
    async with one.statement() as connection:
        with pytest.raises(psycopg.DataError):
            await connection.fetchrow("select 1 as a, 2 as a")
    await one.close()


async def test_statement_of_a_cancelled_caller_is_ended_on_the_server(
    shop: Shop, one: Database
) -> None:
    async with one.statement() as connection:
        pid = await connection.fetchval("select pg_backend_pid()")
        sleeping = asyncio.create_task(connection.fetchval("select pg_sleep(%s)", (60,)))
        asleep = f"select 1 from pg_stat_activity where pid = {pid} and wait_event = 'PgSleep'"  # noqa: S608
        # A server that has not read the statement yet ignores that it is to end it.
        while not shop.rows(asleep):  # noqa: ASYNC110 - the server knows
            await asyncio.sleep(0.01)
        sleeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeping

        # The same connection goes on.
        assert await connection.fetchval("select pg_backend_pid()") == pid
    await one.close()


async def test_session_ended_by_the_server_is_not_lent(shop: Shop, one: Database) -> None:
    async with one.statement() as connection:
        first = await connection.fetchval("select pg_backend_pid()")
    # Returns when the session has ended.
    assert shop.rows(f"select pg_terminate_backend({first}, 10000)") == [(True,)]

    async with one.statement() as connection:
        assert await connection.fetchval("select pg_backend_pid()") != first
    await one.close()


def test_statement_on_an_ended_session_fails_at_once(shop: Shop) -> None:
    async def execute() -> None:
        database = Database.open(url=shop.url, schema="shop", pool_size=1)
        async with database.statement() as connection:
            pid = await connection.fetchval("select pg_backend_pid()")
            assert shop.rows(f"select pg_terminate_backend({pid}, 10000)") == [(True,)]
            # Less than a statement's limit, which would end it too.
            async with asyncio.timeout(connection.patience_seconds / 2):
                await connection.fetchval("select 1")

    # The loop of the programs: it looks at a socket that had an error only once.
    with pytest.raises(Unavailable):
        uvloop.run(execute())


def test_statement_ends_at_its_time_limit_without_socket_events(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def execute() -> None:
        database = Database.open(url=shop.url, schema="shop", pool_size=1)
        async with database.statement() as connection:
            await connection.fetchval("select 1")
            monkeypatch.setattr(type(connection), "_readable", lambda _: None)
            connection.patience_seconds = 0.2
            await connection.fetchval("select pg_sleep(%s)", (60,))

    with pytest.raises(Unavailable):
        uvloop.run(asyncio.wait_for(execute(), timeout=PATIENCE_SECONDS))


async def test_values_larger_than_the_socket_buffer_are_sent(one: Database) -> None:
    async with one.statement() as connection:
        for size in (10, 20_000_000):
            found = await connection.fetchval("select length(%s::text)", ("x" * size,))
            assert found == size
    await one.close()


async def test_pipelined_statements_are_answered_in_order(one: Database) -> None:
    prepared = []
    for number in range(4):
        async with one.transaction() as tx:
            async with tx.together() as many:
                first = many.add("select %s::int + 1", (number,))
                again = many.add("select %s::int + 1", (number + 10,))
                rows = many.add("select generate_series(1, 3) as n")
            assert [first.rows()[0][0], again.rows()[0][0]] == [number + 1, number + 11]
            assert [row.n for row in rows.rows()] == [1, 2, 3]
            assert rows.count == 3
            prepared.append(await tx.fetchval(PREPARED))

    assert prepared == [0, 1, 1, 1]
    await one.close()


async def test_pipeline_stops_at_the_failing_statement(one: Database) -> None:
    answers: list[Answer] = []

    async def divide() -> None:
        async with one.statement() as connection, connection.together() as many:
            many.add("select set_config('shop.place', 'before', false)")
            many.add("select 1 / %s::int", (0,))
            answers.append(many.add("select set_config('shop.place', 'after', false)"))

    for _ in range(4):
        with pytest.raises(psycopg.errors.DivisionByZero):
            await divide()
        with pytest.raises(psycopg.ProgrammingError, match="answer"):
            answers[-1].rows()
        # The same connection goes on.
        async with one.statement() as connection:
            assert (
                await connection.fetchval("select current_setting('shop.place', true)") != "after"
            )
            assert await connection.fetchval("select 1 / %s::int", (1,)) == 1
    await one.close()


async def test_unprepared_statement_of_a_pipeline_is_prepared_later(
    shop: Shop, one: Database
) -> None:
    async def look() -> int:
        async with one.statement() as connection, connection.together() as many:
            found = many.add("select count(*) from later where %s::int > 0", (1,))
        return int(found.rows()[0][0])

    for _ in range(4):
        with pytest.raises(psycopg.errors.UndefinedTable):
            await look()
    shop.run("create table later (id int)")
    assert [await look(), await look()] == [0, 0]
    await one.close()


async def test_a_block_that_fails_leaves_the_connection_usable(one: Database) -> None:
    async def fail() -> None:
        async with one.transaction() as tx, tx.together() as many:
            many.add("create temporary table half (id int)")
            raise KeyError("half")

    with pytest.raises(KeyError):
        await fail()

    async with one.statement() as connection:
        assert await connection.fetchval("select to_regclass('half')") is None
    await one.close()


async def test_pipelined_statements_of_a_cancelled_caller_are_ended_on_the_server(
    shop: Shop, one: Database
) -> None:
    async def sleep(connection: Connection) -> None:
        async with connection.together() as many:
            many.add("select pg_sleep(%s)", (60,))
            many.add("select 1")

    async with one.statement() as connection:
        pid = await connection.fetchval("select pg_backend_pid()")
        sleeping = asyncio.create_task(sleep(connection))
        asleep = f"select 1 from pg_stat_activity where pid = {pid} and wait_event = 'PgSleep'"  # noqa: S608
        while not shop.rows(asleep):  # noqa: ASYNC110 - the server knows
            await asyncio.sleep(0.01)
        sleeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeping

        assert await connection.fetchval("select pg_backend_pid()") == pid
    await one.close()


def test_pipelined_statements_on_an_ended_session_fail_at_once(shop: Shop) -> None:
    async def execute() -> None:
        database = Database.open(url=shop.url, schema="shop", pool_size=1)
        async with database.statement() as connection:
            pid = await connection.fetchval("select pg_backend_pid()")
            assert shop.rows(f"select pg_terminate_backend({pid}, 10000)") == [(True,)]
            async with asyncio.timeout(connection.patience_seconds / 2):
                async with connection.together() as many:
                    many.add("select 1")

    with pytest.raises(Unavailable):
        uvloop.run(execute())


async def test_arrays_are_read_with_their_values(one: Database) -> None:
    at = dt.datetime(2026, 2, 18, 10, 1, 0, 500_001, tzinfo=dt.UTC)
    rows = [
        (uuid.UUID(int=10), 7, 2**31 - 1, 2**63 - 1, 'say "x", {a}', b"\x00\\", at),
        (None, -5, -(2**31), None, "", b"", dt.datetime(1970, 1, 1, tzinfo=dt.UTC)),
        (uuid.uuid4(), 0, 0, -(2**63), "ü€😀 NULL", b"x", at),
        (None,) * 7,
    ]
    statement = f"select * from {EVERYTHING.unnested}"  # noqa: S608 - a constant
    for _ in range(4):
        async with one.statement() as connection:
            found = await connection.fetch(statement, EVERYTHING.values(rows))
            none = await connection.fetch(statement, EVERYTHING.values([]))
        assert [tuple(row) for row in found] == rows
        assert none == []
    await one.close()
