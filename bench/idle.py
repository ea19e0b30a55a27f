"""What the whole stack uses while it is idle, and how long it took to start."""

import time
from collections.abc import Mapping

from bench.counting import COMMITS, connections, counts
from bench.measured import Measured, Say
from bench.stack import Stack
from bench.usage import LOAD

# Work that the start has begun ends in these times: its own in the first; in the second one, also
# autovacuum's first look at the new tables, which comes within a minute.
START_SECONDS, SETTLE_SECONDS, SECONDS = 10.0, 65.0, 60.0
MIB = 1024**2


def started(stack: Stack, _say: Say) -> Measured:
    """Return how many seconds the starts of this stack took."""
    figures = {"start.kept": stack.seconds, "start.fresh": stack.fresh_seconds}
    lines = [
        f"with data kept {stack.seconds:.1f} s, fresh {stack.fresh_seconds:.1f} s",
        f"other work on the machine during the former: {stack.others:.2f} cores",
    ]
    return Measured(figures=figures, lines=lines)


def measure(stack: Stack, say: Say) -> Measured:
    """Leave the stack idle, and measure what it uses."""
    usage = stack.usage()
    say(f"settling for {START_SECONDS + SETTLE_SECONDS:.0f} s")
    time.sleep(START_SECONDS)
    cpu, at = usage.cpu(), time.monotonic()
    time.sleep(SETTLE_SECONDS)
    first = _shares(usage.since(cpu), time.monotonic() - at)
    with stack.connect() as connection:
        say(f"idle for {SECONDS:.0f} s")
        # Reading the counters is work of the load. It ends before the measurement and begins after
        # it.
        before = counts(connection)
        cpu, at = usage.cpu(), time.monotonic()
        time.sleep(SECONDS)
        used, elapsed = usage.since(cpu), time.monotonic() - at
        counted = counts(connection).since(before)
        by_role = connections(connection)
    memory = usage.memory()

    shares = _shares(used, elapsed)
    statements = {name: rate for name, rate in counted.rates().items() if name != COMMITS}
    figures = {
        "idle.cpu": sum(shares.values()),
        "idle.transactions": (counted.commits + counted.rollbacks) / counted.at,
        "idle.memory": sum(memory.values()) / MIB,
        "idle.connections": float(sum(by_role.values())),
    }
    lines = [
        f"CPU {figures['idle.cpu']:.2f} % of a core: {_listed(shares, '.2f')}",
        f"in the minute after the start {sum(first.values()):.2f} %: {_listed(first, '.2f')}",
        f"transactions {figures['idle.transactions']:.1f}/s",
        f"statements a second: {_listed(statements, '.1f')}",
        (
            f"memory (PSS) {figures['idle.memory']:.0f} MiB:"
            f" {_listed({name: size / MIB for name, size in memory.items()}, '.0f')}"
        ),
        f"connections to PostgreSQL {figures['idle.connections']:.0f}: {_listed(by_role, 'd')}",
    ]
    return Measured(figures=figures, lines=lines)


def _shares(used: Mapping[str, float], elapsed: float) -> dict[str, float]:
    """Return the percentages of a core that the parts have used, without the load's."""
    return {name: 100 * one / elapsed for name, one in used.items() if name != LOAD}


def _listed(values: "dict[str, float] | dict[str, int]", form: str) -> str:
    ordered = sorted(values.items(), key=lambda one: -one[1])
    return ", ".join(f"{name} {value:{form}}" for name, value in ordered if value)
