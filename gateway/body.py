"""JSON as it must be sent: UTF-8, no key twice, no NaN, no text that a database cannot keep."""

import json
import math
from collections.abc import Callable
from typing import Any

from kernel.errors import InvalidArgument

BYTES_MAX = 64 * 1024
DEPTH_MAX = 8
INTEGER_MAX = 2**63 - 1


class BodyNotValid(InvalidArgument):
    """The body is no JSON that is accepted here."""

    def __init__(self, message: str) -> None:
        super().__init__(message, fields=[("body", message)])


class _Refused(ValueError):
    pass


def parse(
    raw: bytes, *, fraction: Callable[[str], Any] | None = None, depth_max: int = DEPTH_MAX
) -> Any:
    """Read a JSON document.

    fraction: reads the text of a number that has a fraction or an exponent; None: as a float.
    depth_max: how deep it may be nested.

    Raises: BodyNotValid: not UTF-8 or not JSON, a key twice, NaN or an infinity, a number too
        large, nested too deep, an unpaired surrogate, a NUL character.
    """
    decoder = _DECODER if fraction is None else _decoder(fraction)
    try:
        value = decoder.decode(raw.decode())
        _check(value, depth=1, most=depth_max)
    except _Refused as error:
        raise BodyNotValid(str(error)) from None
    except (ValueError, RecursionError):
        raise BodyNotValid("The body is not valid JSON") from None
    return value


def is_storable(text: str) -> bool:
    """Tell whether a text can be kept: no NUL, no unpaired surrogate."""
    if "\x00" in text:
        return False
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise _Refused(f"The key {twice[:64]!r} is given twice")
    return value


def _constant(name: str) -> Any:
    raise _Refused(f"{name} is not JSON")


def _check(value: Any, *, depth: int, most: int) -> None:
    """Look at a value at a depth, and at what is in it."""
    if isinstance(value, str):
        if not is_storable(value):
            raise _Refused("The body holds a character that is not allowed")
    elif isinstance(value, dict | list):
        if depth > most:
            raise _Refused(f"The body is nested deeper than {most} levels")
        for key in value if isinstance(value, dict) else ():
            _check(key, depth=depth, most=most)
        for item in value.values() if isinstance(value, dict) else value:
            _check(item, depth=depth + 1, most=most)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise _Refused("The body holds a number that is too large")
    elif isinstance(value, int) and abs(value) > INTEGER_MAX:
        raise _Refused("The body holds an integer that is too large")


def _decoder(fraction: Callable[[str], Any]) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=_pairs, parse_constant=_constant, parse_float=fraction
    )


_DECODER = _decoder(float)
