"""Run a service: server, background loops, signals. SIGTERM ends it gracefully with exit code 0."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import uvloop

from chassis import relay, telemetry
from chassis.bus import Bus
from chassis.database import Database
from chassis.server import Binding, Server
from chassis.settings import ServiceSettings
from chassis.signature import EventSigner
from chassis.telemetry import logger

READY_POLL_SECONDS = 0.1
RESTART_SECONDS = 1.0
# Calls in flight have so much of the grace; the rest is for what comes after them.
CALLS_SHARE = 2 / 3
LEAST_CLOSE_SECONDS = 1.0
Loop = Callable[[], Awaitable[None]]
log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """A service, assembled: what app.py of each service returns.

    background: name → coroutine function that runs until cancelled. before_ready: what must have
    succeeded once before calls are welcome; it may wait. stop_waiting: how to answer at once
    everybody who waits, with things as they are. close: what to close last, in order.
    signer: signs the events of a service whose readers ask for proof.
    """

    name: str
    settings: ServiceSettings
    binding: Binding
    database: Database
    bus: Bus
    signer: EventSigner | None = None
    background: Mapping[str, Loop] = field(default_factory=dict)
    before_ready: Sequence[Loop] = ()
    stop_waiting: Sequence[Loop] = ()
    close: Sequence[Loop] = ()


def main(*, name: str, settings: ServiceSettings, build: Callable[[], Awaitable[App]]) -> None:
    """Run a service until SIGTERM or SIGINT; ends the process."""
    telemetry.configure(service=name, level=settings.log_level)
    try:
        uvloop.run(_run(build))
    except OSError as error:
        sys.stderr.write(f"{name}: {error}\n")
        raise SystemExit(1) from None


async def _run(build: Callable[[], Awaitable[App]]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    app = await build()
    await serve(app, stopping)


async def serve(app: App, stopping: asyncio.Event) -> None:
    """Serve until `stopping` is set, then stop in the reverse order of starting."""
    settings = app.settings
    server = Server(
        binding=app.binding,
        secret=settings.service_secret.get_secret_value(),
        with_reflection=settings.env == "dev",
        calls_max=settings.concurrent_calls_max,
    )
    port = await server.start(host=settings.grpc_host, port=settings.grpc_port)
    log.info("service.started", port=port)
    tasks = [asyncio.create_task(_become_ready(app, server), name="ready")]
    loops: dict[str, Loop] = {
        "relay": partial(relay.run, database=app.database, bus=app.bus, signer=app.signer)
    }
    loops.update(app.background)
    tasks += [asyncio.create_task(_keep(name, loop), name=name) for name, loop in loops.items()]
    await stopping.wait()
    await _stop(app, server, tasks)


async def _become_ready(app: App, server: Server) -> None:
    while not await app.database.is_ready():
        log.info("service.waits_for_database")
        await asyncio.sleep(READY_POLL_SECONDS)
    for step in app.before_ready:
        await step()
    await server.set_ready(ready=True)
    log.info("service.ready")


async def _keep(name: str, loop: Loop) -> None:
    """Run a background loop again when it fails: its error stops travelling here."""
    while True:
        try:
            await loop()
        except Exception:
            log.exception("background.failed", loop=name)
        else:
            return
        await asyncio.sleep(RESTART_SECONDS)


async def _stop(app: App, server: Server, tasks: Sequence[asyncio.Task[None]]) -> None:
    log.info("service.stopping")
    clock = asyncio.get_running_loop().time
    grace = app.settings.stop_grace_seconds
    until = clock() + grace
    await server.set_ready(ready=False)
    for answer in app.stop_waiting:
        await answer()
    await server.stop(grace_seconds=grace * CALLS_SHARE)
    try:
        async with asyncio.timeout(max(until - clock(), LEAST_CLOSE_SECONDS)):
            await _close(app, tasks)
    except TimeoutError:
        # What is not done yet is done by the next process: nothing here depends on a last word.
        log.warning("service.cut_short")
    log.info("service.stopped")


async def _close(app: App, tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for close in (*app.close, app.bus.close, app.database.close):
        await close()
