"""Users in Postgres: rows in, dataclasses out."""

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

from psycopg.rows import dict_row

from chassis.database import Transaction, constraint_name, driver
from chassis.outbox import Event, Outbox
from kernel.ids import from_public, parse_uuid
from services.orders.people.users import User, UserIdTaken, UserNotFound, UserType, created_fact

# Where a user stands among all, by when they came.
Place = tuple[dt.datetime, uuid.UUID]


class UserStore:
    """The users of one marketplace per call."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def insert(self, tx: Transaction, user: User, *, request_id: str) -> None:
        """Write a new user with its event.

        Raises: UserIdTaken: a public id or UUID of another, or what the marketplace calls another.
        """
        connection = await driver(tx)
        names = {
            "marketplace_id": user.marketplace_id,
            "id": user.id,
            "named": from_public("usr", user.external_user_id),
            "own": str(user.id),
        }
        if await (await connection.execute(_OTHERS_NAME, names)).fetchone() is not None:
            raise UserIdTaken("This id belongs to another user")
        try:
            await connection.execute(_INSERT, _values(user))
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
        connection = await driver(tx)
        cursor = connection.cursor(row_factory=dict_row)
        values = {
            "marketplace_id": marketplace_id,
            "ref": ref,
            "id": from_public("usr", ref),
            "folded": ref.lower() if parse_uuid(ref) else None,
        }
        await cursor.execute(_FIND, values)
        row = await cursor.fetchone()
        if row is None:
            raise UserNotFound("No such user", details={"userId": ref})
        return _user(row)

    async def find_external(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, external_user_id: str
    ) -> User | None:
        """Find a user by the marketplace's own id; None where there is none.

        A UUID is the same in any case of letters; one that is spelled alike is preferred. Locks
        that UUID until the transaction ends, so that nobody registers another spelling of it.
        """
        connection = await driver(tx)
        cursor = connection.cursor(row_factory=dict_row)
        folded = external_user_id.lower() if parse_uuid(external_user_id) else None
        if folded is not None:
            await connection.execute(_LOCK, (f"{marketplace_id}:{folded}",))
        values = (marketplace_id, external_user_id, folded, external_user_id)
        await cursor.execute(_FIND_EXTERNAL, values)
        row = await cursor.fetchone()
        return None if row is None else _user(row)

    async def page(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, after: uuid.UUID | None, limit: int
    ) -> list[User]:
        """List users, newest first. after: the last user of the page before."""
        connection = await driver(tx)
        cursor = connection.cursor(row_factory=dict_row)
        values = {"marketplace_id": marketplace_id, "after": after, "limit": limit}
        await cursor.execute(_PAGE if after is None else _PAGE_AFTER, values)
        return [_user(row) for row in await cursor.fetchall()]

    async def unprovisioned(
        self, tx: Transaction, *, after: Place | None, limit: int
    ) -> list[User]:
        """List users of any marketplace whose account or wallet is missing, oldest first.

        after: the place of the last one of the page before; None: from the oldest.
        """
        connection = await driver(tx)
        cursor = connection.cursor(row_factory=dict_row)
        moment, user_id = after or (None, None)
        await cursor.execute(_UNPROVISIONED, {"at": moment, "id": user_id, "limit": limit})
        return [_user(row) for row in await cursor.fetchall()]

    async def provisioned(
        self, tx: Transaction, *, user: User, wallet_address: str, at: dt.datetime
    ) -> None:
        """Record that account and wallet exist."""
        connection = await driver(tx)
        await connection.execute(
            "update users set wallet_address = %s, provisioned_at = coalesce(provisioned_at, %s)"
            " where marketplace_id = %s and id = %s",
            (wallet_address, at, user.marketplace_id, user.id),
        )


def _values(user: User) -> tuple[object, ...]:
    return (
        user.marketplace_id,
        user.id,
        user.public_id,
        user.external_user_id,
        user.email,
        user.type.value,
        user.created_at,
    )


def _user(row: Mapping[str, Any]) -> User:
    return User(
        id=row["id"],
        marketplace_id=row["marketplace_id"],
        public_id=row["public_id"],
        external_user_id=row["external_user_id"],
        email=row["email"],
        type=UserType(row["type"]),
        created_at=row["created_at"],
        wallet_address=row["wallet_address"],
        is_provisioned=row["provisioned_at"] is not None,
    )


_COLUMNS = (
    "marketplace_id, id, public_id, external_user_id, email, type, wallet_address,"
    " provisioned_at, created_at"
)
_INSERT = """
insert into users (marketplace_id, id, public_id, external_user_id, email, type, created_at)
values (%s, %s, %s, %s, %s, %s, %s)
"""
# What the marketplace calls one user may not be how another is found, nor the other way round.
_OTHERS_NAME = """
select id from users where marketplace_id = %(marketplace_id)s and id <> %(id)s::uuid
    and (id = %(named)s::uuid or lower(external_user_id) = %(own)s::text)
limit 1
"""
# A chosen public id wins over a spelling of another user's UUID, and that over what the
# marketplace calls a user.
_FIND = f"""
select {_COLUMNS} from users
where marketplace_id = %(marketplace_id)s and (
    public_id = %(ref)s or id = %(id)s::uuid or lower(external_user_id) = %(folded)s::text
)
order by public_id = %(ref)s desc, id = %(id)s::uuid desc, external_user_id = %(ref)s desc
limit 1
"""  # noqa: S608 - constants
_LOCK = "select pg_advisory_xact_lock(hashtextextended(%s, 0))"
_FIND_EXTERNAL = f"""
select {_COLUMNS} from users
where marketplace_id = %s and (external_user_id = %s or lower(external_user_id) = %s::text)
order by external_user_id = %s desc limit 1
"""  # noqa: S608 - constants
_PAGE = f"""
select {_COLUMNS} from users where marketplace_id = %(marketplace_id)s
order by created_at desc, id desc limit %(limit)s
"""  # noqa: S608 - constants
# Users stay, and when they came stays: the last one's id says where to go on.
_PAGE_AFTER = f"""
select {_COLUMNS} from users
where marketplace_id = %(marketplace_id)s and (created_at, id) < (
    select created_at, id from users
    where marketplace_id = %(marketplace_id)s and id = %(after)s
)
order by created_at desc, id desc limit %(limit)s
"""  # noqa: S608 - constants
_UNPROVISIONED = f"""
select {_COLUMNS} from users
where provisioned_at is null
    and (%(at)s::timestamptz is null or (created_at, id) > (%(at)s::timestamptz, %(id)s::uuid))
order by created_at, id limit %(limit)s
"""  # noqa: S608 - constants
