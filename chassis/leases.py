"""Leased work: one process works on a row at a time; if it dies, another process continues.

A lease is a row's `lease_until` and its epoch, by the database's clock. Each claim gives a new
epoch. Each write of the work checks the epoch (`fence`). A process that was paused past its lease
can therefore write nothing.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chassis.database import Database, Transaction
from chassis.telemetry import logger
from chassis.waiting import Bell, at_most
from kernel.errors import Unavailable

# Pauses between two queries for due work: while any process has running work, and while none has.
IDLE_SECONDS, SELDOM_SECONDS = 1.0, 5.0
GIVE_BACK_SECONDS = 2.0
FIRST_BACKOFF_SECONDS = 0.1
LONGEST_BACKOFF_SECONDS = 5.0
log = logger()


class LeaseLost(Exception):
    """The work has ended, or another process has taken it over; nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to carry out a row's work, until a newer epoch is given."""

    marketplace_id: uuid.UUID
    id: uuid.UUID
    epoch: int


class LeaseTable:
    """The leases of a table.

    The table has the columns marketplace_id and id (unique together), lease_until, and an epoch.
    """

    def __init__(
        self,
        table: str,
        *,
        running: str,
        due: str = "true",
        age: str,
        epoch: str = "lease_epoch",
    ) -> None:
        """Build the statements. All arguments are SQL constants.

        running: condition: the work has not ended. due: condition: the work may be claimed now.
        age: the order in which work is claimed. epoch: the column that counts the claims.
        """
        # Statements are built from constants alone, so nothing can be injected.
        parts = {"table": table, "running": running, "due": due, "age": age, "epoch": epoch}
        self._claim = _CLAIM.format(**parts)
        self._claim_shares = _CLAIM_SHARES.format(**parts)
        self._renew = _RENEW.format(**parts)
        self._give_back = _GIVE_BACK.format(**parts)
        self._is_any = _IS_ANY.format(**parts)
        self._is_held = _IS_HELD.format(**parts)
        self._fence = self._is_held + " for update"

    async def is_any_running(self, tx: Transaction) -> bool:
        """Return whether any work has not ended, of this process or another."""
        return await tx.fetchval(self._is_any) is True

    async def claim(self, tx: Transaction, *, limit: int, seconds: float) -> list[Lease]:
        """Lease due work that no process holds, oldest first, each row under a new epoch."""
        return list(map(_lease, await tx.fetch(self._claim, {"limit": limit, "seconds": seconds})))

    async def claim_shares(
        self, tx: Transaction, *, shares: Mapping[uuid.UUID, int], seconds: float
    ) -> list[Lease]:
        """Claim like `claim`, but at most shares[m] rows of each marketplace m."""
        values = {
            "marketplaces": list(shares),
            "shares": list(shares.values()),
            "seconds": seconds,
        }
        return list(map(_lease, await tx.fetch(self._claim_shares, values)))

    async def renew(
        self, tx: Transaction, leases: Collection[Lease], *, seconds: float
    ) -> set[Lease]:
        """Extend leases; returns the leases that are still held."""
        values = {**_columns(leases), "seconds": seconds}
        return set(map(_lease, await tx.fetch(self._renew, values)))

    async def give_back(self, tx: Transaction, leases: Collection[Lease]) -> None:
        """End leases now, so that another process need not wait until they expire."""
        await tx.run(self._give_back, _columns(leases))

    async def is_held(self, tx: Transaction, lease: Lease) -> bool:
        """Return whether the work still runs under this lease."""
        return await tx.fetchrow(self._is_held, _names(lease)) is not None

    async def fence(self, tx: Transaction, lease: Lease) -> None:
        """Lock the row for a write under a lease. Raises: LeaseLost."""
        if await tx.fetchrow(self._fence, _names(lease)) is None:
            raise LeaseLost


Claim = Callable[[Transaction, int], Awaitable[Sequence[Lease]]]
CarryOut = Callable[[Lease], Awaitable[None]]
Troubled = Callable[[Lease, Exception, float], Awaitable[bool]]


class Leases:
    """The leased work of this process: claimed, carried out concurrently, and given back.

    Work that fails is retried in this process with growing pauses, because a request that was sent
    may have arrived.
    """

    def __init__(
        self,
        *,
        database: Database,
        table: LeaseTable,
        seconds: float,
        most: int,
        carry_out: CarryOut,
        troubled: Troubled,
        bell: Bell | None = None,
        claim: Claim | None = None,
        idle_seconds: float = IDLE_SECONDS,
        seldom_seconds: float = SELDOM_SECONDS,
        is_left: Callable[[], bool] | None = None,
    ) -> None:
        """Create the engine.

        seconds: the duration of a lease. most: the limit of concurrent work. carry_out: does the
        work; returns when the work has ended or rests. troubled: called with the error of a failed
        try and the seconds since the first try; returns whether the work was set aside. claim:
        leases at most this many due rows; by default the oldest. bell: rings when there may be
        work. idle_seconds, seldom_seconds: the pause before the next claim if the bell does not
        ring: while any process has running work, and while none has. Work that another process
        begins during the pause cannot be missed, because its lease is longer than both pauses.
        is_left: for a claim that divides the limit among owners: returns whether the last claim
        left due work that may be claimed when other work has ended.
        """
        self._database = database
        self._table = table
        self._seconds = seconds
        self._most = most
        self._carry_out = carry_out
        self._troubled = troubled
        self._bell = bell or Bell()
        self._claim = claim or self._oldest
        self._idle_seconds = idle_seconds
        self._seldom_seconds = seldom_seconds
        self._is_left = is_left
        self._tasks: dict[Lease, asyncio.Task[None]] = {}
        # Whether `run` is active, from its start until it is cancelled.
        self.is_open = False
        # Whether due work may be left: the last claim got work, had no free slot, or left some.
        self._may_be_more = False
        # When each lease was requested, by the monotonic clock.
        self._asked_at: dict[Lease, float] = {}
        self._has_begun = asyncio.Event()

    @property
    def held(self) -> Collection[Lease]:
        """Return the leases whose work is being carried out here."""
        return self._tasks.keys()

    def begin(self, lease: Lease, *, asked_at: float) -> asyncio.Task[None]:
        """Start work whose row was written together with a lease of this process.

        asked_at: when the lease was requested, by the monotonic clock.
        """
        self._asked_at[lease] = asked_at
        task = asyncio.create_task(self._drive(lease), name=f"leased {lease.id}")
        self._tasks[lease] = task
        self._has_begun.set()
        return task

    async def run(self) -> None:
        """Claim and carry out work until cancelled; then cancel the work and give leases back."""
        heartbeat = asyncio.create_task(self._keep_renewed())
        self.is_open = True
        try:
            is_rung = True
            while True:
                self._bell.silence()
                seconds = await self._claim_due(is_rung=is_rung)
                is_rung = seconds == 0 or await self._bell.wait(seconds=at_most(seconds))
        finally:
            self.is_open = False
            heartbeat.cancel()
            await self._stop()

    async def hold(self, lease: Lease) -> None:
        """Check that a lease is held, right before a call to another system.

        A process that was paused, or cut off from its database, may have lost its lease long ago.
        During the first half of its duration, a lease counts as held; after that it is renewed
        first.
        Raises: LeaseLost; Unavailable.
        """
        asked_at = self._asked_at.get(lease)
        if asked_at is not None and time.monotonic() < asked_at + self._seconds / 2:
            return
        if lease not in await self._renew([lease]):
            raise LeaseLost

    async def _oldest(self, tx: Transaction, most: int) -> Sequence[Lease]:
        return await self._table.claim(tx, limit=most, seconds=self._seconds)

    async def _claim_due(self, *, is_rung: bool) -> float:
        """Claim due work and start it; returns the seconds until the next claim.

        Returns 0 if more work may be due and slots are free. Work that another transaction locks,
        or that exceeds a share, is claimed after other work has ended or at the next claim.
        """
        free = self._most - len(self._tasks)
        self._may_be_more = free <= 0
        if free <= 0:
            return self._idle_seconds
        asked_at = time.monotonic()
        may_be_quiet = not is_rung and self._seldom_seconds > self._idle_seconds
        try:
            async with self._database.statement() as connection:
                if may_be_quiet and not await self._table.is_any_running(connection):
                    return self._seldom_seconds
                leases = await self._claim(connection, free)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next claim may succeed
            log.warning("leases.claim_failed", error=type(error).__name__)
            return self._idle_seconds
        for lease in leases:
            self.begin(lease, asked_at=asked_at)
        self._may_be_more = bool(leases) if self._is_left is None else self._is_left()
        return 0 if len(leases) == free else self._idle_seconds

    async def _drive(self, lease: Lease) -> None:
        backoff, began = FIRST_BACKOFF_SECONDS, time.monotonic()
        try:
            while True:
                try:
                    await self._carry_out(lease)
                except LeaseLost:
                    raise
                except Exception as error:  # noqa: BLE001 - any failed try is retried
                    if await self._troubled(lease, error, time.monotonic() - began):
                        return
                else:
                    return
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, LONGEST_BACKOFF_SECONDS)
        except LeaseLost:
            log.warning("leases.lost", id=str(lease.id))
        finally:
            self._tasks.pop(lease, None)
            self._asked_at.pop(lease, None)
            # The freed slot may be used for due work that got no slot before.
            if self._may_be_more:
                self._bell.ring()

    async def _keep_renewed(self) -> None:
        while True:
            if not self._tasks:
                self._has_begun.clear()
                await self._has_begun.wait()
            await asyncio.sleep(self._seconds / 3)
            driven = list(self._tasks)
            if not driven:
                continue
            try:
                held = await self._renew(driven)
            except Exception as error:  # noqa: BLE001 - two more renewals fit in the lease
                log.warning("leases.renewal_failed", error=type(error).__name__)
                continue
            for lease in driven:
                # Ended work is not held either, but its task is done or about to end.
                if lease not in held and (task := self._tasks.get(lease)) is not None:
                    task.cancel()

    async def _renew(self, leases: Collection[Lease]) -> set[Lease]:
        asked_at = time.monotonic()
        async with self._database.statement() as connection:
            held = await self._table.renew(connection, leases, seconds=self._seconds)
        self._asked_at |= {lease: asked_at for lease in held if lease in self._tasks}
        return held

    async def _stop(self) -> None:
        tasks = dict(self._tasks)
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        if not tasks:
            return
        # Without the database they cannot be given back; they expire after their duration.
        with contextlib.suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(GIVE_BACK_SECONDS), self._database.transaction() as tx:
                await self._table.give_back(tx, tasks)


def _lease(row: Any) -> Lease:
    return Lease(marketplace_id=row.marketplace_id, id=row.id, epoch=row.lease_epoch)


def _names(lease: Lease) -> dict[str, object]:
    return {"marketplace": lease.marketplace_id, "id": lease.id, "epoch": lease.epoch}


def _columns(leases: Collection[Lease]) -> dict[str, object]:
    return {
        "marketplaces": [lease.marketplace_id for lease in leases],
        "ids": [lease.id for lease in leases],
        "epochs": [lease.epoch for lease in leases],
    }


_CLAIM = """
with chosen as (
    select marketplace_id as owner, id as taken from {table}
    where {running} and lease_until < clock_timestamp() and {due}
    order by {age} limit %(limit)s for update skip locked
)
update {table} set {epoch} = {epoch} + 1,
    lease_until = clock_timestamp() + make_interval(secs => %(seconds)s)
from chosen where marketplace_id = owner and id = taken
returning marketplace_id, id, {epoch} as lease_epoch
"""
_CLAIM_SHARES = """
update {table} set {epoch} = {epoch} + 1,
    lease_until = clock_timestamp() + make_interval(secs => %(seconds)s)
where (marketplace_id, id) in (
    select taken.marketplace_id, taken.id
    from unnest(%(marketplaces)s::uuid[], %(shares)s::integer[]) as share (owner, size)
    cross join lateral (
        select marketplace_id, id from {table}
        where marketplace_id = share.owner and {running}
          and lease_until < clock_timestamp() and {due}
        order by {age} limit share.size
        for update skip locked) as taken)
returning marketplace_id, id, {epoch} as lease_epoch
"""
_HELD = """
from unnest(%(marketplaces)s::uuid[], %(ids)s::uuid[], %(epochs)s::bigint[])
    as held (owner, taken, given)
where marketplace_id = owner and id = taken and {epoch} = given and {running}
"""
_RENEW = f"""
update {{table}} set lease_until = clock_timestamp() + make_interval(secs => %(seconds)s)
{_HELD} returning marketplace_id, id, {{epoch}} as lease_epoch
"""  # noqa: S608 - constants
_GIVE_BACK = f"update {{table}} set lease_until = 'epoch' {_HELD}"  # noqa: S608 - constants
_IS_ANY = "select exists (select from {table} where {running})"
_IS_HELD = """
select 1 as held from {table}
where marketplace_id = %(marketplace)s and id = %(id)s and {epoch} = %(epoch)s and {running}
"""
