"""Single statements of concurrent callers, executed together: one round trip and one commit.

A commit and its round trip cost more than a small statement. Each caller gets the row of their own
statement. If one statement of a group fails, nothing of the group is committed, and each statement
is executed alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from chassis.database import Database
from chassis.gathering import Gathering, apart
from chassis.statements import Values

TOGETHER_MAX = 64


@dataclass(frozen=True, slots=True)
class _Asked:
    statement: str
    values: Values
    locks: UUID
    tells: bool


class Grouped:
    """Executes statements on a database in groups."""

    def __init__(self, database: Database, *, name: str) -> None:
        """Take the database. name: for the log."""
        self._database = database
        self._gathering: Gathering[_Asked, Any] = Gathering(
            self._execute, name=name, size_max=TOGETHER_MAX
        )

    def statement(self, *, locks: UUID) -> "One":
        """Return the connection of one statement, for `async with`, as Database.statement does.

        locks: the row that the statement locks. The statements of a group are executed in the order
        of their rows, so that no two groups wait for each other.
        """
        return One(self._gathering, locks, writes_short=self._database.writes_short)

    async def _execute(self, asked: Sequence[_Asked]) -> list[Any]:
        async with apart(), self._database.statement() as connection:
            connection.has_told = any(one.tells for one in asked)
            if len(asked) == 1:
                return [await connection.fetchrow(asked[0].statement, asked[0].values)]
            places = sorted(range(len(asked)), key=lambda place: asked[place].locks)
            async with connection.together() as many:
                answers = {
                    place: many.add(asked[place].statement, asked[place].values) for place in places
                }
            rows = {place: answer.rows(1) for place, answer in answers.items()}
            return [next(iter(rows[place]), None) for place in range(len(asked))]


class One:
    """Executes one statement in a group.

    has_told: it writes events to the outbox. writes_short: in short (outbox.py).
    """

    __slots__ = ("_gathering", "_locks", "has_told", "writes_short")

    def __init__(
        self, gathering: Gathering[_Asked, Any], locks: UUID, *, writes_short: bool
    ) -> None:
        self._gathering = gathering
        self._locks = locks
        self.has_told = False
        self.writes_short = writes_short

    async def fetchrow(self, statement: str, values: Values = None) -> Any:
        """Execute a statement; returns its first row, or None. Raises: as Connection.fetchrow."""
        return await self._gathering.do(_Asked(statement, values, self._locks, self.has_told))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Do nothing: the group has given the connection back."""
