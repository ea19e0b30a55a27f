"""Credits in PostgreSQL: rows in, dataclasses out."""

import datetime as dt
import uuid
from typing import Any

import sqlalchemy as sa

from chassis.database import Transaction
from chassis.idempotency import RequestKey
from chassis.sql import compiled
from services.orders.funds.credit import Credit, ReferenceTaken
from services.orders.order.domain import UserName
from services.orders.tables import credits_


async def insert_or_same(tx: Transaction, credit: Credit) -> Credit:
    """Write a credit, or return the one its reference has. Raises: ReferenceTaken."""
    values = {
        "id": credit.id,
        "marketplace_id": credit.marketplace_id,
        "user_id": credit.user.id,
        "user_public_id": credit.user.public_id,
        "amount": credit.amount,
        "reference": credit.reference,
        "description": credit.description,
        "created_at": credit.created_at,
        "scope": credit.key.scope,
        "key": credit.key.key,
        "fingerprint": credit.key.fingerprint,
    }
    await tx.execute(_INSERT, values)
    known = await by_reference(tx, credit.marketplace_id, credit.reference)
    if known is None or (known.user, known.amount) != (credit.user, credit.amount):
        raise ReferenceTaken(
            "Another credit has this reference", details={"reference": credit.reference}
        )
    return known


async def by_reference(tx: Transaction, marketplace_id: uuid.UUID, reference: str) -> Credit | None:
    """Read the credit that has a reference; None where there is none, or all of them failed."""
    values = {"marketplace_id": marketplace_id, "reference": reference}
    row = await tx.fetchrow(_BY_REFERENCE, values)
    return None if row is None else _credit(row)


async def by_id(tx: Transaction, credit_id: uuid.UUID) -> Credit:
    """Read a credit that exists."""
    row = await tx.fetchrow(_BY_ID, {"id": credit_id})
    if row is None:
        raise LookupError(credit_id)
    return _credit(row)


async def running(tx: Transaction, *, older_seconds: int, limit: int) -> list[Credit]:
    """List credits of any marketplace that began so long ago and have not ended, oldest first."""
    rows = await tx.fetch(_RUNNING, {"seconds": older_seconds, "limit": limit})
    return [_credit(row) for row in rows]


async def take_over(tx: Transaction, credit: Credit) -> Credit | None:
    """Become the process that carries a credit out; None: it has ended.

    The process that had it before can no longer fail it, since this one may ask escrow for it.
    """
    values = {"marketplace_id": credit.marketplace_id, "id": credit.id}
    row = await tx.fetchrow(_TAKE_OVER, values)
    return None if row is None else _credit(row)


async def finish(
    tx: Transaction, credit: Credit, *, transaction_hash: str, at: dt.datetime
) -> None:
    """Record that a credit was paid and booked; again does nothing."""
    values = {"marketplace_id": credit.marketplace_id, "id": credit.id, "at": at}
    await tx.execute(_FINISH, values | {"hash": transaction_hash})


async def fail(tx: Transaction, credit: Credit, *, error: str, at: dt.datetime) -> bool:
    """Record that a credit was refused; False: it has ended, or another process has it."""
    values = {"marketplace_id": credit.marketplace_id, "id": credit.id, "at": at}
    return await tx.run(_FAIL, values | {"why": error[:1000], "held_epoch": credit.epoch}) == 1


def _credit(row: Any) -> Credit:
    return Credit(
        id=row.id,
        marketplace_id=row.marketplace_id,
        key=RequestKey(
            marketplace_id=row.marketplace_id,
            scope=row.scope,
            key=row.key,
            fingerprint=row.fingerprint,
        ),
        user=UserName(id=row.user_id, public_id=row.user_public_id),
        amount=row.amount,
        reference=row.reference,
        description=row.description,
        created_at=row.created_at,
        state=row.state,
        transaction_hash=row.transaction_hash,
        finished_at=row.finished_at,
        error=row.error,
        epoch=row.epoch,
    )


_INSERT = """
insert into credits (id, marketplace_id, user_id, user_public_id, amount, reference, description,
                     created_at, scope, key, fingerprint)
values (%(id)s, %(marketplace_id)s, %(user_id)s, %(user_public_id)s, %(amount)s, %(reference)s,
        %(description)s, %(created_at)s, %(scope)s, %(key)s, %(fingerprint)s)
on conflict (marketplace_id, reference) where state <> 'FAILED' do nothing
"""
_RUNS = sa.and_(
    credits_.c.marketplace_id == sa.bindparam("marketplace_id"),
    credits_.c.id == sa.bindparam("id"),
    credits_.c.state == sa.literal("RUNNING"),
)
_BY_ID = compiled(sa.select(credits_).where(credits_.c.id == sa.bindparam("id")))
_BY_REFERENCE = compiled(
    sa.select(credits_).where(
        credits_.c.marketplace_id == sa.bindparam("marketplace_id"),
        credits_.c.reference == sa.bindparam("reference"),
        credits_.c.state != sa.literal("FAILED"),
    )
)
# One that has just begun belongs to the process that began it, which alone can fail it.
_RUNNING = f"""
select {", ".join(column.name for column in credits_.c)} from credits
where state = 'RUNNING' and created_at < now() - make_interval(secs => %(seconds)s)
order by created_at limit %(limit)s
"""  # noqa: S608 - constants
_TAKE_OVER = compiled(
    sa.update(credits_).values(epoch=credits_.c.epoch + 1).where(_RUNS).returning(*credits_.c)
)
_FINISH = compiled(
    sa.update(credits_)
    .values(
        state="SUCCEEDED",
        transaction_hash=sa.bindparam("hash"),
        finished_at=sa.bindparam("at"),
    )
    .where(_RUNS)
)
_FAIL = compiled(
    sa.update(credits_)
    .values(state="FAILED", error=sa.bindparam("why"), finished_at=sa.bindparam("at"))
    .where(_RUNS, credits_.c.epoch == sa.bindparam("held_epoch"))
)
