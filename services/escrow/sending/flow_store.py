# ruff: noqa: S608 - statements are put together from the constants below alone
"""Flows in PostgreSQL: the operators' changes, and the amounts of each day.

Days are UTC days by the database's clock. Steps of a flow with a limit are counted one at a time,
under the flow's lock. Other steps are checked by the statement that stores their envelope. A change
waits until such statements that began before it have ended, so that no step passes a committed
stop.
"""

import uuid
from collections.abc import Sequence

import sqlalchemy as sa

from chassis.database import Transaction
from chassis.sql import compiled
from services.escrow.sending.flows import (
    DAILY_LIMIT_REACHED,
    FLOW_STOPPED,
    Change,
    Flow,
    FlowChange,
    FlowClosed,
    FlowState,
    Passage,
)
from services.escrow.sending.statements import NEWEST_OF_FLOW
from services.escrow.tables import flow_changes

HISTORY_MAX = 100


class FlowStore:
    """Reads and writes flows."""

    async def admit(self, tx: Transaction, passage: Passage) -> None:
        """Let a step pass its flow, and count it for the day, in the caller's transaction.

        Steps of the same flow pass one at a time. A repetition for the same step counts nothing
        more.
        Raises: FlowClosed.
        """
        await self._lock(tx, passage.flow, passage.marketplace_id)
        await self.check(tx, passage)
        if passage.is_limited:
            names = _names(passage.flow, passage.marketplace_id)
            amount = {"step": passage.step_id, "minor_units": passage.minor_units}
            await tx.run(_COUNT, {**names, **amount})

    async def check(self, tx: Transaction, passage: Passage) -> bool:
        """Check that a step may pass now, without counting it; tell whether a limit applies to it.

        Raises: FlowClosed.
        """
        names = {**_names(passage.flow, passage.marketplace_id), "step": passage.step_id}
        found = await tx.fetchrow(_HOLDS, names)
        if found.is_stopped:
            raise FlowClosed(FLOW_STOPPED, f"{passage.flow} are stopped: {found.why}")
        limit = found.daily_limit
        if limit is None or not passage.is_limited:
            return False
        found = await tx.fetchrow(_STATE, names)
        if found.used + passage.minor_units > limit:
            raise FlowClosed(
                DAILY_LIMIT_REACHED,
                f"{found.used} of {limit} minor units are used today, and this needs"
                f" {passage.minor_units}",
            )
        return True

    async def change(
        self,
        tx: Transaction,
        *,
        marketplace_id: uuid.UUID | None,
        flow: Flow,
        change: Change,
        daily_limit: int | None,
        reason: str,
        by: str,
    ) -> None:
        """Write a change of a flow, which applies from now on. marketplace_id: None for all.

        Commands that rest because of this flow become due at once.
        """
        await self._lock(tx, flow, marketplace_id)
        await tx.execute(_CLOSE_GATE)
        row = {
            "marketplace_id": marketplace_id,
            "flow": flow,
            "change": change,
            "daily_limit": daily_limit,
            "reason": reason,
            "by": by,
        }
        await tx.run(_ADD_CHANGE, row)
        if change is not Change.STOP:
            await tx.run(_WAKE, {"marketplace": marketplace_id})

    async def states(self, tx: Transaction, *, marketplace_id: uuid.UUID) -> list[FlowState]:
        """Read the present state of a marketplace's flows."""
        states = []
        for flow in Flow:
            names = {**_names(flow, marketplace_id), "step": None}
            found = await tx.fetchrow(_STATE, names)
            states.append(
                FlowState(
                    flow=flow,
                    is_stopped=found.is_stopped,
                    daily_limit=found.daily_limit,
                    used_today=found.used,
                )
            )
        return states

    async def history(self, tx: Transaction, *, marketplace_id: uuid.UUID) -> Sequence[FlowChange]:
        """List the changes of a marketplace's flows and of the flows of all, newest first."""
        rows = await tx.fetch(_HISTORY, {"marketplace_id": marketplace_id})
        return [
            FlowChange(
                marketplace_id=row.marketplace_id,
                flow=Flow(row.flow),
                change=Change(row.change),
                daily_limit=row.daily_limit,
                reason=row.reason,
                by=row.by,
                at=row.at,
            )
            for row in rows
        ]

    async def _lock(self, tx: Transaction, flow: Flow, marketplace_id: uuid.UUID | None) -> None:
        """Lock a flow of one marketplace or of all. A lock of all waits for each lock of one."""
        if marketplace_id is None:
            await tx.execute(_LOCK_ALL, {"flow": flow.value})
            return
        await tx.execute(_LOCK_ONE, {"flow": flow.value, "one": f"{flow.value}:{marketplace_id}"})


def _names(flow: Flow, marketplace_id: uuid.UUID) -> dict[str, object]:
    return {"flow": flow.value, "marketplace": marketplace_id}


_HISTORY = compiled(
    sa.select(*(column for column in flow_changes.c if column is not flow_changes.c.id))
    .where(
        sa.or_(
            flow_changes.c.marketplace_id == sa.bindparam("marketplace_id"),
            flow_changes.c.marketplace_id.is_(None),
        )
    )
    .order_by(flow_changes.c.id.desc())
    .limit(HISTORY_MAX)
)
_ADD_CHANGE = """
insert into flow_changes (marketplace_id, flow, change, daily_limit, reason, by)
values (%(marketplace_id)s, %(flow)s, %(change)s, %(daily_limit)s, %(reason)s, %(by)s)
"""
_LOCK_ALL = "select pg_advisory_xact_lock(hashtext('escrow.flow'), hashtext(%(flow)s))"
_LOCK_ONE = """
select pg_advisory_xact_lock_shared(hashtext('escrow.flow'), hashtext(%(flow)s)),
       pg_advisory_xact_lock(hashtext('escrow.flow'), hashtext(%(one)s))
"""
_CLOSE_GATE = "lock table flow_gate in access exclusive mode"
# The use of a refused step does not count, because nothing was paid.
_NEWEST = f"with newest as ({NEWEST_OF_FLOW})"
_HOLDS = f"""{_NEWEST}
select coalesce(bool_or(change = 'STOP'), false) as is_stopped,
       coalesce(string_agg(reason, '; ') filter (where change = 'STOP'), '') as why,
       (select daily_limit from newest where change = 'LIMIT'
        order by marketplace_id is null limit 1) as daily_limit
from newest
"""
_STATE = f"""{_NEWEST}
select coalesce(bool_or(change = 'STOP'), false) as is_stopped,
       (select daily_limit from newest where change = 'LIMIT'
        order by marketplace_id is null limit 1) as daily_limit,
       (select coalesce(sum(u.minor_units), 0)::bigint from flow_uses u
        join steps s on s.id = u.step_id
        where u.marketplace_id = %(marketplace)s and u.flow = %(flow)s
          and u.day = (clock_timestamp() at time zone 'UTC')::date
          and s.state <> 'REFUSED' and u.step_id is distinct from %(step)s::uuid) as used
from newest
"""
_COUNT = """
insert into flow_uses (step_id, marketplace_id, flow, day, minor_units)
values (%(step)s, %(marketplace)s, %(flow)s, (clock_timestamp() at time zone 'UTC')::date,
        %(minor_units)s)
on conflict (step_id) do update set day = excluded.day
"""
_WAKE = """
update commands set next_attempt_at = 'epoch'
where (marketplace_id, id) in (
    -- One that is locked is being looked at anyway.
    select c.marketplace_id, c.id from commands c
    where c.state = 'RUNNING' and c.error_reason in ('FLOW_STOPPED', 'DAILY_LIMIT_REACHED')
      and (%(marketplace)s::uuid is null or c.marketplace_id = %(marketplace)s)
    for update skip locked)
"""
