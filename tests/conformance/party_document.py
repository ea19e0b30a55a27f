"""Reads the party API's document: its routes with their tables and examples, as they are printed.

Examples are kept as texts: how a number is spelled is part of what they promise.
"""

import re
from collections.abc import Iterator
from typing import Any

_ROUTE = re.compile(r"^## (GET|POST) (\S+)$")
_PART = re.compile(r"^### (.+)$")
_NAME = re.compile(r"`([^`]+)`")
# How the document spells a table's first column where it is a field's name.
_FIELDS = ("Path Parameters", "Query Parameters", "Request Body")


def read(markdown: str) -> list[dict[str, Any]]:
    """Read every route of the document, in its order."""
    return [_route(lines) for lines in _sections(markdown)]


def _sections(markdown: str) -> Iterator[list[str]]:
    lines: list[str] = []
    for line in markdown.splitlines():
        if _ROUTE.match(line):
            if lines:
                yield lines
            lines = [line]
        elif lines:
            lines.append(line)
    if lines:
        yield lines


def _route(lines: list[str]) -> dict[str, Any]:
    match = _ROUTE.match(lines[0])
    assert match is not None
    parts = _parts(lines[1:])
    return {
        "method": match[1],
        "path": match[2],
        "says": _prose(parts[""]),
        "fields": {name: _rows(parts[name]) for name in _FIELDS if name in parts},
        "request": _block(parts["Request Example"]),
        "response": _block(parts["Response Example"]),
        "errors": [[int(row[0]), _plain(row[1]), row[2]] for row in _rows(parts["Errors"])],
    }


def _parts(lines: list[str]) -> dict[str, list[str]]:
    """Return the lines under each heading; those before the first under an empty name."""
    found: dict[str, list[str]] = {"": []}
    name = ""
    for line in lines:
        if heading := _PART.match(line):
            name = heading[1]
            found[name] = []
        else:
            found[name].append(line)
    return found


def _prose(lines: list[str]) -> list[str]:
    return [line for line in lines if line and line != "---"]


def _rows(lines: list[str]) -> list[list[str]]:
    """Return the rows of a table without its head; a pipe in a cell is spelled with a backslash."""
    rows = [line for line in lines if line.startswith("|")]
    return [
        [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
        for row in rows[2:]
    ]


def _block(lines: list[str]) -> str:
    """Return the text between the fences."""
    start, end = (at for at, line in enumerate(lines) if line.startswith("```"))
    return "\n".join(lines[start + 1 : end])


def _plain(cell: str) -> str:
    names = _NAME.findall(cell)
    assert names, f"{cell!r} names nothing"
    return str(names[0])
