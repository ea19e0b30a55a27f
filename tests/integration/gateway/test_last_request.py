"""A stopping gateway answers the last request of an open connection."""

import asyncio
import signal

import pytest

from deploy.local.ports import HOST, answers, free_port
from gateway.app import open_gateway
from gateway.server import Server
from gateway.settings import GatewaySettings
from tests.patience import PATIENCE_SECONDS
from tests.shop import until

REQUEST = b"GET /api/v1/health HTTP/1.1\r\nhost: gateway\r\n\r\n"


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Ask over a connection; returns the head of the answer, in lower case."""
    writer.write(REQUEST)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    await reader.readexactly(length)
    return head


async def test_request_in_flight_is_answered_before_the_connection_closes(
    settings: GatewaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine a moment is longer.
    monkeypatch.setattr("gateway.connections.LAST_SECONDS", PATIENCE_SECONDS)
    port = free_port()
    own = settings.model_copy(update={"gateway_port": port, "stop_grace_seconds": 60})
    async with open_gateway(own) as app, asyncio.timeout(PATIENCE_SECONDS):
        server = Server(app, own)
        running = asyncio.create_task(server._serve())

        async def is_started() -> bool:
            return server.started

        async def is_closed() -> bool:
            return not answers(port)

        await until(is_started, what="the gateway did not start")
        reader, writer = await asyncio.open_connection(HOST, port)
        assert b"connection: close" not in await asked(reader, writer)

        server.handle_exit(signal.SIGTERM, None)
        await until(is_closed, what="the port is still open")
        last = await asked(reader, writer)

        assert last.startswith(b"http/1.1 200")
        assert b"connection: close" in last
        assert await reader.read() == b""
        writer.close()
        await running
