"""Transfers through the ledger beside pgbench: runs `python -m bench.ledger` of a checkout.

That program starts the ledger as its own commit does, so it is part of the checkout.
"""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench.measured import Measured, Say
from bench.stack import Checkout
from deploy.local.process import Process

SECONDS_EACH = 4
DEADLINE_SECONDS = 300.0
# The lines of both kinds of transfer: by 64 callers of one each, and in lists of 500.
SINGLE, LISTED = "64 callers x 1", "callers x 500"
_LINE = re.compile(r"^(?P<name>.*\S) +(?P<rate>\d+)/s +(?P<beside>[\d.]+) x", re.MULTILINE)


def measure(checkout: Checkout, say: Say) -> Measured:
    """Run the program, and read what it prints. Raises: NotReadyError: it failed."""
    say("transfers, then pgbench TPC-B on the same server")
    with tempfile.TemporaryDirectory() as folder:
        command = checkout.command("bench.ledger", "--seconds", str(SECONDS_EACH))
        process = Process(command, Path(folder, "ledger.log"))
        try:
            process.wait_until(
                lambda: process.exit_code() is not None, timeout_seconds=DEADLINE_SECONDS
            )
        finally:
            process.stop()
        printed = process.log()
    return Measured(figures=figures(printed), lines=printed.splitlines())


def figures(printed: str) -> Mapping[str, float]:
    """Return the lower of both kinds of transfer, as a ratio to pgbench."""
    beside = {found["name"]: float(found["beside"]) for found in _LINE.finditer(printed)}
    ends = {"ledger.single": SINGLE, "ledger.listed": LISTED}
    return {
        key: min(ratio for name, ratio in beside.items() if name.endswith(end))
        for key, end in ends.items()
    }
