"""Metrics of a program for Prometheus: counters, gauges, and the port to read them.

Requests are counted when they end. Gauges (how much work waits, and for how long) are measured from
time to time by `Measuring`, so a scrape never queries the database. Names follow Prometheus'
conventions: base units, and `_total` for counters.
"""

import asyncio
import functools
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import (
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    make_wsgi_app,
)

from chassis.database import Database
from chassis.telemetry import logger
from chassis.waiting import at_most

MEASURE_SECONDS = 15.0
# A release takes seconds on chain; a read takes milliseconds.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
log = logger()

disable_created_metrics()  # type: ignore[no-untyped-call] # of the library
RPC_SECONDS = Histogram(
    "orchestrator_rpc_seconds",
    "How long calls took to be answered",
    ["method", "code", "reason"],
    buckets=SECONDS,
)
HTTP_SECONDS = Histogram(
    "orchestrator_http_seconds",
    "How long requests took to be answered",
    ["method", "route", "status"],
    buckets=SECONDS,
)
# The metric of each set of labels is cached, because every call and request needs one.
rpc_seconds = functools.lru_cache(maxsize=4096)(RPC_SECONDS.labels)
http_seconds = functools.lru_cache(maxsize=4096)(HTTP_SECONDS.labels)
CONNECTIONS = Gauge(
    "orchestrator_pool_connections", "Connections to PostgreSQL: lent, and the most", ["state"]
)
MEASURED_AT = Gauge(
    "orchestrator_measured_timestamp_seconds", "When the gauges of the program were last measured"
)
NOT_MEASURED = Counter(
    "orchestrator_not_measured_total", "How often the gauges of the program could not be measured"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A gauge that a query fills: one row per set of labels, with the value in the last column.

    labels: the names of the other columns. A set of labels without a row is not reported.
    """

    name: str
    about: str
    sql: str
    labels: tuple[str, ...] = ()


# Every program with an outbox reports these gauges.
OUTBOX = (
    Measure(
        name="orchestrator_outbox_waiting",
        about="Events that are written and not published yet",
        sql="select count(*) from outbox_waiting",
    ),
    Measure(
        name="orchestrator_outbox_oldest_seconds",
        about="For how long the oldest event that is not published has waited",
        sql="select coalesce(extract(epoch from clock_timestamp() - min(occurred_at)), 0)"
        " from outbox_waiting",
    ),
)


class _Server(ThreadingMixIn, WSGIServer):
    """Answers each scrape in a thread of its own."""

    daemon_threads = True
    # `handle_request` returns at once if no connection is waiting.
    timeout = 0


class _SilentHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as its base calls it
        """Log nothing."""


@contextmanager
def served(*, host: str, port: int) -> Iterator[None]:
    """Serve scrapes on a separate port, which the running event loop watches; port 0: do nothing.

    The library's own server is not used: it wakes up twice a second. Raises: OSError: the port is
    taken.
    """
    if not port:
        yield
        return
    try:
        server = _bound(host, port)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror} (metrics, port {port})") from None
    loop = asyncio.get_running_loop()
    loop.add_reader(server.socket, server.handle_request)
    try:
        yield
    finally:
        loop.remove_reader(server.socket)
        server.server_close()


def _bound(host: str, port: int) -> _Server:
    """Listen on the port. host: a name or an address, also IPv6. Raises: OSError."""
    family, *_, place = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]

    class Server(_Server):
        address_family = family

    server = make_server(
        str(place[0]), port, make_wsgi_app(), server_class=Server, handler_class=_SilentHandler
    )
    server.socket.setblocking(False)
    return server


class Measuring:
    """Fills gauges from one database, and gauges of its connection pool."""

    def __init__(self, database: Database, measures: Sequence[Measure]) -> None:
        self._database = database
        self._measures = [(one, _gauge(one)) for one in measures]
        self._statement = together(measures)
        CONNECTIONS.labels("lent").set_function(lambda: database.connections_lent)
        CONNECTIONS.labels("most").set_function(lambda: database.connections_most)

    async def keep(self) -> None:
        """Measure until cancelled."""
        while True:
            try:
                await self.measure()
            except Exception:
                # A stale gauge is recognised by its age, so the program continues.
                NOT_MEASURED.inc()
                log.warning("metrics.not_measured", exc_info=True)
            await asyncio.sleep(at_most(MEASURE_SECONDS))

    async def measure(self) -> None:
        """Measure all gauges with one statement, as of one moment. Raises: Unavailable."""
        async with self._database.statement() as connection:
            rows = await connection.fetch(self._statement)
        found: list[list[tuple[object, ...]]] = [[] for _ in self._measures]
        for row in rows:
            found[row.number].append((*row.labels, row.measured))
        for (measure, gauge), own in zip(self._measures, found, strict=True):
            _fill(measure, gauge, own)
        MEASURED_AT.set_to_current_time()


def together(measures: Sequence[Measure]) -> str:
    """Combine queries into one: each row gets the number of its query, its labels and the value."""
    return " union all ".join(_numbered(number, one) for number, one in enumerate(measures))


def _numbered(number: int, measure: Measure) -> str:
    columns = [f"c{place}" for place in range(len(measure.labels) + 1)]
    labels = ", ".join(f"{column}::text" for column in columns[:-1])
    return (
        f"select {number} as number, array[{labels}]::text[] as labels,"  # noqa: S608 - constants
        f" {columns[-1]}::text as measured from ({measure.sql}) as found ({', '.join(columns)})"
    )


def _gauge(measure: Measure) -> Gauge:
    return Gauge(measure.name, measure.about, measure.labels)


def _fill(measure: Measure, gauge: Gauge, rows: Iterable[tuple[object, ...]]) -> None:
    if measure.labels:
        gauge.clear()
    for *labels, value in rows:
        one = gauge.labels(*map(str, labels)) if measure.labels else gauge
        one.set(float(str(value)))
