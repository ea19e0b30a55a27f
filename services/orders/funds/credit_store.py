"""Credits in Postgres: rows in, dataclasses out."""

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

from psycopg.rows import dict_row

from chassis.database import Transaction, driver
from chassis.idempotency import RequestKey
from services.orders.funds.credit import Credit, ReferenceTaken
from services.orders.order.domain import UserName


async def insert_or_same(tx: Transaction, credit: Credit) -> Credit:
    """Write a credit, or return the one its reference has. Raises: ReferenceTaken."""
    connection = await driver(tx)
    await connection.execute(
        _INSERT,
        (
            credit.id,
            credit.marketplace_id,
            credit.user.id,
            credit.user.public_id,
            credit.amount,
            credit.reference,
            credit.description,
            credit.created_at,
            credit.key.scope,
            credit.key.key,
            credit.key.fingerprint,
        ),
    )
    known = await by_reference(tx, credit.marketplace_id, credit.reference)
    if known is None or (known.user, known.amount) != (credit.user, credit.amount):
        raise ReferenceTaken(
            "Another credit has this reference", details={"reference": credit.reference}
        )
    return known


async def by_reference(tx: Transaction, marketplace_id: uuid.UUID, reference: str) -> Credit | None:
    """Read the credit that has a reference; None where there is none, or all of it failed."""
    connection = await driver(tx)
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(_BY_REFERENCE, (marketplace_id, reference))
    row = await cursor.fetchone()
    return None if row is None else _credit(row)


async def by_id(tx: Transaction, credit_id: uuid.UUID) -> Credit:
    """Read a credit that there is."""
    connection = await driver(tx)
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(_BY_ID, (credit_id,))
    row = await cursor.fetchone()
    if row is None:
        raise LookupError(credit_id)
    return _credit(row)


async def running(tx: Transaction, *, older_seconds: int, limit: int) -> list[Credit]:
    """List credits of any marketplace that began so long ago and have not ended, oldest first."""
    connection = await driver(tx)
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(_RUNNING, (older_seconds, limit))
    return [_credit(row) for row in await cursor.fetchall()]


async def take_over(tx: Transaction, credit: Credit) -> Credit | None:
    """Become the process that carries a credit out; None: it has ended.

    Whoever had it before can no longer fail it: this process may ask escrow for it.
    """
    connection = await driver(tx)
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(_TAKE_OVER, (credit.marketplace_id, credit.id))
    row = await cursor.fetchone()
    return None if row is None else _credit(row)


async def finish(
    tx: Transaction, credit: Credit, *, transaction_hash: str, at: dt.datetime
) -> None:
    """Record that a credit was paid and booked; again does nothing."""
    connection = await driver(tx)
    await connection.execute(_FINISH, (transaction_hash, at, credit.marketplace_id, credit.id))


async def fail(tx: Transaction, credit: Credit, *, error: str, at: dt.datetime) -> bool:
    """Record that a credit was refused for good; False: it has ended, or another has it."""
    connection = await driver(tx)
    values = (error[:1000], at, credit.marketplace_id, credit.id, credit.epoch)
    return bool((await connection.execute(_FAIL, values)).rowcount == 1)


def _credit(row: Mapping[str, Any]) -> Credit:
    return Credit(
        id=row["id"],
        marketplace_id=row["marketplace_id"],
        key=RequestKey(
            marketplace_id=row["marketplace_id"],
            scope=row["scope"],
            key=row["key"],
            fingerprint=row["fingerprint"],
        ),
        user=UserName(id=row["user_id"], public_id=row["user_public_id"]),
        amount=row["amount"],
        reference=row["reference"],
        description=row["description"],
        created_at=row["created_at"],
        state=row["state"],
        transaction_hash=row["transaction_hash"],
        finished_at=row["finished_at"],
        error=row["error"],
        epoch=row["epoch"],
    )


_INSERT = """
insert into credits (id, marketplace_id, user_id, user_public_id, amount, reference, description,
                     created_at, scope, key, fingerprint)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (marketplace_id, reference) where state <> 'FAILED' do nothing
"""
_COLUMNS = """
id, marketplace_id, scope, key, fingerprint, user_id, user_public_id, amount, reference,
description, created_at, state, transaction_hash, finished_at, error, epoch
"""
_BY_ID = f"select {_COLUMNS} from credits where id = %s"  # noqa: S608 - constants
_BY_REFERENCE = f"""
select {_COLUMNS} from credits where marketplace_id = %s and reference = %s and state <> 'FAILED'
"""  # noqa: S608 - constants
# One that has just begun is its beginner's, who alone can fail it.
_RUNNING = f"""
select {_COLUMNS} from credits
where state = 'RUNNING' and created_at < now() - make_interval(secs => %s)
order by created_at limit %s
"""  # noqa: S608 - constants
_TAKE_OVER = f"""
update credits set epoch = epoch + 1
where marketplace_id = %s and id = %s and state = 'RUNNING' returning {_COLUMNS}
"""  # noqa: S608 - constants
_FINISH = """
update credits set state = 'SUCCEEDED', transaction_hash = %s, finished_at = %s
where marketplace_id = %s and id = %s and state = 'RUNNING'
"""
_FAIL = """
update credits set state = 'FAILED', error = %s, finished_at = %s
where marketplace_id = %s and id = %s and state = 'RUNNING' and epoch = %s
"""
