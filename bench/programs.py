"""Measurements that are separate programs, run with the code of their checkout.

`python -m bench.ledger` starts the ledger as its commit does, so it belongs to the checkout.
"""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench.checkout import Checkout
from bench.measured import Measured, Say
from deploy.local.process import NotReadyError, Process

DEADLINE_SECONDS = 600.0
# The rows of a million orders are written first.
LOOKUPS_SECONDS = 3600.0
# The lines of both kinds of transfer: 64 callers with one transfer each, and lists of 500.
SINGLE, LISTED = "64 callers x 1", "callers x 500"
_LINE = re.compile(r"^(?P<name>.*\S) +(?P<rate>\d+)/s +(?P<beside>[\d.]+) x", re.MULTILINE)
_OF_LOOKUPS = re.compile(r"^ratio ([\d.]+):", re.MULTILINE)
_OF_LISTS = re.compile(r"orders written|^list of|^ratio")


def transfers(checkout: Checkout, say: Say) -> Measured:
    """Measure transfers through the ledger beside pgbench. Raises: NotReadyError."""
    say("transfers, then pgbench TPC-B on the same server")
    found = printed(checkout, "bench.ledger", "--seconds", "4")
    return Measured(figures=beside_pgbench(found), lines=found.splitlines())


def beside_pgbench(found: str) -> Mapping[str, float]:
    """Return the lower of both kinds of transfer, as a ratio to pgbench. found: the lines."""
    beside = {line["name"]: float(line["beside"]) for line in _LINE.finditer(found)}
    ends = {"ledger.single": SINGLE, "ledger.listed": LISTED}
    return {
        key: min(ratio for name, ratio in beside.items() if name.endswith(end))
        for key, end in ends.items()
    }


def lists(checkout: Checkout, say: Say) -> Measured:
    """Measure a party's list among a million orders. Raises: NotReadyError."""
    say("a million orders, and lists of two parties among them")
    found = printed(checkout, "bench.lists", "--requests", "100")
    # Earlier lines are about the start of its stack.
    return Measured(lines=[line for line in found.splitlines() if _OF_LISTS.search(line)])


def lookups(checkout: Checkout, say: Say) -> Measured:
    """Measure the lists of both APIs among a million orders. Raises: NotReadyError."""
    say("list routes among ten thousand and a million orders")
    return told_of_lookups(printed(checkout, "bench.lookups", seconds=LOOKUPS_SECONDS))


def told_of_lookups(found: str) -> Measured:
    """Return the lines of the lists, and their worst ratio. found: the lines."""
    ratios = [float(ratio) for ratio in _OF_LOOKUPS.findall(found)]
    return Measured(
        figures={"lookups.ratio": max(ratios)},
        lines=[line for line in found.splitlines() if _OF_LOOKUPS.match(line)],
    )


def watched(checkout: Checkout, say: Say) -> Measured:
    """Measure what metrics and traces cost. Raises: NotReadyError."""
    say("orders with metrics and traces, and without")
    return Measured(lines=printed(checkout, "bench.watched").splitlines())


def printed(
    checkout: Checkout, module: str, *arguments: str, seconds: float = DEADLINE_SECONDS
) -> str:
    """Run a program of the checkout; return its output. Raises: NotReadyError: it failed."""
    with tempfile.TemporaryDirectory() as folder:
        process = Process(checkout.command(module, *arguments), Path(folder, "printed.log"))
        try:
            process.wait_until(lambda: process.exit_code() is not None, timeout_seconds=seconds)
        finally:
            code = process.stop()
        # Some programs end with 1 if a figure is beyond its limit.
        if code not in {0, 1}:
            raise NotReadyError(module, code, process.log_tail())
        return process.log()
