"""`make bench`: measure every part, and print what is required beside what was measured.

    python -m bench [--only rest,flows] [--checkout PATH]

A part runs on a stack of its own commit, which is started for it and stopped after it.
"""

import argparse
import itertools
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from bench import flows, goals, rest, transfers
from bench.measured import Measured, Part, Say
from bench.progress import Progress
from bench.stack import Checkout, stack
from deploy.local.settings import ROOT

# About what the two starts and the stop of a stack take.
STACK_SECONDS = 20.0
# The pace of `make run`.
USUAL: dict[str, str] = {}
PARTS = (
    Part(name="rest", seconds=85, settings=USUAL, with_stack=rest.measure),
    Part(name="flows", seconds=75, settings=flows.QUICK, with_stack=flows.measure),
    Part(name="ledger", seconds=50, alone=transfers.measure),
)


def main() -> int:
    """Measure; returns 0 whatever the figures are."""
    parser = argparse.ArgumentParser(description="Measure the speed of the whole stack")
    names = [part.name for part in PARTS]
    parser.add_argument("--only", default=",".join(names), help=f"some of {','.join(names)}")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="a folder at another commit")
    arguments = parser.parse_args()
    chosen = arguments.only.split(",")
    if unknown := set(chosen) - set(names):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    checkout = Checkout(arguments.checkout.resolve())
    parts = [part for part in PARTS if part.name in chosen]
    measured = run(checkout, parts)
    print(f"\ncommit {checkout.commit}, {os.cpu_count()} cores, load average {os.getloadavg()}\n")
    for name, found in measured.items():
        print(f"{name}\n" + "".join(f"  {line}\n" for line in found.lines))
    figures = {key: value for found in measured.values() for key, value in found.figures.items()}
    print("\n".join(goals.table(figures, whole=len(parts) == len(PARTS))))
    return 0


def run(checkout: Checkout, parts: Sequence[Part]) -> dict[str, Measured]:
    """Run parts in their order; those with the same settings share a stack."""
    groups = [list(group) for _, group in itertools.groupby(parts, key=_stack_of)]
    seconds = {
        part.name: part.seconds + (STACK_SECONDS if part is group[0] and part.with_stack else 0)
        for group in groups
        for part in group
    }
    progress = Progress(seconds)
    return dict(found for group in groups for found in _group(checkout, group, progress))


def _stack_of(part: Part) -> object:
    """Return what parts on the same stack have in common."""
    return dict(part.settings) if part.with_stack else part.name


def _group(
    checkout: Checkout, group: Sequence[Part], progress: Progress
) -> Iterator[tuple[str, Measured]]:
    progress.begin(group[0].name)
    if group[0].alone is not None:
        yield group[0].name, _tried(partial(group[0].alone, checkout), progress)
        return
    progress.say("starting a stack")
    with stack(checkout, group[0].settings) as running:
        for part in group:
            assert part.with_stack is not None
            progress.begin(part.name)
            yield part.name, _tried(partial(part.with_stack, running), progress)


def _tried(measure: Callable[[Say], Measured], progress: Progress) -> Measured:
    """Measure; a part that fails is told, and the others still run."""
    try:
        return measure(progress.say)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is in the report
        traceback.print_exc()
        progress.say(f"failed: {error!r}")
        return Measured(lines=[f"failed: {error!r}"])


if __name__ == "__main__":
    sys.exit(main())
