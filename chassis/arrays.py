"""Rows as arrays: a statement takes many rows as one array for each column. Pure.

So a batch is a handful of prepared statements whatever its size. An array is spelled here in
PostgreSQL's binary format: quicker than by the driver, item by item, and for the server to read;
always of one type, so that a statement has one plan.
"""

import datetime as dt
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

# Source: array_recv of PostgreSQL. Dimensions, whether there are nulls, the type of the items; then
# of the dimension its length and its first index.
_EMPTY = struct.Struct(">iiI").pack
_HEAD = struct.Struct(">iiIii").pack
_LENGTH = struct.Struct(">i").pack
_BIGINT = struct.Struct(">iq").pack
_SMALLINT = struct.Struct(">ih").pack
_NULL = _LENGTH(-1)
_UUID_LENGTH = _LENGTH(16)
# PostgreSQL counts microseconds from here.
_EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_DAY_MICROSECONDS = 86_400_000_000
_SECOND_MICROSECONDS = 1_000_000


class Array(bytes):
    """An array in binary format. oid, item_oid: the numbers of its type and of its items' type."""

    oid: ClassVar[int]
    item_oid: ClassVar[int]

    @classmethod
    def of(cls, items: Sequence[bytes]) -> "Array":
        """Return the array of items, each with its length before it."""
        if not items:
            return cls(_EMPTY(0, 0, cls.item_oid))
        has_nulls = int(_NULL in items)
        return cls(_HEAD(1, has_nulls, cls.item_oid, len(items), 1) + b"".join(items))


class UuidArray(Array):
    """uuid[]."""

    oid, item_oid = 2951, 2950


class SmallintArray(Array):
    """smallint[]."""

    oid, item_oid = 1005, 21


class BigintArray(Array):
    """bigint[]."""

    oid, item_oid = 1016, 20


class TextArray(Array):
    """text[]."""

    oid, item_oid = 1009, 25


class ByteaArray(Array):
    """bytea[]."""

    oid, item_oid = 1001, 17


class InstantArray(Array):
    """timestamptz[]."""

    oid, item_oid = 1185, 1184


def ids(values: Iterable[UUID | None]) -> Array:
    """Spell an array of UUIDs."""
    return UuidArray.of(
        [_NULL if value is None else _UUID_LENGTH + value.bytes for value in values]
    )


def numbers(values: Iterable[int | None]) -> Array:
    """Spell an array of numbers; the member of an IntEnum is its number."""
    return BigintArray.of([_NULL if value is None else _BIGINT(8, value) for value in values])


def small_numbers(values: Iterable[int | None]) -> Array:
    """Spell an array of numbers of two bytes."""
    return SmallintArray.of([_NULL if value is None else _SMALLINT(2, value) for value in values])


def texts(values: Sequence[str]) -> Array:
    """Spell an array of texts. Raises: ValueError: one has a NUL, which PostgreSQL cannot store."""
    # Joined first: to look at one long text is quicker than at many short ones.
    if "\0" in "".join(values):
        raise ValueError("a text has a NUL character")
    return TextArray.of([_LENGTH(len(one)) + one for one in [value.encode() for value in values]])


def contents(values: Iterable[bytes]) -> Array:
    """Spell an array of bytes."""
    return ByteaArray.of([_LENGTH(len(value)) + value for value in values])


def instants(values: Iterable[dt.datetime]) -> Array:
    """Spell an array of instants."""
    # The rows of a transaction mostly share theirs.
    spelled: dict[dt.datetime, bytes] = {}
    return InstantArray.of(
        [
            spelled.get(value) or spelled.setdefault(value, _BIGINT(8, _microseconds(value)))
            for value in values
        ]
    )


def _microseconds(at: dt.datetime) -> int:
    since = at - _EPOCH
    return (
        since.days * _DAY_MICROSECONDS + since.seconds * _SECOND_MICROSECONDS + since.microseconds
    )


_SPELLINGS: Mapping[str, Callable[[Any], Array]] = {
    "uuid": ids,
    "smallint": small_numbers,
    "bigint": numbers,
    "text": texts,
    "timestamptz": instants,
    "bytea": contents,
}


class Columns:
    """The columns of rows that a statement takes, with their types.

    names: for `insert` and `select`. unnested: the rows, for `from`; `alias` names them.
    """

    def __init__(self, alias: str, **types: str) -> None:
        self._spelled = [(f"{alias}_{column}", _SPELLINGS[kind]) for column, kind in types.items()]
        arrays = ", ".join(f"%({alias}_{column})s::{kind}[]" for column, kind in types.items())
        self.names = ", ".join(types)
        self.unnested = f"unnest({arrays}) as {alias} ({self.names})"

    def values(self, rows: Iterable[Sequence[object]]) -> dict[str, object]:
        """Return the parameters for rows, whose values are in the order of the columns."""
        columns = list(zip(*rows, strict=True)) or [()] * len(self._spelled)
        return {
            name: spell(column)
            for (name, spell), column in zip(self._spelled, columns, strict=True)
        }
