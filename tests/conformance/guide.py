"""Reads a guide's text: its examples, and the tables that say what they lead to.

What is read is what the data beside this file holds, so that the two can be compared.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_FENCE = re.compile(r"^```(\w*)$")
_HEADING = re.compile(r"^#{2,3} (.+)$")
_REQUEST = re.compile(r"^(GET|POST|PUT|PATCH|DELETE) (\S+)$")
_VALUES = re.compile(r"^Valid `(\w+)` values: (.+)$")
_EDGES = re.compile(r"^(\w+)\s+→ (.+)$")
_NAME = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class _Block:
    heading: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class _Row:
    heading: str
    cells: tuple[str, ...]


def read(markdown: str) -> dict[str, Any]:
    """Read a guide: examples in the document's order, header, states and the rest."""
    blocks, rows = list(_blocks(markdown)), list(_rows(markdown))
    headers = [block.text for block in blocks if re.match(r"[\w-]+: ", block.text)]
    edges = [block.text for block in blocks if block.language == "typescript"]
    return {
        "examples": list(_examples(blocks)),
        "headers": [_headers(text.splitlines()) for text in headers],
        "transactions": _transactions(rows),
        "states": {_plain(row.cells[0]): row.cells[2] for row in _of(rows, "Order States")},
        "transitions": {
            match[1]: match[2]
            for text in edges
            for match in map(_EDGES.match, text.splitlines())
            if match
        },
        "values": {
            match[1]: _NAME.findall(match[2])
            for match in map(_VALUES.match, markdown.splitlines())
            if match
        },
        "events": {_plain(row.cells[0]): row.cells[1] for row in _of(rows, "Order Events")},
    }


def _blocks(markdown: str) -> Iterator[_Block]:
    heading, language, lines = "", None, list[str]()
    for line in markdown.splitlines():
        fence = _FENCE.match(line)
        if fence and language is None:
            language, lines = fence[1], []
        elif fence and language is not None:
            yield _Block(heading, language, "\n".join(lines))
            language = None
        elif language is not None:
            lines.append(line)
        elif match := _HEADING.match(line):
            heading = match[1]


def _rows(markdown: str) -> Iterator[_Row]:
    heading = ""
    for line in markdown.splitlines():
        if match := _HEADING.match(line):
            heading = match[1]
        elif line.startswith("|") and not set(line) <= set("|-: "):
            yield _Row(heading, tuple(cell.strip() for cell in line.strip("|").split("|")))


def _of(rows: list[_Row], heading: str) -> list[_Row]:
    """Return the rows of the table under a heading, without its head."""
    return [row for row in rows if row.heading == heading][1:]


def _examples(blocks: list[_Block]) -> Iterator[dict[str, Any]]:
    """Pair each request with the JSON that follows it under the same heading."""
    for number, block in enumerate(blocks):
        if not _REQUEST.match(block.text.partition("\n")[0]):
            continue
        following = blocks[number + 1] if number + 1 < len(blocks) else None
        answered = following and following.language == "json" and following.heading == block.heading
        yield {
            "title": block.heading,
            "request": _request(block.text),
            "response": json.loads(following.text) if following and answered else None,
        }


def _request(text: str) -> dict[str, Any]:
    head, _, body = text.partition("\n\n")
    first, *headers = head.splitlines()
    method, path = first.split(" ")
    return {
        "method": method,
        "path": path,
        "headers": _headers(headers),
        "body": json.loads(body) if body.strip() else None,
    }


def _headers(lines: list[str]) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in lines)


def _transactions(rows: list[_Row]) -> Mapping[str, list[list[str]]]:
    """Read the tables of what an action is on chain: function and signer, in order."""
    found: dict[str, list[list[str]]] = {}
    for row in rows:
        if row.cells[0].isdigit():
            found.setdefault(row.heading, []).append([_plain(row.cells[1]), row.cells[2]])
    return found


def _plain(cell: str) -> str:
    """Return what a cell names: the first word in backquotes."""
    names = _NAME.findall(cell)
    assert names, f"{cell!r} names nothing"
    return str(names[0])
