"""The report of `make bench REPORT=1`: the goals as a table and a picture, then every line."""

import datetime as dt
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from bench import goals
from bench.goals import Beside
from bench.measured import Measured, figures_of
from bench.picture import draw

REPORT, PICTURE = "bench.md", "bench.svg"
INTRODUCTION = (
    "The load generator, the floor, PostgreSQL (fsync on), NATS, the devnet and all services",
    "share the machine. Rates depend on it, so they are printed as ratios, to what ran in turn",
    "with them:",
    "",
    "- **floor**: a bare ASGI application on Uvicorn, a bare gRPC server that answers with the",
    "  project's message of an order, and for writes one statement with three inserts on the same",
    "  PostgreSQL; no TLS, no credentials, no rules (`bench/floor.py`). A reservation is compared",
    "  with the floor's write. The floor has 16 connections.",
    "- **TPC-B**: pgbench with 16 clients on the ledger's PostgreSQL. Of deposits and transfers",
    "  between users the slower one counts.",
    "",
    "CPU is user and system time of a process and its children, in milliseconds a request. Unlike",
    "a rate it can be compared when other work, which each part names, was on the machine.",
    "Memory is the proportional set size (PSS), in which shared memory counts once.",
    "Tables are analyzed after the warm-up, as autovacuum does a minute after they were filled.",
    "Disk is the growth of every table with its indexes, and of the folder of NATS.",
    "",
)


def write(
    folder: Path, measured: Mapping[str, Measured], *, commit: str, beside: Beside | None = None
) -> None:
    """Write the report and its picture."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = draw(figures_of(measured), commit=commit, beside=beside)
    (folder / PICTURE).write_text(picture, encoding="utf-8")
    lines = _lines(measured, commit, beside)
    (folder / REPORT).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _lines(measured: Mapping[str, Measured], commit: str, beside: Beside | None) -> Iterator[str]:
    memory = psutil.virtual_memory().total / 2**30
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    yield "# Speed"
    yield ""
    command = "make bench REPORT=1" + (f" BESIDE=<{beside.commit}>" if beside else "")
    yield f"Written by `{command}` on {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC."
    yield f"Commit {commit}; {os.cpu_count()} cores, {memory:.0f} GiB,"
    yield f"Python {platform.python_version()}; load average at the end {load}."
    yield ""
    yield from INTRODUCTION
    yield f"![How much of each goal is reached]({PICTURE})"
    yield ""
    yield "## Goals"
    yield ""
    titles = goals.titles(beside)
    yield f"| {' | '.join(titles)} |"
    yield "|---" * len(titles) + "|"
    for row in goals.rows(figures_of(measured), beside):
        yield f"| {' | '.join(row)} |"
    yield ""
    yield f"A goal without a verdict was not measured, or needs more than {os.cpu_count()} cores."
    yield ""
    for name, found in measured.items():
        yield f"## {name}"
        yield ""
        yield "```"
        yield from found.lines
        yield "```"
        yield ""
