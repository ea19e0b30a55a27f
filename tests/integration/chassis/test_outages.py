"""Whatever PostgreSQL does to its sessions: Unavailable, once at most, then success."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import psycopg
import pytest
from psycopg import sql

from chassis import connections
from chassis.database import Connection, Database, allow_seconds
from kernel.errors import Unavailable
from tests.integration.chassis.conftest import Shop

POOL = 3
Use = Callable[[Database], Awaitable[object]]


async def by_transaction(database: Database) -> object:
    async with database.transaction() as tx:
        return await tx.execute("update things set value = value + 1 where id = 1")


async def by_statement(database: Database) -> object:
    async with database.statement() as connection:
        return await connection.execute("update things set value = value + 1 where id = 2")


async def by_snapshot(database: Database) -> object:
    async with database.snapshot() as tx:
        return await tx.fetch("select * from things")


USES = [by_transaction, by_statement, by_snapshot]
WRITES = [by_transaction, by_statement]


@pytest.fixture
async def database(shop: Shop) -> AsyncIterator[Database]:
    """A pool whose connections are all open and warm."""
    opened = Database.open(url=shop.url, schema="shop", pool_size=POOL)
    await fill(opened)
    yield opened
    await opened.close()


async def fill(database: Database) -> None:
    """Open every connection of the pool, and prepare each use's statement on each."""
    for _ in range(3):
        await using(database, POOL)
        for use in USES:
            await use(database)


async def using(database: Database, left: int) -> None:
    if left:
        async with database.transaction() as tx:
            await tx.execute("select 1")
            await using(database, left - 1)


def admin(shop: Shop, statement: str) -> None:
    """Do something to the server or the database, beside every pool."""
    with psycopg.connect(shop.url, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL(statement).format(name))


async def failures(database: Database, use: Use, *, tries: int = 2 * POOL) -> int:
    """Use the database again and again; returns how often it was unavailable."""
    count = 0
    for _ in range(tries):
        try:
            await use(database)
        except Unavailable:
            count += 1
    return count


def until_all_are_gone(shop: Shop) -> None:
    """Wait until the server has no session of the pool any more."""
    left = "select count(*) from pg_stat_activity where application_name = 'shop'"
    while shop.rows(left) != [(0,)]:
        pass


END_ALL = """
select pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid()
"""


@pytest.mark.parametrize("use", USES)
async def test_terminating_all_idle_sessions_fails_no_request(
    shop: Shop, database: Database, use: Use
) -> None:
    admin(shop, END_ALL)
    until_all_are_gone(shop)

    assert await failures(database, use) == 0


@pytest.mark.parametrize("use", USES)
async def test_sessions_that_are_ended_as_soon_as_they_begin_are_unavailable(
    shop: Shop, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = connections.connect

    async def connect_and_end(*url: str, **how: Any) -> Connection:
        connection = await connect(*url, **how)
        admin(shop, END_ALL)
        return connection

    monkeypatch.setattr(connections, "connect", connect_and_end)
    database = Database.open(url=shop.url, schema="shop", pool_size=1)

    assert await failures(database, use) == 2 * POOL
    await database.close()


async def end_itself(database: Database) -> None:
    async with database.statement() as connection:
        await connection.execute("select pg_terminate_backend(pg_backend_pid())")


async def end_itself_within(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute("select pg_terminate_backend(pg_backend_pid())")


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("end", [end_itself, end_itself_within])
async def test_a_terminated_session_fails_only_its_own_request(
    database: Database, end: Use, use: Use
) -> None:
    assert await failures(database, end, tries=1) == 1

    assert await failures(database, use) == 0


@pytest.mark.parametrize("use", USES)
async def test_sessions_ended_for_idleness_fail_no_request(shop: Shop, use: Use) -> None:
    admin(shop, "alter database {} set idle_session_timeout = '100ms'")
    database = Database.open(url=shop.url, schema="shop", pool_size=POOL)
    await using(database, POOL)
    until_all_are_gone(shop)

    assert await failures(database, use) == 0
    await database.close()


@pytest.mark.parametrize("use", WRITES)
async def test_a_read_only_server_is_unavailable_and_not_ready_until_it_is_not(
    shop: Shop, use: Use
) -> None:
    admin(shop, "alter database {} set default_transaction_read_only = on")
    database = Database.open(url=shop.url, schema="shop", pool_size=POOL)

    with pytest.raises(Unavailable):
        await use(database)
    assert not await database.is_ready()
    await by_snapshot(database)

    # Sessions keep what they began with: only new ones see the change, as after a failover.
    with psycopg.connect(shop.url, autocommit=True) as connection:
        connection.execute("set default_transaction_read_only = off")
        name = sql.Identifier(connection.info.dbname)
        connection.execute(
            sql.SQL("alter database {} reset default_transaction_read_only").format(name)
        )
    assert await failures(database, use) <= 1
    assert await database.is_ready()
    await database.close()


async def test_a_statement_that_takes_too_long_is_unavailable_and_the_next_is_not(
    shop: Shop,
) -> None:
    database = Database.open(url=shop.url, schema="shop", pool_size=1, statement_timeout_seconds=1)

    async def sleep(seconds: int) -> None:
        async with database.transaction() as tx:
            await tx.execute(f"select pg_sleep({seconds})")

    with pytest.raises(Unavailable):
        await sleep(2)

    await by_transaction(database)
    await database.close()


async def test_a_longer_timeout_applies_to_one_transaction_only(
    shop: Shop,
) -> None:
    database = Database.open(url=shop.url, schema="shop", pool_size=1, statement_timeout_seconds=1)

    async with database.transaction() as tx:
        before = tx.patience_seconds
        await allow_seconds(tx, 30)
        await tx.execute("select pg_sleep(1.2)")
        assert tx.patience_seconds > 30
    async with database.transaction() as tx:
        after = tx.patience_seconds
        limit = await tx.fetchval("show statement_timeout")

    assert (after, limit) == (before, "1s")
    await database.close()


async def wide(database: Database) -> object:
    async with database.statement() as connection:
        return await (await connection.execute("select * from things")).fetchall()


async def wide_in_transaction(database: Database) -> object:
    async def once() -> object:
        async with database.transaction() as tx:
            return await (await tx.execute("select * from things")).fetchall()

    return await database.retrying(once)


@pytest.mark.parametrize("use", [wide, wide_in_transaction])
@pytest.mark.parametrize(
    "change",
    ["add column note text", "alter column value type bigint", "drop column value"],
    ids=["wider", "of another type", "narrower"],
)
async def test_a_changed_table_under_prepared_statements_fails_no_request(
    shop: Shop, database: Database, use: Use, change: str
) -> None:
    for _ in range(4 * POOL):
        await use(database)
    admin(shop, f"alter table shop.things {change}")

    assert await failures(database, use) == 0


async def test_forgotten_prepared_statements_fail_no_request(
    database: Database,
) -> None:
    for _ in range(4 * POOL):
        await wide(database)
    for _ in range(POOL):
        async with database.statement() as connection:
            # A pooler between the two does this; the driver does not see it.
            connection.pgconn.exec_(b"deallocate all")

    assert await failures(database, wide) == 0


async def test_a_prepared_statement_is_prepared_again_once(shop: Shop, database: Database) -> None:
    async with database.statement() as connection:
        for _ in range(3):
            await connection.execute("select * from things")
        admin(shop, "alter table shop.things add column note text")
        for _ in range(4):
            await connection.execute("select * from things")
        cursor = await connection.execute(
            "select generic_plans + custom_plans from pg_prepared_statements"
            " where statement = 'select * from things'"
        )
        assert await cursor.fetchall() == [(2,)]


@pytest.mark.parametrize(
    "state",
    ["08006", "25P04", "40P01", "53100", "53200", "53400", "57014", "57P05", "58030", "58P01"],
)
@pytest.mark.parametrize("use", [Database.transaction, Database.statement, Database.snapshot])
async def test_an_error_of_the_database_is_unavailable_by_its_class(
    database: Database, use: Callable[[Database], object], state: str
) -> None:
    raising = f"do $$ begin raise exception 'x' using errcode = '{state}'; end $$"

    async def meet_it() -> None:
        async with use(database) as lent:  # type: ignore[attr-defined] # each is a context manager
            await lent.execute(raising)

    with pytest.raises(Unavailable):
        await meet_it()


@pytest.mark.parametrize("state", ["22012", "23514", "42P01", "P0001"])
async def test_an_error_about_the_request_is_not_unavailable(
    database: Database, state: str
) -> None:
    raising = f"do $$ begin raise exception 'x' using errcode = '{state}'; end $$"

    with pytest.raises(psycopg.Error) as raised:
        async with database.statement() as connection:
            await connection.execute(raising)

    assert raised.value.sqlstate == state


async def test_a_process_stays_within_its_connection_limit(shop: Shop) -> None:
    database = Database.open(url=shop.url, schema="shop", pool_size=POOL + 1, beside=1)
    async with database.dedicated(idle_seconds=10):
        await using(database, POOL)
        async with database.statement() as connection:
            await connection.execute("select 1")
        count = "select count(*) from pg_stat_activity where application_name like 'shop%'"
        found = shop.rows(count)

    assert found == [(POOL + 1,)]
    await database.close()
