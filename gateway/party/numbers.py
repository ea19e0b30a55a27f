"""Numbers of the party API: parsed and printed as decimal digits, never as binary floats.

Amounts are printed as numbers with two decimals.
"""

import re

import orjson

from gateway.body import Number
from kernel.money import CENT, LARGEST, UNIT, to_text

BASIS_POINTS = 10_000
_AMOUNT = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,2}))?", re.ASCII)
# JSON allows no plus sign, so a sign is always a minus.
_ZERO = re.compile(r"-?0+(?:\.0+)?", re.ASCII)


def amount(value: object) -> int:
    """Parse a JSON number as minor units; greater than zero, at most two decimals.

    Raises: ValueError: its text describes the problem of the field.
    """
    if isinstance(value, bool) or not isinstance(value, int | Number):
        raise ValueError("must be a number")  # noqa: TRY004 - a finding about a request
    text = value.written if isinstance(value, Number) else str(value)
    if text.startswith("-") or _ZERO.fullmatch(text):
        raise ValueError("must be greater than 0")
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise ValueError("must be a plain number with at most 2 decimals")
    minor_units = int(match[1]) * UNIT + int((match[2] or "").ljust(2, "0")) * CENT
    if minor_units > LARGEST:
        raise ValueError(f"must be at most {to_text(LARGEST // CENT * CENT)}")
    return minor_units


def printed(minor_units: int) -> orjson.Fragment:
    """Format minor units as a JSON number: 150.00."""
    return orjson.Fragment(to_text(minor_units))


def rate(basis_points: int) -> orjson.Fragment:
    """Format a rate as a JSON number: 1000 basis points are 0.10."""
    whole, parts = divmod(basis_points, BASIS_POINTS)
    decimals = f"{parts:04d}"
    return orjson.Fragment(f"{whole}.{decimals[:2]}{decimals[2:].rstrip('0')}")


def tenths(count: int) -> orjson.Fragment:
    """Format a number of tenths as a JSON number: 87 is 8.7."""
    whole, part = divmod(count, 10)
    return orjson.Fragment(f"{whole}.{part}")
