"""The worker: claims commands by lease and carries many out at once, each command's steps in order.

A lease is held by a heartbeat, by the database's clock. A worker that loses one stops that
command; what it had sent is harmless, for the next one sends the same bytes.
"""

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chassis.database import Database
from chassis.telemetry import logger
from kernel.errors import Unavailable
from services.escrow.commands.waiting import Waiting
from services.escrow.domain import CommandState
from services.escrow.sending.journal import Journal
from services.escrow.sending.lease import Lease, LeaseLost
from services.escrow.sending.patience import StepTooSlow
from services.escrow.sending.pipeline import Pipeline
from services.escrow.sending.shares import Wanted, divided

IDLE_SECONDS = 0.5
BACKOFF_FIRST_SECONDS = 0.1
# How long a command in trouble is tried again in its place before it rests, and others have it.
PATIENCE_SECONDS = 5.0
STOP_SECONDS = 2.0
log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """How many commands at once, and how long a dead worker's commands wait for another."""

    commands: int
    lease_seconds: int


class Worker:
    """Runs until cancelled."""

    def __init__(
        self,
        *,
        database: Database,
        journal: Journal,
        pipeline: Pipeline,
        waiting: Waiting,
        capacity: Capacity,
    ) -> None:
        self._database = database
        self._journal = journal
        self._pipeline = pipeline
        self._waiting = waiting
        self._capacity = capacity
        self._running: dict[Lease, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Claim and carry out until cancelled, then give every lease back."""
        heartbeat = asyncio.create_task(self._heartbeat())
        try:
            while True:
                self._waiting.work_is_seen()
                if await self._claim() == 0:
                    await self._waiting.for_work(seconds=IDLE_SECONDS)
        finally:
            heartbeat.cancel()
            await self._stop()

    async def _claim(self) -> int:
        free = self._capacity.commands - len(self._running)
        if free <= 0:
            return 0
        try:
            async with self._database.transaction() as tx:
                due = await self._journal.due(tx, limit=free)
                leases = await self._journal.claim(
                    tx, shares=self._shares(due, free), seconds=self._capacity.lease_seconds
                )
        except Exception as error:  # noqa: BLE001 - whatever it is, the next claim may succeed
            log.warning("worker.waits_for_database", error=type(error).__name__)
            await asyncio.sleep(IDLE_SECONDS)
            return 0
        for lease in leases:
            self._running[lease] = asyncio.create_task(self._carry_out(lease))
        return len(leases)

    def _shares(self, due: Mapping[uuid.UUID, int], free: int) -> Mapping[uuid.UUID, int]:
        held = Counter(lease.marketplace_id for lease in self._running)
        wanted = [
            Wanted(marketplace_id=owner, wants=wants, holds=held[owner])
            for owner, wants in due.items()
        ]
        return {owner: size for owner, size in divided(wanted, free=free).items() if size}

    async def _carry_out(self, lease: Lease) -> None:
        try:
            state = await self._persistently(lease)
            if state is not CommandState.RUNNING:
                self._waiting.ended(lease.marketplace_id, lease.command_id)
        except LeaseLost:
            log.warning("worker.lease_lost", command_id=str(lease.command_id))
        finally:
            self._running.pop(lease, None)
            self._waiting.work()

    async def _persistently(self, lease: Lease) -> CommandState:
        backoff, waited = BACKOFF_FIRST_SECONDS, 0.0
        while True:
            trouble: Exception
            try:
                return await self._pipeline.carry_out(lease)
            except LeaseLost:
                raise
            except Unavailable as error:
                trouble = error
                log.warning(
                    "worker.command_waits", command_id=str(lease.command_id), why=str(error)[:200]
                )
            except Exception as error:  # noqa: BLE001 - told, and told why in the books
                # The database is away, or a bug of ours: nothing is lost, the books say how to
                # go on. The same traceback again would tell nothing new.
                trouble = error
                tell = log.warning if waited else log.exception
                tell(
                    "worker.command_stumbled",
                    command_id=str(lease.command_id),
                    error=type(error).__name__,
                )
            is_over = waited + backoff > PATIENCE_SECONDS or isinstance(trouble, StepTooSlow)
            if is_over and (state := await self._set_aside(lease, trouble)) is not None:
                return state
            await asyncio.sleep(backoff)
            waited, backoff = waited + backoff, min(backoff * 2, PATIENCE_SECONDS)

    async def _set_aside(self, lease: Lease, trouble: Exception) -> CommandState | None:
        """Give the place of a command in trouble to others; None: the books cannot be written."""
        try:
            return await self._pipeline.set_aside(lease, trouble)
        except LeaseLost:
            raise
        except Exception:
            log.exception("worker.command_stays", command_id=str(lease.command_id))
            return None

    async def _heartbeat(self) -> None:
        while True:
            await asyncio.sleep(self._capacity.lease_seconds / 3)
            leases = list(self._running)
            if not leases:
                continue
            try:
                async with self._database.transaction() as tx:
                    held = await self._journal.renew(
                        tx, leases=leases, seconds=self._capacity.lease_seconds
                    )
            except Exception as error:  # noqa: BLE001 - the lease lasts for two more beats
                log.warning("worker.heartbeat_missed", error=type(error).__name__)
                continue
            self._abandon([lease for lease in leases if lease not in held])

    def _abandon(self, lost: Sequence[Lease]) -> None:
        for lease in lost:
            # One that has just ended is not held either; its task is done or about to be.
            if (task := self._running.get(lease)) is not None:
                task.cancel()

    async def _stop(self) -> None:
        running = dict(self._running)
        for task in running.values():
            task.cancel()
        await asyncio.gather(*running.values(), return_exceptions=True)
        if not running:
            return
        # Where the database is away, the leases run out by themselves.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(STOP_SECONDS), self._database.transaction() as tx:
                await self._journal.let_go(tx, leases=list(running))
