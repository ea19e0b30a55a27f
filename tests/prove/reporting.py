"""The report of a run: what was done, with which seed and where, what was checked, a picture."""

import datetime as dt
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil

from deploy.local.settings import ROOT
from tests.prove.drawing import draw
from tests.prove.plan import Kind
from tests.prove.proof import Proof

COMMAND = "make prove-faults"
REPORT, PICTURE = "faults.md", "faults.svg"


def write(folder: Path, proof: Proof) -> None:
    """Write the report and its picture."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = draw(proof.ended, proof.done, at=proof.at)
    (folder / PICTURE).write_text(picture, encoding="utf-8")
    (folder / REPORT).write_text("\n".join(_lines(proof)) + "\n", encoding="utf-8")


def _lines(proof: Proof) -> Iterator[str]:
    minutes = (proof.at[1] - proof.at[0]) / 60
    memory = psutil.virtual_memory().total / 2**30
    yield "# Faults"
    yield ""
    yield f"Written by `{COMMAND}` on {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC."
    yield f"Commit {_commit()}, seed {proof.size.seed}."
    yield f"{os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()};"
    yield f"{minutes:.1f} minutes of load by {proof.size.clients} clients."
    yield ""
    yield from INTRODUCTION
    yield f"![Orders and disturbances over time]({PICTURE})"
    yield ""
    yield from _disturbances(proof)
    yield from _load(proof)
    yield from _checks(proof)


INTRODUCTION = (
    "Clients of three marketplaces carry orders from their creation to every kind of end: with an",
    "API key, and as people with a token. Each change has an idempotency key and is asked again",
    "until there is a definite answer; every answer is kept. Meanwhile parts of the stack are",
    "killed and paused, every link between two parts goes through a proxy that delays, stalls,",
    "resets, cuts, refuses, or silently loses what it acknowledges, and the node of the chain",
    "loses answers, holds and fails transactions, and denies what landed. Orders and escrow run",
    "twice. When all is quiet, the books, the network's own events, the stream, the list of events",
    "and every kept answer are compared.",
    "",
)


def _disturbances(proof: Proof) -> Iterator[str]:
    yield "## What was done"
    yield ""
    yield "| disturbance | how often | of these |"
    yield "|---|---|---|"
    for kind in Kind:
        found = [done.what for done in proof.done if done.what.kind is kind]
        kinds: Counter[str] = Counter()
        for what in found:
            name = str(what.detail["mode"]) if kind is Kind.NETWORK else what.target
            kinds[name] += what.count
        listed = ", ".join(f"{name} {count}" for name, count in sorted(kinds.items()))
        yield f"| {kind} | {sum(kinds.values())} | {listed} |"
    links = {done.what.target for done in proof.done if done.what.kind is Kind.NETWORK}
    yield ""
    yield f"Network faults were on {len(links)} links. Of the chain's faults {proof.unmet} were"
    yield "armed and met no call before the node was killed or made honest."
    yield ""
    yield f"After {len(proof.lost)} restorings, with clients that asked again for what was lost,"
    yield f"{len(proof.unclaimed)} transactions were claimed by no step. An operator set"
    yield f"{len(proof.requeued)} quarantined commands going, {proof.requeued.total()} times in"
    yield "all, while the disturbances went on and after them."
    yield ""


def _load(proof: Proof) -> Iterator[str]:
    asked = proof.history.asked
    done = Counter(found.op for found in asked if found.answer.is_success)
    refused = Counter(found.op for found in asked if not found.answer.is_success)
    yield "## What was asked"
    yield ""
    yield f"{len(proof.ended)} orders, {len(asked)} changes with a definite answer."
    yield ""
    yield "| change | done | refused |"
    yield "|---|---|---|"
    for op in sorted(done | refused):
        yield f"| {op} | {done[op]} | {refused[op]} |"
    yield ""
    yield "| answer | how often |"
    yield "|---|---|"
    for status, count in sorted(proof.history.statuses.items()):
        yield f"| {status} | {count} |"
    yield ""


def _checks(proof: Proof) -> Iterator[str]:
    yield "## What was checked"
    yield ""
    yield "| promise | compared | wrong |"
    yield "|---|---|---|"
    for found in proof.checks:
        yield f"| {found.name} | {found.looked_at} | {len(found.wrong)} |"
    yield from ("", "The first of what is wrong:", "") if proof.broken else ()
    yield from (f"- {line}" for line in proof.broken)


def _commit() -> str:
    asked = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
