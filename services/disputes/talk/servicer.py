"""The RPCs of messages and notes: decode, call one use case, encode."""

from typing import Any

import grpc
from orchestrator.disputes.v1 import disputes_pb2

from chassis import identity
from chassis.idempotency import request_key
from chassis.identity import MARKETPLACE, PEOPLE, REPLAYED_KEY, ROLE_ADMIN, STAFF, allow
from chassis.wire import page_size, uuid_from_token
from kernel.ids import MarketplaceId
from services.disputes.talk import wire
from services.disputes.talk.domain import DisputeAuthor, Writer
from services.disputes.talk.service import TalkService
from services.disputes.wire import dispute_id

Context = grpc.aio.ServicerContext[Any, Any]
# The RPCs of notes do not admit PEOPLE, because parties must not see that notes exist.
ACCESS = {
    "AddMessage": allow(
        "gateway", scope="support", people_scope="write", roles=MARKETPLACE | STAFF | PEOPLE
    ),
    "ListMessages": allow("gateway", scope="read", roles=MARKETPLACE | STAFF | PEOPLE),
    "AddNote": allow("gateway", scope="support", roles=MARKETPLACE | STAFF),
    "ListNotes": allow("gateway", scope="support", roles=MARKETPLACE | STAFF),
}


class TalkMethods:
    """The RPCs of messages and notes, a mixin of DisputesServicer."""

    _talk: TalkService

    async def AddMessage(
        self, request: disputes_pb2.AddMessageRequest, context: Context
    ) -> disputes_pb2.DisputeMessage:
        answer = await self._talk.add_message(
            key=request_key(request),
            dispute_id=dispute_id(request.dispute_id),
            text=request.text,
            writer=_writer(),
            user=identity.current().user_id,
        )
        if answer.replayed:
            context.set_trailing_metadata(((REPLAYED_KEY, "true"),))
        return disputes_pb2.DisputeMessage.FromString(answer.body)

    async def ListMessages(
        self, request: disputes_pb2.ListMessagesRequest, context: Context
    ) -> disputes_pb2.ListMessagesResponse:
        del context
        who, size = identity.current(), page_size(request.page)
        found = await self._talk.list_messages(
            marketplace_id=MarketplaceId(who.marketplace_id),
            dispute_id=dispute_id(request.dispute_id),
            reader=None if who.role == ROLE_ADMIN else who.user_id,
            after=uuid_from_token(request.page.page_token),
            size=size,
        )
        return wire.messages_page(found, size=size, is_named=who.user_id is None)

    async def AddNote(
        self, request: disputes_pb2.AddNoteRequest, context: Context
    ) -> disputes_pb2.DisputeNote:
        answer = await self._talk.add_note(
            key=request_key(request),
            dispute_id=dispute_id(request.dispute_id),
            text=request.text,
            writer=_writer(),
        )
        if answer.replayed:
            context.set_trailing_metadata(((REPLAYED_KEY, "true"),))
        return disputes_pb2.DisputeNote.FromString(answer.body)

    async def ListNotes(
        self, request: disputes_pb2.ListNotesRequest, context: Context
    ) -> disputes_pb2.ListNotesResponse:
        del context
        size = page_size(request.page)
        found = await self._talk.list_notes(
            marketplace_id=MarketplaceId(identity.current().marketplace_id),
            dispute_id=dispute_id(request.dispute_id),
            after=uuid_from_token(request.page.page_token),
            size=size,
        )
        return wire.notes_page(found, size=size)


def _writer() -> Writer:
    """Return the caller as support. The use case sets the side of a person."""
    who = identity.current()
    return Writer(author=DisputeAuthor.SUPPORT, id=who.principal, name=who.name)
