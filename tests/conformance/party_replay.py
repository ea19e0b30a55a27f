"""Plays the party document's examples on a running stack, and tells where an answer differs.

Numbers are compared by their digits and fields in their order. What cannot be the same twice
stands for its shape: instants, and the ids that are made here.
"""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from tests.conformance.replay import differences

# What the document calls the order, the dispute and the receipt that are made here.
ORDER, DISPUTE, RECEIPT = (
    "11223344-5566-7788-99aa-bbccddeeff00",
    "99887766-5544-3322-1100-ffeeddccbbaa",
    "aabb1122-3344-5566-7788-99aabbccddee",
)
# Who the document's people are: they have these ids here, too.
PERSONAL = uuid.UUID("aabbccdd-eeff-0011-2233-445566778899")
BUSINESS = uuid.UUID("b2c3d4e5-f6a7-8901-bcde-f12345678901")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
# How long this business took is for the clock to say.
_MEASURED = frozenset({"response_time_ms"})


def said(printed: str, answered: str, *, ids: Mapping[str, str]) -> list[str]:
    """Say where an answer is not what the document prints. ids: of the document → here."""
    expected, found = _read(printed), _read(answered)
    _forget(expected, found, ids)
    return [*differences(expected, found), *_misplaced(expected, found, at="answer")]


def _read(text: str) -> Any:
    return json.loads(text, parse_float=_number, parse_int=_number)


def _number(text: str) -> tuple[str, str]:
    """Keep a number as it is spelled; a tuple is nothing else that JSON knows."""
    return "number", text


def _forget(expected: Any, found: Any, ids: Mapping[str, str]) -> None:
    """Put what is here in place of what is printed, where only its shape is promised."""
    if isinstance(expected, list) and isinstance(found, list):
        for one, other in zip(expected, found, strict=False):
            _forget(one, other, ids)
    if not isinstance(expected, dict) or not isinstance(found, dict):
        return
    for name, value in expected.items():
        here = found.get(name)
        if isinstance(value, str) and value in ids:
            expected[name] = ids[value]
        elif isinstance(value, str) and _INSTANT.fullmatch(value):
            expected[name] = here if _is_instant(here) else value
        elif name in _MEASURED:
            expected[name] = here if isinstance(here, tuple) else value
        else:
            _forget(value, here, ids)


def _is_instant(value: object) -> bool:
    return isinstance(value, str) and _INSTANT.fullmatch(value) is not None


def _misplaced(expected: Any, found: Any, *, at: str) -> Iterator[str]:
    """Say where fields are not in the document's order."""
    if isinstance(expected, list) and isinstance(found, list):
        for number, (one, other) in enumerate(zip(expected, found, strict=False)):
            yield from _misplaced(one, other, at=f"{at}[{number}]")
    if isinstance(expected, dict) and isinstance(found, dict):
        if expected.keys() == found.keys() and list(expected) != list(found):
            yield f"{at} has its fields in another order: {', '.join(found)}"
        for name in expected.keys() & found.keys():
            yield from _misplaced(expected[name], found[name], at=f"{at}.{name}")
