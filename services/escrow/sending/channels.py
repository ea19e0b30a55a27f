"""Gives channel accounts to steps: the command that began first comes first, within fair shares.

Waiting steps of one process wait here and not in the database. They are served together, in one
transaction, so that no step waits for the statements of another.
"""

import asyncio
import datetime as dt
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from chassis.database import Database
from chassis.leases import Lease, LeaseLost
from services.escrow.contracts.steps import Step
from services.escrow.sending.journal import Journal
from services.escrow.sending.shares import may_take
from services.escrow.sending.work import NotNow

# How soon a channel account that another process gives back is noticed.
POLL_SECONDS = 0.25
Slot = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Waiter:
    """A step that waits for a channel account. since: when its command began."""

    lease: Lease
    step: Step
    since: dt.datetime
    given: asyncio.Future[Slot] = field(default_factory=asyncio.Future)


class Channels:
    """The steps of this process that wait for channel accounts."""

    def __init__(self, database: Database, journal: Journal, *, seconds: float) -> None:
        """seconds: how long a step waits before its slot in the worker goes to others."""
        self._database = database
        self._journal = journal
        self._seconds = seconds
        self._waiters: list[Waiter] = []
        self._changed = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None

    async def lease(self, lease: Lease, step: Step, *, since: dt.datetime) -> Slot:
        """Give a step its channel account and sequence number; wait for a free account.

        Raises: LeaseLost; NotNow: none became free for its marketplace; Unavailable.
        """
        if step.source is not None and step.sequence is not None:
            return step.source, step.sequence
        waiter = Waiter(lease=lease, step=step, since=since)
        self._waiters.append(waiter)
        self._changed.set()
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve(), name="channels")
        try:
            async with asyncio.timeout(self._seconds):
                return await waiter.given
        except TimeoutError:
            raise NotNow(
                "no channel account is free for its marketplace",
                reason="CHANNELS_BUSY",
                # The command keeps its turn: no other command overtakes it while it rests.
                seconds=0,
                is_trouble=None,
            ) from None
        finally:
            self._waiters.remove(waiter)
            if not self._waiters:
                self._changed.set()

    async def lease_at_once(self, lease: Lease, steps: Sequence[Step]) -> Sequence[Step]:
        """Give steps their channel accounts, as far as accounts are free and nobody waits for one.

        Return the steps with their accounts. Raises: LeaseLost; Unavailable.
        """
        if self._waiters or all(step.source for step in steps):
            return steps
        asked = [
            Waiter(lease=lease, step=step, since=dt.datetime.now(dt.UTC))
            for step in steps
            if step.source is None
        ]
        await self._give(asked)
        given = {each.step.id: await each.given for each in asked if each.given.done()}
        return [
            replace(step, source=given[step.id][0], sequence=given[step.id][1])
            if step.id in given
            else step
            for step in steps
        ]

    def changed(self) -> None:
        """Signal that a channel account may have become free."""
        self._changed.set()

    def is_awaited_by_others(self, lease: Lease) -> bool:
        """Tell whether steps of other marketplaces wait for a channel account."""
        return any(each.lease.marketplace_id != lease.marketplace_id for each in self._waiters)

    async def _serve(self) -> None:
        """Serve the waiting steps until no step waits."""
        while self._waiters:
            self._changed.clear()
            waiting = sorted(
                (each for each in self._waiters if not each.given.done()),
                key=lambda each: each.since,
            )
            try:
                await self._give(waiting)
            except BaseException as error:
                # Each waiting step raises the error.
                for each in waiting:
                    if not each.given.done():
                        each.given.set_exception(error)
                if not isinstance(error, Exception):
                    raise
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _give(self, waiting: Sequence[Waiter]) -> None:
        async with self._database.transaction() as tx:
            use = await self._journal.use_of_channels(tx)
            chosen = served(waiting, use.held, free=use.free)
            given = await self._journal.lease_channels(
                tx, [(each.lease, each.step) for each in chosen]
            )
        for each in chosen:
            # A step that was cancelled meanwhile still has the account: the books say so.
            if each.given.done():
                continue
            if each.step.id not in given:
                each.given.set_exception(LeaseLost())
            elif (slot := given[each.step.id]) is not None:
                each.given.set_result(slot)


def served(
    waiting: Sequence[Waiter], held: Mapping[uuid.UUID, int], *, free: int
) -> Sequence[Waiter]:
    """Choose the steps that get the free channel accounts: in order, as far as shares allow.

    held: how many accounts each marketplace uses.
    """
    holds, chosen = Counter(held), []
    for each in waiting:
        owner = each.lease.marketplace_id
        if may_take(holds=holds[owner], free=free):
            chosen.append(each)
            holds[owner] += 1
            free -= 1
    return chosen
