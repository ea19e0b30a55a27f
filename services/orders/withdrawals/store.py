"""Withdrawals in PostgreSQL: read and write rows as dataclasses."""

import uuid
from collections.abc import Collection, Mapping
from itertools import combinations
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.database import Transaction
from chassis.idempotency import RequestKey
from chassis.leases import Lease, LeaseLost, LeaseTable
from chassis.outbox import Event, Outbox
from chassis.sql import compiled
from services.orders.order.domain import Fact, UserName
from services.orders.peers.ports import Memo, MemoType
from services.orders.tables import withdrawals
from services.orders.withdrawals.domain import PLATFORM, State, Withdrawal, WithdrawalNotFound
from services.orders.withdrawals.rules import DAY, History

LEASE_SECONDS = 15
LEASES = LeaseTable("withdrawals", running="in_progress", age="committed_at")


class WithdrawalStore:
    """Reads and writes withdrawals and their events. Each call concerns one marketplace."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def insert(
        self, tx: Transaction, withdrawal: Withdrawal, fact: Fact, *, key: RequestKey, request: str
    ) -> None:
        """Insert a withdrawal with its event. If it is in progress, it is leased to this process.

        request: the request id, which becomes the correlation id of its events.
        """
        await tx.run(_INSERT, _values(withdrawal) | _asked(key, request) | _LEASE)
        await self._tell(tx, withdrawal, fact, request)

    async def find(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, withdrawal_id: uuid.UUID
    ) -> Withdrawal:
        """Read a withdrawal. Raises: WithdrawalNotFound."""
        return await self._read(tx, _FIND, marketplace_id, withdrawal_id)

    async def lock(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, withdrawal_id: uuid.UUID
    ) -> Withdrawal:
        """Read a withdrawal and lock its row (FOR UPDATE). Raises: WithdrawalNotFound."""
        return await self._read(tx, _LOCK, marketplace_id, withdrawal_id)

    async def under(self, tx: Transaction, lease: Lease) -> tuple[Withdrawal, RequestKey, str]:
        """Read and lock a withdrawal in progress; return it with its request's key and id.

        Raises: LeaseLost.
        """
        row = await tx.fetchrow(_UNDER, _names(lease))
        if row is None:
            raise LeaseLost
        key = RequestKey(
            marketplace_id=row.marketplace_id,
            scope=row.scope,
            key=row.key,
            fingerprint=row.fingerprint,
        )
        return _withdrawal(row), key, row.request_id

    async def begin(
        self, tx: Transaction, withdrawal: Withdrawal, *, key: RequestKey, request: str
    ) -> int:
        """Record that a locked withdrawal is in progress and leased to this process.

        From now on it counts against its user's daily limit. Returns the epoch of the lease.
        """
        values = _values(withdrawal) | _asked(key, request) | _LEASE
        epoch: int = await tx.fetchval(_BEGIN, values)
        return epoch

    async def save(
        self, tx: Transaction, withdrawal: Withdrawal, fact: Fact, *, request: str
    ) -> None:
        """Write a locked withdrawal's new values and its event."""
        await tx.run(_SAVE, _values(withdrawal))
        await self._tell(tx, withdrawal, fact, request)

    async def submit(
        self, tx: Transaction, withdrawal: Withdrawal, fact: Fact, *, request: str
    ) -> None:
        """Record that a locked withdrawal waits for an approval, with its event.

        From now on it counts against its user's daily limit.
        """
        await tx.run(_SUBMIT, _values(withdrawal))
        await self._tell(tx, withdrawal, fact, request)

    async def lock_user(self, tx: Transaction, withdrawal: Withdrawal) -> None:
        """Lock the row of a withdrawal's user until the transaction ends."""
        await tx.run(_LOCK_USER, _values(withdrawal))

    async def history(self, tx: Transaction, withdrawal: Withdrawal) -> History:
        """Read the user's earlier withdrawals. Locks the user's row until the transaction ends.

        The lock makes two commits of one user run one after the other: the second counts the first.
        """
        await self.lock_user(tx, withdrawal)
        row = await tx.fetchrow(_HISTORY, {**_values(withdrawal), "day": DAY})
        if row is None:
            raise LookupError(withdrawal.id)
        return History(at=row.at, counted=int(row.counted), named_at=row.named_at)

    async def lock_unapproved(self, tx: Transaction, *, limit: int) -> list[Withdrawal]:
        """Lock withdrawals not approved in time, oldest first; skip rows locked by others."""
        return [_withdrawal(row) for row in await tx.fetch(_LOCK_UNAPPROVED, {"limit": limit})]

    async def note(self, tx: Transaction, withdrawal: Withdrawal) -> None:
        """Write a locked withdrawal's new values without an event."""
        await tx.run(_SAVE, _values(withdrawal))

    async def page(
        self,
        tx: Transaction,
        *,
        marketplace_id: uuid.UUID,
        filters: Mapping[str, object],
        after: uuid.UUID | None,
        limit: int,
    ) -> list[Withdrawal]:
        """List withdrawals, newest first.

        filters: values by column. after: the last withdrawal of the page before; None: first page.
        """
        names = {"marketplace_id": marketplace_id, "after": after or _LAST, "limit": limit}
        rows = await tx.fetch(_PAGES[frozenset(filters)], {**names, **filters})
        return [_withdrawal(row) for row in rows]

    async def ended_among(
        self, tx: Transaction, withdrawal_ids: Collection[uuid.UUID]
    ) -> list[uuid.UUID]:
        """Return the ids of the given withdrawals that are not in progress."""
        rows = await tx.fetch(_ENDED_AMONG, {"ids": list(withdrawal_ids)})
        return [row.id for row in rows]

    async def _read(
        self, tx: Transaction, statement: str, marketplace_id: uuid.UUID, withdrawal_id: uuid.UUID
    ) -> Withdrawal:
        row = await tx.fetchrow(statement, {"marketplace_id": marketplace_id, "id": withdrawal_id})
        if row is None:
            raise WithdrawalNotFound("Withdrawal not found")
        return _withdrawal(row)

    async def _tell(
        self, tx: Transaction, withdrawal: Withdrawal, fact: Fact, request: str
    ) -> None:
        event = Event(
            event_type=fact.event_type,
            aggregate_type="Withdrawal",
            aggregate_id=withdrawal.public_id,
            version=withdrawal.version,
            marketplace_id=withdrawal.marketplace_id,
            occurred_at=withdrawal.finished_at or withdrawal.committed_at or withdrawal.created_at,
            payload=fact.payload,
            correlation_id=request,
            user_id=withdrawal.user.public_id,
        )
        await self._outbox.append(tx, [event])


# Columns whose name and value are the same in a Withdrawal.
_SAME = (
    "marketplace_id",
    "id",
    "asset",
    "amount",
    "destination",
    "reference",
    "in_progress",
    "is_turned_down",
    "commits",
    "version",
    "created_at",
    "committed_at",
    "finished_at",
    "transaction_hash",
    "failure_reason",
    "failure_message",
    "created_by",
    "committed_by",
    "approved_by",
    "approval_ends_at",
)


def _values(withdrawal: Withdrawal) -> dict[str, object]:
    memo = withdrawal.memo
    return {
        **{name: getattr(withdrawal, name) for name in _SAME},
        "user_id": withdrawal.user.id,
        "user_public_id": withdrawal.user.public_id,
        "memo_type": None if memo is None else memo.type.value,
        "memo": None if memo is None else memo.value,
        "state": withdrawal.state.value,
    }


def _withdrawal(row: Any) -> Withdrawal:
    return Withdrawal(
        **{name: getattr(row, name) for name in _SAME},
        user=UserName(id=row.user_id, public_id=row.user_public_id),
        memo=None if row.memo is None else Memo(type=MemoType(row.memo_type), value=row.memo),
        state=State(row.state),
    )


def _asked(key: RequestKey, request: str) -> dict[str, object]:
    return {
        "scope": key.scope,
        "key": key.key,
        "fingerprint": key.fingerprint,
        "request_id": request,
    }


def _names(lease: Lease) -> dict[str, object]:
    return {"marketplace_id": lease.marketplace_id, "id": lease.id, "held_epoch": lease.epoch}


_LEASE = {"lease_seconds": LEASE_SECONDS}
# Greater than every id: the first page begins below it.
_LAST = uuid.UUID(int=2**128 - 1)
_C = withdrawals.c
_LEASED_UNTIL = sa.func.clock_timestamp() + sa.func.make_interval(
    0, 0, 0, 0, 0, 0, sa.bindparam("lease_seconds", type_=sa.Integer)
)
_IS_IT = sa.and_(
    _C.marketplace_id == sa.bindparam("marketplace_id"),
    _C.id == sa.bindparam("id"),
)
_CHANGING = (
    "state",
    "in_progress",
    "is_turned_down",
    "commits",
    "version",
    "committed_at",
    "finished_at",
    "transaction_hash",
    "failure_reason",
    "failure_message",
    "committed_by",
    "approved_by",
    "approval_ends_at",
)
_REQUEST = ("scope", "key", "fingerprint", "request_id")
_NOW = sa.func.time_of(sa.bindparam("marketplace_id"))
_STAMPED = ("lease_until", "lease_epoch", "named_at", "counted_at")
_GIVEN = [column.name for column in _C if column.name not in _STAMPED]
_INSERT = compiled(
    sa.insert(withdrawals).values(
        {
            **{name: sa.bindparam(name) for name in _GIVEN},
            "lease_until": _LEASED_UNTIL,
            "lease_epoch": sa.literal(1),
            "named_at": _NOW,
            "counted_at": _NOW,
        }
    )
)
_FIND = compiled(sa.select(withdrawals).where(_IS_IT))
_LOCK = compiled(sa.select(withdrawals).where(_IS_IT).with_for_update())
_UNDER = compiled(
    sa.select(withdrawals)
    .where(_IS_IT, _C.in_progress, _C.lease_epoch == sa.bindparam("held_epoch"))
    .with_for_update()
)
_SAVE = compiled(
    sa.update(withdrawals).where(_IS_IT).values({name: sa.bindparam(name) for name in _CHANGING})
)
_BEGIN = compiled(
    sa.update(withdrawals)
    .where(_IS_IT)
    .values(
        {
            **{name: sa.bindparam(name) for name in (*_CHANGING, *_REQUEST)},
            "lease_until": _LEASED_UNTIL,
            "lease_epoch": _C.lease_epoch + 1,
            "counted_at": _NOW,
        }
    )
    .returning(_C.lease_epoch)
)
_SUBMIT = compiled(
    sa.update(withdrawals)
    .where(_IS_IT)
    .values({**{name: sa.bindparam(name) for name in _CHANGING}, "counted_at": _NOW})
)
# `for no key update` lets other transactions insert rows that refer to the user meanwhile.
_LOCK_USER = """
select from users where marketplace_id = %(marketplace_id)s and id = %(user_id)s for no key update
"""
_HISTORY = """
select time_of(%(marketplace_id)s) as at,
    (select coalesce(sum(w.amount), 0) from withdrawals w
     where w.marketplace_id = %(marketplace_id)s and w.user_id = %(user_id)s
        and w.id <> %(id)s and w.asset = %(asset)s
        and w.counted_at > time_of(%(marketplace_id)s) - %(day)s::interval
        and (w.in_progress or w.state in ('AWAITING_APPROVAL', 'COMPLETED'))) as counted,
    (select min(w.named_at) from withdrawals w
     where w.marketplace_id = %(marketplace_id)s and w.user_id = %(user_id)s
        and w.destination = %(destination)s and w.memo_type is not distinct from %(memo_type)s
        and w.memo is not distinct from %(memo)s and w.state <> 'CANCELED') as named_at
"""
_LOCK_UNAPPROVED = compiled(
    sa.select(withdrawals)
    .where(
        _C.state == sa.literal(State.AWAITING_APPROVAL.value),
        sa.not_(_C.in_progress),
        _C.approval_ends_at <= sa.func.time_of(_C.marketplace_id),
    )
    .order_by(_C.approval_ends_at)
    .limit(sa.bindparam("limit", type_=sa.Integer))
    .with_for_update(skip_locked=True)
)
_FILTERS = ("user_id", "state", "reference")
_FIRST = (
    sa.select(withdrawals)
    .where(_C.marketplace_id == sa.bindparam("marketplace_id"), _C.id < sa.bindparam("after"))
    .order_by(_C.id.desc())
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
# One statement for each combination of filters.
_PAGES = {
    frozenset(names): compiled(
        _FIRST.where(
            *(_C[name] == sa.bindparam(name) for name in names),
            # For the partial index: the planner does not know that the parameter is not empty.
            *([_C.reference != ""] if "reference" in names else []),
            # A list for all users excludes the platform's withdrawals.
            *([] if "user_id" in names else [_C.user_id != sa.literal(PLATFORM.id)]),
        )
    )
    for size in range(len(_FILTERS) + 1)
    for names in combinations(_FILTERS, size)
}
_ENDED_AMONG = compiled(
    sa.select(_C.id).where(
        _C.id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.Uuid))), sa.not_(_C.in_progress)
    )
)
