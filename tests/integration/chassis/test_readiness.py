"""When a service serves: its database takes changes, its clock is right, and it is prepared."""

import asyncio
import datetime as dt
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import psycopg
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from orchestrator.disputes.v1 import disputes_pb2_grpc
from psycopg import sql
from structlog.testing import capture_logs

from chassis import runner, watch
from chassis.bus import Bus
from chassis.channel import Caller, open_channel
from chassis.migrations import expected
from chassis.migrations.expected import Schema
from chassis.migrations.scripts import SCRIPTS
from chassis.runner import App
from chassis.settings import ServiceSettings
from deploy.local.ports import free_port
from kernel.clock import SystemClock
from kernel.errors import DomainError, Unavailable
from tests.identities import TRUST_FILE, signer
from tests.integration.chassis.conftest import Shop
from tests.integration.chassis.scripted import binding_of, changing, scripted
from tests.patience import PATIENCE_SECONDS
from tests.serving import identity_of

WHO = identity_of("orders", marketplace_id=uuid.UUID(int=7))
SERVING = health_pb2.HealthCheckResponse.SERVING
TURN_SECONDS = 0.01


class Machine:
    """The clock of the machine, moved by the test."""

    def __init__(self) -> None:
        self.ahead = dt.timedelta()

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + self.ahead


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The clock that every part of a service looks at."""
    made = Machine()
    monkeypatch.setattr(SystemClock, "now", lambda _clock: made.now())
    monkeypatch.setattr(watch, "LOOK_SECONDS", TURN_SECONDS)
    return made


@pytest.fixture
def app(shop: Shop) -> App:
    """A service without anything of its own; its bus is not there."""
    return App(
        name="scripted",
        settings=ServiceSettings(
            database_url=shop.url, trust_file=TRUST_FILE, grpc_port=free_port()
        ),
        binding=binding_of(scripted()),
        database=shop.database,
        bus=Bus(url=f"nats://127.0.0.1:{free_port()}", name="scripted"),
    )


@asynccontextmanager
async def running(app: App) -> AsyncIterator[grpc.aio.Channel]:
    """Run a service; yields a channel to it."""
    stopping = asyncio.Event()
    # Its end closes the database, which is the test's.
    task = asyncio.create_task(runner.serve(app, stopping))
    try:
        async with open_channel(f"127.0.0.1:{app.settings.grpc_port}") as channel:
            yield channel
    finally:
        stopping.set()
        await task


async def is_serving(channel: grpc.aio.Channel) -> bool:
    """Ask as a probe does."""
    request = health_pb2.HealthCheckRequest()
    stub = health_pb2_grpc.HealthStub(channel)
    answer = await stub.Check(request, wait_for_ready=True, timeout=PATIENCE_SECONDS)
    return bool(answer.status == SERVING)


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await is_so():  # noqa: ASYNC110 - the condition is another task's
            await asyncio.sleep(TURN_SECONDS)


async def call(channel: grpc.aio.Channel) -> None:
    """Make a call. Raises: DomainError."""
    caller = Caller(signer("orders"))
    stub = disputes_pb2_grpc.DisputesServiceStub(channel)
    await caller.call(stub.CompleteDispute, changing(), who=WHO)


@pytest.mark.parametrize("seconds", [-3600, -65, 65, 8 * 86400])
async def test_a_service_whose_clock_is_wrong_does_not_serve_until_it_is_right(
    app: App, machine: Machine, seconds: int
) -> None:
    beats, beaten = 0, asyncio.Event()

    async def beat() -> None:
        nonlocal beats
        while True:
            beats += 1
            beaten.set()
            await asyncio.sleep(TURN_SECONDS)

    machine.ahead = dt.timedelta(seconds=seconds)
    with capture_logs() as said:
        async with running(replace(app, background={"beat": beat})) as channel:
            await until(lambda: _said(said, "clock.wrong"))
            assert not await is_serving(channel)
            assert beats == 0
            with pytest.raises(Unavailable, match="clock"):
                await call(channel)

            machine.ahead = dt.timedelta()
            await until(lambda: is_serving(channel))
            await asyncio.wait_for(beaten.wait(), PATIENCE_SECONDS)
            await call(channel)

            machine.ahead = dt.timedelta(seconds=seconds)
            await until(lambda: _said(said, "clock.wrong", times=2))
            await until(lambda: _not(is_serving(channel)))
            before = beats
            with pytest.raises(DomainError):
                await call(channel)

    assert beats <= before + 1
    assert [line["event"] for line in said if line["event"].startswith("clock.")] == [
        "clock.wrong",
        "clock.right",
        "clock.wrong",
    ]


async def _said(said: Sequence[Mapping[str, object]], event: str, times: int = 1) -> bool:
    return [line["event"] for line in said].count(event) >= times


async def _not(asking: Awaitable[bool]) -> bool:
    return not await asking


@pytest.mark.parametrize("seconds", [-50, 50])
async def test_a_clock_that_is_less_than_a_minute_off_is_right(
    app: App, machine: Machine, seconds: int
) -> None:
    machine.ahead = dt.timedelta(seconds=seconds)

    async with running(app) as channel:
        await until(lambda: is_serving(channel))


@pytest.mark.slow
async def test_a_failure_before_readiness_is_logged_and_retried(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "RESTART_SECONDS", TURN_SECONDS)
    tries = 0

    async def prepare() -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise RuntimeError("the key is not there yet")

    with capture_logs() as said:
        async with running(replace(app, before_ready=[prepare])) as channel:
            await until(lambda: is_serving(channel))

    assert tries == 3
    assert [line["event"] for line in said].count("service.not_prepared") == 2


async def test_a_background_loop_that_ends_is_restarted(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "RESTART_SECONDS", TURN_SECONDS)
    begun = asyncio.Semaphore(0)

    async def end() -> None:
        begun.release()

    async with running(replace(app, background={"end": end})):
        for _ in range(3):
            await asyncio.wait_for(begun.acquire(), PATIENCE_SECONDS)


async def test_a_stop_does_not_wait_for_a_loop_that_missed_its_cancellation(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "CANCEL_SECONDS", TURN_SECONDS)
    misses, begun, over = 0, asyncio.Event(), asyncio.Event()

    async def deaf() -> None:
        nonlocal misses
        while misses < 3 and not over.is_set():
            begun.set()
            try:
                await over.wait()
            except asyncio.CancelledError:
                misses += 1
        await over.wait()

    hasty = app.settings.model_copy(update={"stop_grace_seconds": 3})
    with capture_logs() as said:
        async with running(replace(app, settings=hasty, background={"deaf": deaf})):
            await asyncio.wait_for(begun.wait(), PATIENCE_SECONDS)
    over.set()

    assert misses == 3
    assert not await _said(said, "service.cut_short")


async def test_a_service_is_not_ready_while_its_database_is_read_only(
    app: App, shop: Shop, machine: Machine
) -> None:
    def set_read_only(value: str) -> None:
        with psycopg.connect(shop.url, autocommit=True) as connection:
            connection.execute("set default_transaction_read_only = off")
            name = sql.Identifier(connection.info.dbname)
            statement = "alter database {} set default_transaction_read_only = {}"
            connection.execute(sql.SQL(statement).format(name, sql.SQL(value)))
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )

    async with running(app) as channel:
        await until(lambda: is_serving(channel))
        set_read_only("on")
        await until(lambda: _not(is_serving(channel)))
        set_read_only("off")
        await until(lambda: is_serving(channel))

    assert machine.ahead == dt.timedelta()


MIGRATION = """
revision = {revision!r}
down_revision = {down!r}
branch_labels = depends_on = None
"""


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code knows two revisions of the schema, and needs the second."""
    for revision, down in (("shop_0001", None), ("shop_0002", "shop_0001")):
        text = MIGRATION.format(revision=revision, down=down)
        (tmp_path / f"{revision}.py").write_text(text)
    monkeypatch.setitem(SCRIPTS, "shop", tmp_path)


@pytest.mark.usefixtures("machine", "scripts")
async def test_a_service_is_not_ready_while_its_schema_is_older_than_its_code(
    app: App, shop: Shop
) -> None:
    with capture_logs() as said:
        async with running(replace(app, name="shop")) as channel:
            await until(lambda: _said(said, "schema.older"))
            assert not await is_serving(channel)

            shop.run("create table alembic_version (version_num text primary key)")
            shop.run("insert into alembic_version values ('shop_0001')")
            await until(lambda: _said(said, "schema.older", times=2))
            assert not await is_serving(channel)

            shop.run("update alembic_version set version_num = 'shop_0002'")
            await until(lambda: is_serving(channel))

    lacking = [line for line in said if line["event"] == "schema.older"]
    assert [(line["found"], line["needed"]) for line in lacking] == [
        ("", "shop_0002"),
        ("shop_0001", "shop_0002"),
    ]


@pytest.mark.usefixtures("machine", "scripts")
async def test_a_newer_schema_than_the_code_is_accepted(app: App, shop: Shop) -> None:
    shop.run("create table alembic_version (version_num text primary key)")
    shop.run("insert into alembic_version values ('shop_0003')")

    async with running(replace(app, name="shop")) as channel:
        await until(lambda: is_serving(channel))


@pytest.mark.usefixtures("scripts")
async def test_a_schema_that_was_dropped_is_older(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expected, "AGAIN_SECONDS", 0)
    shop.run("create table alembic_version (version_num text primary key)")
    shop.run("insert into alembic_version values ('shop_0002')")
    schema = Schema(shop.database, "shop")
    assert await schema.look()

    shop.run("drop table alembic_version")

    assert not await schema.look()
