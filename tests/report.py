"""Writes the figures of a long run, with the machine, the size and the time of the run."""

import datetime as dt
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from tests import settings
from tests.e2e.races import Tally

COMMAND = "make prove"


def write_races(path: Path, *, tallies: Sequence[Tally], holdings: int) -> None:
    """Write the report of the races. holdings: accounts whose ledger and chain were compared."""
    where = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    lines = [
        "# Races",
        "",
        f"Written by `{COMMAND}` on {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC.",
        f"{where}; {settings.race_rounds()} rounds of each race.",
        "",
        "Each round sends its requests at once, over REST, by turns to two gateways with an orders",
        "process each, before one ledger, one escrow and one disputes service, with PostgreSQL,",
        "NATS and the devnet. A round is wrong where more or fewer than one of them won, an answer",
        "was a 5xx, or a balance moved otherwise than the winner says.",
        "",
        "| race | rounds | wrong | came of it | seconds |",
        "|---|---|---|---|---|",
    ]
    lines += [_row(tally) for tally in tallies]
    lines += [
        "",
        f"Afterwards the ledger's invariants held, nothing was below zero, and the {holdings}",
        "accounts of wallets and contracts were the same on the ledger and on the chain.",
        "",
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines), encoding="utf-8")


def _row(tally: Tally) -> str:
    outcomes = ", ".join(f"{what}: {count}" for what, count in sorted(tally.outcomes.items()))
    return (
        f"| {tally.name} | {tally.rounds} | {len(tally.wrong)} | {outcomes} | {tally.seconds:.0f} |"
    )
