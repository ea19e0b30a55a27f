"""SQLAlchemy statements that are built when they are executed, until each is compiled once."""

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

_DIALECT = sa.create_engine("postgresql+psycopg://").dialect


def text_of(statement: Any, values: Any) -> tuple[str, Any]:
    """Return a statement's text and its parameters."""
    if isinstance(values, list):
        statement, values = statement.values(values), None
    names = set(values) if isinstance(values, Mapping) else None
    found = statement.compile(
        dialect=_DIALECT,
        column_keys=names and sorted(names),
        compile_kwargs={"render_postcompile": True},
    )
    given = found.construct_params(values, escape_names=False)
    given = {name: found.params.get(name) for name in found.params} | {
        name: value for name, value in given.items() if name in found.params
    }
    for name, process in found._bind_processors.items():  # noqa: SLF001 - until it goes
        if name in given:
            given[name] = process(given[name])
    return str(found), given


class Rows:
    """What a statement gave."""

    def __init__(self, rows: list[Any], rowcount: int) -> None:
        self._rows = rows
        self.rowcount = rowcount

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def all(self) -> list[Any]:
        """Return every row."""
        return self._rows

    def first(self) -> Any:
        """Return the first row, or None."""
        return self._rows[0] if self._rows else None

    def one(self) -> Any:
        """Return the only row."""
        (row,) = self._rows
        return row

    def one_or_none(self) -> Any:
        """Return the only row, or None."""
        return self.one() if self._rows else None

    def scalar_one(self) -> Any:
        """Return the only value."""
        return self.one()[0]

    def scalar_one_or_none(self) -> Any:
        """Return the only value, or None."""
        return self.one()[0] if self._rows else None

    def scalars(self) -> "Rows":
        """Return the first column."""
        return Rows([row[0] for row in self._rows], self.rowcount)

    def mappings(self) -> "Rows":
        """Return the rows as dictionaries."""
        return Rows([row._asdict() for row in self._rows], self.rowcount)
