"""The output of the demo: plain lines of at most 80 columns; on a terminal also the progress."""

import contextlib
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

from deploy.local.demo.purchase import Sight
from kernel.money import to_text

# The maximal width of a line, unless a single word is longer. Wider terminals get wider lines.
WIDTH = 80
_COLUMNS = ("step", "state", "available", "reserved", "contract", "seller", "seconds")
_WIDTHS = (17, 17, 9, 8, 8, 7, 7)
_LEGEND = (
    "Amounts in USDC: what the buyer has available and reserved, what the contract",
    "holds on chain, what the seller has available.",
)


@dataclass(slots=True)
class View:
    """Prints the steps as they happen, and then the list of checks."""

    console: Console = field(default_factory=Console)

    @contextlib.contextmanager
    def working(self) -> Iterator["Working"]:
        """On a terminal, show during the block what is in progress, and for how many seconds."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"), _Seconds())
        is_terminal = self.console.is_terminal
        with Progress(*columns, console=self.console, transient=True, disable=not is_terminal) as p:
            yield Working(p)

    def heading(self) -> None:
        """Print the names of the table's columns and their meanings."""
        self.say()
        for line in _LEGEND:
            self.say(line)
        self._row(_COLUMNS)

    def add(self, sight: Sight) -> None:
        """Print one more line of the table."""
        amounts = (sight.buyer_available, sight.buyer_reserved, sight.contract)
        self._row(
            (
                sight.step,
                sight.state,
                *map(to_text, amounts),
                to_text(sight.seller_available),
                f"{sight.seconds:.1f}",
            )
        )

    def say(self, line: str = "") -> None:
        """Print a line."""
        self._print(line)

    def check(self, *, holds: bool, name: str, details: str = "") -> None:
        """Print one check: its name, and below it the details."""
        self._print(f"  {'ok    ' if holds else 'FAILED'}  {name}")
        if details:
            indent = " " * 10
            for line in wrapped(details, width=max(WIDTH, self.console.width) - len(indent)):
                self._print(indent + line)

    def _row(self, cells: Sequence[str]) -> None:
        texts, figures = cells[:2], cells[2:]
        row = [text.ljust(width) for text, width in zip(texts, _WIDTHS, strict=False)]
        row += [cell.rjust(width) for cell, width in zip(figures, _WIDTHS[2:], strict=True)]
        self._print(" ".join(row))

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


class Working:
    """The progress line on a terminal. It is overwritten, and shows the seconds since its start."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)

    def show(self, doing: str) -> None:
        """Show what is in progress from now on."""
        self._progress.reset(self._task, description=doing, total=None)


class _Seconds(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.elapsed or 0:.0f} s")


def wrapped(text: str, *, width: int) -> list[str]:
    """Break a text into lines between words; a word is never broken."""
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
