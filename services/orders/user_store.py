"""Users in Postgres: rows in, dataclasses out."""

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

from psycopg.rows import dict_row

from chassis.database import Transaction, constraint_name, driver
from chassis.outbox import Event, Outbox
from kernel.ids import from_public
from services.orders.users import User, UserIdTaken, UserNotFound, UserType, created_fact


class UserStore:
    """The users of one marketplace per call."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def insert(self, tx: Transaction, user: User, *, request_id: str) -> None:
        """Write a new user with its event. Raises: UserIdTaken: public id or UUID of another."""
        connection = await driver(tx)
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
        """Find a user by public id or by UUID in either spelling. Raises: UserNotFound."""
        connection = await driver(tx)
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(_FIND, (marketplace_id, ref, from_public("usr", ref), ref))
        row = await cursor.fetchone()
        if row is None:
            raise UserNotFound("No such user", details={"userId": ref})
        return _user(row)

    async def find_external(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, external_user_id: str
    ) -> User | None:
        """Find a user by the marketplace's own id; None where there is none."""
        connection = await driver(tx)
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(_FIND_EXTERNAL, (marketplace_id, external_user_id))
        row = await cursor.fetchone()
        return None if row is None else _user(row)

    async def page(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, after: uuid.UUID | None, limit: int
    ) -> list[User]:
        """List users, newest first."""
        connection = await driver(tx)
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(_PAGE, (marketplace_id, after, after, limit))
        return [_user(row) for row in await cursor.fetchall()]

    async def unprovisioned(self, tx: Transaction, *, limit: int) -> list[User]:
        """List users of any marketplace whose account or wallet is missing, oldest first."""
        connection = await driver(tx)
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(_UNPROVISIONED, (limit,))
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
# A chosen public id wins over a spelling of another user's UUID.
_FIND = f"""
select {_COLUMNS} from users
where marketplace_id = %s and (public_id = %s or id = %s::uuid)
order by (public_id = %s) desc limit 1
"""  # noqa: S608 - constants
_FIND_EXTERNAL = f"select {_COLUMNS} from users where marketplace_id = %s and external_user_id = %s"  # noqa: S608
_PAGE = f"""
select {_COLUMNS} from users
where marketplace_id = %s and (%s::uuid is null or id < %s::uuid)
order by id desc limit %s
"""  # noqa: S608 - constants
_UNPROVISIONED = (
    f"select {_COLUMNS} from users where provisioned_at is null order by created_at limit %s"  # noqa: S608
)
