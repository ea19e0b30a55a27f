"""The report of `make prove-rolling`: how many requests, what was asked again, what was checked."""

import datetime as dt
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from deploy.local.settings import ROOT
from tests.prove.checking import Check
from tests.prove.steady import Load
from tests.settings import RollingSize

REPORT = "rolling.md"


def write(
    folder: Path, size: RollingSize, load: Load, *, bought: int, checks: Sequence[Check]
) -> None:
    """Write the report."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = _lines(size, load, bought, checks)
    (folder / REPORT).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _lines(size: RollingSize, load: Load, bought: int, checks: Sequence[Check]) -> Iterator[str]:
    commit = subprocess.run(
        ["git", "log", "-1", "--format=%h"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    yield "# Rolling restarts"
    yield ""
    yield f"Written by `make prove-rolling` on {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC."
    yield f"Commit {commit}, {os.cpu_count()} cores; {size.per_second} requests a second for"
    yield f"{size.seconds} s. Every program runs twice behind plain TCP balancers; each replica is"
    yield "restarted, one after another, and then killed. Whole purchases go on beside it."
    yield ""
    yield "| requests | answered |"
    yield "|---|---|"
    for name, count in sorted(load.answered.items()):
        yield f"| {name} | {count} |"
    yield f"| whole purchases | {bought} |"
    yield f"| without an answer | {len(load.failed)} |"
    yield ""
    yield "| asked again during | why | how often |"
    yield "|---|---|---|"
    for (phase, why), count in sorted(load.again.items()):
        yield f"| {phase} | {why} | {count} |"
    yield ""
    yield "| phase | requests | median | 99 % | slowest |"
    yield "|---|---|---|---|---|"
    for phase in ("restarts", "kills", "calm"):
        found = sorted(seconds for of, seconds in load.seconds if of == phase)
        if found:
            cells = (found[len(found) // 2], found[len(found) * 99 // 100], found[-1])
            yield f"| {phase} | {len(found)} | " + " | ".join(f"{c:.3f} s" for c in cells) + " |"
    yield ""
    yield "| check | of | wrong |"
    yield "|---|---|---|"
    for check in checks:
        yield f"| {check.name} | {check.looked_at} | {len(check.wrong)} |"
