"""Fixtures for every test: real PostgreSQL, real NATS, a real devnet, a whole stack.

All are started at first use and live until the last test that uses them has ended (one of each
per xdist worker; lifetimes.py).

    def test_x(database_url):          # function: an own, empty, migrated database
        url = database_url("ledger")   # its URL for a role; database_url() is the superuser's

    @pytest.fixture(scope="session")
    def my_service(make_database, nats_url, devnet): ...   # the same for wider scopes

make_database() -> TestDatabase    `.url(role)`, `.drop()`
nats_server                        NatsServer: `.url`, `.kill()`, `.start()`, `.wait_ready()`
nats_url                           its URL; the stream is shared by the session's tests
stack                              RunningStack: `.url`, `.document` (stack.json), `.kill(name)`
devnet                             Devnet: `.url`, `.info` (what /network-info says), `.kill()` …
own_nats_server, own_devnet        the same of one module alone, to read from the beginning
"""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.local.devnet import Devnet, network_info
from deploy.local.nats import NatsServer
from deploy.local.ports import free_port
from deploy.local.postgres import NOT_DURABLE, SUPERUSER, PostgresServer, remove
from deploy.local.process import Command, python_module, run
from deploy.local.settings import ROOT, child_environment
from tests import tables
from tests.lifetimes import Lifetimes, TogetherScheduling, ordered
from tests.running_stack import RunningStack, running_stack

# `make console` runs it: it needs a browser's libraries, which `make setup` does not install.
collect_ignore = ["console"]

_TEMPLATE = "template_migrated"
_names = itertools.count(1)
_lifetimes = pytest.StashKey[Lifetimes]()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TogetherScheduling | None:
    """Let `--dist loadfile` give one worker the files that share servers."""
    return TogetherScheduling(config, log) if config.option.dist == "loadfile" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the tests so that users of one server run one after the other."""
    items[:] = ordered(items)
    config.stash[_lifetimes] = Lifetimes(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Stop the shared fixtures that no later test uses."""
    yield
    item.config.stash[_lifetimes].end(item, nextitem)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables that tests recorded, from all workers."""
    reports = itertools.chain.from_iterable(terminalreporter.stats.values())
    for title, lines in tables.drawn(reports):
        terminalreporter.section(title)
        terminalreporter.write_line("\n".join(lines))


# Unusual formats of instants and bytes: a server's locale must not change any answer.
ELSEWHERE = (
    "timezone=Asia/Kathmandu",
    "datestyle=ISO, DMY",
    "intervalstyle=sql_standard",
    "bytea_output=escape",
    "extra_float_digits=0",
)
# Tests count the rows of every table in one statement. Parallel workers would only slow it down.
ALONE = ("max_parallel_workers_per_gather=0", "jit=off")
ROOM_BYTES = 8 * 1024**3


@dataclass(frozen=True, slots=True)
class TestDatabase:
    """A database with every migration applied and nothing in it."""

    __test__ = False

    name: str
    server: PostgresServer

    def url(self, role: str = SUPERUSER) -> str:
        """Return the URL for a role: "ledger", "orders", …; the superuser's by default."""
        return self.server.url(database=self.name, role=role)

    def drop(self) -> None:
        """Delete the database, even with open connections."""
        self.server.execute("drop database {} with (force)", self.name)


def place_of_servers() -> str | None:
    """Return the in-memory folder if it has enough space; None: use the temporary folder.

    A test's database is a thousand files. A file system in memory makes them three times as fast.
    """
    memory = Path("/dev/shm")  # noqa: S108 - a folder is made in it
    has_room = memory.is_dir() and shutil.disk_usage(memory).free >= ROOM_BYTES
    return str(memory) if has_room and os.access(memory, os.W_OK) else None


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    """The folder of this session's servers. PostgreSQL's own user may enter the folder too."""
    folder = Path(tempfile.mkdtemp(prefix="orchestrator-tests-", dir=place_of_servers()))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(session_folder: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL 18 without durability. Databases: see `database_url`, `make_database`."""
    home = session_folder / "postgres"
    server = PostgresServer(
        home=home,
        port=free_port(),
        log_folder=session_folder / "logs",
        options=(*NOT_DURABLE, *ELSEWHERE, *ALONE),
    )
    server.start()
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()
        remove(home)


@pytest.fixture(scope="session")
def migrated_template(postgres_server: PostgresServer, session_folder: Path) -> str:
    """The name of a template database that all migrations were applied to."""
    postgres_server.execute("create database {}", _TEMPLATE)
    command = Command(
        name="migrations",
        argv=python_module("chassis.migrations"),
        environment=child_environment(DATABASE_URL=postgres_server.url(database=_TEMPLATE)),
        folder=ROOT,
        is_forked=True,
    )
    run(command, log_path=session_folder / "logs" / "migrations.log")
    return _TEMPLATE


@pytest.fixture(scope="session")
def make_database(
    postgres_server: PostgresServer, migrated_template: str
) -> Callable[[], TestDatabase]:
    """Make fresh migrated databases, for fixtures wider than one test (≈ 50 ms each)."""

    def make() -> TestDatabase:
        name = f"test_{next(_names)}"
        # Copying files is half the work of writing each page to the WAL, which is not kept here.
        postgres_server.execute(
            "create database {} template {} strategy file_copy", name, migrated_template
        )
        return TestDatabase(name, postgres_server)

    return make


@pytest.fixture
def database(make_database: Callable[[], TestDatabase]) -> Iterator[TestDatabase]:
    """A fresh migrated database of this test alone, dropped after it."""
    made = make_database()
    yield made
    made.drop()


@pytest.fixture
def database_url(database: TestDatabase) -> Callable[..., str]:
    """`database_url("ledger")`: the URL of this test's own database for a role."""
    return database.url


@pytest.fixture(scope="session")
def nats_server(session_folder: Path) -> Iterator[NatsServer]:
    """A nats-server with JetStream. A test that kills it must start it again."""
    with _nats(session_folder) as server:
        yield server


@pytest.fixture(scope="module")
def own_nats_server(session_folder: Path) -> Iterator[NatsServer]:
    """A nats-server of one module alone, for tests that read a stream from its beginning."""
    with _nats(session_folder) as server:
        yield server


@contextmanager
def _nats(folder: Path) -> Iterator[NatsServer]:
    home = folder / f"nats-{next(_names)}"
    server = NatsServer(home=home, port=free_port(), log_folder=home)
    server.start()
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def nats_url(nats_server: NatsServer) -> str:
    """The URL of the session's NATS."""
    return nats_server.url


@dataclass(slots=True, kw_only=True)
class RunningDevnet(Devnet):
    """A running devnet. info: its issuer, factory, wasm hash and fee address."""

    info: dict[str, Any]


@pytest.fixture(scope="session")
def devnet(session_folder: Path) -> Iterator[RunningDevnet]:
    """A devnet that closes a ledger every 0.05 s, on a fresh chain."""
    with _devnet(session_folder) as running:
        yield running


@pytest.fixture(scope="module")
def own_devnet(session_folder: Path) -> Iterator[RunningDevnet]:
    """A devnet of one module alone, for tests that read a chain from its beginning."""
    with _devnet(session_folder) as running:
        yield running


@contextmanager
def _devnet(folder: Path) -> Iterator[RunningDevnet]:
    home = folder / f"devnet-{next(_names)}"
    running = RunningDevnet(
        home=home,
        port=free_port(),
        log_folder=home,
        is_forked=True,
        environment=child_environment(DEVNET_LEDGER_SECONDS="0.05"),
        info={},
    )
    running.start()
    try:
        running.wait_ready()
        running.info = network_info(running.url)
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def stack(session_folder: Path) -> Iterator[RunningStack]:
    """A whole running stack, one for the session; tests use users and orders of their own."""
    with running_stack(session_folder / "stack") as running:
        yield running
