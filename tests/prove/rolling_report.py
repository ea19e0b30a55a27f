"""The report of a run under a steady load: requests, what was asked again, what was checked."""

import datetime as dt
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.prove.checking import Check
from tests.prove.steady import Load
from tests.settings import RollingSize


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run that ended. what: sentences that say what was done. bought: whole purchases."""

    title: str
    target: str
    commit: str
    what: Sequence[str]
    size: RollingSize
    phases: Sequence[str]
    load: Load
    bought: int
    checks: Sequence[Check]


def write(path: Path, run: Run) -> None:
    """Write the report."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(_lines(run)) + "\n", encoding="utf-8")


def _lines(run: Run) -> Iterator[str]:
    load = run.load
    yield f"# {run.title}"
    yield ""
    yield f"Written by `make {run.target}` on {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC."
    yield f"Commit {run.commit}, {os.cpu_count()} cores;"
    yield f"{run.size.per_second} requests a second for {run.size.seconds} s."
    yield "Every program runs twice behind plain TCP balancers."
    yield from run.what
    yield ""
    yield "| requests | answered |"
    yield "|---|---|"
    for name, count in sorted(load.answered.items()):
        yield f"| {name} | {count} |"
    yield f"| whole purchases | {run.bought} |"
    yield f"| without an answer | {len(load.failed)} |"
    yield ""
    yield "| asked again during | why | how often |"
    yield "|---|---|---|"
    for (phase, why), count in sorted(load.again.items()):
        yield f"| {phase} | {why} | {count} |"
    yield ""
    yield "| phase | requests | median | 99 % | slowest |"
    yield "|---|---|---|---|---|"
    for phase in run.phases:
        found = sorted(seconds for of, seconds in load.seconds if of == phase)
        if found:
            cells = (found[len(found) // 2], found[len(found) * 99 // 100], found[-1])
            yield f"| {phase} | {len(found)} | " + " | ".join(f"{c:.3f} s" for c in cells) + " |"
    yield ""
    yield "| check | of | wrong |"
    yield "|---|---|---|"
    for check in run.checks:
        yield f"| {check.name} | {check.looked_at} | {len(check.wrong)} |"
