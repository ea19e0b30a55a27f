"""A silently lost connection is detected within seconds on every link, and replaced.

The proxy acknowledges data and forwards none, which a TCP keepalive cannot detect. A time limit
that a test shortens is also tested once with its default, which must stay within 30 seconds.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from urllib.parse import urlsplit

import pytest
from orchestrator.disputes.v1 import disputes_pb2_grpc

from chassis import pool, relay, session_lock
from chassis.bus import Bus
from chassis.channel import open_channel
from chassis.connections import Connection
from chassis.database import Database
from chassis.session_lock import only_one
from deploy.local.nats import NatsServer
from kernel.errors import DeadlineExceeded, Unavailable
from tests.integration.chassis.conftest import Shop
from tests.integration.chassis.scripted import reading, scripted, served
from tests.integration.chassis.test_channel import CALLER, WHO
from tests.integration.chassis.test_outages import POOL, by_statement, by_transaction, using
from tests.integration.chassis.test_relay import an_event, append, is_published, until
from tests.silent_proxy import SilentProxy, silent_proxy

PROMISED_SECONDS = 30
Use = Callable[[Database], Awaitable[object]]


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


async def seconds_until(try_it: Callable[[], Awaitable[object]]) -> float:
    """Repeat a call until it succeeds; returns the seconds that passed."""
    began = time.monotonic()
    async with asyncio.timeout(2 * PROMISED_SECONDS):
        while True:
            try:
                await try_it()
            except (Unavailable, DeadlineExceeded, OSError, TimeoutError):
                continue
            return time.monotonic() - began


@pytest.fixture
def to_postgres(shop: Shop) -> Iterator[SilentProxy]:
    """A proxy to the shop's database."""
    with silent_proxy(port_of(shop.url)) as proxy:
        yield proxy


@pytest.fixture
async def far(shop: Shop, to_postgres: SilentProxy) -> AsyncIterator[Database]:
    """The shop's database through the proxy, every connection of its pool open."""
    database = Database.open(url=to_postgres.in_url(shop.url), schema="shop", pool_size=POOL)
    await using(database, POOL)
    yield database
    to_postgres.drop()
    await database.close()


@pytest.mark.slow
@pytest.mark.parametrize("use", [by_transaction, by_statement])
async def test_silently_lost_connections_to_postgresql_are_abandoned(
    far: Database, to_postgres: SilentProxy, use: Use
) -> None:
    to_postgres.lose()

    assert await seconds_until(lambda: use(far)) < PROMISED_SECONDS
    # The pool's other connections are lost too, and delay no call.
    await asyncio.gather(*(use(far) for _ in range(2 * POOL)))


async def test_connection_check_of_a_cancelled_caller_leaves_no_open_connection(
    far: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "FRESH_SECONDS", 0)
    looked_at: list[Connection] = []
    is_looking = asyncio.Event()

    async def slowly(connection: Connection) -> bool:
        looked_at.append(connection)
        is_looking.set()
        await connection.execute("select pg_sleep(60)")
        return True

    monkeypatch.setattr(Connection, "answers", slowly)
    caller = asyncio.create_task(by_statement(far))
    await is_looking.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller

    assert [connection.closed for connection in looked_at] == [True]


@pytest.mark.slow
async def test_unanswered_statement_ends_as_unavailable(
    far: Database, to_postgres: SilentProxy
) -> None:
    async def lose_it_within() -> None:
        async with far.transaction() as tx:
            await tx.execute("select 1")
            to_postgres.lose()
            await tx.execute("update things set value = 7")

    began = time.monotonic()
    with pytest.raises(Unavailable):
        await lose_it_within()

    assert time.monotonic() - began < PROMISED_SECONDS
    await by_transaction(far)


@pytest.mark.slow
async def test_unanswered_commit_ends_as_unavailable(
    far: Database, to_postgres: SilentProxy
) -> None:
    async def lose_it_within() -> None:
        async with far.transaction() as tx:
            await tx.execute("update things set value = 7")
            to_postgres.lose()

    with pytest.raises(Unavailable):
        await lose_it_within()

    await seconds_until(lambda: by_transaction(far))


async def test_the_database_is_reconnected_at_once(far: Database, to_postgres: SilentProxy) -> None:
    to_postgres.refuse()
    for _ in range(20):
        with pytest.raises(Unavailable):
            await by_statement(far)
    to_postgres.restore()

    await by_statement(far)
    await by_transaction(far)


@pytest.mark.parametrize("silence_seconds", [1, pytest.param(10, marks=pytest.mark.slow)])
async def test_session_lock_of_a_vanished_holder_is_released_in_time(
    shop: Shop, to_postgres: SilentProxy, silence_seconds: int
) -> None:
    far = Database.open(
        url=to_postgres.in_url(shop.url), schema="shop", silence_seconds=silence_seconds
    )
    has_it, ended = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        try:
            async with only_one(far, kind="relay", name="shop"):
                has_it.set()
                await asyncio.Event().wait()
        finally:
            ended.set()

    holder = asyncio.create_task(hold())
    await has_it.wait()
    to_postgres.silence()
    began = time.monotonic()

    async with only_one(shop.database, kind="relay", name="shop"):
        took = time.monotonic() - began
        # The first holder had stopped before the second could begin.
        assert ended.is_set()

    assert took < PROMISED_SECONDS
    with pytest.raises(Unavailable):
        await holder
    await far.close()


async def test_a_vanished_relay_does_not_block_the_next_one(
    shop: Shop, to_postgres: SilentProxy, nats: NatsServer, marketplace_id: uuid.UUID
) -> None:
    far = Database.open(url=to_postgres.in_url(shop.url), schema="shop", silence_seconds=1)
    buses = [Bus(url=nats.url, name=name) for name in ("gone", "there")]
    gone = asyncio.create_task(relay.run(database=far, bus=buses[0]))
    await append(shop, an_event(marketplace_id, version=1))
    await until(is_published(shop))
    there = asyncio.create_task(relay.run(database=shop.database, bus=buses[1]))
    # The relay vanishes as a failed host does: its process ends without closing connections.
    to_postgres.silence()
    gone.cancel()

    await append(shop, an_event(marketplace_id, version=2))
    began = time.monotonic()
    await until(is_published(shop))

    assert time.monotonic() - began < PROMISED_SECONDS
    there.cancel()
    await asyncio.gather(gone, there, return_exceptions=True)
    for bus in buses:
        await bus.close()
    await far.close()


@pytest.mark.parametrize("silence_seconds", [2, pytest.param(10, marks=pytest.mark.slow)])
async def test_a_silently_lost_connection_to_nats_is_replaced(
    nats: NatsServer, silence_seconds: int
) -> None:
    with silent_proxy(port_of(nats.url)) as proxy:
        bus = Bus(url=proxy.in_url(nats.url), name="far", silence_seconds=silence_seconds)
        client = await bus.client()
        heard = asyncio.Event()

        async def hear(_message: object) -> None:
            heard.set()

        subject = f"order.{uuid.uuid4().hex}"
        await client.subscribe(subject, cb=hear)
        await client.flush()
        proxy.lose()
        near = Bus(url=nats.url, name="near")
        began = time.monotonic()
        async with asyncio.timeout(2 * PROMISED_SECONDS):
            while not heard.is_set():
                await (await near.client()).publish(subject, b"{}")
                await asyncio.sleep(0.05)

        assert time.monotonic() - began < PROMISED_SECONDS
        await near.close()
        await bus.close()


async def test_statements_count_as_heartbeats_of_a_session_lock(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    beats: list[str] = []
    run = Connection.run

    async def counted(connection: Connection, statement: str) -> int:
        beats.append(statement)
        return await run(connection, statement)

    monkeypatch.setattr(Connection, "run", counted)
    monkeypatch.setattr(session_lock, "BEAT_SHARE", 0.02)
    async with only_one(shop.database, kind="beaten", name="shop") as connection:
        for _ in range(20):
            await connection.fetch("select 2")
            await asyncio.sleep(0.02)
        assert beats == []
        async with asyncio.timeout(PROMISED_SECONDS):
            while len(beats) < 2:  # noqa: ASYNC110 - the lock's own task
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("silence_seconds", [1, pytest.param(10, marks=pytest.mark.slow)])
async def test_a_silently_lost_channel_is_replaced(silence_seconds: int) -> None:
    async with served(scripted()) as (_, address):
        with silent_proxy(int(address.rpartition(":")[2])) as proxy:
            async with open_channel(proxy.address, silence_seconds=silence_seconds) as channel:
                stub = disputes_pb2_grpc.DisputesServiceStub(channel)

                async def call() -> None:
                    await CALLER.call(stub.GetDispute, reading(), who=WHO, timeout_seconds=2)

                await call()
                proxy.lose()

                assert await seconds_until(call) < PROMISED_SECONDS


async def test_idle_channel_is_pinged_without_being_disconnected() -> None:
    async with (
        served(scripted()) as (_, address),
        open_channel(address, silence_seconds=1) as channel,
    ):
        stub = disputes_pb2_grpc.DisputesServiceStub(channel)
        await CALLER.call(stub.GetDispute, reading(), who=WHO)
        ready = channel.get_state()
        # Longer than three keepalive pings. A server may take frequent pings as an attack.
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(channel.wait_for_state_change(ready), 4)
        await CALLER.call(stub.GetDispute, reading(), who=WHO)
