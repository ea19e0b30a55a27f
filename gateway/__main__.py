"""Run the gateway: `python -m gateway`."""

import sys

import uvloop

from chassis import garbage, metrics, telemetry
from chassis.settings import load
from chassis.telemetry import logger
from gateway.app import open_gateway
from gateway.server import Server, listening
from gateway.settings import GatewaySettings

log = logger()


async def serve(settings: GatewaySettings) -> bool:
    """Serve until SIGTERM or SIGINT. Returns False if the port could not be taken."""
    scraped = metrics.served(host=settings.metrics_host, port=settings.metrics_port)
    async with open_gateway(settings) as app:
        server = Server(app, settings)
        garbage.settle()
        log.info("gateway.started", port=settings.gateway_port)
        with (
            scraped,
            settings.traced("gateway"),
            listening(settings.gateway_host, settings.gateway_port) as listener,
        ):
            await server.serve(sockets=[listener])
        return server.started


def main() -> None:
    """Read the settings and serve. The exit code after a graceful stop is 0."""
    settings = load(GatewaySettings, program="gateway")
    telemetry.configure(service="gateway", level=settings.log_level)
    garbage.settle()
    try:
        started = uvloop.run(serve(settings))
    except OSError as error:
        sys.stderr.write(f"gateway: {error}\n")
        raise SystemExit(1) from None
    if not started:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
