"""Transactions: all or nothing, tried again where Postgres says so, Unavailable when it is away."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from chassis.database import Database, Transaction, driver
from deploy.local.ports import free_port
from deploy.local.postgres import NOT_DURABLE, PostgresServer, remove
from kernel.errors import Unavailable
from tests.integration.chassis.conftest import Shop
from tests.patience import PATIENCE_SECONDS

IDLE = """
select count(*) from pg_stat_activity
where datname = current_database() and state = 'idle in transaction'
"""
Add = Callable[[Transaction, int], Awaitable[object]]


async def by_sqlalchemy(tx: Transaction, thing: int) -> object:
    return await tx.execute(
        sa.text("update things set value = value + 1 where id = :id"), {"id": thing}
    )


async def by_driver(tx: Transaction, thing: int) -> object:
    connection = await driver(tx)
    return await connection.execute("update things set value = value + 1 where id = %s", (thing,))


MEANT = {
    "client_encoding": ("latin1", "UTF8"),
    "default_transaction_isolation": ("serializable", "read committed"),
    "array_nulls": ("off", "on"),
    "transform_null_equals": ("on", "off"),
}
SAID = "select %s || coalesce((%s::text[])[1], ' no text'), (1 = null) is null"


@pytest.mark.parametrize("said", MEANT)
async def test_what_a_database_sets_changes_no_meaning(shop: Shop, said: str) -> None:
    elsewhere, meant = MEANT[said]
    with psycopg.connect(shop.url, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        statement = sql.SQL("alter database {} set {} = {}")
        connection.execute(statement.format(name, sql.Identifier(said), sql.Literal(elsewhere)))
    database = Database.open(url=shop.url, schema="shop", pool_size=1)

    async with database.transaction() as tx:
        level = (await tx.execute(sa.text(f"show {said}"))).scalar_one()
        cursor = await (await driver(tx)).execute(SAID, ("設計", [None]))
        found = await cursor.fetchone()
    async with database.snapshot() as tx:
        own = (await tx.execute(sa.text("show transaction_isolation"))).scalar_one()

    assert (level, found, own) == (meant, ("設計 no text", True), "repeatable read")
    await database.close()


async def test_an_exception_rolls_everything_back(shop: Shop) -> None:
    async def broken() -> None:
        async with shop.database.transaction() as tx:
            await by_driver(tx, 1)
            await by_sqlalchemy(tx, 2)
            raise KeyError

    with pytest.raises(KeyError):
        await broken()

    assert shop.rows("select sum(value) from things") == [(0,)]


@pytest.mark.parametrize("add", [by_sqlalchemy, by_driver])
async def test_a_deadlock_is_tried_again(shop: Shop, add: Add) -> None:
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


@pytest.mark.parametrize("add", [by_sqlalchemy, by_driver])
async def test_a_lock_that_stays_taken_is_unavailable(shop: Shop, add: Add) -> None:
    async def impatient() -> None:
        async with shop.database.transaction() as tx:
            await tx.execute(sa.text("set local lock_timeout = '20ms'"))
            await add(tx, 1)

    async with shop.database.transaction() as holder:
        await by_driver(holder, 1)
        with pytest.raises(Unavailable):
            await impatient()


async def test_a_transaction_that_was_left_open_too_long_is_unavailable(shop: Shop) -> None:
    async def idle() -> None:
        async with shop.database.transaction() as tx:
            await tx.execute(sa.text("set local idle_in_transaction_session_timeout = '20ms'"))
            while shop.rows(IDLE) != [(0,)]:
                pass
            await by_driver(tx, 1)

    with pytest.raises(Unavailable):
        await idle()


async def test_a_broken_rule_of_the_schema_is_no_matter_of_weather(shop: Shop) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        async with shop.database.transaction() as tx:
            await tx.execute(sa.text("insert into things values (1, 0)"))


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


@pytest.mark.parametrize("use", ["sqlalchemy", "driver"])
async def test_a_database_that_went_away_is_unavailable_and_found_again(
    own_postgres: PostgresServer, use: str
) -> None:
    database = Database.open(url=own_postgres.url(), schema="public", pool_size=3)

    async def ask() -> None:
        async with database.transaction() as tx:
            if use == "driver":
                await (await driver(tx)).execute("select 1")
            else:
                await tx.execute(sa.text("select 1"))

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


async def test_a_snapshot_sees_one_moment_and_the_next_transaction_the_present(
    empty_database: str, shop: Shop
) -> None:
    async def read(tx: Transaction) -> object:
        return (await tx.execute(sa.text("select value from things where id = 1"))).scalar_one()

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
