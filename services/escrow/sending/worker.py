"""The worker: claims commands by lease and carries out many at once, a command's steps in order.

A process that loses a lease stops working on that command. What it has sent is harmless, because
the next process sends the same bytes.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from chassis.database import Database, Transaction
from chassis.leases import Lease, LeaseLost, Leases
from chassis.telemetry import logger
from chassis.waiting import Bell, Ends
from kernel.errors import Unavailable
from services.escrow.commands.own_worker import OwnWorker
from services.escrow.commands.store import Name
from services.escrow.domain import CommandState
from services.escrow.sending.journal import LEASES, Journal
from services.escrow.sending.patience import StepTooSlow
from services.escrow.sending.pipeline import Pipeline
from services.escrow.sending.shares import Wanted, divided, may_take

# How long a command in trouble is retried in its slot before it rests and others get the slot.
PATIENCE_SECONDS = 5.0
log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """How many commands run at once, and how long those of a dead worker wait for another one."""

    commands: int
    lease_seconds: int


class Worker:
    """Carries out commands until cancelled."""

    def __init__(
        self,
        *,
        database: Database,
        journal: Journal,
        pipeline: Pipeline,
        ends: Ends[Name],
        bell: Bell,
        own_worker: OwnWorker,
        capacity: Capacity,
    ) -> None:
        self._journal = journal
        self._pipeline = pipeline
        self._ends = ends
        self._bell = bell
        self._own_worker = own_worker
        self._capacity = capacity
        # When the trouble of each retried command began, by the loop's clock.
        self._troubled_since: dict[Lease, float] = {}
        # Whether the last claim left due commands, for which there was no slot or no share.
        self._is_left = False
        self._leases = Leases(
            database=database,
            table=LEASES,
            seconds=capacity.lease_seconds,
            most=capacity.commands,
            carry_out=self._carry_out,
            troubled=self._troubled,
            bell=bell,
            claim=self._claim,
            is_left=lambda: self._is_left,
        )

    async def run(self) -> None:
        """Claim and carry out commands until cancelled, then give back every lease."""
        self._own_worker.is_now(self)
        try:
            await self._leases.run()
        finally:
            self._own_worker.is_now(None)

    def lease_seconds(self, marketplace_id: uuid.UUID) -> int:
        """Return for how long a command that is being accepted is leased; 0: it has no place.

        It has one only if no other command waits for one, and its marketplace's share allows it.
        """
        held = self._leases.held
        holds = sum(lease.marketplace_id == marketplace_id for lease in held)
        may_begin = may_take(holds=holds, free=self._capacity.commands - len(held))
        is_taken = self._leases.is_open and not self._is_left and may_begin
        return self._capacity.lease_seconds if is_taken else 0

    def begin(self, lease: Lease, *, asked_at: float) -> None:
        """Carry out a command that was written with its lease, if this still runs."""
        if self._leases.is_open:
            here = ExitStack()
            here.enter_context(self._ends.carried_out((lease.marketplace_id, lease.id)))
            task = self._leases.begin(lease, asked_at=asked_at)
            task.add_done_callback(lambda _: here.close())

    async def _claim(self, tx: Transaction, free: int) -> list[Lease]:
        """Claim due commands: of each marketplace its share."""
        due = await self._journal.due(tx, limit=free)
        self._is_left = bool(due)
        if not due:
            return []
        claimed = await self._journal.claim(
            tx, shares=self._shares(due, free), seconds=self._capacity.lease_seconds
        )
        self._is_left = len(claimed) < sum(due.values()) or max(due.values()) >= free
        return claimed

    def _shares(self, due: Mapping[uuid.UUID, int], free: int) -> Mapping[uuid.UUID, int]:
        held = Counter(lease.marketplace_id for lease in self._leases.held)
        wanted = [
            Wanted(marketplace_id=owner, wants=wants, holds=held[owner])
            for owner, wants in due.items()
        ]
        return {owner: size for owner, size in divided(wanted, free=free).items() if size}

    async def _carry_out(self, lease: Lease) -> None:
        with self._ends.carried_out((lease.marketplace_id, lease.id)):
            try:
                state = await self._pipeline.carry_out(lease)
            except LeaseLost:
                self._troubled_since.pop(lease, None)
                raise
            self._left(lease, state)

    async def _troubled(self, lease: Lease, trouble: Exception, _seconds: float) -> bool:
        """Log why a command fails; after PATIENCE_SECONDS give its slot to others.

        A refused write to the books ends nothing: nothing is lost, and the books say how to go on.
        """
        now = asyncio.get_running_loop().time()
        is_first = lease not in self._troubled_since
        since = self._troubled_since.setdefault(lease, now)
        command_id = str(lease.id)
        if isinstance(trouble, Unavailable):
            log.warning("worker.command_waits", command_id=command_id, why=str(trouble)[:200])
        else:
            log.warning(
                "worker.command_failed",
                command_id=command_id,
                error=type(trouble).__name__,
                # The same traceback again would tell nothing new.
                exc_info=trouble if is_first else None,
            )
        if now - since < PATIENCE_SECONDS and not isinstance(trouble, StepTooSlow):
            return False
        try:
            state = await self._pipeline.set_aside(lease, trouble)
        except LeaseLost:
            self._troubled_since.pop(lease, None)
            raise
        except Exception:
            log.exception("worker.command_not_set_aside", command_id=command_id)
            return False
        self._left(lease, state)
        return True

    def _left(self, lease: Lease, state: CommandState) -> None:
        """Note that a command has ended or rests."""
        self._troubled_since.pop(lease, None)
        if state is CommandState.RUNNING:
            # It may have been put off without a rest, and be due at once.
            self._bell.ring()
        else:
            self._ends.ended((lease.marketplace_id, lease.id))
