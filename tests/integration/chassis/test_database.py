"""Transactions: all or nothing, tried again where Postgres says so, Unavailable when it is away."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from chassis import pool
from chassis.database import Connection, Database, Transaction
from chassis.sql import compiled
from deploy.local.ports import free_port
from deploy.local.postgres import NOT_DURABLE, PostgresServer, remove
from kernel.errors import Unavailable
from tests.integration.chassis.conftest import Shop
from tests.integration.chassis.test_outages import using
from tests.patience import PATIENCE_SECONDS

IDLE = """
select count(*) from pg_stat_activity
where datname = current_database() and state = 'idle in transaction'
"""
Add = Callable[[Transaction, int], Awaitable[object]]
Use = Callable[[Database], AbstractAsyncContextManager[Connection]]


THINGS = sa.table("things", sa.column("id", sa.Integer), sa.column("value", sa.Integer))
ADD_ONE = compiled(
    sa.update(THINGS)
    .where(THINGS.c.id == sa.bindparam("thing"))
    .values(value=THINGS.c.value + sa.literal(1))
)


async def by_compiled(tx: Transaction, thing: int) -> object:
    return await tx.run(ADD_ONE, {"thing": thing})


async def by_text(tx: Transaction, thing: int) -> object:
    return await tx.execute("update things set value = value + 1 where id = %s", (thing,))


MEANT = {
    "client_encoding": ("latin1", "UTF8"),
    "default_transaction_isolation": ("serializable", "read committed"),
    "array_nulls": ("off", "on"),
    "transform_null_equals": ("on", "off"),
}
SAID = "select %s || coalesce((%s::text[])[1], ' no text') as text, (1 = null) is null as is_null"


@pytest.mark.parametrize("said", MEANT)
async def test_database_defaults_do_not_change_the_settings_of_sessions(
    shop: Shop, said: str
) -> None:
    elsewhere, meant = MEANT[said]
    with psycopg.connect(shop.url, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        statement = sql.SQL("alter database {} set {} = {}")
        connection.execute(statement.format(name, sql.Identifier(said), sql.Literal(elsewhere)))
    database = Database.open(url=shop.url, schema="shop", pool_size=1)

    async with database.transaction() as tx:
        level = await tx.fetchval(f"show {said}")
        cursor = await tx.execute(SAID, ("設計", [None]))
        found = await cursor.fetchone()
    async with database.snapshot() as tx:
        own = await tx.fetchval("show transaction_isolation")

    assert (level, found, own) == (meant, ("設計 no text", True), "repeatable read")
    await database.close()


async def test_an_exception_rolls_everything_back(shop: Shop) -> None:
    async def broken() -> None:
        async with shop.database.transaction() as tx:
            await by_text(tx, 1)
            await by_compiled(tx, 2)
            raise KeyError

    with pytest.raises(KeyError):
        await broken()

    assert shop.rows("select sum(value) from things") == [(0,)]


@pytest.mark.parametrize("add", [by_compiled, by_text])
async def test_a_swallowed_error_is_not_answered_as_a_commit(shop: Shop, add: Add) -> None:
    async def swallows() -> None:
        async with shop.database.transaction() as tx:
            await add(tx, 1)
            with contextlib.suppress(psycopg.DataError):
                await tx.execute("select 1 / 0")

    with pytest.raises(psycopg.errors.InFailedSqlTransaction, match="nothing was committed"):
        await swallows()

    assert shop.rows("select sum(value) from things") == [(0,)]
    async with shop.database.transaction() as tx:
        await add(tx, 1)
    assert shop.rows("select sum(value) from things") == [(1,)]


@pytest.mark.parametrize("add", [by_compiled, by_text])
async def test_a_deadlock_is_retried(shop: Shop, add: Add) -> None:
    both_hold_one = asyncio.Barrier(2)
    attempts = []

    async def both(first: int, second: int) -> None:
        async def once() -> None:
            attempts.append(first)
            async with shop.database.transaction() as tx:
                await add(tx, first)
                if attempts.count(first) == 1:
                    await both_hold_one.wait()
                await add(tx, second)

        await shop.database.retrying(once)

    await asyncio.gather(both(1, 2), both(2, 1))

    assert shop.rows("select value from things order by id") == [(2,), (2,)]
    assert len(attempts) == 3


@pytest.mark.parametrize("add", [by_compiled, by_text])
async def test_a_lock_that_stays_taken_is_unavailable(shop: Shop, add: Add) -> None:
    async def impatient() -> None:
        async with shop.database.transaction() as tx:
            await tx.execute("set local lock_timeout = '20ms'")
            await add(tx, 1)

    async with shop.database.transaction() as holder:
        await by_text(holder, 1)
        with pytest.raises(Unavailable):
            await impatient()


async def test_an_idle_transaction_is_unavailable(shop: Shop) -> None:
    async def idle() -> None:
        async with shop.database.transaction() as tx:
            await tx.execute("set local idle_in_transaction_session_timeout = '20ms'")
            while shop.rows(IDLE) != [(0,)]:
                pass
            await by_text(tx, 1)

    with pytest.raises(Unavailable):
        await idle()


async def test_a_constraint_violation_is_not_unavailable(shop: Shop) -> None:
    with pytest.raises(psycopg.IntegrityError):
        async with shop.database.transaction() as tx:
            await tx.execute("insert into things values (1, 0)")


@pytest.fixture
def own_postgres(session_folder: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL that this test may stop."""
    home = session_folder / "postgres-chassis"
    server = PostgresServer(
        home=home, port=free_port(), log_folder=session_folder / "logs", options=NOT_DURABLE
    )
    server.start()
    server.wait_ready()
    yield server
    server.stop()
    remove(home)


@pytest.mark.parametrize("use", [Database.transaction, Database.statement])
async def test_a_stopped_database_is_unavailable_and_reconnected(
    own_postgres: PostgresServer, use: Use
) -> None:
    database = Database.open(url=own_postgres.url(), schema="public", pool_size=3)

    async def ask() -> None:
        async with use(database) as connection:
            await connection.execute("select 1")

    async def is_answered() -> bool:
        try:
            await ask()
        except Unavailable:
            return False
        return True

    await asyncio.gather(*(ask() for _ in range(3)))
    own_postgres.stop()

    for _ in range(4):
        with pytest.raises(Unavailable):
            await ask()
    assert not await database.is_ready()
    own_postgres.start()
    own_postgres.wait_ready()

    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await is_answered():
            pass
    assert await database.is_ready()
    await database.close()


async def test_a_snapshot_sees_one_moment_and_the_next_transaction_the_current_state(
    empty_database: str, shop: Shop
) -> None:
    async def read(tx: Transaction) -> object:
        return await tx.fetchval("select value from things where id = 1")

    # One connection, which both kinds use in turn.
    database = Database.open(url=empty_database, schema="shop", pool_size=1)
    async with database.snapshot() as tx:
        before = await read(tx)
        shop.run("update things set value = 7 where id = 1")
        again = await read(tx)
    async with database.transaction() as tx:
        afterwards = await read(tx)
        shop.run("update things set value = 8 where id = 1")
        present = await read(tx)
    await database.close()

    assert (before, again, afterwards, present) == (0, 0, 7, 8)


async def test_a_connection_that_nobody_needs_any_more_is_closed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await using(shop.database, 4)
    assert connections_of(shop) == 4
    await read_one(shop)
    assert connections_of(shop) == 4

    monkeypatch.setattr(pool, "UNUSED_SECONDS", 0)
    for _ in range(4):
        await read_one(shop)

    # A server ends a moment after its connection.
    async with asyncio.timeout(PATIENCE_SECONDS):
        while connections_of(shop) > 1:  # noqa: ASYNC110 - asks Postgres
            await asyncio.sleep(0.01)
    await using(shop.database, 4)


async def read_one(shop: Shop) -> None:
    async with shop.database.statement() as connection:
        await connection.fetchval("select 1")


def connections_of(shop: Shop) -> int:
    (row,) = shop.rows("""
        select count(*) from pg_stat_activity
        where application_name = 'shop' and datname = current_database()
    """)
    return int(str(row[0]))
