"""The use cases of messages and notes. Each is one transaction: load, decide, save."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis.audit import Change
from chassis.database import Transaction
from chassis.idempotency import Answer, RequestKey
from kernel.ids import DisputeId, MarketplaceId, new_id
from services.disputes import parties
from services.disputes.domain import Dispute
from services.disputes.service import DisputesService
from services.disputes.talk import domain
from services.disputes.talk.domain import DisputeAuthor, Remark, Writer
from services.disputes.talk.store import RemarkStore


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkService:
    """Writes and reads messages and notes. encode_…: encode a remark as bytes."""

    cases: DisputesService
    messages: RemarkStore
    notes: RemarkStore
    encode_message: Callable[[Remark], bytes]
    encode_note: Callable[[Remark], bytes]

    async def add_message(
        self,
        *,
        key: RequestKey,
        dispute_id: DisputeId,
        text: str,
        writer: Writer,
        user: UUID | None,
    ) -> Answer:
        """Write a message. user: the person who writes for their side; None: support writes.

        Raises: DisputeNotFound; NotParty; DisputeIsOwn; InvalidState; TooManyMessages;
            IdempotencyKeyReused.
        """

        async def work(tx: Transaction) -> bytes:
            before = await self.cases.lock(tx, key, dispute_id)
            parties.require_party(before, user)
            side = DisputeAuthor.SELLER if user == before.seller_id else DisputeAuthor.BUYER
            author = DisputeAuthor.SUPPORT if user is None else side
            after, remark, fact = domain.message(
                before,
                remark_id=new_id(),
                writer=Writer(author=author, id=writer.id, name=writer.name),
                text=text,
                known=await self._count(tx, self.messages, key, dispute_id),
                at=self.cases.clock.now(),
            )
            await self.messages.add(tx, remark)
            told = {"messageId": remark.public_id("msg"), "writtenBy": author.value}
            await self._record(tx, "add_message", before, told)
            if author is DisputeAuthor.SUPPORT:
                after = await self.cases.answered(tx, after)
            await self.cases.save(tx, before, after, fact)
            return self.encode_message(remark)

        return await self.cases.idempotency.execute(self.cases.database, key, work)

    async def add_note(
        self, *, key: RequestKey, dispute_id: DisputeId, text: str, writer: Writer
    ) -> Answer:
        """Write a note of support.

        Raises: DisputeNotFound; DisputeIsOwn; TooManyMessages; IdempotencyKeyReused.
        """

        async def work(tx: Transaction) -> bytes:
            case = await self.cases.lock(tx, key, dispute_id)
            remark = domain.note(
                case,
                remark_id=new_id(),
                writer=writer,
                text=text,
                known=await self._count(tx, self.notes, key, dispute_id),
                at=self.cases.clock.now(),
            )
            await self.notes.add(tx, remark)
            await self._record(tx, "add_note", case, {"noteId": remark.public_id("note")})
            return self.encode_note(remark)

        return await self.cases.idempotency.execute(self.cases.database, key, work)

    async def list_messages(
        self,
        *,
        marketplace_id: MarketplaceId,
        dispute_id: DisputeId,
        reader: UUID | None,
        after: UUID | None,
        size: int,
    ) -> Sequence[Remark]:
        """List the messages of a case, newest first; one more if there is another page.

        Raises: DisputeNotFound; NotParty; DisputeIsOwn; InvalidArgument: `after` is no message of
            the case.
        """
        await self.cases.get(marketplace_id=marketplace_id, dispute_id=dispute_id, reader=reader)
        return await self._page(self.messages, marketplace_id, dispute_id, after, size)

    async def list_notes(
        self,
        *,
        marketplace_id: MarketplaceId,
        dispute_id: DisputeId,
        after: UUID | None,
        size: int,
    ) -> Sequence[Remark]:
        """List the notes of a case, newest first; one more if there is another page.

        Raises: DisputeNotFound; DisputeIsOwn; InvalidArgument: `after` is no note of the case.
        """
        await self.cases.get(marketplace_id=marketplace_id, dispute_id=dispute_id, reader=None)
        return await self._page(self.notes, marketplace_id, dispute_id, after, size)

    async def _page(
        self,
        store: RemarkStore,
        marketplace_id: MarketplaceId,
        dispute_id: DisputeId,
        after: UUID | None,
        size: int,
    ) -> Sequence[Remark]:
        async with self.cases.database.statement() as connection:
            return await store.page(
                connection,
                marketplace_id=marketplace_id,
                dispute_id=dispute_id,
                after=after,
                limit=size + 1,
            )

    async def _record(
        self, tx: Transaction, verb: str, case: Dispute, after: Mapping[str, object]
    ) -> None:
        """Write the audit line of a remark, without its text."""
        change = Change(
            action=f"dispute.{verb}",
            target_type="dispute",
            target_id=case.public_id,
            after=after,
        )
        await self.cases.trail.record(tx, change, marketplace_id=case.marketplace_id)

    async def _count(
        self, tx: Transaction, store: RemarkStore, key: RequestKey, dispute_id: DisputeId
    ) -> int:
        marketplace_id = MarketplaceId(key.marketplace_id)
        return await store.count(tx, marketplace_id=marketplace_id, dispute_id=dispute_id)
