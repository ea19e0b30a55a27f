"""Rows as arrays: a statement takes many rows as parameters, one array per column. Pure.

A batch of any size then needs only a few prepared statements. The arrays are encoded here in
PostgreSQL's binary format: this is faster than the driver, which encodes item by item, and faster
for the server to read. Each array always has one type, so a statement keeps one plan.
"""

import datetime as dt
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

# Source: array_recv of PostgreSQL. The number of dimensions, whether there are nulls, and the type
# of the items; then, for the one dimension, its length and its first index.
_EMPTY = struct.Struct(">iiI").pack
_HEAD = struct.Struct(">iiIii").pack
_LENGTH = struct.Struct(">i").pack
_BIGINT = struct.Struct(">iq").pack
_INTEGER = struct.Struct(">ii").pack
_SMALLINT = struct.Struct(">ih").pack
_NULL = _LENGTH(-1)
_UUID_LENGTH = _LENGTH(16)
# PostgreSQL counts microseconds from this instant.
_EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_DAY_MICROSECONDS = 86_400_000_000
_SECOND_MICROSECONDS = 1_000_000


class Array(bytes):
    """An array in binary format. oid: the number of its type; item_oid: of its items' type."""

    oid: ClassVar[int]
    item_oid: ClassVar[int]

    @classmethod
    def of(cls, items: Sequence[bytes]) -> "Array":
        """Return the array of encoded items. Each item is preceded by its length."""
        if not items:
            return cls(_EMPTY(0, 0, cls.item_oid))
        has_nulls = int(_NULL in items)
        return cls(_HEAD(1, has_nulls, cls.item_oid, len(items), 1) + b"".join(items))

    def repeated(self, count: int) -> "Array":
        """Return an array that has the one item of this array so many times."""
        # The length stands after 12 bytes, the item after 20.
        return type(self)(self[:12] + _LENGTH(count) + self[16:20] + self[20:] * count)


class UuidArray(Array):
    """uuid[]."""

    oid, item_oid = 2951, 2950


class SmallintArray(Array):
    """smallint[]."""

    oid, item_oid = 1005, 21


class IntegerArray(Array):
    """integer[]."""

    oid, item_oid = 1007, 23


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
    """Encode an array of UUIDs."""
    return UuidArray.of(
        [_NULL if value is None else _UUID_LENGTH + value.bytes for value in values]
    )


def numbers(values: Iterable[int | None]) -> Array:
    """Encode an array of integers as bigint; a member of an IntEnum is encoded as its number."""
    return BigintArray.of([_NULL if value is None else _BIGINT(8, value) for value in values])


def middle_numbers(values: Iterable[int | None]) -> Array:
    """Encode an array of integers as integer (four bytes)."""
    return IntegerArray.of([_NULL if value is None else _INTEGER(4, value) for value in values])


def small_numbers(values: Iterable[int | None]) -> Array:
    """Encode an array of integers as smallint (two bytes)."""
    return SmallintArray.of([_NULL if value is None else _SMALLINT(2, value) for value in values])


def texts(values: Sequence[str | None]) -> Array:
    """Encode an array of texts. Raises: ValueError: one has a NUL; PostgreSQL cannot store it."""
    # Searching one joined text is faster than searching many short ones.
    if "\0" in "".join(filter(None, values)):
        raise ValueError("a text has a NUL character")
    encoded = [None if value is None else value.encode() for value in values]
    return TextArray.of([_NULL if one is None else _LENGTH(len(one)) + one for one in encoded])


def contents(values: Iterable[bytes | None]) -> Array:
    """Encode an array of byte strings."""
    return ByteaArray.of(
        [_NULL if value is None else _LENGTH(len(value)) + value for value in values]
    )


def instants(values: Iterable[dt.datetime | None]) -> Array:
    """Encode an array of instants."""
    # Most rows of a transaction have the same instant, so each is encoded once.
    spelled: dict[dt.datetime, bytes] = {}
    return InstantArray.of(
        [
            _NULL
            if value is None
            else spelled.get(value) or spelled.setdefault(value, _BIGINT(8, _microseconds(value)))
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
    "integer": middle_numbers,
    "bigint": numbers,
    "text": texts,
    "timestamptz": instants,
    "bytea": contents,
}


class Columns:
    """The columns and column types of the rows that a statement takes.

    names: the column list, for `insert` and `select`. unnested: the rows, for `from`, under
    `alias`.
    """

    def __init__(self, alias: str, **types: str) -> None:
        self._spelled = [(f"{alias}_{column}", _SPELLINGS[kind]) for column, kind in types.items()]
        arrays = ", ".join(f"%({alias}_{column})s::{kind}[]" for column, kind in types.items())
        self.names = ", ".join(types)
        self.unnested = f"unnest({arrays}) as {alias} ({self.names})"

    def values(self, rows: Iterable[Sequence[object]]) -> dict[str, object]:
        """Return the parameters for rows. The values of a row are in the order of the columns."""
        columns = list(zip(*rows, strict=True)) or [()] * len(self._spelled)
        return {
            name: _encoded(spell, column)
            for (name, spell), column in zip(self._spelled, columns, strict=True)
        }


def _encoded(spell: Callable[[Any], Array], column: Sequence[object]) -> Array:
    """Encode a column. A value that all rows have is encoded once."""
    if len(column) > 1 and column[0] == column[-1] and column.count(column[0]) == len(column):
        return spell(column[:1]).repeated(len(column))
    return spell(column)
