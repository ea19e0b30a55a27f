"""The connection to NATS: one of several servers, a name of its own, and nothing left behind."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from nats.js.api import StoreCompression
from nats.js.errors import NotFoundError
from structlog.testing import capture_logs

from chassis.bus import Bus, keep_stream, stream_config
from chassis.consumer import Delivery, consume
from chassis.nats_client import Client
from chassis.nats_settings import STREAM, StreamLimits
from deploy.local.nats import NatsServer
from deploy.local.nats_users import NatsUser
from deploy.local.ports import HOST, free_port
from tests.patience import PATIENCE_SECONDS


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[NatsServer]:
    """A server that knows one user."""
    user = NatsUser(name="orders", password="p@ss:/w", publish=None, subscribe=None)
    server = NatsServer(
        home=tmp_path / "nats", port=free_port(), log_folder=tmp_path, users=lambda: [user]
    )
    server.start()
    server.wait_ready()
    yield server
    server.stop()


async def test_of_several_servers_the_one_that_answers_is_used(nats: NatsServer) -> None:
    bus = Bus(url=f"nats://127.0.0.1:{free_port()},{nats.url}", name="test")

    async with asyncio.timeout(PATIENCE_SECONDS):
        client = await bus.client()

    assert client.connected_url is not None
    assert client.connected_url.port == nats.port
    await bus.close()


async def test_a_user_in_one_url_is_used_for_every_server(closed: NatsServer) -> None:
    url = f"nats://orders:p%40ss%3A%2Fw@127.0.0.1:{free_port()},{closed.url}"
    bus = Bus(url=url, name="test")

    async with asyncio.timeout(PATIENCE_SECONDS):
        client = await bus.client()

    assert client.is_connected
    await bus.close()


async def test_a_refused_connection_is_logged_once(closed: NatsServer) -> None:
    bus = Bus(url=closed.url.replace("//", "//orders:wrong@"), name="test")
    log = closed.log_folder / "nats.log"

    with capture_logs() as logs:
        task = asyncio.create_task(bus.stream())
        async with asyncio.timeout(PATIENCE_SECONDS):
            while log.read_text().count("authentication error") < 3:  # noqa: ASYNC110 - a log
                await asyncio.sleep(0.05)
        # The client's own wait can lose a cancellation (CPython issue 86296).
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=1)

    said = [line for line in logs if line["event"] == "bus.not_permitted"]
    assert [line["user"] for line in said] == ["orders"]
    assert "wrong" not in str(logs)


@pytest.mark.slow
async def test_a_recreated_consumer_leaves_no_subscription_behind(
    nats: NatsServer,
) -> None:
    async def handle(_: Delivery) -> None:
        """Take it."""

    bus = Bus(url=nats.url, name="test")
    context, client = await bus.stream(), await bus.client()
    durable, counts = "test-again", list[int]()
    task = asyncio.create_task(consume(bus, durable=durable, subject="user.again", handle=handle))
    async with asyncio.timeout(PATIENCE_SECONDS * 2):
        for _ in range(4):
            while not await _waits(bus, durable):  # noqa: ASYNC110 - the server knows
                await asyncio.sleep(0.02)
            counts.append(len(client._subs))
            await context.delete_consumer(STREAM, durable)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await bus.close()

    assert max(counts) == counts[0]


@pytest.mark.slow
async def test_a_consumer_goes_on_after_its_durable_and_then_the_stream_are_deleted(
    tmp_path: Path,
) -> None:
    server = NatsServer(home=tmp_path / "nats", port=free_port(), log_folder=tmp_path)
    server.start()
    server.wait_ready()
    bus, other = Bus(url=server.url, name="test"), Bus(url=server.url, name="other")
    arrived: asyncio.Queue[bytes] = asyncio.Queue()

    async def handle(delivery: Delivery) -> None:
        await arrived.put(delivery.body)

    task = asyncio.create_task(consume(bus, durable="lost", subject="user.lost", handle=handle))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            context = await other.stream()
            await context.publish("user.lost", b"first")
            assert await arrived.get() == b"first"

            await context.delete_consumer(STREAM, "lost")
            await context.publish("user.lost", b"second")
            # A new consumer reads from the beginning: what was handled is told again.
            assert [await arrived.get() for _ in range(2)] == [b"first", b"second"]

            await context.delete_stream(STREAM)
            await keep_stream(server.url, limits=StreamLimits())
            await context.publish("user.lost", b"third")
            assert await arrived.get() == b"third"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await bus.close()
        await other.close()
        server.stop()


async def test_a_stream_is_stored_compressed_and_for_a_limited_time(nats: NatsServer) -> None:
    bus = Bus(url=nats.url, name="test")
    context = await bus.stream()
    try:
        await context.delete_stream(STREAM)
        plain = replace(stream_config(StreamLimits(days=0)), compression=StoreCompression.NONE)
        await context.add_stream(plain)

        await keep_stream(nats.url, limits=StreamLimits())
        kept = (await context.stream_info(STREAM)).config
    finally:
        await bus.close()

    assert (kept.compression, kept.max_age) == (StoreCompression.S2, 30 * 86_400)


async def _waits(bus: Bus, durable: str) -> bool:
    """Tell whether somebody waits for messages of a consumer."""
    try:
        return bool((await (await bus.stream()).consumer_info(STREAM, durable)).num_waiting)
    except NotFoundError:
        return False


async def test_an_existing_stream_gets_the_configured_limits(nats: NatsServer) -> None:
    for limits, seconds, size in (
        (StreamLimits(days=2, gigabytes=1), 2 * 86_400, 1024**3),
        (StreamLimits(days=0, gigabytes=0), 0, -1),
        (StreamLimits(), 30 * 86_400, -1),
    ):
        await keep_stream(nats.url, limits=limits)

        bus = Bus(url=nats.url, name="test")
        found = (await (await bus.stream()).stream_info(STREAM)).config
        await bus.close()
        assert (found.max_age or 0, found.max_bytes, found.discard) == (seconds, size, "new")


async def test_a_connection_given_up_before_the_server_answers_is_closed() -> None:
    opened = asyncio.Event()
    ended = asyncio.Event()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"INFO {}\r\n")
        await reader.readuntil(b"PING\r\n")
        opened.set()
        await reader.read()
        ended.set()
        writer.close()

    async with await asyncio.start_server(greet, HOST, 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = Client()
        connecting = asyncio.create_task(client.connect(f"nats://{HOST}:{port}"))
        async with asyncio.timeout(PATIENCE_SECONDS):
            await opened.wait()
            connecting.cancel()
            await ended.wait()

    assert connecting.cancelled()


async def test_a_bus_that_is_closed_while_it_connects_keeps_no_connection() -> None:
    asked, is_closed, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"INFO {}\r\n")
        await reader.readuntil(b"PING\r\n")
        asked.set()
        await is_closed.wait()
        writer.write(b"PONG\r\n")
        await reader.read()
        ended.set()
        writer.close()

    async with await asyncio.start_server(greet, HOST, 0) as server:
        bus = Bus(url=f"nats://{HOST}:{server.sockets[0].getsockname()[1]}", name="test")
        connecting = asyncio.create_task(bus.stream())
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asked.wait()
            await bus.close()
            is_closed.set()
            with pytest.raises(ConnectionError, match="closed"):
                await connecting
            await ended.wait()

    with pytest.raises(ConnectionError, match="closed"):
        await bus.stream()
