"""HTTP over a socket: refusals, timeouts and limits of a connection."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime

import pytest

from deploy.local.ports import free_port
from gateway.app import open_gateway
from gateway.settings import GatewaySettings
from tests.patience import PATIENCE_SECONDS

from .conftest import serving

HEALTH = b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Streams]:
    """Open a connection for the block."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Read one answer with a length: status, headers, body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    return (
        int(head[0].split()[1]),
        headers,
        await reader.readexactly(int(headers["content-length"])),
    )


async def exchange(url: str, raw: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes, and read the answer and the end of the connection."""
    async with connected(url) as (reader, writer):
        writer.write(raw)
        answer = await answer_of(reader)
        assert await reader.read() == b""
        return answer


def code(body: bytes) -> str:
    error: dict[str, str] = json.loads(body)["error"]
    return error["code"]


@pytest.mark.parametrize("more", [b"Connection: close\r\n\r\n", b"Host: y\r\n\r\n"])
async def test_an_answer_and_a_refusal_have_the_date_of_their_second(
    gateway: str, more: bytes
) -> None:
    earliest = int(time.time())

    _, headers, _ = await exchange(gateway, HEALTH + more)

    assert earliest <= parsedate_to_datetime(headers["date"]).timestamp() <= time.time()


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (b"GET /?" + b"a" * 40_000, 431),
        (HEALTH + b"X: " + b"a" * 17_000 + b"\r\n\r\n", 431),
        (HEALTH + b"X: " + b"a" * 40_000, 431),
        (HEALTH + b"Authorization: Bearer " + b"a" * 17_000 + b"\r\n\r\n", 431),
        (HEALTH + b"a:b\r\n" * 101 + b"\r\n", 431),
        (HEALTH + b"a:b\r\n" * 20_000, 431),
        (b"GET /api/v1/health HTTP/1.1\r\n\r\n", 400),
        (HEALTH + b"Host: y\r\n\r\n", 400),
        (b"GET /api/v1/health HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET /api/v1/health HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        (b"GET /api/v1/health HTTP/2.0\r\nHost: x\r\n\r\n", 400),
        (b"GET /api/v1/health HTTP/1.1\nHost: x\n\n", 400),
        (HEALTH + b" folded: x\r\n\r\n", 400),
        (
            HEALTH + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            HEALTH + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (HEALTH + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        (HEALTH + b"Transfer-Encoding: identity\r\n\r\n", 400),
        (HEALTH + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (HEALTH + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400),
        (HEALTH + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
        (HEALTH + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
        (HEALTH + b"Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n", 400),
        (HEALTH + b"Transfer-Encoding:\r\n\r\n", 400),
        (HEALTH.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET http:///a HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /api/v1/health\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 400),
    ],
)
async def test_an_invalid_request_is_refused_in_the_documented_shape(
    gateway: str, raw: bytes, status: int
) -> None:
    got, headers, body = await exchange(gateway, raw)

    assert (got, code(body)) == (status, "VALIDATION_ERROR")
    assert headers["connection"] == "close"
    assert headers["content-type"] == "application/json"
    assert headers["x-request-id"]


async def test_a_request_with_a_token_is_refused_in_the_party_shape(gateway: str) -> None:
    raw = HEALTH + b"Authorization: Bearer eyJ.a.b\r\n" + b"a:b\r\n" * 101 + b"\r\n"
    raw = raw.replace(b"/health", b"/orders/")

    _, _, body = await exchange(gateway, raw)

    assert json.loads(body)["code"] == "validation_error"


POST = b"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "chunks",
    [
        b"5;a=" + b"b" * 100_000 + b"\r\nhello\r\n0\r\n\r\n",
        b"5;a=" + b"b" * 100_000,
        b"1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n" * 3_000 + b"0\r\n\r\n",
        b"0\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
    ],
)
async def test_chunks_that_carry_more_than_their_body_are_refused(
    gateway: str, demo_key: str, chunks: bytes
) -> None:
    head = POST.replace(b"Host: x", b"Host: x\r\nAuthorization: Bearer " + demo_key.encode())

    status, _, body = await exchange(gateway, head + chunks)

    assert (status, code(body)) == (400, "VALIDATION_ERROR")


async def test_small_chunks_of_a_body_are_taken(gateway: str, demo_key: str) -> None:
    head = POST.replace(b"Host: x", b"Host: x\r\nAuthorization: Bearer " + demo_key.encode())
    body = b'{"amount": "80.00", "title": "' + b"a" * 5_000 + b'"}'
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    async with connected(gateway) as (reader, writer):
        writer.write(head + chunks + b"0\r\n\r\n")

        status, _, content = await answer_of(reader)

    assert (status, code(content)) == (400, "VALIDATION_ERROR")
    assert b"buyerId" in content


async def test_a_trailer_is_not_a_header(gateway: str, demo_key: str) -> None:
    trailer = b"Authorization: Bearer " + demo_key.encode()
    async with connected(gateway) as (reader, writer):
        writer.write(POST + b"0\r\n" + trailer + b"\r\n\r\n")

        status, _, _ = await answer_of(reader)

    assert status == 401


async def test_requests_sent_at_once_are_answered_in_order_however_they_are_cut(
    gateway: str,
) -> None:
    get = HEALTH + b"\r\n"
    post = b"POST /api/v1/health HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n\r\n\r\n"
    chunked = HEALTH.replace(b"GET", b"DELETE") + b"Transfer-Encoding: chunked\r\n\r\n"
    chunked += b"4\r\nabcd\r\n0\r\n\r\n"
    raw = (get + post + b"\r\n" + chunked + get) * 10 + HEALTH + b"Connection: close\r\n\r\n"
    for size in (1, 7, 1000, len(raw)):
        async with connected(gateway) as (reader, writer):
            for at in range(0, len(raw), size):
                writer.write(raw[at : at + size])
                await asyncio.sleep(0)
            statuses = [(await answer_of(reader))[0] for _ in range(41)]

            assert statuses == [200, 405, 405, 200] * 10 + [200]
            assert await reader.read() == b""


async def test_an_unfinished_head_is_refused(gateway: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.connections.HEAD_SECONDS", 0.5)
    async with connected(gateway) as (reader, writer):

        async def trickle() -> None:
            writer.write(HEALTH)
            while True:
                writer.write(b"a: b\r\n")
                await asyncio.sleep(0.1)

        trickling = asyncio.create_task(trickle())
        status, _, body = await answer_of(reader)
        trickling.cancel()

    assert (status, code(body)) == (408, "REQUEST_TIMEOUT")


@pytest.mark.parametrize("said", [b"", b"\r\n", HEALTH + b"\r\n"])
async def test_an_idle_connection_is_closed(
    gateway: str, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr("gateway.connections.IDLE_SECONDS", 0.3)
    async with connected(gateway) as (reader, writer):
        writer.write(said)

        told = await reader.read()

    assert told[:12] == (b"HTTP/1.1 200" if said.startswith(b"GET") else b"")


async def test_a_trickling_body_ends_with_its_connection(
    settings: GatewaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.connections.IDLE_SECONDS", 0.5)
    changed = settings.model_copy(update={"gateway_port": free_port()})
    async with (
        open_gateway(changed) as app,
        serving(app, changed.gateway_port) as url,
        connected(url) as (reader, writer),
    ):
        writer.write(HEALTH + b"Content-Length: 1000000\r\n\r\n")
        status, _, _ = await answer_of(reader)

        async def trickle() -> None:
            while True:
                writer.write(b"a")
                await asyncio.sleep(0.1)

        trickling = asyncio.create_task(trickle())
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        trickling.cancel()

    assert status == 200


async def test_a_client_that_reads_no_answers_is_cut_off(
    gateway: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.connections.STALLED_SECONDS", 0.5)
    document = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    async with connected(gateway) as (reader, writer):
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(document * 2_000)
        # Reading is paused: that the other side has gone is seen by writing.
        with pytest.raises(ConnectionError):  # noqa: PT012 - until it is seen
            while True:
                writer.write(document)
                await writer.drain()
                await asyncio.sleep(0.05)


async def test_the_longest_idle_connection_is_closed(settings: GatewaySettings) -> None:
    changed = settings.model_copy(update={"connections_max": 2, "gateway_port": free_port()})
    async with (
        open_gateway(changed) as app,
        serving(app, changed.gateway_port, settings=changed) as url,
        connected(url) as (first, _),
        connected(url) as (second, writing),
    ):
        writing.write(HEALTH + b"\r\n")
        assert (await answer_of(second))[0] == 200
        async with connected(url) as (third, writer):
            writer.write(HEALTH + b"\r\n")

            assert (await answer_of(third))[0] == 200
            with contextlib.suppress(ConnectionError):
                assert await first.read() == b""
            writing.write(HEALTH + b"\r\n")
            assert (await answer_of(second))[0] == 200


@pytest.mark.parametrize("setting", ["connections_max", "connections_per_address_max"])
async def test_a_new_connection_gets_503_when_all_are_in_use(
    settings: GatewaySettings, demo_key: str, setting: str
) -> None:
    changed = settings.model_copy(update={setting: 1, "gateway_port": free_port()})
    stream = b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
    async with (
        open_gateway(changed) as app,
        serving(app, changed.gateway_port, settings=changed) as url,
        connected(url) as (streaming, writer),
    ):
        writer.write(stream + demo_key.encode() + b"\r\n\r\n")
        await streaming.readuntil(b"event: ping")
        async with connected(url) as (refused, _):
            status, headers, body = await answer_of(refused)
            assert await refused.read() == b""
        app.stop_waiting()

    assert (status, code(body)) == (503, "PROVIDER_UNAVAILABLE")
    assert headers["retry-after"] == "1"


async def test_the_answer_to_head_reaches_a_client_that_sends_no_more(gateway: str) -> None:
    async with connected(gateway) as (reader, writer):
        writer.write(HEALTH.replace(b"GET", b"HEAD") + b"\r\n")
        writer.write_eof()

        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
