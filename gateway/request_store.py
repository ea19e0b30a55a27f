"""The rows of the request log: added in batches, listed newest first, deleted above a limit.

A row has no column for its instant, because its id contains the instant.
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

# The limit of rows that one page reads, however few of them match its filters.
WALK_MAX = 10_000
# The limit of rows that one statement deletes.
DELETED_MAX = 5_000
_FIRST, _END = UUID(int=0), UUID(int=(1 << 128) - 1)


class LoggedRequest(NamedTuple):  # one is made for each request: quicker than a frozen dataclass
    """One request. id: contains its time. code, message: of a refusal. An empty text: no value.

    actor, role: who made the request, as in the audit trail. route: the path with placeholders.
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
    """Which requests to list: older than `before`, and matching all given values.

    statuses: the lowest and the highest status. path: a prefix. until: exclusive.
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
        """Return the parameters of the page's statement."""
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
        """Return the filter whose index the list reads; empty: the index of all requests."""
        return next((name for name in _LOOKED_UP if getattr(self, name)), "")

    def tried(self) -> tuple[str, ...]:
        """Return the other filters, which are checked on each row that is read."""
        return tuple(one for one in _CONDITIONS if getattr(self, one) and one != self.walked())


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPage:
    """A page. next_before: where the next page begins; None: there is no next page."""

    rows: Sequence[LoggedRequest]
    next_before: UUID | None


class RequestStore:
    """The requests of all marketplaces. Each method may raise Unavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, rows: Iterable[LoggedRequest]) -> None:
        """Insert rows; existing rows stay unchanged."""
        async with self._database.transaction() as tx:
            # Do not wait for the disk: a crash may lose the last rows.
            await tx.run("set local synchronous_commit = off")
            await tx.run(_ADD, _ROWS.values(rows))

    async def page(self, chosen: Filter, *, limit: int) -> FoundPage:
        """List requests, newest first.

        A page ends after WALK_MAX rows read, so it may have few rows although a next page exists.
        """
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
        """Return a request of a marketplace; None if the marketplace has no such request."""
        values = {"marketplace_id": marketplace_id, "id": id_}
        async with self._database.statement() as connection:
            row = await connection.fetchrow(_FIND, values)
        return None if row is None else LoggedRequest(*row)

    async def forget(self, *, before: dt.datetime, most: int) -> None:
        """Delete requests older than `before`, and those above `most` per marketplace."""
        await self._delete(_OLD, {"before": first_id(before)})
        async with self._database.statement() as connection:
            known = await connection.fetch(_MARKETPLACES)
        for row in known:
            await self.trim(row.id, most=most)

    async def trim(self, marketplace_id: UUID, *, most: int) -> None:
        """Delete a marketplace's oldest requests, so that at most `most` remain."""
        await self._delete(_BEYOND, {"marketplace_id": marketplace_id, "most": most})

    async def _delete(self, statement: str, values: Mapping[str, object]) -> None:
        deleted = DELETED_MAX
        while deleted == DELETED_MAX:
            async with self._database.statement() as connection:
                deleted = await connection.run(statement, {**values, "at_once": DELETED_MAX})


# Filters with their own index, the more selective filter first.
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
    """Return the statement of a page: it reads along one index, and filters the rows."""
    where = f"where {' and '.join(_CONDITIONS[name] for name in tried)}" if tried else ""
    return f"""
select {_COLUMNS} from ({_walk(walked, _COLUMNS)} limit %(walk)s) as walked {where}
order by id desc limit %(limit)s
"""  # noqa: S608 - joined from constants of this file


@functools.cache
def _last(walked: str) -> str:
    """Return the statement that finds the last row read by a full page, if there is one."""
    return f"{_walk(walked, 'id')} offset %(walk)s - 1 limit 1"


def _walk(walked: str, columns: str) -> str:
    same = f" and {_CONDITIONS[walked]}" if walked else ""
    return f"""
select {columns} from requests
where marketplace_id = %(marketplace_id)s and id >= %(first)s and id < %(end)s{same}
order by id desc
"""  # noqa: S608 - joined from constants of this file
