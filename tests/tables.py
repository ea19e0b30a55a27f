"""Tables of tests: each row is part of its test's report, so all workers' rows form one table."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

Record = Callable[[str, object], None]
_PREFIX = "table: "


def add(record: Record, *, title: str, rows: Iterable[Sequence[str]]) -> None:
    """Add rows to a table by its title. record: the test's record_property."""
    for row in rows:
        record(f"{_PREFIX}{title}", list(row))


def drawn(reports: Iterable[Any]) -> list[tuple[str, list[str]]]:
    """Return the tables in the reports, as (title, lines)."""
    found: dict[str, list[list[str]]] = {}
    for report in reports:
        if isinstance(report, pytest.TestReport) and report.when == "call":
            for name, row in report.user_properties:
                if name.startswith(_PREFIX) and isinstance(row, list):
                    rows = found.setdefault(name.removeprefix(_PREFIX), [])
                    if row not in rows:
                        rows.append(row)
    return [(title, _lines(rows)) for title, rows in found.items()]


def _lines(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
