"""Formats lists for a terminal: one line per object, in columns."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import click

from deploy.operator.answers import Answer

PAGE_MAX = 100
count = click.option(
    "--count", type=click.IntRange(1), default=20, show_default=True, help="The most to list."
)


def page_size(most: int) -> int:
    """Return the page size for a request when this many objects are wanted."""
    return min(most, PAGE_MAX)


def listed(name: str, found: Iterable[Mapping[str, Any]], *, most: int, show: str) -> Answer:
    """Return the answer for a list. name: of the list in JSON. show: the fields to print."""
    objects = list(islice(found, most))
    fields = show.split()
    return Answer(
        lines=columns([[_text(one[field]) for field in fields] for one in objects]),
        document={name: objects},
    )


def shown(found: Mapping[str, Any]) -> list[str]:
    """Return one line for each field that has a value."""
    rows = [[f"{name}:", _text(value)] for name, value in found.items() if value not in (None, [])]
    return columns(rows)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Format rows as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _text(value: Any) -> str:
    """Format a value on one line, without control characters that a terminal would obey."""
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return "".join(letter if letter.isprintable() else " " for letter in text)
