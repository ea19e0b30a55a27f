"""Encode messages and notes to Protobuf."""

from collections.abc import Sequence

from orchestrator.disputes.v1 import disputes_pb2

from chassis.wire import fitting, instant_to_proto, page_token
from services.disputes.talk.domain import DisputeAuthor, Remark

AUTHORS = {
    DisputeAuthor.BUYER: disputes_pb2.DISPUTE_AUTHOR_BUYER,
    DisputeAuthor.SELLER: disputes_pb2.DISPUTE_AUTHOR_SELLER,
    DisputeAuthor.SUPPORT: disputes_pb2.DISPUTE_AUTHOR_SUPPORT,
}


def encode_message(remark: Remark) -> bytes:
    """Encode a message as the bytes that are stored for retries."""
    return message(remark, is_named=True).SerializeToString(deterministic=True)


def encode_note(remark: Remark) -> bytes:
    """Encode a note as the bytes that are stored for retries."""
    return note(remark).SerializeToString(deterministic=True)


def message(remark: Remark, *, is_named: bool) -> disputes_pb2.DisputeMessage:
    """Encode a message. is_named: with id and name of its author, which parties do not get."""
    return disputes_pb2.DisputeMessage(
        id=str(remark.id),
        dispute_id=str(remark.dispute_id),
        author=AUTHORS[remark.writer.author],
        author_id=remark.writer.id if is_named else "",
        author_name=remark.writer.name if is_named else "",
        text=remark.text,
        created_at=instant_to_proto(remark.at),
    )


def note(remark: Remark) -> disputes_pb2.DisputeNote:
    """Encode a note."""
    return disputes_pb2.DisputeNote(
        id=str(remark.id),
        dispute_id=str(remark.dispute_id),
        author_id=remark.writer.id,
        author_name=remark.writer.name,
        text=remark.text,
        created_at=instant_to_proto(remark.at),
    )


def messages_page(
    found: Sequence[Remark], *, size: int, is_named: bool
) -> disputes_pb2.ListMessagesResponse:
    """Encode a page, with a token for the next one if there is one."""
    shown = fitting((message(one, is_named=is_named) for one in found), size)
    token = page_token(found[len(shown) - 1].id) if len(shown) < len(found) else ""
    return disputes_pb2.ListMessagesResponse(messages=shown, next_page_token=token)


def notes_page(found: Sequence[Remark], *, size: int) -> disputes_pb2.ListNotesResponse:
    """Encode a page, with a token for the next one if there is one."""
    shown = fitting((note(one) for one in found), size)
    token = page_token(found[len(shown) - 1].id) if len(shown) < len(found) else ""
    return disputes_pb2.ListNotesResponse(notes=shown, next_page_token=token)
