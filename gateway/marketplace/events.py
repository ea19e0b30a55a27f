"""The marketplace's events: a live stream with replay, and the list of the last 30 days."""

import datetime as dt
from functools import partial
from typing import Annotated, Any

import orjson
from orchestrator.webhooks.v1 import webhooks_pb2
from pydantic import ConfigDict, Field, StringConstraints, with_config
from typing_extensions import TypedDict

from chassis.wire import instant_to_proto
from gateway import event_types, events
from gateway.answers import Answer, EventStream
from gateway.call import Call
from gateway.errors import invalid
from gateway.events import Wanted
from gateway.keys import READ
from gateway.marketplace import api_keys
from gateway.marketplace.shapes import Page, Paging, Success, Time, page, success
from gateway.models import Instant, Request
from gateway.routing import Routes

routes = Routes("Events")
Types = Annotated[
    str,
    StringConstraints(max_length=1000),
    Field(description="Comma-separated: names, families such as `order.*`, or `*` for all."),
]
ResourceTypes = Annotated[
    str,
    StringConstraints(max_length=200),
    Field(description="Comma-separated: what events are about, such as `Order,Balance`."),
]
AggregateId = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,100}$"),
    Field(description="Lists only: the id of what events are about, such as `ord_…`."),
]
_ONLY = "Lists only: events that occurred"
_OPEN = with_config(ConfigDict(extra="allow"))


class StreamEvents(Request):
    """Comma-separated filters: `types=order.created,balance.*`, `resourceTypes=Order,Balance`."""

    types: Types | None = None
    resource_types: ResourceTypes | None = None


class ListEvents(Paging):
    """One page of the list. from: the first moment, inclusive. to: the last moment, exclusive."""

    types: Types | None = None
    resource_types: ResourceTypes | None = None
    aggregate_id: AggregateId | None = None
    occurred_from: Annotated[
        Instant | None, Field(alias="from", description=f"{_ONLY} at or after this moment.")
    ] = None
    occurred_to: Annotated[
        Instant | None, Field(alias="to", description=f"{_ONLY} before this moment.")
    ] = None


@_OPEN
class EventMetadata(TypedDict):
    """The request that caused an event, and the marketplace of the event."""

    correlationId: str
    causationId: str
    userId: str
    marketplaceId: str


@_OPEN
class Event(TypedDict):
    """An event, as in streams and webhooks. version: counts the events of its aggregate."""

    eventId: str
    eventType: str
    occurredAt: Time
    aggregateId: str
    aggregateType: str
    version: int
    payload: dict[str, Any]
    metadata: EventMetadata


def event(message: webhooks_pb2.Event) -> Event:
    """Return an event as it was published."""
    stored: Any = orjson.Fragment(message.event_json)
    return stored  # type: ignore[no-any-return] # of this shape, and not parsed again


@routes.get("/events", scope=READ)
async def stream_events(call: Call, query: StreamEvents) -> EventStream:
    """Stream the marketplace's events until the key is revoked or expires.

    With `Last-Event-ID`, all later events are replayed first.
    """
    key = api_keys.own(call)
    wanted = Wanted(
        marketplace_id=call.caller.identity.marketplace_id,
        types=events.patterns(query.types),
        resource_types=events.resource_types(query.resource_types),
        after=events.cursor(call.headers.get("last-event-id")),
    )
    chunks = await call.parts.feed.open(wanted)
    return EventStream(chunks=chunks, until=partial(call.parts.keys.until_ended, key))


@routes.listing("/events")
async def list_events(call: Call, query: ListEvents) -> Answer[Page[Event]]:
    """List the events of the last 30 days, newest first."""
    types = event_types.names(
        events.patterns(query.types), events.resource_types(query.resource_types)
    )
    _require_in_order(query.occurred_from, query.occurred_to)
    if types == ():  # no event of these types is about these aggregates
        return page([], next_token="")
    request = webhooks_pb2.ListEventsRequest(
        page=query.message(),
        event_types=types,
        aggregate_id=query.aggregate_id or "",
        occurred_from=instant_to_proto(query.occurred_from),
        occurred_to=instant_to_proto(query.occurred_to),
    )
    found = await call.read(call.backends.webhooks.ListEvents, request)
    return page([event(one) for one in found.events], next_token=found.next_page_token)


@routes.get("/events/{id}", scope=READ, refusals=("EVENT_NOT_FOUND",))
async def get_event(call: Call) -> Answer[Success[Event]]:
    """Read an event of the last 30 days."""
    request = webhooks_pb2.GetEventRequest(event_id=events.event_id(call.params["id"]))
    return success(event(await call.read(call.backends.webhooks.GetEvent, request)))


def _require_in_order(first: dt.datetime | None, last: dt.datetime | None) -> None:
    """Check that a period does not end before it begins. Raises: InvalidArgument."""
    if first is not None and last is not None and first >= last:
        raise invalid("to", "must be after from")
