"""Whole purchases per second, from create to refund, on a chain of quick ledgers."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import psutil

from bench.counting import Counts, counts
from bench.load import quantile
from bench.measured import Measured, Say, per_process
from bench.people import users
from bench.purchases import (
    ESCROW,
    FUND,
    REFUND,
    RESERVE,
    Purchases,
    StepFailedError,
    between,
    carry,
)
from bench.stack import Stack
from bench.usage import LOAD
from deploy.local.ports import free_port
from deploy.local.process import Process
from deploy.local.rest import Marketplace
from deploy.local.services import grpc_ready

WORKERS, BUYERS = 16, 16
SECONDS, WARM_UP_SECONDS = 20.0, 4.0
ACTIONS = (RESERVE, ESCROW, FUND, REFUND)
# The shortest ledgers with which the devnet itself uses little CPU. A transaction waits on average
# half a ledger for its inclusion, and then for escrow's next poll.
LEDGER_SECONDS, LOOK_SECONDS = "0.02", "0.02"
QUICK = {
    "DEVNET_LEDGER_SECONDS": LEDGER_SECONDS,
    "CHAIN_POLL_SECONDS": LOOK_SECONDS,
    # On quick ledgers an account pays more fees between two checks of it than on any network.
    "CHANNEL_LUMENS": "400",
    # A second escrow gets the environment of the first. The environment of a fork cannot be read.
    "FORK_PROGRAMS": "off",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A run of flows and its costs. cpu: seconds by process.

    counts: without those of the idle stack.
    """

    flows: Purchases
    cpu: dict[str, float]
    counts: Counts

    @property
    def rate(self) -> float:
        """Flows per second."""
        return len(self.flows.orders) / self.flows.elapsed

    @property
    def cpu_each(self) -> float:
        """CPU milliseconds of a flow, without those of the load generator."""
        used = sum(value for name, value in self.cpu.items() if name not in NOT_OURS)
        return 1000 * used / len(self.flows.orders)


# The load generator is not part of the measurement. The chain is, because escrow decides how often
# the chain is asked.
NOT_OURS = frozenset({LOAD})
CHAIN = "devnet"


def measure(stack: Stack, say: Say) -> Measured:
    """Run flows with one escrow process, then with two."""
    document = stack.document
    buyers, seller = asyncio.run(
        _people(document["url"], document["apiKey"], document["faucetUrl"])
    )
    pairs = between(buyers, seller)
    say("warming up")
    asyncio.run(
        carry(stack.client, pairs, actions=ACTIONS, workers=WORKERS, seconds=WARM_UP_SECONDS)
    )
    stack.analyze()
    say(f"{WORKERS} workers, one escrow process")
    one = _taken(stack, pairs)
    say(f"{WORKERS} workers, two escrow processes")
    with second_escrow(stack) as pid:
        two = _taken(stack, pairs, **{"escrow-2": pid})
    return told(one, two)


def told(one: Taken, two: Taken) -> Measured:
    """Return the figures and lines of both runs."""
    lines = [
        f"ledgers of {LEDGER_SECONDS} s, escrow looks every {LOOK_SECONDS} s",
        "CPU of the devnet is without that of empty ledgers",
        *_lines("one escrow process", one),
        *_lines("two escrow processes", two),
    ]
    figures = {
        "flows.rate": one.rate,
        "flows.cpu": one.cpu_each,
        "flows.two": two.rate / one.rate,
        "flows.statements": one.counts.statements.total() / len(one.flows.orders),
        "flows.commits": one.counts.commits / len(one.flows.orders),
    }
    return Measured(figures=figures, lines=lines)


def _lines(name: str, taken: Taken) -> Iterator[str]:
    flows, count = taken.flows, len(taken.flows.orders)
    middle, slowest = quantile(flows.seconds, 0.5), quantile(flows.seconds, 0.99)
    yield (
        f"{name:<22}{taken.rate:6.1f}/s  {count} flows, {len(flows.failures)} failed"
        f"  p50 {middle:.2f} s  p99 {slowest:.2f} s"
    )
    yield f"  CPU a flow {per_process(taken.cpu, count=count)}"
    yield f"  of them {taken.cpu_each:.1f} ms without the load"
    by_role = ", ".join(
        f"{role} {calls / count:.1f}" for role, calls in taken.counts.statements.most_common()
    )
    yield (
        f"  statements a flow {taken.counts.statements.total() / count:.1f}: {by_role};"
        f" commits {taken.counts.commits / count:.1f} (without what is counted at idle)"
    )
    yield from (f"  failed: {failure[:200]}" for failure in flows.failures[:2])


def _taken(stack: Stack, pairs: Iterator[tuple[str, str]], **more: int) -> Taken:
    usage = stack.usage(**more)
    with stack.connect() as connection:
        resting, at_rest = counts(connection), usage.cpu()
        before = counts(connection)
        idle, cpu = before.since(resting).rates(), usage.cpu()
        closing = (cpu[CHAIN] - at_rest[CHAIN]) / (before.at - resting.at)
        flows = asyncio.run(
            carry(stack.client, pairs, actions=ACTIONS, workers=WORKERS, seconds=SECONDS)
        )
        used = usage.since(cpu)
        if not flows.orders:
            raise StepFailedError(flows.failures[0])
        # Empty ledgers close as often as this measurement chose.
        used[CHAIN] = max(0.0, used[CHAIN] - closing * flows.elapsed)
        return Taken(flows=flows, cpu=used, counts=counts(connection).since(before, idle=idle))


async def _people(url: str, api_key: str, faucet_url: str) -> tuple[list[str], str]:
    async with Marketplace.of(url=url, api_key=api_key) as marketplace:
        return await users(marketplace, faucet_url, BUYERS)


@contextlib.contextmanager
def second_escrow(stack: Stack) -> Iterator[int]:
    """Run a second escrow process with the environment of the first; yield its process id.

    It has no callers. It takes commands that the first process has accepted.
    """
    port, health = free_port(), free_port()
    first = psutil.Process(stack.document["pids"]["escrow"])
    own = {"GRPC_PORT": str(port), "HEALTH_PORT": str(health), "METRICS_PORT": "0"}
    command = stack.checkout.command("services.escrow")
    command = replace(command, environment={**first.environ(), **own})
    process = Process(command, stack.folder / "escrow-2.log")
    try:
        # Commits before health checks had a port answer them on the port of the calls.
        probes = (grpc_ready(health), grpc_ready(port))
        process.wait_until(lambda: any(probe() for probe in probes), timeout_seconds=60)
        yield process.pid
    finally:
        process.stop()
