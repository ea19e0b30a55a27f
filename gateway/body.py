"""Strict JSON: UTF-8, unique keys, no NaN, no text that a database cannot store.

A number that Python or a client's parser would change is kept as it was written.
"""

import decimal
import json
import math
from typing import Any, Self

import orjson

from kernel.errors import InvalidArgument

BYTES_MAX = 64 * 1024
DEPTH_MAX = 8
INTEGER_MAX = 2**63 - 1
# Many JSON parsers of clients could not represent a larger number.
EXPONENT_MAX = 308
NUMBER_SHOWN = 40
# A number with at most this many digits never exceeds INTEGER_MAX.
SAFE_DIGITS = 18


class BodyNotValid(InvalidArgument):
    """The body is not JSON, or not JSON that is accepted here."""

    def __init__(self, message: str) -> None:
        super().__init__(message, fields=[("body", message)])


class _Refused(ValueError):
    pass


class Number(decimal.Decimal):
    """A JSON number that float or int would change. written: its original text.

    It has a fraction or an exponent, or it is an integer that is too large.
    """

    written: str

    def __new__(cls, text: str) -> Self:
        """Parse a JSON number. Raises: BodyNotValid: its exponent is too large."""
        try:
            number = super().__new__(cls, text)
            # Zero may have any exponent.
            is_held = not number or abs(number.adjusted()) <= EXPONENT_MAX
        except decimal.DecimalException:
            is_held = False
        if not is_held:
            shown = text[:NUMBER_SHOWN]
            raise BodyNotValid(f"The body has a number that is too large or too small: {shown}")
        number.written = text
        return number


def integer(text: str) -> "int | Number":
    """Parse a JSON integer; returns a `Number` if another parser would change the integer.

    Raises: BodyNotValid: the number is too large.
    """
    if len(text) <= SAFE_DIGITS and text != "-0":
        return int(text)
    number = Number(text)
    value = int(number)
    return value if abs(value) <= INTEGER_MAX and text != "-0" else number


def to_json(value: object) -> str:
    """Serialize a value that was parsed with `Number`. Numbers are written as they were."""
    return orjson.dumps(value, default=_spelled).decode()


def _spelled(value: object) -> orjson.Fragment:
    if isinstance(value, Number):
        return orjson.Fragment(value.written)
    raise TypeError(f"{type(value).__name__} is not JSON")


def parse(raw: bytes, *, is_exact: bool = False, depth_max: int = DEPTH_MAX) -> Any:
    """Parse a JSON document.

    is_exact: numbers that a float or an int would change become `Number`; otherwise fractions
    become floats, and integers must fit 64 bits. depth_max: the greatest depth of nesting.

    Raises: BodyNotValid: not UTF-8 or not JSON; a duplicate key; NaN or an infinity; a number too
        large; nested too deep; an unpaired surrogate; a NUL character.
    """
    decoder = _EXACT if is_exact else _DECODER
    try:
        value = decoder.decode(raw.decode())
        _check(value, depth=1, most=depth_max)
    except _Refused as error:
        raise BodyNotValid(str(error)) from None
    except (ValueError, RecursionError):
        raise BodyNotValid("The body is not valid JSON") from None
    return value


def is_storable(text: str) -> bool:
    """Return whether the database can store a text: no NUL, no unpaired surrogate."""
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
    """Check a value at a depth, and the values inside it. Raises: BodyNotValid."""
    if isinstance(value, str):
        if not is_storable(value):
            raise _Refused("The body has a character that is not allowed")
    elif isinstance(value, dict | list):
        if depth > most:
            raise _Refused(f"The body is nested deeper than {most} levels")
        for key in value if isinstance(value, dict) else ():
            _check(key, depth=depth, most=most)
        for item in value.values() if isinstance(value, dict) else value:
            _check(item, depth=depth + 1, most=most)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise _Refused("The body has a number that is too large")
    elif isinstance(value, int) and abs(value) > INTEGER_MAX:
        raise _Refused("The body has an integer that is too large")


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant)
_EXACT = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_constant=_constant, parse_float=Number, parse_int=integer
)
