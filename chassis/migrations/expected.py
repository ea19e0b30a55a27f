"""Checks that a schema is at least as new as the code that uses it.

A schema may be newer, because each migration works with the previous code (expand, then contract).
An older schema lacks tables or columns that the code needs.
"""

import pathlib
import time
from dataclasses import dataclass
from typing import Self

from psycopg.errors import UndefinedTable

from chassis.database import Database
from chassis.migrations.scripts import SCRIPTS, revisions
from chassis.telemetry import logger
from kernel.errors import Unavailable

_IS_THERE = "select to_regclass(%s) is not null"
_FOUND = "select version_num from alembic_version"
# A correct schema is checked this often. It gets older only when somebody restores an old backup.
AGAIN_SECONDS = 15.0
log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Revisions:
    """The revisions of one schema that this code knows. head: the newest, which the code needs."""

    head: str
    known: frozenset[str]

    @classmethod
    def of(cls, schema: str) -> Self | None:
        """Read the scripts of a schema; None: the schema has no scripts."""
        folder = SCRIPTS.get(schema)
        return None if folder is None else cls.read(folder)

    @classmethod
    def read(cls, folder: pathlib.Path) -> Self:
        """Read the scripts in a folder."""
        head, known = revisions(folder)
        return cls(head=head, known=known)

    def is_older(self, found: str) -> bool:
        """Return whether a schema at this revision is too old; empty: no migration has run."""
        return not found or (found != self.head and found in self.known)


class Schema:
    """Checks the schema of this code. is_right: the last result; None: not checked yet."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._name = name
        self._revisions = Revisions.of(name)
        self._lacking: str | None = None
        self.is_right: bool | None = None if self._revisions is not None else True
        self._looked_at = 0.0

    async def look(self) -> bool:
        """Return whether the migrations that this code needs have run; logs a failure once."""
        if self._revisions is None:
            return True
        if self.is_right and time.monotonic() < self._looked_at + AGAIN_SECONDS:
            return True
        try:
            found = await revision_in(self._database, self._name, was_there=bool(self.is_right))
        except Unavailable:
            # All connections are in use, or another check reports that the database is unavailable.
            return bool(self.is_right)
        is_older = self._revisions.is_older(found)
        if is_older and found != self._lacking:
            log.warning("schema.older", found=found, needed=self._revisions.head)
        self._lacking = found if is_older else None
        self.is_right, self._looked_at = not is_older, time.monotonic()
        return self.is_right


async def revision_in(database: Database, schema: str, *, was_there: bool) -> str:
    """Return the revision of a schema; empty: no migration has run. Raises: Unavailable.

    was_there: the schema had a revision before, so one query is enough.
    """
    try:
        async with database.statement() as connection:
            if not was_there:
                table = f"{schema}.alembic_version"
                if not await connection.fetchval(_IS_THERE, (table,)):
                    return ""
            return str(await connection.fetchval(_FOUND) or "")
    except UndefinedTable:
        return ""
