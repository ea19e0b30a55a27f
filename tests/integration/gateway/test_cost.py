"""What strangers may cost a gateway: memory, and the time of others."""

import contextlib
import resource
import socket
import time
from collections.abc import Callable, Iterator

import httpx
import psutil
import pytest

from deploy.local.process import Process

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
        one = self._opened.enter_context(socket.create_connection(self._address, timeout=10))
        one.setblocking(False)
        return one

    def assert_small(self) -> None:
        """Check that others are answered soon, and what was added to the memory."""
        started = time.monotonic()
        assert httpx.get(f"{self._url}/api/v1/health", timeout=30).status_code == 200
        waited = time.monotonic() - started
        grown = self._process.memory_info().rss - self._before
        assert grown < BYTES_MAX, f"{grown / MEGABYTE:.0f} MB"
        assert waited < SECONDS_MAX, f"{waited:.2f} s"


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
def test_fifty_megabytes_of_headers_cost_next_to_nothing(cost: Cost, header: bytes) -> None:
    many = header * (64 * 1024 // len(header))
    one = cost.connect()
    one.send(HEAD)

    pour(cost, [one], lambda: many, 50 * MEGABYTE)

    cost.assert_small()


def test_a_thousand_idle_and_half_connections_leave_others_their_place(cost: Cost) -> None:
    held = [cost.connect() for _ in range(IDLE + HALF)]
    for one in held[:HALF]:
        one.send(HEAD + b"X: " + b"y" * 8_000)

    cost.assert_small()


def test_answers_that_nobody_reads_stop_nobody_else(cost: Cost) -> None:
    held = [cost.connect() for _ in range(100)]

    pour(cost, held, lambda: DOCUMENT * 2_000, 100 * 2_000 * len(DOCUMENT))

    cost.assert_small()
