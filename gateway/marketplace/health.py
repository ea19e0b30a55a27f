"""Health: alive, and whether each part can serve."""

import asyncio

from gateway.call import Answer, Call
from gateway.marketplace import envelope, outputs, rendering
from gateway.routing import OPEN, Routes
from kernel.errors import Unavailable
from kernel.version import VERSION

UP, DOWN = "up", "down"
# Orders go on without it; only the stream of events waits.
DISPENSABLE = "events"
routes = Routes("Health")


@routes.get("/health", scope=OPEN, answers={200: envelope.Success[outputs.Health]})
async def get_health(_call: Call) -> Answer:
    """Answer: the gateway is alive."""
    return rendering.success({"status": "ok", "version": VERSION})


@routes.get(
    "/health/detailed",
    scope=OPEN,
    answers={200: envelope.Success[outputs.DetailedHealth]},
    refusals=("PROVIDER_UNAVAILABLE",),
)
async def get_detailed_health(call: Call) -> Answer:
    """Ask every part whether it is ready; 503 where a service or the database is not."""
    parts = call.parts
    services, database, events = await asyncio.gather(
        parts.backends.health(), parts.keys.store.is_ready(), parts.feed.is_ready()
    )
    ready = {**services, "database": database, DISPENSABLE: events}
    if not parts.watch.is_clock_right:
        ready["clock"] = False
    if parts.schema.is_right is False:
        ready["schema"] = False
    names = {name: UP if up else DOWN for name, up in ready.items()}
    down = [name for name, up in ready.items() if not up]
    if set(down) - {DISPENSABLE}:
        raise Unavailable(f"Not ready: {', '.join(down)}", details={"parts": names})
    status = "degraded" if down else "ok"
    return rendering.success({"status": status, "version": VERSION, "parts": names})
