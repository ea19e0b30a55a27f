"""Run the gateway: `python -m gateway`."""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn
import uvloop

from chassis import telemetry
from chassis.settings import load
from chassis.telemetry import logger
from gateway.app import open_gateway
from gateway.settings import GatewaySettings

# Longer than the idle time of most proxies in front, so that they close connections, not we.
KEEP_ALIVE_SECONDS = 75
# Connections that wait to be accepted in a burst.
BACKLOG = 2048
log = logger()


class _Server(uvicorn.Server):
    """Uvicorn, but a signal ends it with exit code 0: it would raise the signal once more.

    Streams of events, which have no end of their own, are ended first.
    """

    def __init__(self, config: uvicorn.Config, *, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        self._end_streams()
        super().handle_exit(sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop gracefully at SIGTERM and SIGINT, at once at the second of them."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


async def serve(settings: GatewaySettings) -> bool:
    """Serve until SIGTERM or SIGINT; returns whether the port could be taken."""
    async with open_gateway(settings) as app:
        config = uvicorn.Config(
            app,
            host=settings.gateway_host,
            port=settings.gateway_port,
            http="httptools",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            date_header=True,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=settings.stop_grace_seconds,
        )
        server = _Server(config, end_streams=app.end_streams)
        log.info("gateway.started", port=settings.gateway_port)
        with _listening(settings.gateway_host, settings.gateway_port) as listener:
            await server.serve(sockets=[listener])
        return server.started


def _listening(host: str, port: int) -> socket.socket:
    """Take the port. Raises: OSError: somebody has it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def main() -> None:
    """Read the settings, serve, and end with 0 after a graceful stop."""
    settings = load(GatewaySettings, program="gateway")
    telemetry.configure(service="gateway", level=settings.log_level)
    try:
        started = uvloop.run(serve(settings))
    except OSError as error:
        sys.stderr.write(f"gateway: {error}\n")
        raise SystemExit(1) from None
    if not started:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
