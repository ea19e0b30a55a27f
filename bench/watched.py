"""What metrics and traces cost: orders created with both on, and with both off, in one run.

    python -m bench.watched [--orders 500] [--rounds 12] [--connections 8]

One stack, and two pairs of a gateway and an orders service in front of its database. One pair is
scraped every five seconds, and traces one request in a hundred to a collector that throws all away.
The other does neither. Orders are created through them in turn, as A B B A, so that what the
machine does besides falls on both. The figures are ratios: of the rates, and of CPU a request.
"""

import argparse
import contextlib
import shutil
import statistics
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import uvloop

from bench.load import Load, Run
from bench.rest import CREATED, users
from deploy.local import postgres, state
from deploy.local.ports import HOST, free_port
from deploy.local.process import Command, Process, python_module
from deploy.local.rest import Marketplace
from deploy.local.services import Program, grpc_ready, http_ready
from deploy.local.settings import PORTS, ROOT, child_environment

START_SECONDS, SCRAPE_SECONDS = 120.0, 5.0
WATCHED, PLAIN = "watched", "plain"
SHARE = "0.01"


@contextlib.contextmanager
def collector() -> Iterator[str]:
    """Take traces and throw them away; yields the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def scraping(urls: Sequence[str]) -> Iterator[None]:
    """Read metrics three times as often as the deployment in deploy/k8s does."""
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(SCRAPE_SECONDS):
            for url in urls:
                with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - http
                    answer.read()

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def stack(folder: Path) -> Iterator[dict[str, Any]]:
    """Run a stack without traces; yields its stack.json."""
    base = free_port()
    command = Command(
        name="stack",
        argv=python_module("deploy.local"),
        environment=child_environment(RUN_DIR=str(folder), PORT_BASE=str(base - len(PORTS))),
        folder=ROOT,
    )
    process = Process(command, folder / "stack.log")
    try:
        process.wait_until(lambda: state.read(folder) is not None, timeout_seconds=START_SECONDS)
        yield state.read(folder) or {}
    finally:
        process.stop(timeout_seconds=60)
        postgres.remove(folder / "postgres")


class Pair:
    """An orders service, and a gateway that asks it."""

    def __init__(self, document: Mapping[str, Any], folder: Path, more: Mapping[str, str]) -> None:
        """more: settings of both that differ. METRICS_PORT: on is a free port of each."""
        self.metrics: list[str] = []
        orders_port, health_port, port = free_port(), free_port(), free_port()
        self.url = f"http://{HOST}:{port}"
        own = {
            "orders": {"GRPC_PORT": str(orders_port), "HEALTH_PORT": str(health_port)},
            "gateway": {"GATEWAY_PORT": str(port), "ORDERS_ADDRESS": f"{HOST}:{orders_port}"},
        }
        ready = {
            "orders": grpc_ready(health_port),
            "gateway": http_ready(f"{self.url}/api/v1/health"),
        }
        self.programs = [
            Program(
                name=f"{name}-{port}",
                module="gateway" if name == "gateway" else "services.orders",
                environment={
                    **psutil.Process(int(document["pids"][name])).environ(),
                    **own[name],
                    **more,
                    "METRICS_PORT": self._metrics_port(more),
                },
                log_folder=folder,
                ready=ready[name],
            )
            for name in ("orders", "gateway")
        ]

    def _metrics_port(self, more: Mapping[str, str]) -> str:
        if not more:
            return "0"
        port = free_port()
        self.metrics.append(f"http://{HOST}:{port}/metrics")
        return str(port)

    @contextlib.contextmanager
    def running(self) -> Iterator["Pair"]:
        """Run both for the block."""
        with contextlib.ExitStack() as opened:
            for program in self.programs:
                program.start()
                opened.callback(program.process.stop)
            for program in self.programs:
                program.wait_ready()
            yield self

    def load(self, api_key: str) -> Load:
        """Return what sends requests to it."""
        pids = {program.name.partition("-")[0]: program.process.pid for program in self.programs}
        return Load(url=self.url, api_key=api_key, pids=pids)


async def measure(
    document: Mapping[str, Any], pairs: Mapping[str, Pair], arguments: argparse.Namespace
) -> dict[str, list[Run]]:
    """Create orders through both pairs in turn."""
    async with Marketplace.of(url=document["url"], api_key=document["apiKey"]) as marketplace:
        [buyer], seller = await users(marketplace, document["faucetUrl"], 1)
    body = {"buyerId": buyer, "sellerId": seller, "amount": "1.00", "title": "Logo design"}
    loads = {name: pair.load(document["apiKey"]) for name, pair in pairs.items()}
    runs: dict[str, list[Run]] = {name: [] for name in pairs}
    for name, load in loads.items():
        sys.stderr.write(f"warming {name}\n")
        await load.post([("/orders", body)] * arguments.orders, connections=arguments.connections)
    for number in range(arguments.rounds):
        for name in (WATCHED, PLAIN) if number % 2 else (PLAIN, WATCHED):
            requests = [("/orders", body)] * arguments.orders
            run = await loads[name].post(requests, connections=arguments.connections)
            runs[name].append(run)
        sys.stderr.write(f"round {number + 1} of {arguments.rounds}\n")
    return runs


def tell(runs: Mapping[str, Sequence[Run]]) -> None:
    """Print the figures of both, and the ratios."""
    rates = {name: [len(r.answers) / r.elapsed for r in found] for name, found in runs.items()}
    work = {
        name: [1000 * (r.cpu["gateway"] + r.cpu["orders"]) / len(r.answers) for r in found]
        for name, found in runs.items()
    }
    for name in runs:
        sys.stdout.write(
            f"{name:8} {statistics.median(rates[name]):6.0f} orders/s,"
            f" {statistics.median(work[name]):.3f} ms of CPU a request (gateway and orders)\n"
        )
    slower = [w / p for w, p in zip(rates[WATCHED], rates[PLAIN], strict=True)]
    dearer = [w / p for w, p in zip(work[WATCHED], work[PLAIN], strict=True)]
    sys.stdout.write(
        f"watched / plain, medians of {len(slower)} rounds:"
        f" rate {statistics.median(slower):.3f}, CPU {statistics.median(dearer):.3f}\n"
    )


def main() -> int:
    """Run from the command line; 1 where a request did not succeed."""
    parser = argparse.ArgumentParser(description="What metrics and traces cost")
    parser.add_argument("--orders", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--connections", type=int, default=8)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-watched-"))
    folder.chmod(0o755)
    try:
        with stack(folder / "run") as document, collector() as url:
            traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_TRACES_SAMPLER_ARG": SHARE}
            watched, plain = Pair(document, folder, traced), Pair(document, folder, {})
            with watched.running(), plain.running(), scraping(watched.metrics):
                pairs = {WATCHED: watched, PLAIN: plain}
                runs = uvloop.run(measure(document, pairs, arguments))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    tell(runs)
    answers = [answer for found in runs.values() for run in found for answer in run.answers]
    return 0 if all(answer.status == CREATED for answer in answers) else 1


if __name__ == "__main__":
    sys.exit(main())
