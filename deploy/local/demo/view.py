"""How the demo looks: a live table on a terminal, plain lines elsewhere."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.table import Table

from deploy.local.demo.purchase import Sight
from kernel.money import to_text

_COLUMNS = (
    ("step", "left"),
    ("state", "left"),
    ("buyer available", "right"),
    ("reserved", "right"),
    ("contract on chain", "right"),
    ("seller available", "right"),
    ("transactions", "left"),
    ("seconds", "right"),
)


@dataclass(slots=True)
class View:
    """Shows steps as they happen, then the list of checks."""

    console: Console = field(default_factory=Console)
    _rows: list[tuple[str, ...]] = field(default_factory=list)
    _live: Live | None = None

    @contextlib.contextmanager
    def table(self) -> Iterator[None]:
        """Show the table for the block."""
        if not self.console.is_terminal:
            self._plain([name for name, _ in _COLUMNS])
            yield
            return
        with Live(self._table(), console=self.console, refresh_per_second=8) as self._live:
            yield

    def add(self, sight: Sight) -> None:
        """Show one more step."""
        row = (
            sight.step,
            sight.state,
            to_text(sight.buyer_available),
            to_text(sight.buyer_reserved),
            to_text(sight.contract),
            to_text(sight.seller_available),
            " ".join(f"{found[:6]}…" for found in sight.hashes),
            f"{sight.seconds:.1f}",
        )
        self._rows.append(row)
        if self._live is None:
            self._plain(row)
        else:
            self._live.update(self._table())

    def say(self, line: str = "") -> None:
        """Print a line."""
        self.console.print(line, highlight=False, soft_wrap=True)

    def check(self, *, holds: bool, name: str, details: str = "") -> None:
        """Print one check."""
        mark = "[green]holds [/]" if holds else "[bold red]BROKEN[/]"
        self.console.print(f"  {mark}  {name}", end="", highlight=False, soft_wrap=True)
        self.console.print(f"  {details}", markup=False, highlight=False, soft_wrap=True)

    def _plain(self, row: Sequence[str]) -> None:
        widths = (18, 16, 16, 9, 18, 17, 32, 8)
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print(" ".join(cells).rstrip(), flush=True)

    def _table(self) -> Table:
        table = Table()
        for name, justify in _COLUMNS:
            table.add_column(name, justify="right" if justify == "right" else "left")
        for row in self._rows:
            table.add_row(*row)
        return table
