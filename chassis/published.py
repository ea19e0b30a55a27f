"""Which events are published: their ids, as ranges in the only row of `outbox_published`.

An event's own row is never updated, so it is written to disk once. Ids are assigned before the
commit: an id between published ids may belong to a transaction that has not committed yet. Such a
gap is checked for events until no transaction can fill it any more; then the gap is closed.
"""

import datetime as dt
import functools
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from chassis import outbox
from chassis.database import Connection

# Run by the migrations of every schema that publishes events, after the outbox's DDL. The lock
# waits for the transactions that write events. After it, each id below the newest one belongs to a
# committed event or to none. Processes of the previous version still mark events with
# `published_at` and need its index. If an old relay follows a new one, it publishes events again,
# with the same ids.
DDL = """
lock table {schema}.outbox in share row exclusive mode;
create table {schema}.outbox_published (
    is_only boolean primary key default true check (is_only),
    ids int8multirange not null
);
insert into {schema}.outbox_published (ids)
select int8multirange(int8range(0, (select coalesce(max(id), 0) + 1 from {schema}.outbox)))
    - coalesce(
        (select range_agg(int8range(id, id + 1)) from {schema}.outbox where published_at is null),
        int8multirange());
create view {schema}.outbox_waiting as
select o.id, o.event_type, o.marketplace_id, o.aggregate_id, o.version, o.occurred_at
from {schema}.outbox_published p
cross join unnest(int8multirange(int8range(0, null)) - p.ids) as gap
join {schema}.outbox o on o.id >= lower(gap) and o.id < coalesce(upper(gap), 9223372036854775807)
where o.published_at is null;
"""
GRANTS = """
grant select on {schema}.outbox_published, {schema}.outbox_waiting to {schema};
grant update (ids) on {schema}.outbox_published to {schema};
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """The gaps at one moment, by the database's clock."""

    ids: str
    at: dt.datetime


class Waiting(outbox.Stored, Protocol):
    """An unpublished event. trace: of the request that wrote it; empty: none."""

    id: int
    trace: str


class Gaps:
    """Closes gaps: ids that belong to no event."""

    def __init__(self) -> None:
        self._seen: _Seen | None = None

    async def close(self, connection: Connection, *, below: int | None = None) -> bool:
        """Look for gaps, or close the gaps of the previous call if no transaction can fill them.

        below: only consider smaller ids; above it, events may wait to be published, which are not
        gaps. Returns whether another call may have work. Only a transaction that began before the
        gap was seen can fill it. Once such a transaction has ended, a later statement sees its
        commit.
        """
        if self._seen is None:
            row = await connection.fetchrow(_LOOK, {"below": below})
            assert row is not None  # noqa: S101 - the table has one row
            ids, at = row
            if ids == "{}":
                return False
            self._seen = _Seen(ids=str(ids), at=at)
        elif await connection.fetchval(_IS_OLDER_ENDED, {"at": self._seen.at}):
            await connection.run(_CLOSE, {"gaps": self._seen.ids})
            self._seen = None
        return True


async def waiting(
    connection: Connection, *, limit: int, done: Collection[int] = ()
) -> Sequence[Waiting]:
    """Return unpublished events by id.

    done: ids of published events; the same statement marks them first.
    """
    if not done:
        return await connection.fetch(_waiting(limit))
    return await connection.fetch(_waiting(limit, first=_MARKED), {"ids": _ranges(done)})


async def oldest(connection: Connection, marketplace_id: uuid.UUID) -> dt.datetime | None:
    """Return when the oldest unpublished event of a marketplace occurred; None: there is none."""
    found: dt.datetime | None = await connection.fetchval(
        _OLDEST, {"marketplace_id": marketplace_id}
    )
    return found


async def mark(connection: Connection, ids: Collection[int]) -> None:
    """Mark events as published."""
    if ids:
        await connection.run(_MARK, {"ids": _ranges(ids)})


def _ranges(ids: Collection[int]) -> str:
    """Encode ids as an int8multirange; for an array, PostgreSQL would plan each execution anew."""
    return "{" + ",".join(f"[{each},{each + 1})" for each in ids) + "}"


_STORED = ", ".join(f"o.{name}" for name in outbox.Stored.__annotations__)


@functools.cache
def _waiting(
    limit: int, first: str = "with published as (select ids from outbox_published)"
) -> str:
    """Return the statement of `waiting`. The limit is a constant, so the statement is planned once.

    With the limit as a parameter, PostgreSQL plans each execution anew, which takes longer than
    executing it. first: a common table expression that returns the published ids.
    """
    return f"""
{first}
select o.id, o.trace, {_STORED}
from published p
cross join unnest(int8multirange(int8range(0, null)) - p.ids) as gap
cross join lateral (
    select id, trace, {outbox.STORED} from outbox
    where id >= lower(gap) and id < coalesce(upper(gap), 9223372036854775807)
      and published_at is null
    order by id limit {limit}
) o
order by o.id limit {limit}
"""  # noqa: S608 - a number and constants


# The view is not used: ordered by id, PostgreSQL would then read every event from the first one on.
_OLDEST = """
select o.occurred_at
from outbox_published p
cross join unnest(int8multirange(int8range(0, null)) - p.ids) as gap
cross join lateral (
    select id, occurred_at from outbox
    where id >= lower(gap) and id < coalesce(upper(gap), 9223372036854775807)
      and published_at is null and marketplace_id = %(marketplace_id)s
    order by id limit 1
) o
order by o.id limit 1
"""
_MARK = "update outbox_published set ids = ids + %(ids)s::int8multirange"
_MARKED = f"with published as ({_MARK} returning ids)"
# clock_timestamp() is evaluated after the statement's snapshot was taken.
_LOOK = """
select (int8multirange(int8range(0, coalesce(
           %(below)s::bigint, (select coalesce(max(id), 0) + 1 from outbox)))) - ids)::text,
       clock_timestamp()
from outbox_published
"""
# Only this role writes events. If the server does not track activities, the result is false.
_IS_OLDER_ENDED = """
select count(*) filter (where pid = pg_backend_pid() and xact_start is not null) = 1
   and count(*) filter (where pid <> pg_backend_pid() and xact_start <= %(at)s) = 0
from pg_stat_activity where datname = current_database() and usename = current_user
"""
_CLOSE = """
update outbox_published set ids = ids + (
    %(gaps)s::int8multirange - coalesce((
        select range_agg(int8range(o.id, o.id + 1))
        from unnest(%(gaps)s::int8multirange) as gap
        join outbox o on o.id >= lower(gap) and o.id < upper(gap)
        where o.published_at is null), int8multirange()))
"""
