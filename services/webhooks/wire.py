"""Translate webhooks, deliveries and events between Protobuf and the domain."""

import datetime as dt
import re
import uuid
from collections.abc import Sequence

from orchestrator.webhooks.v1 import webhooks_pb2

from chassis.wire import (
    BIGINT_DIGITS,
    bound_token,
    fitting,
    instant_to_proto,
    page_token,
    unknown_cursor,
)
from services.webhooks.domain import Changes, Delivery, ListedEvent, State, Webhook, Where

STATES = {
    State.PENDING: webhooks_pb2.DELIVERY_STATUS_PENDING,
    State.DELIVERED: webhooks_pb2.DELIVERY_STATUS_DELIVERED,
    State.FAILED: webhooks_pb2.DELIVERY_STATUS_FAILED,
}
# A place in the list of events: microseconds since 1970, and the sequence.
_PLACE = re.compile(rf"(-?[0-9]{{1,{BIGINT_DIGITS}}})\.([0-9]{{1,{BIGINT_DIGITS}}})", re.ASCII)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_STATE_OF = {value: state for state, value in STATES.items()}


def uuid_of(text: str) -> uuid.UUID:
    """Decode an id; the contract has checked its spelling."""
    return uuid.UUID(text)


def changes(request: webhooks_pb2.UpdateWebhookRequest) -> Changes:
    """Decode the fields that a request changes."""
    return Changes(
        url=request.url if request.HasField("url") else None,
        event_types=tuple(request.event_types) or None,
        description=request.description if request.HasField("description") else None,
        enabled=request.enabled if request.HasField("enabled") else None,
    )


def state(value: webhooks_pb2.DeliveryStatus) -> State | None:
    """Decode the filter of a list by state; None: all states."""
    return _STATE_OF.get(value)


def webhook(found: Webhook) -> webhooks_pb2.Webhook:
    """Encode a webhook, without its secret."""
    return webhooks_pb2.Webhook(
        id=str(found.id),
        url=found.url,
        event_types=found.event_types,
        description=found.description,
        enabled=found.is_enabled,
        disabled_reason=found.disabled_why or "",
        secret_number=found.secret_number,
        previous_secret_until=instant_to_proto(found.previous_until),
        created_at=instant_to_proto(found.created_at),
        updated_at=instant_to_proto(found.updated_at),
        disabled_at=instant_to_proto(found.disabled_at),
    )


def encode(found: Webhook) -> bytes:
    """Encode a webhook as the bytes of a stored answer."""
    return webhook(found).SerializeToString(deterministic=True)


def webhooks(found: Sequence[Webhook], *, size: int) -> webhooks_pb2.ListWebhooksResponse:
    """Encode a page."""
    shown = fitting(map(webhook, found), size)
    more = len(shown) < len(found)
    token = page_token(found[len(shown) - 1].id) if more else ""
    return webhooks_pb2.ListWebhooksResponse(webhooks=shown, next_page_token=token)


def delivery(found: Delivery) -> webhooks_pb2.Delivery:
    """Encode a delivery with its last attempt."""
    last = None
    if found.last is not None:
        outcome = found.last.outcome
        last = webhooks_pb2.Attempt(
            at=instant_to_proto(found.last.at),
            url=outcome.url,
            duration_milliseconds=outcome.milliseconds,
            status_code=outcome.status,
            answer=outcome.answer,
            error=outcome.trouble or "",
        )
    is_pending = found.state is State.PENDING
    return webhooks_pb2.Delivery(
        id=str(found.id),
        webhook_id=str(found.webhook_id),
        event_id=found.event_id,
        event_type=found.event_type,
        aggregate_id=found.aggregate_id,
        status=STATES[found.state],
        attempts=found.attempts,
        created_at=instant_to_proto(found.created_at),
        next_attempt_at=instant_to_proto(found.due_at) if is_pending else None,
        finished_at=instant_to_proto(found.finished_at),
        last_attempt=last,
        event_json=found.body,
    )


def encode_delivery(found: Delivery) -> bytes:
    """Encode a delivery as the bytes of a stored answer."""
    return delivery(found).SerializeToString(deterministic=True)


def deliveries(found: Sequence[Delivery], *, size: int) -> webhooks_pb2.ListDeliveriesResponse:
    """Encode a page."""
    shown = fitting(map(delivery, found), size)
    more = len(shown) < len(found)
    token = page_token(found[len(shown) - 1].sequence) if more else ""
    return webhooks_pb2.ListDeliveriesResponse(deliveries=shown, next_page_token=token)


def encode_count(webhook_id: uuid.UUID, count: int) -> bytes:
    """Encode the number of resent deliveries as the bytes of a stored answer."""
    message = webhooks_pb2.ResendDeliveriesResponse(webhook_id=str(webhook_id), count=count)
    return message.SerializeToString(deterministic=True)


def place(text: str | None) -> Where | None:
    """Decode a place in the list of events from a token. Raises: InvalidArgument."""
    if text is None:
        return None
    found = _PLACE.fullmatch(text)
    try:
        if found is not None:
            return _EPOCH + dt.timedelta(microseconds=int(found[1])), int(found[2])
    except OverflowError:
        pass
    raise unknown_cursor()


def event(found: ListedEvent) -> webhooks_pb2.Event:
    """Encode an event."""
    return webhooks_pb2.Event(event_id=found.id, event_json=found.body)


def events(
    found: Sequence[ListedEvent], request: webhooks_pb2.ListEventsRequest, *, size: int
) -> webhooks_pb2.ListEventsResponse:
    """Encode a page. request: the token for the next page is bound to its filters."""
    shown = fitting(map(event, found), size)
    token = ""
    if len(shown) < len(found):
        at, sequence = found[len(shown) - 1].place
        microseconds = (at - _EPOCH) // dt.timedelta(microseconds=1)
        token = bound_token(f"{microseconds}.{sequence}", request)
    return webhooks_pb2.ListEventsResponse(events=shown, next_page_token=token)
