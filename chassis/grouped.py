"""Statements of concurrent callers, executed together: one round trip and one commit.

A commit and its round trip cost more than a small statement, and starting a large statement costs
more than a further row of it. So callers that ask the same share a statement, too. Each caller gets
the row of their own. If one statement of a group fails, nothing of the group is committed, and each
caller's statement is executed alone.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from chassis.database import Connection, Database
from chassis.gathering import Gathering, apart
from chassis.statements import Values

TOGETHER_MAX = 64
RowT = TypeVar("RowT")
Statement = tuple[str, Values]


@dataclass(frozen=True, slots=True, eq=False)
class Form(Generic[RowT]):
    """A statement in two forms: for what one caller asks, and for what several ask.

    one, several: return the statement with its parameters for the connection that executes it.
    `several` locks rows in the order given. It returns one row at most for each caller, whose
    column `place` is the caller's place from 0. own: what no two callers of a statement may share.
    waits: whether `several` waits for rows that are locked by another transaction. If not, it finds
    no row for the caller.
    """

    one: Callable[[RowT, Connection], Statement]
    several: Callable[[Sequence[RowT], Connection], Statement]
    own: Callable[[RowT], Sequence[Hashable]]
    waits: bool = True


@dataclass(frozen=True, slots=True)
class _Asked:
    form: Form[Any]
    row: Any
    locks: UUID


@dataclass(frozen=True, slots=True)
class _Batch:
    """The callers of one statement, by their places in the group. is_alone: it has the form one."""

    places: Sequence[int]
    is_alone: bool = False


class Grouped:
    """Executes statements on a database in groups."""

    def __init__(self, database: Database, *, name: str) -> None:
        """Take the database. name: for the log."""
        self._database = database
        self._gathering: Gathering[_Asked, Any] = Gathering(
            self._execute, name=name, size_max=TOGETHER_MAX
        )

    async def fetchrow(self, form: Form[RowT], row: RowT, *, locks: UUID) -> Any:
        """Execute a statement for a caller's row; returns its first row, or None.

        row: complete, because it is encoded in an empty context. locks: the row of the database
        that the statement locks. Raises: as Connection.fetchrow.
        """
        return await self._gathering.do(_Asked(form, row, locks))

    async def _execute(self, asked: Sequence[_Asked]) -> list[Any]:
        async with apart(), self._database.statement() as connection:
            if len(asked) == 1:
                return [await connection.fetchrow(*asked[0].form.one(asked[0].row, connection))]
            batches = _batches(asked)
            statements = [_statement(asked, batch, connection) for batch in batches]
            async with connection.together() as many:
                answers = [many.add(*statement) for statement in statements]
            found: list[Any] = [None] * len(asked)
            for batch, answer in zip(batches, answers, strict=True):
                if batch.is_alone:
                    found[batch.places[0]] = next(iter(answer.rows(1)), None)
                    continue
                for row in answer.rows():
                    found[batch.places[row.place]] = row
            return found


def _batches(asked: Sequence[_Asked]) -> list[_Batch]:
    """Divide the callers of a group into statements, in the order of their execution.

    No two groups wait for each other: a group waits for locks in the order of the rows. If each
    form has one caller, the statements are in this order. Otherwise one statement has all callers
    of a form, in this order, and the forms that wait are executed before those that do not. A
    caller who shares something of their own with another one is in a further statement.
    """
    places = sorted(range(len(asked)), key=lambda place: asked[place].locks)
    if len({asked[place].form for place in places}) == len(places):
        return [_Batch([place], is_alone=True) for place in places]
    batches: dict[tuple[bool, int, Form[Any]], list[int]] = {}
    taken: dict[tuple[bool, int, Form[Any]], set[Hashable]] = {}
    for place in places:
        form, number = asked[place].form, 0
        own = form.own(asked[place].row)
        while not taken.setdefault(key := (not form.waits, number, form), set()).isdisjoint(own):
            number += 1
        taken[key].update(own)
        batches.setdefault(key, []).append(place)
    return [_Batch(batches[key]) for key in sorted(batches, key=lambda key: key[:2])]


def _statement(asked: Sequence[_Asked], batch: _Batch, connection: Connection) -> Statement:
    """Return the statement of a batch with its parameters."""
    first = asked[batch.places[0]]
    if batch.is_alone:
        return first.form.one(first.row, connection)
    return first.form.several([asked[place].row for place in batch.places], connection)
