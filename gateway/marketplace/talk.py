"""Messages about a dispute, which both sides read, and notes, which only support reads."""

from typing import Annotated, Literal

from orchestrator.disputes.v1 import disputes_pb2
from pydantic import StringConstraints

from gateway.answers import Answer
from gateway.call import Call, dispute_id
from gateway.keys import READ, SUPPORT
from gateway.marketplace.shapes import (
    DisputeId,
    Names,
    Output,
    Page,
    Paging,
    Success,
    Time,
    page,
    public,
    success,
    time,
)
from gateway.models import Request
from gateway.routing import Routes

Author = Literal["BUYER", "SELLER", "SUPPORT"]
AUTHORS: Names[Author] = Names(disputes_pb2.DisputeAuthor, "DISPUTE_AUTHOR_")
MessageId = Annotated[str, StringConstraints(pattern=r"^msg_[0-9A-Za-z]{22}$")]
NoteId = Annotated[str, StringConstraints(pattern=r"^note_[0-9A-Za-z]{22}$")]
TEXT_MAX = 4000
_READ = ("DISPUTE_NOT_FOUND", "DISPUTE_IS_OWN")
_WRITE = (*_READ, "TOO_MANY_MESSAGES")
routes = Routes("Disputes")


class Message(Output):
    """A message. authorId: who wrote it, such as `support:…` or `key:…`."""

    id: MessageId
    disputeId: DisputeId
    writtenBy: Author
    authorId: str
    authorName: str | None
    text: str
    createdAt: Time


class Note(Output):
    """A note. authorId: who wrote it, such as `support:…` or `key:…`."""

    id: NoteId
    disputeId: DisputeId
    authorId: str
    authorName: str | None
    text: str
    createdAt: Time


def message(found: disputes_pb2.DisputeMessage) -> Message:
    """Return a message as the API shows it."""
    return {
        "id": public("msg", found.id),
        "disputeId": public("dsp", found.dispute_id),
        "writtenBy": AUTHORS[found.author],
        "authorId": found.author_id,
        "authorName": found.author_name or None,
        "text": found.text,
        "createdAt": time(found.created_at),
    }


def note(found: disputes_pb2.DisputeNote) -> Note:
    """Return a note as the API shows it."""
    return {
        "id": public("note", found.id),
        "disputeId": public("dsp", found.dispute_id),
        "authorId": found.author_id,
        "authorName": found.author_name or None,
        "text": found.text,
        "createdAt": time(found.created_at),
    }


class Write(Request):
    """The text: up to 4,000 characters, stored unchanged."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=TEXT_MAX)]


@routes.post(
    "/disputes/{id}/messages",
    scope=SUPPORT,
    support=True,
    status=201,
    examples={"question": {"text": "Which figures are missing?"}},
    refusals=(*_WRITE, "INVALID_STATE"),
)
async def add_message(call: Call, body: Write) -> Answer[Success[Message]]:
    """Write to both sides as support, while the dispute is not resolved."""
    request = disputes_pb2.AddMessageRequest(
        **call.written(), dispute_id=dispute_id(call.params["id"]), text=body.text
    )
    return success(message(await call.change(call.backends.disputes.AddMessage, request)))


@routes.get("/disputes/{id}/messages", scope=READ, support=True, refusals=_READ)
async def list_messages(call: Call, query: Paging) -> Answer[Page[Message]]:
    """List the messages of both sides and of support, newest first."""
    request = disputes_pb2.ListMessagesRequest(
        dispute_id=dispute_id(call.params["id"]), page=query.message()
    )
    found = await call.read(call.backends.disputes.ListMessages, request)
    return page([message(one) for one in found.messages], next_token=found.next_page_token)


@routes.post(
    "/disputes/{id}/notes",
    scope=SUPPORT,
    support=True,
    status=201,
    examples={"note": {"text": "The seller has sent the figures before"}},
    refusals=_WRITE,
)
async def add_note(call: Call, body: Write) -> Answer[Success[Note]]:
    """Write a note, which only support reads. Notes can be written at any time."""
    request = disputes_pb2.AddNoteRequest(
        **call.written(), dispute_id=dispute_id(call.params["id"]), text=body.text
    )
    return success(note(await call.change(call.backends.disputes.AddNote, request)))


@routes.get("/disputes/{id}/notes", scope=SUPPORT, support=True, refusals=_READ)
async def list_notes(call: Call, query: Paging) -> Answer[Page[Note]]:
    """List the notes of support, newest first. Parties cannot see notes."""
    request = disputes_pb2.ListNotesRequest(
        dispute_id=dispute_id(call.params["id"]), page=query.message()
    )
    found = await call.read(call.backends.disputes.ListNotes, request)
    return page([note(one) for one in found.notes], next_token=found.next_page_token)
