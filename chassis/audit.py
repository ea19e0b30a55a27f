"""The audit trail: one line for each change, written in the transaction of the change.

A line says who changed what, when, from where, and what the changed fields were before and after.
Lines are only added: the services' roles may read and insert, and a trigger refuses every update
and deletion. A line has no column for its instant; its id (UUIDv7) contains the instant.
"""

import datetime as dt
import functools
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from chassis import identity
from chassis.arrays import Columns
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

# The actor of a change that the passing of time causes.
CLOCK = "clock"
# The marketplace of lines that concern all marketplaces.
EVERYBODY = uuid.UUID(int=0)
SERVICE = "service"
# The roles of principals, by the prefix of the principal.
_ROLES = {
    "key": ROLE_MARKETPLACE,
    **{name: name for name in (ROLE_USER, ROLE_SUPPORT, OPERATOR, SERVICE)},
}
# Run by the migrations of every schema whose changes are audited.
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
    """A change to one object.

    action: "order.create". target_type, target_id: the object's kind and its public id. before,
    after: the few fields that change, as JSON values by their API names; never a secret.
    """

    action: str
    target_type: str
    target_id: str
    before: Mapping[str, object] = field(default_factory=dict)
    after: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who asked for work that a service continues in the background; stored with the work.

    principal: as in Identity, or CLOCK. request_id: of that request; the request's own line has the
    same id.
    """

    principal: str
    request_id: str

    def values(self) -> dict[str, object]:
        """Return the parameters of INSERT that name this principal instead of the service."""
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

        asked: who asked for the change earlier; None: the current caller, or the clock.
        """
        own = values(change, marketplace_id=marketplace_id)
        await tx.run(INSERT, own if asked is None else own | asked.values())

    async def record_once(
        self, tx: Transaction, change: Change, *, marketplace_id: uuid.UUID
    ) -> None:
        """Write the line of a change unless the same line exists.

        For changes that another service makes. The change and its line cannot share a transaction,
        so the caller repeats both until both have succeeded.
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


def values_of_several(lines: Iterable[Mapping[str, object]]) -> dict[str, object]:
    """Return the parameters of INSERT_SEVERAL. lines: `values` of each."""
    return _LINES.values(tuple(line.values()) for line in lines)


def who_acts(who: Identity | None) -> tuple[str, str]:
    """Return who makes a change, and in which role.

    A service that acts as itself acts because a time limit was reached, not for a request: its
    changes are recorded as the clock's.
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
    """Which lines to list: lines older than `before` that match every text given."""

    marketplace_id: uuid.UUID
    before: uuid.UUID | None = None
    actor: str = ""
    action: str = ""
    target_id: str = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the audit trail. before, after: JSON objects."""

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
    """Return lines that match a filter, newest first, at most `limit` of them."""
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
    """Return the statement that reads a page.

    filtered: the filtered columns, the most selective first. The first column is looked up in its
    index, which has the order of the page. The other columns are filters on the rows found; `offset
    0` keeps the planner from choosing another index. Actor and action are looked up together: where
    there are many lines, an index covers both.
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
# For use inside larger statements: append a condition. Its parameters are `values`.
INSERT = """
insert into audit (marketplace_id, id, actor, role, action, target_type, target_id, address,
    request_id, before, after)
select %(audit_marketplace)s::uuid, %(audit_id)s::uuid, %(audit_actor)s::text,
    %(audit_role)s::text, %(audit_action)s::text, %(audit_target_type)s::text,
    %(audit_target)s::text, %(audit_address)s::text, %(audit_request)s::text,
    %(audit_before)s::text, %(audit_after)s::text
"""
# In the order of `values`.
_LINES = Columns(
    "line",
    marketplace_id="uuid",
    id="uuid",
    actor="text",
    role="text",
    action="text",
    target_type="text",
    target_id="text",
    address="text",
    request_id="text",
    before="text",
    after="text",
)
# For use inside larger statements. Its parameters are `values_of_several`.
INSERT_SEVERAL = f"""
insert into audit ({_LINES.names}) select {_LINES.names} from {_LINES.unnested}
"""  # noqa: S608 - joined from constants of this file
_INSERT_ONCE = f"""
{INSERT} where not exists (
    select from audit
    where marketplace_id = %(audit_marketplace)s::uuid and target_id = %(audit_target)s::text
        and action = %(audit_action)s::text and after = %(audit_after)s::text
)
"""
