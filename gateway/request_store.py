"""The request log's rows: added many at once, listed newest first, deleted when there are enough.

A row has no column for its instant, which its id holds.
"""

import datetime as dt
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from chassis.arrays import Columns
from chassis.database import Database
from kernel.ids import first_id

# How many rows a page looks at, whatever its filters let through.
WALK_MAX = 10_000
# How many rows one statement deletes.
DELETED_MAX = 5_000
_FIRST, _END = UUID(int=0), UUID(int=(1 << 128) - 1)


class LoggedRequest(NamedTuple):  # one is made for each request: quicker than a frozen dataclass
    """One request. id: its time. code, message: of a refusal. An empty text: there is none.

    actor, role: who asked, as in the audit trail. route: the path with its placeholders.
    """

    marketplace_id: UUID
    id: UUID
    actor: str
    role: str
    method: str
    route: str
    path: str
    status: int
    code: str
    message: str
    milliseconds: int
    request_id: str
    idempotency_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which requests to list: those older than `before`, and that match everything given.

    statuses: the lowest and the highest. path: how it begins. until is not included.
    """

    marketplace_id: UUID
    before: UUID | None = None
    actor: str = ""
    request_id: str = ""
    method: str = ""
    route: str = ""
    path: str = ""
    statuses: tuple[int, int] | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None

    def values(self) -> dict[str, Any]:
        """Return the parameters of a page."""
        ends = [self.before, None if self.until is None else first_id(self.until)]
        lowest, highest = self.statuses or (0, 0)
        return {
            "marketplace_id": self.marketplace_id,
            "first": _FIRST if self.since is None else first_id(self.since),
            "end": min((one for one in ends if one is not None), default=_END),
            "walk": WALK_MAX,
            "lowest": lowest,
            "highest": highest,
            **{name: getattr(self, name) for name in _CONDITIONS},
        }

    def walked(self) -> str:
        """Return the filter whose index the list is walked along; empty: the requests' own."""
        return next((name for name in _LOOKED_UP if getattr(self, name)), "")

    def tried(self) -> tuple[str, ...]:
        """Return the filters that are tried on each row of the walk."""
        return tuple(one for one in _CONDITIONS if getattr(self, one) and one != self.walked())


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPage:
    """A page. next_before: where the next page begins; None at the end."""

    rows: Sequence[LoggedRequest]
    next_before: UUID | None


class RequestStore:
    """The requests of every marketplace. Each method may raise Unavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, rows: Iterable[LoggedRequest]) -> None:
        """Add rows; those that are there already are left as they are."""
        async with self._database.transaction() as tx:
            # Nobody waits for these rows, and a crash may lose the last of them.
            await tx.run("set local synchronous_commit = off")
            await tx.run(_ADD, _ROWS.values(rows))

    async def page(self, chosen: Filter, *, limit: int) -> FoundPage:
        """List requests, newest first. A page that looked at many has few, and a next one."""
        walked, tried = chosen.walked(), chosen.tried()
        values = chosen.values()
        async with self._database.statement() as connection:
            statement = _page(walked, tried)
            found = await connection.fetch(statement, {**values, "limit": limit + 1})
            rows = [LoggedRequest(*row) for row in found]
            if len(rows) > limit:
                return FoundPage(rows=rows[:limit], next_before=rows[limit - 1].id)
            last = await connection.fetchval(_last(walked), values) if tried else None
        return FoundPage(rows=rows, next_before=last)

    async def find(self, *, marketplace_id: UUID, id_: UUID) -> LoggedRequest | None:
        """Return a request of a marketplace; None if it has no such request."""
        values = {"marketplace_id": marketplace_id, "id": id_}
        async with self._database.statement() as connection:
            row = await connection.fetchrow(_FIND, values)
        return None if row is None else LoggedRequest(*row)

    async def forget(self, *, before: dt.datetime, most: int) -> None:
        """Delete the requests from before an instant, and those beyond the most of each."""
        await self._delete(_OLD, {"before": first_id(before)})
        async with self._database.statement() as connection:
            known = await connection.fetch(_MARKETPLACES)
        for row in known:
            await self.trim(row.id, most=most)

    async def trim(self, marketplace_id: UUID, *, most: int) -> None:
        """Delete the oldest requests of a marketplace beyond the most."""
        await self._delete(_BEYOND, {"marketplace_id": marketplace_id, "most": most})

    async def _delete(self, statement: str, values: Mapping[str, object]) -> None:
        deleted = DELETED_MAX
        while deleted == DELETED_MAX:
            async with self._database.statement() as connection:
                deleted = await connection.run(statement, {**values, "at_once": DELETED_MAX})


# Filters with an index of their own, the rarer values first.
_LOOKED_UP = ("request_id", "actor")
_CONDITIONS = {
    "request_id": "request_id = %(request_id)s",
    "actor": "actor = %(actor)s",
    "method": "method = %(method)s",
    "route": "route = %(route)s",
    "path": "starts_with(path, %(path)s)",
    "statuses": "status between %(lowest)s and %(highest)s",
}
_COLUMNS = ", ".join(LoggedRequest._fields)
_ROWS = Columns(
    "r",
    marketplace_id="uuid",
    id="uuid",
    actor="text",
    role="text",
    method="text",
    route="text",
    path="text",
    status="smallint",
    code="text",
    message="text",
    milliseconds="bigint",
    request_id="text",
    idempotency_key="text",
)
_ADD = f"""
insert into requests ({_ROWS.names}) select {_ROWS.names} from {_ROWS.unnested}
on conflict do nothing
"""  # noqa: S608 - joined from constants of this file
_FIND = f"""
select {_COLUMNS} from requests where marketplace_id = %(marketplace_id)s and id = %(id)s
"""  # noqa: S608 - joined from constants of this file
_MARKETPLACES = "select id from marketplaces"
_OLD = """
delete from requests where ctid = any(array(
    select r.ctid from marketplaces m join requests r on r.marketplace_id = m.id
    where r.id < %(before)s limit %(at_once)s
))
"""
_BEYOND = """
delete from requests where ctid = any(array(
    select ctid from requests where marketplace_id = %(marketplace_id)s and id <= (
        select id from requests where marketplace_id = %(marketplace_id)s
        order by id desc offset %(most)s limit 1
    ) limit %(at_once)s
))
"""


@functools.cache
def _page(walked: str, tried: tuple[str, ...]) -> str:
    """Return the statement of a page: a walk along one index, and the filters of its rows."""
    where = f"where {' and '.join(_CONDITIONS[name] for name in tried)}" if tried else ""
    return f"""
select {_COLUMNS} from ({_walk(walked, _COLUMNS)} limit %(walk)s) as walked {where}
order by id desc limit %(limit)s
"""  # noqa: S608 - joined from constants of this file


@functools.cache
def _last(walked: str) -> str:
    """Return the statement of the last row that a page has looked at, if there are more."""
    return f"{_walk(walked, 'id')} offset %(walk)s - 1 limit 1"


def _walk(walked: str, columns: str) -> str:
    same = f" and {_CONDITIONS[walked]}" if walked else ""
    return f"""
select {columns} from requests
where marketplace_id = %(marketplace_id)s and id >= %(first)s and id < %(end)s{same}
order by id desc
"""  # noqa: S608 - joined from constants of this file
