"""Credits in PostgreSQL. Every write that ends a credit checks the epoch of its lease."""

import datetime as dt
import uuid
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.database import Transaction
from chassis.idempotency import RequestKey
from chassis.leases import Lease, LeaseLost, LeaseTable
from chassis.sql import compiled
from services.orders.funds.credit import Credit, ReferenceTaken
from services.orders.order.domain import UserName
from services.orders.tables import credits_

LEASE_SECONDS = 15
LEASES = LeaseTable("credits", running="state = 'RUNNING'", age="created_at", epoch="epoch")


async def insert_or_same(tx: Transaction, credit: Credit) -> Credit:
    """Insert a credit, leased to this process, or return the existing one with its reference.

    Raises: ReferenceTaken.
    """
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
        "epoch": credit.epoch,
        "lease_seconds": LEASE_SECONDS,
    }
    await tx.execute(_INSERT, values)
    known = await by_reference(tx, credit.marketplace_id, credit.reference)
    if known is None:
        raise LookupError(credit.reference)
    require_same(known, credit)
    return known


def require_same(known: Credit, credit: Credit) -> None:
    """Check that user and amount are the same. Raises: ReferenceTaken: they differ."""
    if (known.user, known.amount) != (credit.user, credit.amount):
        raise ReferenceTaken(
            "Another credit has this reference", details={"reference": credit.reference}
        )


async def by_reference(tx: Transaction, marketplace_id: uuid.UUID, reference: str) -> Credit | None:
    """Read the credit with a reference; None: there is none, or every such credit failed."""
    values = {"marketplace_id": marketplace_id, "reference": reference}
    row = await tx.fetchrow(_BY_REFERENCE, values)
    return None if row is None else _credit(row)


async def by_id(tx: Transaction, credit_id: uuid.UUID) -> Credit:
    """Read a credit. Raises: LookupError: it does not exist."""
    row = await tx.fetchrow(_BY_ID, {"id": credit_id})
    if row is None:
        raise LookupError(credit_id)
    return _credit(row)


async def under(tx: Transaction, lease: Lease) -> Credit:
    """Read the running credit of a lease. Raises: LeaseLost."""
    row = await tx.fetchrow(_UNDER, _names(lease))
    if row is None:
        raise LeaseLost
    return _credit(row)


async def ended_among(tx: Transaction, credit_ids: Collection[uuid.UUID]) -> list[uuid.UUID]:
    """Return the ids of the given credits that have ended."""
    return [row.id for row in await tx.fetch(_ENDED_AMONG, {"ids": list(credit_ids)})]


async def finish(
    tx: Transaction, lease: Lease, *, transaction_hash: str, at: dt.datetime
) -> Credit:
    """Record that a credit was paid and booked, and return it. Raises: LeaseLost."""
    row = await tx.fetchrow(_FINISH, _names(lease) | {"hash": transaction_hash, "at": at})
    if row is None:
        raise LeaseLost
    return _credit(row)


async def fail(tx: Transaction, lease: Lease, *, error: str, at: dt.datetime) -> None:
    """Record that a credit was refused. Raises: LeaseLost."""
    if await tx.run(_FAIL, _names(lease) | {"why": error[:1000], "at": at}) != 1:
        raise LeaseLost


def lease_of(credit: Credit) -> Lease:
    """Return the lease under which a credit was inserted."""
    return Lease(marketplace_id=credit.marketplace_id, id=credit.id, epoch=credit.epoch)


def _names(lease: Lease) -> dict[str, object]:
    return {"marketplace_id": lease.marketplace_id, "id": lease.id, "held_epoch": lease.epoch}


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
                     created_at, scope, key, fingerprint, epoch, lease_until)
values (%(id)s, %(marketplace_id)s, %(user_id)s, %(user_public_id)s, %(amount)s, %(reference)s,
        %(description)s, %(created_at)s, %(scope)s, %(key)s, %(fingerprint)s, %(epoch)s,
        clock_timestamp() + make_interval(secs => %(lease_seconds)s))
on conflict (marketplace_id, reference) where state <> 'FAILED' do nothing
"""
_COLUMNS = [column for column in credits_.c if column.name != "lease_until"]
_RUNNING = credits_.c.state == sa.literal("RUNNING")
_HELD = sa.and_(
    credits_.c.marketplace_id == sa.bindparam("marketplace_id"),
    credits_.c.id == sa.bindparam("id"),
    credits_.c.epoch == sa.bindparam("held_epoch"),
    _RUNNING,
)
_BY_ID = compiled(sa.select(*_COLUMNS).where(credits_.c.id == sa.bindparam("id")))
_BY_REFERENCE = compiled(
    sa.select(*_COLUMNS).where(
        credits_.c.marketplace_id == sa.bindparam("marketplace_id"),
        credits_.c.reference == sa.bindparam("reference"),
        credits_.c.state != sa.literal("FAILED"),
    )
)
_UNDER = compiled(sa.select(*_COLUMNS).where(_HELD))
_ENDED_AMONG = compiled(
    sa.select(credits_.c.id).where(
        credits_.c.id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.Uuid))), sa.not_(_RUNNING)
    )
)
_FINISH = compiled(
    sa.update(credits_)
    .values(
        state="SUCCEEDED",
        transaction_hash=sa.bindparam("hash"),
        finished_at=sa.bindparam("at"),
    )
    .where(_HELD)
    .returning(*_COLUMNS)
)
_FAIL = compiled(
    sa.update(credits_)
    .values(state="FAILED", error=sa.bindparam("why"), finished_at=sa.bindparam("at"))
    .where(_HELD)
)
