"""The cost of requests without a credential: memory, and delays for others."""

import asyncio
import contextlib
import json
import resource
import socket
import time
import uuid
from collections.abc import Callable, Iterator

import httpx
import psutil
import pytest

from chassis.bus import Bus, Message, publish_all
from chassis.database import Database
from deploy.local.process import Process
from gateway.keys import KeyStore
from gateway.settings import GatewaySettings
from kernel.ids import new_id, to_public
from tests.patience import PATIENCE_SECONDS

from .conftest import PEPPER, Keys
from .test_process import own_process

__all__ = ["own_process"]
MEGABYTE = 1024 * 1024
# What a stranger may add to the gateway's memory, and the longest that others wait meanwhile.
BYTES_MAX, SECONDS_MAX = 100 * MEGABYTE, 1.0
IDLE = HALF = 500
HEAD = b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n"
DOCUMENT = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def cost(own_process: tuple[Process, str]) -> Iterator["Cost"]:
    """Measure a gateway, after it has served what it keeps for good."""
    running, url = own_process
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    for path in ("/openapi.json", "/api/v1/health", "/api/v1/me"):
        httpx.get(f"{url}{path}")
    with contextlib.ExitStack() as opened:
        yield Cost(running.pid, url, opened)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Cost:
    """Sockets to a gateway, its memory, and how long others wait."""

    def __init__(self, pid: int, url: str, opened: contextlib.ExitStack) -> None:
        self._process = psutil.Process(pid)
        self._url = url
        self._opened = opened
        host, _, port = url.removeprefix("http://").partition(":")
        self._address = (host, int(port))
        self._before = self._process.memory_info().rss

    def connect(self) -> socket.socket:
        """Open a connection that is closed at the end."""
        one = self._opened.enter_context(
            socket.create_connection(self._address, timeout=PATIENCE_SECONDS)
        )
        one.setblocking(False)
        return one

    def assert_small(self) -> None:
        """Check that others are answered soon, and what was added to the memory."""
        # The best of three: one may have waited for a machine that is busy with something else.
        waited = min(self._asked() for _ in range(3))
        grown = self._process.memory_info().rss - self._before
        assert grown < BYTES_MAX, f"{grown / MEGABYTE:.0f} MB"
        assert waited < SECONDS_MAX, f"{waited:.2f} s"

    def _asked(self) -> float:
        """Send a request of another client; returns how many seconds it took."""
        started = time.monotonic()
        assert httpx.get(f"{self._url}/api/v1/health", timeout=PATIENCE_SECONDS).status_code == 200
        return time.monotonic() - started


def pour(cost: "Cost", sockets: list[socket.socket], data: Callable[[], bytes], size: int) -> None:
    """Send as much as is taken, looking at the gateway now and then."""
    sent, looked = 0, time.monotonic()
    while sent < size and sockets:
        for one in list(sockets):
            try:
                sent += one.send(data())
            except BlockingIOError:
                sent += 1  # not taken: that counts as an attempt, so that this ends
            except OSError:
                sockets.remove(one)
        if time.monotonic() - looked > 0.5:
            cost.assert_small()
            looked = time.monotonic()


@pytest.mark.parametrize("header", [b"a:b\r\n", b"x: " + b"y" * 1020 + b"\r\n"])
def test_fifty_megabytes_of_headers_cost_little_memory_and_time(cost: Cost, header: bytes) -> None:
    many = header * (64 * 1024 // len(header))
    one = cost.connect()
    one.send(HEAD)

    pour(cost, [one], lambda: many, 50 * MEGABYTE)

    cost.assert_small()


def test_a_thousand_idle_connections_do_not_block_others(cost: Cost) -> None:
    held = [cost.connect() for _ in range(IDLE + HALF)]
    for one in held[:HALF]:
        one.send(HEAD + b"X: " + b"y" * 8_000)

    cost.assert_small()


def test_unread_answers_do_not_block_other_clients(cost: Cost) -> None:
    held = [cost.connect() for _ in range(100)]

    pour(cost, held, lambda: DOCUMENT * 2_000, 100 * 2_000 * len(DOCUMENT))

    cost.assert_small()


@pytest.mark.slow
def test_fifty_streams_that_nobody_reads_cost_next_to_nothing(
    cost: Cost, settings: GatewaySettings
) -> None:
    marketplace_id, key = asyncio.run(key_and_events(settings, count=5_000))
    assert marketplace_id
    cost.assert_small()
    for _ in range(50):
        one = cost.connect()
        one.send(
            b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 1-evt_before\r\n"
            b"Authorization: Bearer " + key.encode() + b"\r\n\r\n"
        )

    until = time.monotonic() + 5
    while time.monotonic() < until:
        cost.assert_small()


async def key_and_events(settings: GatewaySettings, *, count: int) -> tuple[uuid.UUID, str]:
    """Make a marketplace with a key, and so many events of 4 KB."""
    database = Database.open(url=settings.database_url, schema="gateway", pool_size=2)
    keys = Keys(store=KeyStore(database, pepper=PEPPER))
    key = await keys.make("read", marketplace="crowded")
    marketplace_id = await keys.store.marketplace("crowded", environment="live")
    await database.close()
    bus = Bus(url=settings.nats_url, name="test")
    context = await bus.stream()
    for begin in range(0, count, 500):
        messages = [an_event(marketplace_id, "x" * 4_000) for _ in range(begin, begin + 500)]
        assert all(await publish_all(context, messages))
    await bus.close()
    return marketplace_id, key


def an_event(marketplace_id: uuid.UUID, text: str) -> Message:
    """Return an event as the services publish it."""
    event_id = to_public("evt", new_id())
    body = {
        "eventId": event_id,
        "eventType": "order.created",
        "occurredAt": "2026-02-18T10:00:00.000Z",
        "aggregateType": "Order",
        "aggregateId": "ord_1",
        "version": 1,
        "payload": {"text": text},
        "metadata": {"marketplaceId": str(marketplace_id)},
    }
    headers = {"marketplace-id": str(marketplace_id)}
    return Message(
        subject="order.created",
        message_id=event_id,
        headers=headers,
        body=json.dumps(body).encode(),
    )
