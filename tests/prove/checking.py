"""A check, and how the database is asked for what it needs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A promise, and the first violations. looked_at: how many things were compared."""

    name: str
    looked_at: int
    wrong: Sequence[str]

    @property
    def holds(self) -> bool:
        """Tell whether there is no violation."""
        return not self.wrong

    def describe(self) -> str:
        """Describe the result in one line."""
        said = f"{'holds ' if self.holds else 'BROKEN'}  {self.name}: {self.looked_at}"
        return said if self.holds else f"{said}, {len(self.wrong)} wrong: {self.wrong[:SHOWN]}"


def check(name: str, looked_at: int, wrong: Iterable[object]) -> Check:
    """Make a check from its violations."""
    return Check(name=name, looked_at=looked_at, wrong=[str(found) for found in wrong])


def read(url: str, statement: LiteralString, *values: object) -> list[dict[str, Any]]:
    """Ask the database as its administrator; rows by column."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(statement, values).fetchall()
