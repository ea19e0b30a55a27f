"""The loop that publishes overdue waits of cases: one event for each wait."""

from dataclasses import dataclass, field

from chassis.audit import Change
from chassis.telemetry import logger
from chassis.waiting import Bell
from kernel.errors import DomainError
from services.disputes import domain
from services.disputes.service import DisputesService
from services.disputes.waits_store import Due, WaitStore

BATCH = 50
# The pause between polls. Support has hours to answer, so a frequent poll is not needed.
LOOK_SECONDS = 30
log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """Publishes overdue waits. Every replica polls; the lock of a case lets only one publish.

    bell: rung when a request to this process has moved a test marketplace's clock.
    """

    cases: DisputesService
    waits: WaitStore
    bell: Bell = field(default_factory=Bell)

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            self.bell.silence()
            if await self.tell() == 0:
                await self.bell.wait(seconds=LOOK_SECONDS)

    async def tell(self) -> int:
        """Publish the events of the waits that are due; return how many were published."""
        async with self.cases.database.statement() as connection:
            due = await self.waits.due(connection, limit=BATCH)
        return sum([await self._tell(one) for one in due])

    async def _tell(self, due: Due) -> int:
        try:
            async with self.cases.database.transaction() as tx:
                before = await self.cases.disputes.lock(
                    tx, marketplace_id=due.marketplace_id, dispute_id=due.dispute_id
                )
                time = await self.waits.time(tx, due.marketplace_id)
                at, case, count = self.cases.clock.now(), before, 0
                while (told := domain.tell_overdue(case, time=time, at=at)) is not None:
                    (case, fact), count = told, count + 1
                    await self.cases.tell(tx, case, fact)
                    change = Change(
                        action="dispute.overdue",
                        target_type="dispute",
                        target_id=case.public_id,
                        after={"waitsFor": fact.payload["waitsFor"]},
                    )
                    await self.cases.trail.record(tx, change, marketplace_id=due.marketplace_id)
                # Save even without an event: an older version of the service may have ended the
                # wait without updating the derived columns.
                await self.cases.disputes.save(tx, before=before, after=case)
                return count
        except DomainError as error:
            # The next poll tries again.
            log.info("dispute.not_told", dispute_id=str(due.dispute_id), error=error.reason)
            return 0
