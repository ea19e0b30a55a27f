"""The use cases of disputes. Each is one transaction: load, decide, save.

A use case that changes a case returns the encoded case, which is stored as the answer for retries.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from chassis import identity
from chassis.audit import Change, Trail
from chassis.database import Database, Transaction
from chassis.idempotency import Answer, Idempotency, RequestKey
from chassis.outbox import Event, Outbox
from kernel.clock import Clock
from kernel.ids import DisputeId, MarketplaceId, OrderId
from services.disputes import domain, parties
from services.disputes.domain import (
    Dispute,
    DisputeAlreadyOpen,
    DisputeIdTaken,
    Fact,
    Filter,
    NewCase,
)
from services.disputes.rulings import Proposal
from services.disputes.store import DisputeStore
from services.disputes.waits import begun
from services.disputes.waits_store import WaitStore


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputesService:
    """Opens, reads and changes cases. encode: encodes a case as bytes."""

    database: Database
    disputes: DisputeStore
    waits: WaitStore
    outbox: Outbox
    trail: Trail
    idempotency: Idempotency
    clock: Clock
    encode: Callable[[Dispute], bytes]

    async def open_case(self, *, key: RequestKey, case: NewCase) -> Answer:
        """Open the case of an order. If the same case exists, return it as it is now.

        Raises: DisputeAlreadyOpen; DisputeIdTaken; InvalidUrl; InvalidArgument;
            IdempotencyKeyReused: same key, different request.
        """

        async def work(tx: Transaction) -> bytes:
            marketplace_id = MarketplaceId(key.marketplace_id)
            if case.clock_offset:
                await self.waits.move_clock(
                    tx, marketplace_id=marketplace_id, offset=case.clock_offset
                )
            waits = begun(
                time=await self.waits.time(tx, marketplace_id),
                answer_within=case.answer_within,
                decide_within=case.decide_within,
            )
            dispute, fact = domain.open_case(
                case, marketplace_id=marketplace_id, at=self.clock.now(), waits=waits
            )
            try:
                await self.disputes.add(tx, dispute)
            except (DisputeAlreadyOpen, DisputeIdTaken):
                known = await self.disputes.find(
                    tx, marketplace_id=marketplace_id, dispute_id=dispute.id
                )
                if known is None or not domain.is_same_opening(known, dispute):
                    raise
                return self.encode(known)
            await self.tell(tx, dispute, fact)
            return self.encode(dispute)

        return await self.idempotency.execute(self.database, key, work)

    async def get(
        self, *, marketplace_id: MarketplaceId, dispute_id: DisputeId, reader: UUID | None
    ) -> Dispute:
        """Return a case. reader: the user who asks, who must be a party; None: no party asks.

        Raises: DisputeNotFound; NotParty; DisputeIsOwn.
        """
        async with self.database.statement() as connection:
            found = await self.disputes.get(
                connection, marketplace_id=marketplace_id, dispute_id=dispute_id
            )
        _require_reader(found, reader)
        return found

    async def get_of_order(
        self, *, marketplace_id: MarketplaceId, order_id: OrderId, reader: UUID | None
    ) -> Dispute:
        """Return the newest case of an order. reader, Raises: as `get`."""
        async with self.database.statement() as connection:
            found = await self.disputes.get_of_order(
                connection, marketplace_id=marketplace_id, order_id=order_id
            )
        _require_reader(found, reader)
        return found

    async def list_cases(
        self, *, chosen: Filter, after: UUID | None, size: int
    ) -> Sequence[Dispute]:
        """List cases, newest first; one case more if there is another page.

        Raises: InvalidArgument: `after` is not a case.
        """
        async with self.database.statement() as connection:
            return await self.disputes.page(connection, chosen, after=after, limit=size + 1)

    async def list_overdue(
        self, *, chosen: Filter, after: tuple[dt.datetime, UUID] | None, size: int
    ) -> Sequence[Dispute]:
        """List overdue cases, the longest overdue first; one more if another page follows."""
        async with self.database.statement() as connection:
            return await self.waits.overdue(connection, chosen, after=after, limit=size + 1)

    async def assign(
        self, *, key: RequestKey, dispute_id: DisputeId, agent_id: str, agent_name: str, notes: str
    ) -> Answer:
        """Assign the case to an agent. The case is then under review.

        Raises: DisputeNotFound; DisputeIsOwn; InvalidState; IdempotencyKeyReused.
        """

        async def work(tx: Transaction) -> bytes:
            before = await self.lock(tx, key, dispute_id)
            after, fact = domain.assign(
                before, agent_id=agent_id, agent_name=agent_name, notes=notes, at=self.clock.now()
            )
            await self._note(tx, "assign", before, after)
            return await self.save(tx, before, after, fact)

        return await self.idempotency.execute(self.database, key, work)

    async def unassign(self, *, key: RequestKey, dispute_id: DisputeId) -> Answer:
        """Remove the case's agent. The case is then open.

        Raises: DisputeNotFound; DisputeIsOwn; InvalidState: the case has no agent;
            IdempotencyKeyReused.
        """

        async def work(tx: Transaction) -> bytes:
            before = await self.lock(tx, key, dispute_id)
            after, fact = domain.unassign(before, at=self.clock.now())
            await self._note(tx, "unassign", before, after)
            return await self.save(tx, before, after, fact)

        return await self.idempotency.execute(self.database, key, work)

    async def add_evidence(
        self,
        *,
        key: RequestKey,
        dispute_id: DisputeId,
        evidence: Sequence[str],
        user_id: UUID | None,
    ) -> Answer:
        """Add links to the case. Links are stored and never fetched.

        user_id: the person who adds them; None: a marketplace.

        Raises: DisputeNotFound; NotParty; InvalidState; TooMuchEvidence; InvalidUrl;
            IdempotencyKeyReused.
        """

        async def work(tx: Transaction) -> bytes:
            before = await self.lock(tx, key, dispute_id)
            parties.require_party(before, user_id)
            after, fact = domain.add_evidence(before, evidence=evidence, at=self.clock.now())
            await self._note(tx, "add_evidence", before, after)
            return await self.save(tx, before, after, fact)

        return await self.idempotency.execute(self.database, key, work)

    async def decide(self, *, key: RequestKey, dispute_id: DisputeId, proposal: Proposal) -> Answer:
        """Record the decision before any money moves. It stands unless it is withdrawn.

        If the same decision is made again, by the same or another agent, the case is returned
        unchanged, with the first note and name.

        Raises: DisputeNotFound; InvalidState; DecisionAlreadyMade; SplitAmountsMismatch;
            InvalidArgument; IdempotencyKeyReused.
        """

        async def work(tx: Transaction) -> bytes:
            before = await self.lock(tx, key, dispute_id)
            decided = domain.decide(before, proposal, at=self.clock.now())
            return await self.save(tx, before, await self.answered(tx, decided), None)

        return await self.idempotency.execute(self.database, key, work)

    async def withdraw(self, *, key: RequestKey, dispute_id: DisputeId, why: str) -> Answer:
        """Withdraw a decision that will never be paid. Its row stays, with the reason.

        Raises: DisputeNotFound; InvalidState: the decision was paid; IdempotencyKeyReused.
        """

        async def work(tx: Transaction) -> bytes:
            before = await self.lock(tx, key, dispute_id)
            after = domain.withdraw(before, at=self.clock.now())
            if before.ruling is not None:
                await self.disputes.withdraw(tx, dispute=after, why=why)
            return await self.save(tx, before, after, None)

        return await self.idempotency.execute(self.database, key, work)

    async def complete(self, *, key: RequestKey, dispute_id: DisputeId) -> Answer:
        """Mark the case resolved, after its decision has been paid.

        Raises: DisputeNotFound; InvalidState: the case is not decided; IdempotencyKeyReused.
        """

        async def work(tx: Transaction) -> bytes:
            before = await self.lock(tx, key, dispute_id)
            after, fact = domain.complete(before, at=self.clock.now())
            return await self.save(tx, before, after, fact)

        return await self.idempotency.execute(self.database, key, work)

    async def age_answers(
        self, *, key: RequestKey, by: dt.timedelta, offset: dt.timedelta
    ) -> Answer:
        """Age the stored answers of a test marketplace that has moved its clock.

        offset: the clock's total offset; 0: an older gateway does not send it.

        Raises: IdempotencyKeyReused.
        """

        async def work(tx: Transaction) -> bytes:
            await self.idempotency.age(tx, key, by=by)
            if offset:
                marketplace_id = MarketplaceId(key.marketplace_id)
                await self.waits.move_clock(tx, marketplace_id=marketplace_id, offset=offset)
            return b""

        return await self.idempotency.execute(self.database, key, work)

    async def lock(self, tx: Transaction, key: RequestKey, dispute_id: DisputeId) -> Dispute:
        """Lock a case until the transaction ends. Raises: DisputeNotFound; DisputeIsOwn."""
        marketplace_id = MarketplaceId(key.marketplace_id)
        found = await self.disputes.lock(tx, marketplace_id=marketplace_id, dispute_id=dispute_id)
        parties.require_outsider(found, _own_user_id())
        return found

    async def answered(self, tx: Transaction, case: Dispute) -> Dispute:
        """Return a locked case after an answer of support, which ends the wait for the first."""
        if not case.waits.is_unanswered:
            return case
        time = await self.waits.time(tx, case.marketplace_id)
        return replace(case, waits=case.waits.answered(time=time))

    async def save(
        self, tx: Transaction, before: Dispute, after: Dispute, fact: Fact | None
    ) -> bytes:
        """Save the changes of a locked case with their event; return the encoded case."""
        if after != before:
            await self.disputes.save(tx, before=before, after=after)
        if fact is not None:
            await self.tell(tx, after, fact)
        return self.encode(after)

    async def _note(self, tx: Transaction, verb: str, before: Dispute, after: Dispute) -> None:
        """Write the audit line of a change that a caller requested from this service.

        A change requested by orders belongs to a command on an order, which has its own line.
        """
        change = Change(
            action=f"dispute.{verb}",
            target_type="dispute",
            target_id=after.public_id,
            before=_standing(before),
            after=_standing(after),
        )
        await self.trail.record(tx, change, marketplace_id=after.marketplace_id)

    async def tell(self, tx: Transaction, dispute: Dispute, fact: Fact) -> None:
        """Write an event of a case to the outbox."""
        who = identity.current_or_none()
        event = Event(
            event_type=fact.event_type,
            aggregate_type="Dispute",
            aggregate_id=dispute.public_id,
            version=dispute.version,
            marketplace_id=dispute.marketplace_id,
            occurred_at=dispute.updated_at,
            payload=fact.payload,
            correlation_id=identity.current_request_id(),
            user_id=str(who.user_id) if who and who.user_id else "",
        )
        await self.outbox.append(tx, [event])


def _standing(dispute: Dispute) -> dict[str, object]:
    return {
        "status": dispute.status.value,
        "assignedTo": dispute.assigned_to or None,
        "evidence": len(dispute.evidence),
    }


def _require_reader(dispute: Dispute, reader: UUID | None) -> None:
    """Check that the caller may read a case. Raises: NotParty; DisputeIsOwn."""
    parties.require_party(dispute, reader)
    parties.require_outsider(dispute, _own_user_id())


def _own_user_id() -> UUID | None:
    """Return the user account of a caller of support; None: no account, or no caller."""
    who = identity.current_or_none()
    return None if who is None else who.own_user_id
