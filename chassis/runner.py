"""Run a service: server, background loops, signals.

SIGTERM stops it gracefully with exit code 0.
"""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import uvloop

from chassis import audit_servicer, garbage, metrics, relay, telemetry
from chassis.bus import Bus
from chassis.database import Database
from chassis.identity import Verifier
from chassis.metrics import Measure, Measuring
from chassis.migrations.expected import Schema
from chassis.server import Binding, Server
from chassis.settings import ServiceSettings
from chassis.signature import EventSigner
from chassis.telemetry import logger
from chassis.watch import Watch

RESTART_SECONDS = 1.0
# The share of the grace period for calls in flight. The rest is for the steps after them.
CALLS_SHARE = 2 / 3
LEAST_CLOSE_SECONDS = 1.0
# A background loop that has not ended is cancelled again after this time. A loop may need the time
# to give leases back.
CANCEL_SECONDS = 2.0
CLOCK_WRONG = "The clock of this service is wrong"
Loop = Callable[[], Awaitable[None]]
# The signals that stop a process.
ENDING = (signal.SIGTERM, signal.SIGINT)
log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """An assembled service; build() in a service's app.py returns it.

    measures: the service's own gauges, which queries fill. background: name → coroutine function
    that runs until cancelled. before_ready: functions that must each succeed once before the
    service is ready; they may wait, and are retried after a failure. stop_waiting: functions that
    answer all waiting callers at once, with the current state. close: functions called last, in
    this order. signer: signs the service's events, if their readers require it.
    """

    name: str
    settings: ServiceSettings
    binding: Binding
    database: Database
    bus: Bus
    signer: EventSigner | None = None
    measures: Sequence[Measure] = ()
    background: Mapping[str, Loop] = field(default_factory=dict)
    before_ready: Sequence[Loop] = ()
    stop_waiting: Sequence[Loop] = ()
    close: Sequence[Loop] = ()


def main(*, name: str, settings: ServiceSettings, build: Callable[[], Awaitable[App]]) -> None:
    """Run a service until SIGTERM or SIGINT; ends the process."""
    telemetry.configure(service=name, level=settings.log_level)
    garbage.settle()
    try:
        uvloop.run(_run(build))
    except OSError as error:
        sys.stderr.write(f"{name}: {error}\n")
        raise SystemExit(1) from None


async def _run(build: Callable[[], Awaitable[App]]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in ENDING:
        loop.add_signal_handler(number, stopping.set)
    try:
        app = await build()
        scraped = metrics.served(host=app.settings.metrics_host, port=app.settings.metrics_port)
        with scraped, app.settings.traced(app.name):
            await serve(app, stopping)
    finally:
        # Ignore further signals: the process is already stopping.
        for number in ENDING:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)


async def serve(app: App, stopping: asyncio.Event) -> None:
    """Serve until `stopping` is set, then stop in reverse order."""
    settings = app.settings
    server = Server(
        binding=app.binding,
        also=[audit_servicer.binding(app.database)],
        verifier=Verifier(trust=settings.trust().current),
        own=settings.certificates(),
        with_reflection=settings.env == "dev",
        calls_max=settings.concurrent_calls_max,
    )
    port = await server.start(host=settings.grpc_host, port=settings.grpc_port)
    if settings.health_port is not None:
        await server.start_probes(host=settings.grpc_host, port=settings.health_port)
    log.info("service.started", port=port)
    watch = Watch(app.database)
    loops: dict[str, Loop] = {
        "readiness": _Readiness(app, server, watch).keep,
        "relay": partial(relay.run, database=app.database, bus=app.bus, signer=app.signer),
    }
    if settings.metrics_port:
        loops["measure"] = Measuring(app.database, (*metrics.OUTBOX, *app.measures)).keep
    loops.update(
        {name: partial(watch.while_clock_right, loop) for name, loop in app.background.items()}
    )
    tasks = [asyncio.create_task(_keep(name, loop), name=name) for name, loop in loops.items()]
    await stopping.wait()
    await _stop(app, server, tasks)


class _Readiness:
    """Keeps the health status current: database writable, clock right, schema new enough."""

    def __init__(self, app: App, server: Server, watch: Watch) -> None:
        self._app = app
        self._server = server
        self._watch = watch
        self._steps = list(app.before_ready)
        self._is_ready = False
        self._is_new = True
        self._schema = Schema(app.database, app.name)

    async def keep(self) -> None:
        """Update the health status until cancelled."""
        await self._watch.keep_looking(self._tell)

    async def _tell(self) -> None:
        self._server.refuse_calls("" if self._watch.is_clock_right else CLOCK_WRONG)
        is_well = self._watch.is_writable and self._watch.is_clock_right
        is_ready = is_well and await self._schema.look() and await self._is_prepared()
        if is_ready != self._is_ready:
            await self._server.set_ready(ready=is_ready)
            if self._is_new:
                self._is_new = False
                garbage.settle()
            log.info("service.ready" if is_ready else "service.not_ready")
            self._is_ready = is_ready

    async def _is_prepared(self) -> bool:
        """Run before_ready once. A failure is logged, and retried at the next look."""
        while self._steps:
            try:
                await self._steps[0]()
            except Exception:
                log.exception("service.not_prepared")
                await asyncio.sleep(RESTART_SECONDS)
                return False
            self._steps.pop(0)
        return True


async def _keep(name: str, loop: Loop) -> None:
    """Run a background loop again whenever it fails or returns. Its error is logged."""
    while True:
        try:
            await loop()
        except Exception:
            log.exception("background.failed", loop=name)
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
        # The next process completes the rest; no guarantee depends on an orderly stop.
        log.warning("service.cut_short")
    log.info("service.stopped")


async def _close(app: App, tasks: Sequence[asyncio.Task[None]]) -> None:
    waiting = set(tasks)
    while waiting:
        # Repeated, because `asyncio.wait_for` loses a cancellation that arrives with its result.
        # Source: https://github.com/python/cpython/issues/86296.
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=CANCEL_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)
    for close in (*app.close, app.bus.close, app.database.close):
        await close()
