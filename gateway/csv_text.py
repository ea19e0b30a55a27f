"""CSV (RFC 4180): each object of the API becomes one line, each field one cell.

A text that a spreadsheet would read as a formula gets an apostrophe before it.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

# How a formula begins. Some spreadsheets skip tabs and line breaks before it.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
APOSTROPHE = "'"
# A number is not a formula, even if it is negative.
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)


def head(fields: Sequence[str]) -> bytes:
    """Return the header line with the names of the fields."""
    return _written([fields])


def lines(fields: Sequence[str], objects: Iterable[Mapping[str, Any]]) -> bytes:
    """Return one line for each object."""
    return _written([cell(one[name]) for name in fields] for one in objects)


def cell(value: Any) -> str:
    """Format a value: null as an empty cell, an object or list as JSON, other values as text."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return orjson.dumps(value).decode()
    if value.startswith(FORMULA) and _NUMBER.fullmatch(value) is None:
        return APOSTROPHE + value
    return value


def _written(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
