"""Health: whether the gateway runs, and whether each part is ready."""

import asyncio

from gateway.answers import Answer
from gateway.call import Call
from gateway.marketplace.shapes import Output, Success, success
from gateway.routing import OPEN, Routes
from kernel.errors import Unavailable
from kernel.version import VERSION

UP, DOWN = "up", "down"
# If this part is down, requests still work: only event streams and webhooks wait.
EVENTS = "events"
DISPENSABLE = {EVENTS, "webhooks"}
routes = Routes("Health")


class Health(Output):
    """The gateway runs. version: the version of the gateway."""

    status: str
    version: str


class DetailedHealth(Health):
    """The state of every part by name: `up` or `down`."""

    parts: dict[str, str]


@routes.get("/health", scope=OPEN)
async def get_health(_call: Call) -> Answer[Success[Health]]:
    """Report that the gateway runs."""
    return success({"status": "ok", "version": VERSION})


@routes.get("/health/detailed", scope=OPEN, refusals=("PROVIDER_UNAVAILABLE",))
async def get_detailed_health(call: Call) -> Answer[Success[DetailedHealth]]:
    """Check every part. The status is 503 if a part is not ready that requests need."""
    parts = call.parts
    services, database, events = await asyncio.gather(
        parts.backends.health(), parts.keys.store.is_ready(), parts.feed.is_ready()
    )
    ready = {**services, "database": database, EVENTS: events}
    if not parts.watch.is_clock_right:
        ready["clock"] = False
    if parts.schema.is_right is False:
        ready["schema"] = False
    names = {name: UP if up else DOWN for name, up in ready.items()}
    down = [name for name, up in ready.items() if not up]
    if set(down) - DISPENSABLE:
        raise Unavailable(f"Not ready: {', '.join(down)}", details={"parts": names})
    status = "degraded" if down else "ok"
    return success({"status": status, "version": VERSION, "parts": names})
