"""Draw the pages of docs/ that the code can tell best, or check that they are drawn.

states.md from the transition tables of the domains, errors.md from the refusals.

Usage: python -m tools.draw [check]
"""

import enum
import pathlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from services.disputes import domain as disputes
from services.escrow import domain as escrow
from services.orders import domain as orders
from tools import catalogue

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"
# Keys are pairs of enum members: (state, trigger).
Table = Mapping[Any, enum.Enum]
INTRODUCTION = """\
# States

Drawn from the tables named `TRANSITIONS` by `make docs`; do not edit. What is not drawn is refused.
"""
MACHINES: tuple[tuple[str, str, str, Table], ...] = (
    (
        "The order",
        "services/orders/domain.py",
        "Both APIs show this one machine, each in its own words.",
        orders.TRANSITIONS,
    ),
    (
        "The escrow",
        "services/escrow/domain.py",
        "States that end in -ING have a command in motion on the chain.",
        escrow.TRANSITIONS,
    ),
    (
        "The dispute",
        "services/disputes/domain.py",
        "A decision is recorded without a change of state; COMPLETE follows when it was paid.",
        disputes.TRANSITIONS,
    ),
)


def pages() -> dict[pathlib.Path, Callable[[], str]]:
    """Return the drawn pages, and how to draw what each should say."""
    return {DOCS / "states.md": states, DOCS / "errors.md": catalogue.page}


def states() -> str:
    """Return the page of the state machines."""
    parts = [INTRODUCTION]
    for title, source, note, table in MACHINES:
        parts.append(f"## {title}\n\n`{source}`. {note}\n\n{diagram(table)}\n{listing(table)}")
    return "\n".join(parts)


def diagram(table: Table) -> str:
    """Draw a table as a Mermaid state diagram: the first state of the enum is where it begins."""
    before = {state for state, _ in table}
    states = list(type(next(iter(table.values()))))
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {states[0].name}"]
    lines += [
        f"    {state.name} --> {after.name}: {trigger.name.lower()}"
        for (state, trigger), after in table.items()
    ]
    lines += [f"    {state.name} --> [*]" for state in states if state not in before]
    return "\n".join([*lines, "```", ""])


def listing(table: Table) -> str:
    """List a table for readers without a renderer."""
    lines = ["| from | on | to |", "|---|---|---|"]
    lines += [
        f"| {state.name} | {trigger.name.lower()} | {after.name} |"
        for (state, trigger), after in table.items()
    ]
    return "\n".join([*lines, ""])


def main() -> None:
    """Write the pages, or fail where one is not what the code says."""
    if sys.argv[1:] not in ([], ["check"]):
        sys.exit("usage: python -m tools.draw [check]")
    for path, drawn in pages().items():
        text = drawn()
        if not sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"docs/{path.name} is not what the code says: run `make docs`")


if __name__ == "__main__":
    main()
