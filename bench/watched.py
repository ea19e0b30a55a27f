"""What metrics and traces cost: creates orders with both on, and with both off, in one run.

    python -m bench.watched [--orders 500] [--rounds 12] [--connections 8]

One stack, and two pairs of a gateway and an orders service in front of its database. One pair is
scraped every five seconds, and sends traces of one request in a hundred to a collector. The other
does neither. Orders are created through them in turn, as A B B A, so that other work on the machine
affects both. The figures are ratios: of the rates, and of CPU a request.
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
from pathlib import Path
from typing import Any

import uvloop

from bench.load import Client, Run
from bench.people import order_between, users
from bench.usage import Usage
from deploy.local.ports import HOST, free_port
from deploy.local.rest import Marketplace
from tests.collector import collector
from tests.replica import running, second
from tests.running_stack import RunningStack, running_stack

SCRAPE_SECONDS = 5.0
WATCHED, PLAIN = "watched", "plain"
SHARE = "0.01"
CREATED = 201


@contextlib.contextmanager
def scraping(urls: Sequence[str]) -> Iterator[None]:
    """Scrape metrics three times as often as deploy/k8s does."""
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


class Pair:
    """An orders service and a gateway that calls it; `running` starts both."""

    def __init__(self, stack: RunningStack, more: Mapping[str, str]) -> None:
        """more: settings of both; if there are any, their metrics are served too."""
        orders_port, port = free_port(), free_port()
        metrics = [free_port(), free_port()] if more else [0, 0]
        self.url = f"http://{HOST}:{port}"
        self.metrics = [f"http://{HOST}:{one}/metrics" for one in metrics if one]
        of_orders, of_gateway = ({**more, "METRICS_PORT": str(one)} for one in metrics)
        of_gateway["ORDERS_ADDRESS"] = f"{HOST}:{orders_port}"
        self.programs = {
            "orders": second(stack, "orders", port=orders_port, more=of_orders),
            "gateway": second(stack, "gateway", port=port, more=of_gateway),
        }

    async def create(
        self, api_key: str, *, body: Mapping[str, Any], orders: int, at_once: int
    ) -> Run:
        """Create orders through its gateway."""
        client = Client(url=self.url, api_key=api_key)
        usage = Usage({name: program.process.pid for name, program in self.programs.items()})
        requests = (client.post("/orders", body) for _ in range(orders))
        return await client.run(requests, connections=at_once, usage=usage)


async def measure(
    document: Mapping[str, Any], pairs: Mapping[str, Pair], arguments: argparse.Namespace
) -> dict[str, list[Run]]:
    """Create orders through both pairs in turn."""
    async with Marketplace.of(url=document["url"], api_key=document["apiKey"]) as marketplace:
        [buyer], seller = await users(marketplace, document["faucetUrl"], 1)
    runs: dict[str, list[Run]] = {name: [] for name in pairs}

    async def create(name: str) -> Run:
        return await pairs[name].create(
            document["apiKey"],
            body=order_between(buyer, seller),
            orders=arguments.orders,
            at_once=arguments.connections,
        )

    for name in pairs:
        sys.stderr.write(f"warming {name}\n")
        await create(name)
    for number in range(arguments.rounds):
        for name in (WATCHED, PLAIN) if number % 2 else (PLAIN, WATCHED):
            runs[name].append(await create(name))
        sys.stderr.write(f"round {number + 1} of {arguments.rounds}\n")
    return runs


def tell(runs: Mapping[str, Sequence[Run]]) -> None:
    """Print the figures of both, and the ratios."""
    rates = {name: [run.rate for run in found] for name, found in runs.items()}
    work = {
        name: [1000 * (run.cpu_each["gateway"] + run.cpu_each["orders"]) for run in found]
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
    """Run from the command line; return 1 if a request failed."""
    parser = argparse.ArgumentParser(description="What metrics and traces cost")
    parser.add_argument("--orders", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--connections", type=int, default=8)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-watched-"))
    folder.chmod(0o755)
    try:
        # The settings of `make run`; tests use cheaper ones.
        started = running_stack(folder, FORK_PROGRAMS="off", POSTGRES_FSYNC="on")
        with started as stack, collector() as traces:
            traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": traces.url, "OTEL_TRACES_SAMPLER_ARG": SHARE}
            watched, plain = Pair(stack, traced), Pair(stack, {})
            programs = (*watched.programs.values(), *plain.programs.values())
            with running(*programs), scraping(watched.metrics):
                pairs = {WATCHED: watched, PLAIN: plain}
                runs = uvloop.run(measure(stack.document, pairs, arguments))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    tell(runs)
    statuses = {status for found in runs.values() for run in found for status in run.statuses}
    return 0 if statuses == {CREATED} else 1


if __name__ == "__main__":
    sys.exit(main())
