"""The audit trail: one line for each change, written in the transaction of the change.

A line says who changed what, when, from where, and what the changed fields were before and after.
It is only ever added: the services' roles may read and insert, and a trigger refuses the rest to
everybody. A line has no column for its instant, which its id holds.
"""

import datetime as dt
import functools
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from chassis import identity
from chassis.database import Connection, Transaction
from chassis.identity import (
    OPERATOR,
    ROLE_MARKETPLACE,
    ROLE_SUPPORT,
    ROLE_SYSTEM,
    ROLE_USER,
    Identity,
)
from kernel.ids import first_id, new_id

# The actor of what happens by the time alone.
CLOCK = "clock"
# The marketplace of lines about what holds for all of them.
EVERYBODY = uuid.UUID(int=0)
SERVICE = "service"
# The roles of principals by how they begin.
_ROLES = {
    "key": ROLE_MARKETPLACE,
    **{name: name for name in (ROLE_USER, ROLE_SUPPORT, OPERATOR, SERVICE)},
}
# Run by the migrations of every schema in which something is changed.
DDL = """
create table {schema}.audit (
    marketplace_id uuid not null,
    id uuid not null,
    actor text not null,
    role text not null,
    action text not null,
    target_type text not null,
    target_id text not null,
    address text not null,
    request_id text not null,
    before text not null,
    after text not null,
    primary key (marketplace_id, id)
);
create index audit_target on {schema}.audit (marketplace_id, target_id, id);
create index audit_actor on {schema}.audit (marketplace_id, actor, id);
create index audit_action on {schema}.audit (marketplace_id, action, id);
create function {schema}.audit_is_kept() returns trigger language plpgsql as $$
begin
    raise exception 'lines of the audit trail are only added' using constraint = 'audit_is_kept';
end $$;
create trigger audit_is_kept before update or delete or truncate on {schema}.audit
    for each statement execute function {schema}.audit_is_kept();
grant select, insert on {schema}.audit to {schema};
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is done to one thing.

    action: "order.create". target_type, target_id: the thing's kind, and its public id. before,
    after: the few fields that change, as JSON values by their API names; never a secret.
    """

    action: str
    target_type: str
    target_id: str
    before: Mapping[str, object] = field(default_factory=dict)
    after: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who asked for what a service goes on with, as it is kept with the work.

    principal: as in Identity, or CLOCK. request_id: of the request; its first line has it too.
    """

    principal: str
    request_id: str

    def values(self) -> dict[str, object]:
        """Return the parameters of INSERT that differ from those of the service itself."""
        return {
            "audit_actor": self.principal,
            "audit_role": _ROLES.get(self.principal.partition(":")[0], CLOCK),
            "audit_request": self.request_id,
        }


class Trail:
    """Adds lines to the table of the transaction's schema (by its search path)."""

    async def record(
        self,
        tx: Transaction,
        change: Change,
        *,
        marketplace_id: uuid.UUID,
        asked: Asked | None = None,
    ) -> None:
        """Write the line of a change in the change's transaction.

        asked: who asked for it before; None: the caller, or the clock.
        """
        own = values(change, marketplace_id=marketplace_id)
        await tx.run(INSERT, own if asked is None else own | asked.values())

    async def record_once(
        self, tx: Transaction, change: Change, *, marketplace_id: uuid.UUID
    ) -> None:
        """Write the line of a change that is repeated until it is recorded, unless it is there.

        For what another service does: it and the line cannot be one transaction.
        """
        await tx.run(_INSERT_ONCE, values(change, marketplace_id=marketplace_id))


def values(change: Change, *, marketplace_id: uuid.UUID) -> dict[str, object]:
    """Return the parameters of INSERT, by name."""
    actor, role = who_acts(identity.current_or_none())
    return {
        "audit_marketplace": marketplace_id,
        "audit_id": new_id(),
        "audit_actor": actor,
        "audit_role": role,
        "audit_action": change.action,
        "audit_target_type": change.target_type,
        "audit_target": change.target_id,
        "audit_address": identity.current_address(),
        "audit_request": identity.current_request_id(),
        "audit_before": orjson.dumps(change.before).decode(),
        "audit_after": orjson.dumps(change.after).decode(),
    }


def who_acts(who: Identity | None) -> tuple[str, str]:
    """Name who makes a change, and in which role.

    A service that acts as itself does so when a time is over: nobody asked for it just now.
    """
    if who is None:
        return CLOCK, CLOCK
    if who.caller == OPERATOR:
        return who.principal if who.principal.startswith(OPERATOR) else OPERATOR, OPERATOR
    if who.role != ROLE_SYSTEM:
        return who.principal, who.role
    return (who.principal, SERVICE) if who.grant is not None else (CLOCK, CLOCK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which lines to list: those older than `before`, and that match every text given."""

    marketplace_id: uuid.UUID
    before: uuid.UUID | None = None
    actor: str = ""
    action: str = ""
    target_id: str = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line. before, after: JSON objects."""

    id: uuid.UUID
    marketplace_id: uuid.UUID
    actor: str
    role: str
    action: str
    target_type: str
    target_id: str
    address: str
    request_id: str
    before: str
    after: str


async def page(connection: Connection, chosen: Filter, *, limit: int) -> list[Line]:
    """List lines, newest first."""
    texts = {"target_id": chosen.target_id, "actor": chosen.actor, "action": chosen.action}
    given = {name: text for name, text in texts.items() if text}
    ends = [one for one in (chosen.before, _first(chosen.until)) if one is not None]
    parameters: dict[str, Any] = {
        "marketplace_id": chosen.marketplace_id,
        "first": _first(chosen.since) or uuid.UUID(int=0),
        "end": min(ends, default=uuid.UUID(int=(1 << 128) - 1)),
        "limit": limit,
        **given,
    }
    rows = await connection.fetch(_page(tuple(given)), parameters)
    return [Line(**row._asdict()) for row in rows]


def _first(at: dt.datetime | None) -> uuid.UUID | None:
    return None if at is None else first_id(at)


@functools.cache
def _page(filtered: tuple[str, ...]) -> str:
    """Return the statement of a page. filtered: in the order in which few lines share a value.

    The first is looked up in its index, in the order of the page. The others are tried on what it
    gives: `offset 0` keeps the planner from taking another index. Actor and action have an index
    together where lines are many.
    """
    first = filtered[:1] if filtered[:1] == ("target_id",) else filtered
    looked_up = "".join(f" and {name} = %({name})s" for name in first)
    page = f"""
select {_COLUMNS} from audit
where marketplace_id = %(marketplace_id)s and id >= %(first)s and id < %(end)s{looked_up}
order by id desc
"""  # noqa: S608 - joined from constants of this file
    if tried := " and ".join(f"{name} = %({name})s" for name in filtered[len(first) :]):
        page = f"""
select {_COLUMNS} from ({page} offset 0) as fenced where {tried} order by id desc
"""  # noqa: S608 - joined from constants of this file
    return f"{page} limit %(limit)s"


_COLUMNS = ", ".join(Line.__dataclass_fields__)
# A part of larger statements: append a condition. Its parameters are `values`.
INSERT = """
insert into audit (marketplace_id, id, actor, role, action, target_type, target_id, address,
    request_id, before, after)
select %(audit_marketplace)s::uuid, %(audit_id)s::uuid, %(audit_actor)s::text,
    %(audit_role)s::text, %(audit_action)s::text, %(audit_target_type)s::text,
    %(audit_target)s::text, %(audit_address)s::text, %(audit_request)s::text,
    %(audit_before)s::text, %(audit_after)s::text
"""
_INSERT_ONCE = f"""
{INSERT} where not exists (
    select from audit
    where marketplace_id = %(audit_marketplace)s::uuid and target_id = %(audit_target)s::text
        and action = %(audit_action)s::text and after = %(audit_after)s::text
)
"""
