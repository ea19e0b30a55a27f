"""`make bench`: measure every part, and print what is required beside what was measured.

    python -m bench [--only rest,flows] [--checkout PATH] [--beside PATH] [--report FOLDER]

Each stack is started for the measurement, and stopped after it. With --beside, the parts run on
another checkout, too, each right before ours: two commits are compared on the same machine.
"""

import argparse
import itertools
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench import (
    cost,
    flows,
    goals,
    idle,
    programs,
    release,
    report,
    rest,
    size,
    subscriber,
    webhooks,
)
from bench.checkout import Checkout
from bench.goals import Beside
from bench.measured import Measured, Part, Say, figures_of
from bench.progress import Progress
from bench.stack import stack
from bench.usage import Machine
from deploy.local.settings import ROOT

# About how long the two starts and the stop of a stack take.
STACK_SECONDS = 15.0
# A part that takes less time measures nothing itself.
SHORT_SECONDS = 1.0
# The pace of `make run`.
USUAL: dict[str, str] = {}
# In running order; adjacent parts with the same settings share a stack.
PARTS = (
    Part(name="start", seconds=1, settings=USUAL, with_stack=idle.started),
    Part(name="idle", seconds=140, settings=USUAL, with_stack=idle.measure),
    Part(name="subscriber", seconds=20, settings=USUAL, with_stack=subscriber.measure),
    Part(name="webhooks", seconds=20, settings=USUAL, with_stack=webhooks.measure),
    Part(name="rest", seconds=100, settings=USUAL, with_stack=rest.measure),
    *cost.parts()[:1],
    Part(name="size", seconds=110, settings=flows.QUICK, with_stack=size.measure),
    Part(name="flows", seconds=70, settings=flows.QUICK, with_stack=flows.measure),
    Part(name="release", seconds=230, settings=flows.QUICK, with_stack=release.measure),
    *cost.parts()[1:],
    Part(name="ledger", seconds=45, alone=programs.transfers),
    Part(name="lists", seconds=60, alone=programs.lists),
    Part(name="lookups", seconds=600, alone=programs.lookups, is_usual=False),
    Part(name="watched", seconds=150, alone=programs.watched, is_usual=False),
)
# The measurements, by checkout and by part.
Found = dict[Checkout, dict[str, Measured]]


def main() -> int:
    """Measure and print; returns 1 if a part failed, whatever the figures are."""
    arguments = _arguments()
    checkout = Checkout(arguments.checkout.resolve())
    other = Checkout(arguments.beside.resolve()) if arguments.beside else None
    parts = [part for part in PARTS if part.name in arguments.only]
    measured = run([one for one in (other, checkout) if one], parts)
    ours, figures = measured[checkout], figures_of(measured[checkout])

    beside = None
    if other is not None:
        beside = Beside(commit=other.commit, figures=figures_of(measured[other]))
    for one, found in measured.items():
        print(f"\ncommit {one.commit}, {os.cpu_count()} cores, load average {os.getloadavg()}\n")
        for name, part in found.items():
            print(f"{name}\n" + "".join(f"  {line}\n" for line in part.lines))
    is_whole = all(part.name in arguments.only for part in PARTS if part.is_usual)
    print("\n".join(goals.table(figures, beside, whole=is_whole)))
    if arguments.report:
        report.write(arguments.report, ours, commit=checkout.commit, beside=beside)
        cost.write(figures)
        print(f"\n{arguments.report / report.REPORT}")
    return int(any(part.failure for found in measured.values() for part in found.values()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the speed of the whole stack")
    names = [part.name for part in PARTS]
    usual = ",".join(part.name for part in PARTS if part.is_usual)
    parser.add_argument("--only", default=usual, help=f"some of {','.join(names)}")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="measure this folder")
    parser.add_argument("--beside", type=Path, help="measure this folder, too, to compare with")
    parser.add_argument("--report", type=Path, help="write the report into this folder")
    arguments = parser.parse_args()
    arguments.only = arguments.only.split(",")
    if unknown := set(arguments.only) - set(names):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    return arguments


def run(checkouts: Sequence[Checkout], parts: Sequence[Part]) -> Found:
    """Run parts in order on each checkout; neighbours with the same settings share a stack."""
    groups = [list(group) for _, group in itertools.groupby(parts, key=_stack_of)]
    seconds = {
        _title(part, checkout, checkouts): part.seconds
        + (STACK_SECONDS if part is group[0] and part.with_stack else 0)
        for group in groups
        for checkout in checkouts
        for part in group
    }
    progress = Progress(seconds)
    found: Found = {checkout: {} for checkout in checkouts}
    for group in groups:
        for checkout in checkouts:
            titles = {part.name: _title(part, checkout, checkouts) for part in group}
            for name, measured in _group(checkout, group, progress, titles):
                found[checkout][name] = measured
    return found


def _title(part: Part, checkout: Checkout, checkouts: Sequence[Checkout]) -> str:
    return part.name if len(checkouts) == 1 else f"{part.name} at {checkout.commit}"


def _stack_of(part: Part) -> object:
    """Return a value that is equal for parts on the same stack."""
    return dict(part.settings) if part.with_stack else part.name


def _group(
    checkout: Checkout, group: Sequence[Part], progress: Progress, titles: dict[str, str]
) -> Iterator[tuple[str, Measured]]:
    progress.begin(titles[group[0].name])
    if group[0].alone is not None:
        yield group[0].name, tried(partial(group[0].alone, checkout), progress.say)
        return
    progress.say("starting a stack")
    with stack(checkout, group[0].settings) as running:
        for part in group:
            assert part.with_stack is not None
            progress.begin(titles[part.name])
            yield part.name, tried(partial(part.with_stack, running), progress.say)


def tried(measure: Callable[[Say], Measured], say: Say) -> Measured:
    """Measure; if a part fails, report it and let the others run."""
    before = Machine.now()
    try:
        measured = measure(say)
        now = Machine.now()
        if now.at - before.at < SHORT_SECONDS:
            return measured
        busy = f"other work on the machine meanwhile: {now.others(before):.2f} cores"
        return replace(measured, lines=[*measured.lines, busy])
    except Exception as error:  # noqa: BLE001 - whatever it is, it is in the report
        traceback.print_exc()
        say(f"failed: {error!r}")
        return Measured(lines=[f"failed: {error!r}"], failure=repr(error))


if __name__ == "__main__":
    sys.exit(main())
