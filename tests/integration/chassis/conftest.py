"""A schema with the chassis's tables and one of its own, and a NATS that tests may kill."""

import itertools
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from chassis import idempotency, inbox, outbox, published
from chassis.database import Database
from deploy.local.nats import NatsServer
from deploy.local.ports import free_port
from deploy.local.postgres import PostgresServer

SCHEMA = "shop"
THINGS = """
create table shop.things (id int primary key, value int not null);
insert into shop.things values (1, 0), (2, 0);
"""
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """A database and another connection to look at it with."""

    database: Database
    url: str

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        """Read rows from outside of every transaction."""
        with psycopg.connect(self.url, options=f"-c search_path={SCHEMA}") as connection:
            return connection.execute(statement).fetchall()

    def run(self, statement: str) -> None:
        """Change something by hand."""
        with psycopg.connect(self.url, options=f"-c search_path={SCHEMA}") as connection:
            connection.execute(statement)


def beside_a_dead_host(url: str) -> str:
    """Return a database's URL of two hosts, the first of which is not there."""
    return url.replace("@", f"@127.0.0.1:{free_port()},", 1)


@pytest.fixture
def empty_database(postgres_server: PostgresServer) -> Iterator[str]:
    """The superuser's URL of a database with nothing in it."""
    name = f"chassis_{next(_numbers)}"
    postgres_server.execute("create database {}", name)
    yield postgres_server.url(database=name)
    postgres_server.execute("drop database {} with (force)", name)


@pytest.fixture
async def shop(empty_database: str) -> AsyncIterator[Shop]:
    """A schema with outbox, inbox, idempotency and two things, each of value 0."""
    with psycopg.connect(empty_database) as connection:
        connection.execute(f"create schema {SCHEMA}")
        for ddl in (
            outbox.DDL,
            outbox.TRACE_DDL,
            published.DDL,
            outbox.SHORT_DDL,
            outbox.SHORT_AT_ONCE_DDL,
            inbox.DDL,
            idempotency.DDL,
            THINGS,
        ):
            connection.execute(ddl.replace("{schema}", SCHEMA))
    database = Database.open(url=empty_database, schema=SCHEMA)
    yield Shop(database=database, url=empty_database)
    await database.close()


@pytest.fixture(scope="session")
def own_nats_server(session_folder: Path) -> Iterator[NatsServer]:
    """A nats-server that only these tests use."""
    server = NatsServer(
        home=session_folder / "nats-chassis",
        port=free_port(),
        log_folder=session_folder / "logs-chassis",
    )
    server.start()
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()


@pytest.fixture
def nats(own_nats_server: NatsServer) -> Iterator[NatsServer]:
    """That server, running, whatever the test before did with it."""
    yield own_nats_server
    if not own_nats_server.is_ready():
        own_nats_server.start()
        own_nats_server.wait_ready()


@pytest.fixture
def marketplace_id() -> uuid.UUID:
    """A marketplace of this test alone."""
    return uuid.uuid4()
