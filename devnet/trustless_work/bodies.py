"""Request bodies: JSON with exact decimals. Every field is checked; all problems are reported."""

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from stellar_sdk import StrKey

MINOR_UNITS = 10**7
AMOUNT_MAX = 10**12
ASSET_CODE = re.compile(r"[a-zA-Z0-9]{1,12}")
INDEX = re.compile(r"[0-9]{1,9}")


class BadBodyError(ValueError):
    """The body is wrong; `problems` lists everything that is wrong."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)


def decode(raw: bytes) -> "Body":
    """Read a JSON object; numbers stay exact. Raises: BadBodyError."""
    try:
        data = json.loads(raw, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadBodyError(["body must be JSON"]) from error
    if not isinstance(data, dict):
        raise BadBodyError(["body must be an object"])
    return Body(data)


class Body:
    """An object that is being read; problems are collected until `check`."""

    def __init__(
        self, data: Mapping[str, Any], *, path: str = "", problems: list[str] | None = None
    ) -> None:
        self._data = data
        self._path = path
        self._problems = [] if problems is None else problems

    def check(self) -> None:
        """Raise the collected problems. Raises: BadBodyError: a field read so far was wrong."""
        if self._problems:
            raise BadBodyError(self._problems)

    def text(self, name: str, *, optional: bool = False) -> str:
        """Read a string; an optional one may be absent and is then empty."""
        value = self._data.get(name)
        if isinstance(value, str) and (value or optional) and _encodable(value):
            return value
        if value is None and optional:
            return ""
        return self._wrong(name, "must be a non-empty string")

    def account(self, name: str) -> str:
        """Read an account address."""
        value = self.text(name)
        if value and not StrKey.is_valid_ed25519_public_key(value):
            return self._wrong(name, "must be a valid Stellar address")
        return value

    def asset_code(self, name: str) -> str:
        """Read an asset's code."""
        value = self.text(name)
        if value and ASSET_CODE.fullmatch(value) is None:
            return self._wrong(name, "must be 1 to 12 letters and digits")
        return value

    def contract(self, name: str) -> str:
        """Read a contract address."""
        value = self.text(name)
        if value and not StrKey.is_valid_contract(value):
            return self._wrong(name, "must be a valid contract id")
        return value

    def amount(self, name: str) -> int:
        """Read a number of tokens as minor units; at most seven decimals."""
        value = self._number(name)
        if not 0 < value <= AMOUNT_MAX or value * MINOR_UNITS % 1:
            self._wrong(name, "must be a positive number with at most 7 decimals")
            return 0
        return int(value * MINOR_UNITS)

    def percent(self, name: str) -> int:
        """Read a number of percent as basis points; at most two decimals."""
        value = self._number(name)
        if not 0 <= value <= 100 or value * 100 % 1:  # noqa: PLR2004  percent
            self._wrong(name, "must be a percentage with at most 2 decimals")
            return 0
        return int(value * 100)

    def index(self, name: str) -> int:
        """Read an index, which this API writes as a string."""
        value = self._data.get(name)
        if not isinstance(value, str) or INDEX.fullmatch(value) is None:
            self._wrong(name, "must be a numeric string")
            return 0
        return int(value)

    def inner(self, name: str) -> "Body":
        """Read an object."""
        value = self._data.get(name)
        if not isinstance(value, dict):
            self._wrong(name, "must be an object")
            value = {}
        return Body(value, path=f"{self._path}{name}.", problems=self._problems)

    def items(self, name: str) -> "list[Body]":
        """Read a list of at least one object."""
        value = self._data.get(name)
        if not isinstance(value, list) or not value:
            self._wrong(name, "must be a non-empty array")
            return []
        found = []
        for number, item in enumerate(value):
            if not isinstance(item, dict):
                self._wrong(f"{name}.{number}", "must be an object")
                continue
            path = f"{self._path}{name}.{number}."
            found.append(Body(item, path=path, problems=self._problems))
        return found

    def _number(self, name: str) -> Decimal:
        value = self._data.get(name)
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            self._wrong(name, "must be a number")
            return Decimal(0)
        number = Decimal(value)
        # A long exponent would make the arithmetic that follows slow or inexact.
        sane = number.is_finite() and -20 < number.adjusted() < 20  # noqa: PLR2004  orders of size
        return number if sane else Decimal(-1)

    def _wrong(self, name: str, what: str) -> str:
        self._problems.append(f"{self._path}{name} {what}")
        return ""


def _encodable(text: str) -> bool:
    # JSON can spell half of a surrogate pair, which no ledger can store.
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _no_constant(name: str) -> None:
    raise ValueError(name)
