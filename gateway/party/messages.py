"""Messages about the dispute of an order, written by its parties or by support (without names)."""

from typing import Annotated, Literal

from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.orders.v1 import orders_pb2
from pydantic import StringConstraints

from gateway.answers import Answer
from gateway.call import Call
from gateway.errors import DisputeNotFound
from gateway.party.caller import read_order, read_own_order
from gateway.party.disputes import NO_DISPUTE
from gateway.party.shapes import Id, Output, Paging, Request, Time, time
from gateway.routing import ANY, Routes

Author = Literal["personal", "business", "support"]
TEXT_MAX = 4000
_AUTHORS: dict[int, Author] = {
    disputes_pb2.DISPUTE_AUTHOR_BUYER: "personal",
    disputes_pb2.DISPUTE_AUTHOR_SELLER: "business",
    disputes_pb2.DISPUTE_AUTHOR_SUPPORT: "support",
}
_READ = ("NOT_PARTY", "ORDER_NOT_FOUND", "DISPUTE_NOT_FOUND")
routes = Routes("Disputes")


class Message(Output):
    """A message. It does not say which person of support wrote it."""

    id: Id
    written_by: Author
    text: str
    created_at: Time


class Messages(Output):
    """A page of messages. next_cursor: the `cursor` of the next page; null: the last page."""

    items: list[Message]
    next_cursor: str | None


def message(found: disputes_pb2.DisputeMessage) -> Message:
    """Return a message as the API shows it."""
    return {
        "id": found.id,
        "written_by": _AUTHORS[found.author],
        "text": found.text,
        "created_at": time(found.created_at),
    }


class Write(Request):
    """The text: up to 4,000 characters, stored unchanged."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=TEXT_MAX)]


@routes.post(
    "/orders/{order_id}/dispute/messages",
    scope=ANY,
    status=201,
    examples={"answer": {"text": "The figures of March and April"}},
    refusals=(*_READ, "INVALID_STATE", "TOO_MANY_MESSAGES"),
)
async def add_message(call: Call, body: Write) -> Answer[Message]:
    """Write to the other party and to support, while the dispute is not resolved."""
    order = await read_own_order(call)
    request = disputes_pb2.AddMessageRequest(
        **call.written(), dispute_id=_dispute_id(order), text=body.text
    )
    return Answer(body=message(await call.change(call.backends.disputes.AddMessage, request)))


@routes.get("/orders/{order_id}/dispute/messages", scope=ANY, refusals=_READ)
async def list_messages(call: Call, query: Paging) -> Answer[Messages]:
    """List the messages of both parties and of support, newest first."""
    order = await read_order(call)
    request = disputes_pb2.ListMessagesRequest(dispute_id=_dispute_id(order), page=query.message())
    found = await call.read(call.backends.disputes.ListMessages, request)
    items = [message(one) for one in found.messages]
    return Answer(body={"items": items, "next_cursor": found.next_page_token or None})


def _dispute_id(order: orders_pb2.Order) -> str:
    if not order.HasField("dispute"):
        raise DisputeNotFound(NO_DISPUTE)
    return order.dispute.id
