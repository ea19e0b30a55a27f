"""Whether a schema is as new as the code that uses it.

A schema may be newer: a migration works with the code before it (expand, then contract). One that
is older lacks what the code asks for.
"""

import pathlib
from dataclasses import dataclass
from typing import Self

from chassis.database import Database
from chassis.migrations.scripts import SCRIPTS, revisions

_IS_THERE = "select to_regclass(%s) is not null"
_FOUND = "select version_num from alembic_version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revisions:
    """The revisions of one schema that this code knows; head: the newest, which it needs."""

    head: str
    known: frozenset[str]

    @classmethod
    def of(cls, schema: str) -> Self | None:
        """Read the scripts of a schema; None: it has none."""
        folder = SCRIPTS.get(schema)
        return None if folder is None else cls.read(folder)

    @classmethod
    def read(cls, folder: pathlib.Path) -> Self:
        """Read the scripts in a folder."""
        head, known = revisions(folder)
        return cls(head=head, known=known)

    def is_older(self, found: str) -> bool:
        """Tell whether a schema of that revision lacks something; empty: it has none."""
        return not found or (found != self.head and found in self.known)


async def revision_in(database: Database, schema: str) -> str:
    """Return the revision of a schema; empty: no migration has run. Raises: Unavailable."""
    async with database.statement() as connection:
        there = await (
            await connection.execute(_IS_THERE, (f"{schema}.alembic_version",))
        ).fetchone()
        if there is None or not there[0]:
            return ""
        row = await (await connection.execute(_FOUND)).fetchone()
    return "" if row is None else str(row[0])
