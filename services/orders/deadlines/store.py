"""Deadlines in PostgreSQL. The marketplace's clock decides: the database's time plus an offset.

When an order changes its state or is delivered, a trigger sets `rests_since` to the time by the
marketplace's clock, and resets `deadline_told`. Its values are '', then 'warned', and then 'passed'
if the default action is an event.
"""

import datetime as dt
import functools
import uuid
from dataclasses import dataclass
from typing import Literal

from chassis.database import Connection, Transaction
from services.orders.order.deadlines import WARNING_HOURS, Rule

Told = Literal["", "warned", "passed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An order whose deadline or warning is due. version: the number of its events so far.

    is_abandoned: an operator has abandoned a payout of the order; a deadline does not repeat it.
    """

    marketplace_id: uuid.UUID
    order_id: uuid.UUID
    version: int
    due_at: dt.datetime
    is_abandoned: bool


class DeadlineStore:
    """Reads the deadlines of all marketplaces."""

    async def near(self, connection: Connection, rule: Rule, *, limit: int) -> list[Due]:
        """List orders whose warning is due and has not been published."""
        return await self._due(connection, rule, told="", limit=limit)

    async def passed(self, connection: Connection, rule: Rule, *, limit: int) -> list[Due]:
        """List orders that were warned and whose deadline has passed."""
        return await self._due(connection, rule, told="warned", limit=limit)

    async def note(self, tx: Transaction, due: Due, *, told: Told) -> None:
        """Record which event about an order's deadline was published."""
        values = {"marketplace_id": due.marketplace_id, "id": due.order_id, "told": told}
        await tx.run(_NOTE, values)

    async def _due(
        self, connection: Connection, rule: Rule, *, told: Told, limit: int
    ) -> list[Due]:
        values = {"days": rule.days, "hours": WARNING_HOURS, "limit": limit}
        return [
            Due(
                marketplace_id=row.marketplace_id,
                order_id=row.id,
                version=row.version,
                due_at=row.due_at,
                is_abandoned=row.is_abandoned,
            )
            for row in await connection.fetch(_due(rule, told=told), values)
        ]


class ClockStore:
    """The clocks of marketplaces: the database's time plus an offset, which is 0 for live ones."""

    async def advance(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, by: dt.timedelta
    ) -> None:
        """Move a marketplace's clock forward."""
        values = {"id": marketplace_id, "seconds": int(by.total_seconds())}
        await tx.run(_ADVANCE, values)

    async def now(self, connection: Connection, marketplace_id: uuid.UUID) -> dt.datetime:
        """Return the time by a marketplace's clock."""
        now: dt.datetime = await connection.fetchval(_NOW, {"id": marketplace_id})
        return now


@functools.cache
def _due(rule: Rule, *, told: Told) -> str:
    """Return the statement that finds the due orders of a rule.

    `latest` bounds the index scan to orders that may be due under any marketplace's settings. The
    state is a constant in the statement, because the indexes are partial.
    """
    has = {None: "", True: "and o.delivered_at is not null", False: "and o.delivered_at is null"}
    days = f"coalesce(m.{rule.setting}, %(days)s)"
    early = "0" if told == "warned" else "coalesce(m.warning_hours, %(hours)s)"
    return f"""
with bound as (
    select now() + make_interval(secs => coalesce(max(clock_offset_seconds), 0))
        - make_interval(days => least(min({rule.setting}), %(days)s))
        + make_interval(hours => greatest(max(warning_hours), %(hours)s)) as latest
    from marketplaces
)
select o.marketplace_id, o.id, o.version, o.rests_since + make_interval(days => {days}) as due_at,
    exists (
        select from operations p where p.marketplace_id = o.marketplace_id and p.order_id = o.id
            and p.state = 'failed' and p.error = 'ABANDONED'
    ) as is_abandoned
from orders o left join marketplaces m on m.id = o.marketplace_id
where o.state = '{rule.state.value}' and o.deadline_told = '{told}' {has[rule.is_delivered]}
    and o.rests_since <= (select latest from bound)
    and o.rests_since + make_interval(days => {days}) - make_interval(hours => {early})
        <= now() + make_interval(secs => coalesce(m.clock_offset_seconds, 0))
    and not exists (
        select from operations p where p.marketplace_id = o.marketplace_id and p.order_id = o.id
            and p.state = 'running'
    )
order by o.rests_since limit %(limit)s
"""  # noqa: S608 - constants


_NOTE = """
update orders set deadline_told = %(told)s where marketplace_id = %(marketplace_id)s and id = %(id)s
"""
_ADVANCE = """
insert into marketplaces as m (id, clock_offset_seconds) values (%(id)s, %(seconds)s)
on conflict (id) do update
    set clock_offset_seconds = m.clock_offset_seconds + excluded.clock_offset_seconds
"""
_NOW = "select time_of(%(id)s)"
