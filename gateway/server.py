"""The gateway's web server: Uvicorn with our own connections, port, file limit and stop."""

import asyncio
import contextlib
import functools
import resource
import signal
import socket
from collections.abc import Iterator
from types import FrameType
from typing import Any, cast

import uvicorn

from chassis.telemetry import logger
from gateway.connection_limits import ConnectionLimits
from gateway.connections import STALLED_SECONDS, Connection
from gateway.dispatcher import Dispatcher
from gateway.settings import GatewaySettings

# The limit of connections that wait to be accepted during a burst.
BACKLOG = 2048
UNREAD_BYTES_MAX = 128 * 1024
# Files that the process needs besides its connections.
FILES_ELSE = 256
# The signals that stop the process.
ENDING = (signal.SIGTERM, signal.SIGINT)
log = logger()


class Server(uvicorn.Server):
    """Uvicorn, but a signal stops it with exit code 0; Uvicorn itself would raise the signal again.

    First, event streams end, and requests that wait for an operation are answered.
    """

    def __init__(self, app: Dispatcher, settings: GatewaySettings) -> None:
        super().__init__(_config(app, settings))
        self._app = app
        self._is_ending = asyncio.Event()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the stop."""
        self._app.stop_waiting()
        super().handle_exit(sig, frame)
        self._is_ending.set()

    async def main_loop(self) -> None:
        """Wait for the end. Uvicorn itself wakes up ten times a second, for the date of answers."""
        await self._is_ending.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle SIGTERM and SIGINT: the first stops gracefully, the second stops at once."""
        loop = asyncio.get_running_loop()
        for number in ENDING:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            # Ignore further signals: the process is about to end.
            for number in ENDING:
                loop.remove_signal_handler(number)
                signal.signal(number, signal.SIG_IGN)


def listening(host: str, port: int) -> socket.socket:
    """Listen on the port. Raises: OSError: it is in use, or the host is unknown.

    host: a name or an address, IPv6 without brackets. `::` listens on IPv4 too.
    """
    # Listen on IPv4, unless the host has only IPv6 addresses.
    found = {family for family, *_ in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    listener = socket.create_server(
        (host, port),
        family=socket.AF_INET if socket.AF_INET in found else socket.AF_INET6,
        backlog=BACKLOG,
        dualstack_ipv6=host == "::" and socket.has_dualstack_ipv6(),
    )
    # Connections inherit both options. The kernel buffers this many unread bytes per connection.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD_BYTES_MAX)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # A client that has vanished acknowledges nothing.
        milliseconds = int(STALLED_SECONDS * 1000)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    return listener


def allow_files(connections: int) -> int:
    """Raise the limit of open files; returns how many connections the limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + FILES_ELSE
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    allowed = min(connections, max(wanted - FILES_ELSE, 1))
    if allowed < connections:
        log.warning("gateway.few_files", connections=allowed, wanted=connections)
    return allowed


def _config(app: Dispatcher, settings: GatewaySettings) -> uvicorn.Config:
    limits = ConnectionLimits(
        in_all=allow_files(settings.connections_max),
        per_address=settings.connections_per_address_max,
    )
    protocol = functools.partial(Connection, limits=limits, refuse=app.refusal)
    return uvicorn.Config(
        app,
        host=settings.gateway_host,
        port=settings.gateway_port,
        http=cast("Any", protocol),
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=settings.stop_grace_seconds,
    )
