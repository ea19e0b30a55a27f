"""The marketplace's events, as they happen: server-sent events with replay."""

from functools import partial

from gateway import events
from gateway.call import Call, EventStream
from gateway.events import Wanted
from gateway.keys import READ
from gateway.marketplace import api_keys
from gateway.marketplace.inputs import StreamEvents
from gateway.routing import Routes

routes = Routes("Events")


@routes.get("/events", scope=READ, query=StreamEvents, answers={}, streams=True)
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
