"""A light HTTP client for measurements: a few kept connections, each with one request at a time.

The client's own cost is part of every figure. It parses only the status and the length.
"""

import asyncio
import json
import math
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

from bench.usage import Usage

JSON_END = b"\r\n\r\n"
# Because 0.07 * 100 is slightly more than 7 in binary floating point.
TINY = 1e-9
# A request that takes longer is a failure of the measurement.
SILENCE_SECONDS = 60.0


class LostConnectionError(Exception):
    """A server closed a connection during a request."""


@dataclass(slots=True, kw_only=True)
class Run:
    """The measurements of a run of requests.

    seconds: of each request. bodies: of each answer, if they were kept. cpu: process → seconds.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    elapsed: float = 0.0
    cpu: Mapping[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.seconds) / self.elapsed

    @property
    def cpu_each(self) -> dict[str, float]:
        """CPU seconds of a request, by process."""
        return {name: used / len(self.seconds) for name, used in self.cpu.items()}

    def at(self, share: float) -> float:
        """Return the latency in seconds that this share of the requests did not exceed."""
        return quantile(self.seconds, share)

    def data(self) -> Iterator[dict[str, Any]]:
        """Yield the kept documents, without their envelope."""
        for body in self.bodies:
            yield cast("dict[str, Any]", json.loads(body)["data"])


def quantile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that at least this share of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share - TINY) - 1)]


class Client:
    """Builds requests for one gateway with one key."""

    def __init__(self, *, url: str, api_key: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80
        self._head = (
            f"host: {self.host}:{self.port}\r\nauthorization: Bearer {api_key}\r\n"
        ).encode()

    def get(self, path: str) -> bytes:
        """Return the bytes of a GET request."""
        return f"GET /api/v1{path} HTTP/1.1\r\n".encode() + self._head + b"\r\n"

    def post(self, path: str, body: Mapping[str, Any]) -> bytes:
        """Return the bytes of a POST request with a new Idempotency-Key."""
        content = json.dumps(body).encode()
        own = (
            f"content-type: application/json\r\nidempotency-key: {uuid.uuid4()}\r\n"
            f"content-length: {len(content)}\r\n\r\n"
        )
        return f"POST /api/v1{path} HTTP/1.1\r\n".encode() + self._head + own.encode() + content

    async def run(
        self,
        requests: Iterator[bytes],
        *,
        connections: int,
        usage: Usage,
        seconds: float | None = None,
        keeps: bool = False,
    ) -> Run:
        """Send the requests until there are no more, or the time is over.

        keeps: keep the bodies of the answers. Raises: LostConnectionError; TimeoutError.
        """
        loop = asyncio.get_running_loop()
        run = Run()
        before, started = usage.cpu(), time.perf_counter()
        end = float("inf") if seconds is None else started + seconds
        work = _Work(requests=requests, run=run, end=end, keeps=keeps)
        opened = [
            (await loop.create_connection(lambda: _Connection(work), self.host, self.port))[1]
            for _ in range(connections)
        ]
        for connection in opened:
            connection.begin()
        patience = None if seconds is None else seconds + SILENCE_SECONDS
        async with asyncio.timeout(patience):
            await asyncio.gather(*(connection.ended for connection in opened))
        run.elapsed = time.perf_counter() - started
        run.cpu = usage.since(before)
        return run


@dataclass(slots=True, kw_only=True)
class _Work:
    """The state that the connections of a run share."""

    requests: Iterator[bytes]
    run: Run
    end: float
    keeps: bool

    def next(self) -> bytes | None:
        """Return the next request; None: the run is over."""
        return None if time.perf_counter() >= self.end else next(self.requests, None)


class _Connection(asyncio.Protocol):
    """One connection: sends a request, reads its answer, sends the next one."""

    def __init__(self, work: _Work) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._work = work
        self._buffer = b""
        self._needed = 0
        self._sent = 0.0
        self._write: Callable[[bytes], None]
        self._close: Callable[[], None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the methods of the transport that are needed."""
        stream = cast("asyncio.Transport", transport)
        self._write, self._close = stream.write, stream.close

    def begin(self) -> None:
        """Send the next request, or close the connection if the run is over."""
        request = self._work.next()
        if request is None:
            self.ended.set_result(None)
            self._close()
            return
        self._buffer, self._needed, self._sent = b"", 0, time.perf_counter()
        self._write(request)

    def data_received(self, data: bytes) -> None:
        """Read on; when the answer is complete, record it and send the next request."""
        self._buffer += data
        if not self._needed:
            end = self._buffer.find(JSON_END)
            if end < 0:
                return
            length = self._buffer[:end].lower().partition(b"content-length:")[2].split(b"\r\n")[0]
            self._needed = end + len(JSON_END) + int(length)
        if len(self._buffer) < self._needed:
            return
        run = self._work.run
        run.seconds.append(time.perf_counter() - self._sent)
        run.statuses[int(self._buffer[9:12])] += 1
        if self._work.keeps:
            run.bodies.append(self._buffer.partition(JSON_END)[2])
        self.begin()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the run if the server closed the connection."""
        if not self.ended.done():
            self.ended.set_exception(exc or LostConnectionError("the server closed a connection"))
