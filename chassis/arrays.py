"""Rows as arrays: a statement takes many rows as one array for each column. Pure.

So a batch is a handful of prepared statements whatever its size. An array is spelled here as
PostgreSQL reads it: ten times quicker than by the driver, item by item, and always of one type,
so that a statement has one plan.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID


def ids(values: Iterable[UUID | None]) -> str:
    """Spell an array of UUIDs."""
    return "{" + ",".join(["NULL" if value is None else value.hex for value in values]) + "}"


def numbers(values: Iterable[int | None]) -> str:
    """Spell an array of numbers; the member of an IntEnum is its number."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def texts(values: Sequence[str]) -> str:
    """Spell an array of texts. Raises: ValueError: one has a NUL, which PostgreSQL cannot store."""
    # Joined first: quoting one long text is quicker than quoting many short ones.
    joined = "\0".join(values)
    if joined.count("\0") > max(len(values) - 1, 0):
        raise ValueError("a text has a NUL character")
    quoted = joined.replace("\\", "\\\\").replace('"', '\\"').replace("\0", '","')
    return f'{{"{quoted}"}}' if values else "{}"


def instants(values: Iterable[dt.datetime]) -> str:
    """Spell an array of instants."""
    return "{" + ",".join([f'"{value.isoformat()}"' for value in values]) + "}"


_SPELLINGS: Mapping[str, Callable[[Any], object]] = {
    "uuid": ids,
    "smallint": numbers,
    "bigint": numbers,
    "text": texts,
    "timestamptz": instants,
    "bytea": list,
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
