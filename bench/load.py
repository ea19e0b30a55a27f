"""A light HTTP client for measuring: one POST after the other on a few kept connections.

What the client itself costs is part of every figure, so it does little: no parsing but the
status, the length and the bytes.
"""

import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import psutil


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and the document."""

    status: int
    body: bytes

    @property
    def data(self) -> dict[str, Any]:
        """The document without its envelope."""
        found: dict[str, Any] = json.loads(self.body)["data"]
        return found


@dataclass(slots=True, kw_only=True)
class Run:
    """What a run of requests measured. cpu: process → seconds, all processes on this machine."""

    answers: list[Answer] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    elapsed: float = 0.0
    cpu: Mapping[str, float] = field(default_factory=dict)

    def figures(self) -> str:
        """Describe the run in two lines: rate and latencies, then the CPU of each program."""
        count, ordered = len(self.answers), sorted(self.seconds)
        statuses = Counter(answer.status for answer in self.answers)
        middle, slowest = ordered[count // 2], ordered[int(count * 0.99)]
        work = {name: used / count * 1000 for name, used in self.cpu.items()}
        shares = ", ".join(f"{name} {share:.2f}" for name, share in work.items())
        total = sum(work.values())
        return (
            f"{count / self.elapsed:8.0f}/s   p50 {middle * 1000:.1f} ms   "
            f"p99 {slowest * 1000:.1f} ms   {dict(statuses)}\n"
            f"           CPU {total:.2f} ms a request: {shares}"
        )


class Load:
    """Sends requests to one gateway with one key."""

    def __init__(self, *, url: str, api_key: str, pids: Mapping[str, int]) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._api_key = api_key
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._processes["load"] = psutil.Process()

    async def post(
        self, requests: Iterable[tuple[str, Mapping[str, Any]]], *, connections: int
    ) -> Run:
        """POST every (path, body), `connections` at once, each with its own Idempotency-Key."""
        waiting, run = iter(requests), Run()
        before, started = self._cpu(), time.perf_counter()
        await asyncio.gather(*(self._work(waiting, run) for _ in range(connections)))
        run.elapsed = time.perf_counter() - started
        run.cpu = {name: used - before[name] for name, used in self._cpu().items()}
        return run

    async def _work(self, waiting: Iterable[tuple[str, Mapping[str, Any]]], run: Run) -> None:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        for path, body in waiting:
            started = time.perf_counter()
            writer.write(self._request(path, json.dumps(body).encode()))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            answer = Answer(int(head[9:12]), await reader.readexactly(length))
            run.seconds.append(time.perf_counter() - started)
            run.answers.append(answer)
        writer.close()
        await writer.wait_closed()

    def _request(self, path: str, body: bytes) -> bytes:
        head = (
            f"POST /api/v1{path} HTTP/1.1\r\nhost: {self._host}\r\n"
            f"authorization: Bearer {self._api_key}\r\ncontent-type: application/json\r\n"
            f"idempotency-key: {uuid.uuid4()}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def _cpu(self) -> dict[str, float]:
        """Return the CPU seconds of every part so far, its children included.

        Not of the load's own children: a stack that was started for the measurement is one.
        """
        return {
            name: _cpu_seconds(process, with_children=name != "load")
            for name, process in self._processes.items()
        }


def _cpu_seconds(process: psutil.Process, *, with_children: bool) -> float:
    total = 0.0
    for one in [process, *(process.children(recursive=True) if with_children else ())]:
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total
