"""CSV (RFC 4180): objects of the API as lines, with a cell for each field.

What a spreadsheet would take for a formula is text here: it gets an apostrophe before it.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

# How a spreadsheet recognises a formula; tab and line breaks before one are skipped by some.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
APOSTROPHE = "'"
# A number is no formula, also where it is negative.
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)


def head(fields: Sequence[str]) -> bytes:
    """Return the first line: the names of the fields."""
    return _written([fields])


def lines(fields: Sequence[str], objects: Iterable[Mapping[str, Any]]) -> bytes:
    """Return a line for each object."""
    return _written([cell(one[name]) for name in fields] for one in objects)


def cell(value: Any) -> str:
    """Write a value: null as nothing, an object or a list as JSON, all other text as it is."""
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
