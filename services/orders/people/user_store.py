"""Users in PostgreSQL: read and write rows as dataclasses."""

import datetime as dt
import functools
import uuid
from typing import Any

import sqlalchemy as sa

from chassis.database import Transaction, constraint_name
from chassis.outbox import Event, Outbox
from chassis.sql import compiled
from kernel.ids import from_public, parse_uuid
from services.orders.people.users import User, UserIdTaken, UserNotFound, UserType, created_fact
from services.orders.tables import users

# The position of a user among all users: when the user was created, and the id.
Place = tuple[dt.datetime, uuid.UUID]


class UserStore:
    """Reads and writes users and their events."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def insert(self, tx: Transaction, user: User, *, request_id: str) -> None:
        """Insert a user with its event.

        Raises: UserIdTaken: another user has this public id, UUID or marketplace's own id.
        """
        names = {
            "marketplace_id": user.marketplace_id,
            "id": user.id,
            "named": from_public("usr", user.external_user_id),
            "own": str(user.id),
        }
        if await tx.fetchrow(_OTHERS_NAME, names) is not None:
            raise UserIdTaken("This id belongs to another user")
        values = {name: getattr(user, name) for name in _GIVEN} | {"type": user.type.value}
        try:
            await tx.run(_INSERT, values)
        except Exception as error:
            if constraint_name(error) in {"users_public_id", "users_pkey", "users_external_id"}:
                raise UserIdTaken("This id belongs to another user") from None
            raise
        fact = created_fact(user)
        event = Event(
            event_type=fact.event_type,
            aggregate_type="User",
            aggregate_id=user.public_id,
            version=1,
            marketplace_id=user.marketplace_id,
            occurred_at=user.created_at,
            payload=fact.payload,
            correlation_id=request_id,
            user_id=user.public_id,
        )
        await self._outbox.append(tx, [event])

    async def find(self, tx: Transaction, *, marketplace_id: uuid.UUID, ref: str) -> User:
        """Find a user by public id, by UUID in either spelling, or by the marketplace's own UUID.

        Raises: UserNotFound.
        """
        values = {
            "marketplace_id": marketplace_id,
            "ref": ref,
            "id": from_public("usr", ref),
            "folded": ref.lower() if parse_uuid(ref) else None,
        }
        row = await tx.fetchrow(_FIND, values)
        if row is None:
            raise UserNotFound("User not found", details={"userId": ref})
        return _user(row)

    async def find_external(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, external_user_id: str
    ) -> User | None:
        """Find a user by the marketplace's own id; None: there is none.

        UUIDs are compared without regard to case; an exact match is preferred. A UUID is locked
        until the transaction ends, so that no other spelling of it is registered meanwhile.
        """
        folded = external_user_id.lower() if parse_uuid(external_user_id) else None
        if folded is not None:
            await tx.run(_LOCK, {"name": f"{marketplace_id}:{folded}"})
        values = {"marketplace_id": marketplace_id, "external": external_user_id, "folded": folded}
        row = await tx.fetchrow(_FIND_EXTERNAL, values)
        return None if row is None else _user(row)

    async def page(
        self,
        tx: Transaction,
        *,
        marketplace_id: uuid.UUID,
        external_user_id: str,
        email: str,
        after: uuid.UUID | None,
        limit: int,
    ) -> list[User]:
        """List users, newest first. after: the last user of the page before; None: first page.

        external_user_id: the marketplace's own id, a UUID without regard to case; email: without
        regard to case. Empty: any.
        """
        values = {
            "marketplace_id": marketplace_id,
            "external": external_user_id,
            "folded": external_user_id.lower() if parse_uuid(external_user_id) else None,
            "email": email,
            "after": after,
            "limit": limit,
        }
        rows = await tx.fetch(_page(_conditions(external_user_id, email, after)), values)
        return [_user(row) for row in rows]

    async def unprovisioned(
        self, tx: Transaction, *, after: Place | None, limit: int
    ) -> list[User]:
        """List users of any marketplace whose account or wallet is missing, oldest first.

        after: the position of the last user of the page before; None: begin with the oldest.
        """
        moment, user_id = after or (None, None)
        rows = await tx.fetch(_UNPROVISIONED, {"at": moment, "id": user_id, "limit": limit})
        return [_user(row) for row in rows]

    async def provisioned(
        self, tx: Transaction, *, user: User, wallet_address: str, at: dt.datetime
    ) -> None:
        """Record that account and wallet exist."""
        values = {"marketplace_id": user.marketplace_id, "id": user.id}
        await tx.run(_PROVISIONED, values | {"address": wallet_address, "at": at})


def _user(row: Any) -> User:
    return User(
        id=row.id,
        marketplace_id=row.marketplace_id,
        public_id=row.public_id,
        external_user_id=row.external_user_id,
        email=row.email,
        type=UserType(row.type),
        created_at=row.created_at,
        wallet_address=row.wallet_address,
        is_provisioned=row.provisioned_at is not None,
    )


_OWN = users.c.marketplace_id == sa.bindparam("marketplace_id")
_GIVEN = ("marketplace_id", "id", "public_id", "external_user_id", "email", "type", "created_at")
_INSERT = compiled(sa.insert(users).values({name: sa.bindparam(name) for name in _GIVEN}))
_PROVISIONED = compiled(
    sa.update(users)
    .values(
        wallet_address=sa.bindparam("address"),
        provisioned_at=sa.func.coalesce(
            users.c.provisioned_at, sa.bindparam("at", type_=users.c.provisioned_at.type)
        ),
    )
    .where(_OWN, users.c.id == sa.bindparam("id"))
)
_COLUMNS = ", ".join(column.name for column in users.c)
# Finds another user whose id equals the new user's own id or name. Such a clash is refused in both
# directions: a reference must never find two users.
_OTHERS_NAME = """
select id from users where marketplace_id = %(marketplace_id)s and id <> %(id)s::uuid
    and (id = %(named)s::uuid or lower(external_user_id) = %(own)s::text)
limit 1
"""
# A public id takes precedence over a user's UUID, and a UUID over the marketplace's own id.
_FIND = f"""
select {_COLUMNS} from users
where marketplace_id = %(marketplace_id)s and (
    public_id = %(ref)s or id = %(id)s::uuid or lower(external_user_id) = %(folded)s::text
)
order by public_id = %(ref)s desc, id = %(id)s::uuid desc, external_user_id = %(ref)s desc
limit 1
"""  # noqa: S608 - constants
_LOCK = "select pg_advisory_xact_lock(hashtextextended(%(name)s, 0))"
_FIND_EXTERNAL = f"""
select {_COLUMNS} from users
where marketplace_id = %(marketplace_id)s
    and (external_user_id = %(external)s or lower(external_user_id) = %(folded)s::text)
order by external_user_id = %(external)s desc limit 1
"""  # noqa: S608 - constants
_CALLED = "(external_user_id = %(external)s or lower(external_user_id) = %(folded)s::text)"
# `<> ''` is needed for the partial index: the planner does not know the parameter.
_MAILED = "lower(email) = lower(%(email)s) and email <> ''"
# Users are never deleted, so the id of a page's last user marks where the next page begins.
_FURTHER = """(created_at, id) < (
    select created_at, id from users
    where marketplace_id = %(marketplace_id)s and id = %(after)s
)"""


def _conditions(external_user_id: str, email: str, after: uuid.UUID | None) -> tuple[str, ...]:
    given = {_CALLED: external_user_id, _MAILED: email, _FURTHER: after}
    return tuple(condition for condition, value in given.items() if value)


@functools.cache
def _page(conditions: tuple[str, ...]) -> str:
    where = " and ".join(["marketplace_id = %(marketplace_id)s", *conditions])
    return f"""
select {_COLUMNS} from users where {where}
order by created_at desc, id desc limit %(limit)s
"""  # noqa: S608 - constants


_UNPROVISIONED = f"""
select {_COLUMNS} from users
where provisioned_at is null
    and (%(at)s::timestamptz is null or (created_at, id) > (%(at)s::timestamptz, %(id)s::uuid))
order by created_at, id limit %(limit)s
"""  # noqa: S608 - constants
