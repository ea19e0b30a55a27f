"""The marketplace's event stream: server-sent events with replay."""

from functools import partial
from typing import Annotated

from pydantic import StringConstraints

from gateway import events
from gateway.answers import EventStream
from gateway.call import Call
from gateway.events import Wanted
from gateway.keys import READ
from gateway.marketplace import api_keys
from gateway.models import Request
from gateway.routing import Routes

routes = Routes("Events")


class StreamEvents(Request):
    """Comma-separated: `types=order.created,balance.*`, `resourceTypes=Order,Balance`."""

    types: Annotated[str, StringConstraints(max_length=1000)] | None = None
    resource_types: Annotated[str, StringConstraints(max_length=200)] | None = None


@routes.get("/events", scope=READ)
async def stream_events(call: Call, query: StreamEvents) -> EventStream:
    """Stream the marketplace's events, until the key is revoked or expires.

    `Last-Event-ID` replays everything after it.
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
