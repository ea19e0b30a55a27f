"""Requests of unusual clients: HTTP/1.0, absolute targets, `Expect`, slow ones."""

import asyncio
import contextlib

import pytest

from deploy.local.ports import free_port
from gateway.app import open_gateway
from gateway.settings import GatewaySettings
from kernel.ids import new_id, to_public

from .conftest import serving
from .test_connections import HEALTH, answer_of, code, connected, exchange


@pytest.mark.parametrize("target", [b"http://x", b"http://x?a=1", b"HTTP://x:80", b"https://x"])
async def test_an_absolute_target_without_a_path_is_the_root(gateway: str, target: bytes) -> None:
    raw = b"%b %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    got, _, _ = await exchange(gateway, raw % (b"GET", b"http://x/"))
    same, _, _ = await exchange(gateway, raw % (b"GET", target))
    refused, headers, body = await exchange(gateway, raw % (b"PUT", target))

    assert got == same == 200
    assert (refused, code(body)) == (405, "METHOD_NOT_ALLOWED")
    assert headers["content-type"] == "application/json"


async def test_a_client_of_http_1_0_gets_events_without_chunks(gateway: str, demo_key: str) -> None:
    async with connected(gateway) as (reader, writer):
        key = demo_key.encode()
        writer.write(b"GET /api/v1/events HTTP/1.0\r\nAuthorization: Bearer " + key + b"\r\n\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        ping = await reader.readuntil(b"\n\n")

    assert b" 200 " in head
    assert b"transfer-encoding" not in head
    assert b"content-length" not in head
    assert b"connection: close" in head
    assert ping == b"event: ping\ndata: {}\n\n"


async def test_a_client_of_http_1_0_reads_a_stream_to_its_end(
    settings: GatewaySettings, demo_key: str
) -> None:
    changed = settings.model_copy(update={"gateway_port": free_port()})
    async with (
        open_gateway(changed) as app,
        serving(app, changed.gateway_port) as url,
        connected(url) as (reader, writer),
    ):
        key = demo_key.encode()
        writer.write(b"GET /api/v1/events HTTP/1.0\r\nAuthorization: Bearer " + key + b"\r\n\r\n")
        await reader.readuntil(b"event: ping\ndata: {}\n\n")
        app.stop_waiting()
        assert await reader.read() == b""


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize("path", [b"/api/v1/health", b"/docs", b"/nothing"])
async def test_a_client_of_http_1_0_gets_whole_answers(
    gateway: str, method: bytes, path: bytes
) -> None:
    async def answered(version: bytes, *headers: bytes) -> tuple[bytes, bytes]:
        async with connected(gateway) as (reader, writer):
            lines = [b"%b %b HTTP/%b" % (method, path, version), *headers, b"", b""]
            writer.write(b"\r\n".join(lines))
            head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
            return head.split(b"\r\n")[0], body

    old = await answered(b"1.0")

    assert old[0].startswith(b"HTTP/1.1 ")
    # But for the ids of requests that are in some.
    new = await answered(b"1.1", b"Host: x", b"Connection: close")
    assert (old[0], len(old[1])) == (new[0], len(new[1]))


async def test_a_body_of_http_1_0_has_a_length_and_no_interim_answer(
    gateway: str, demo_key: str
) -> None:
    head = b"POST /api/v1/orders HTTP/1.0\r\nAuthorization: Bearer " + demo_key.encode()

    raw = head + b"\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}"
    status, _, body = await exchange(gateway, raw)
    unsized, _, _ = await exchange(gateway, head + b"\r\n\r\n")

    assert (status, code(body)) == (400, "MISSING_REQUIRED_FIELD")
    assert unsized == 400


async def test_expect_100_is_refused_for_a_body_that_is_too_large(
    gateway: str, demo_key: str
) -> None:
    head = b"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + demo_key.encode()
    ask = b"\r\nExpect: 100-continue\r\nContent-Length: "
    async with connected(gateway) as (reader, writer):
        writer.write(head + ask + b"65537\r\n\r\n")
        status, _, body = await answer_of(reader)
    async with connected(gateway) as (reader, writer):
        writer.write(head + ask + b"2\r\n\r\n")
        interim = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"{}")
        after, _, _ = await answer_of(reader)

    assert (status, code(body)) == (413, "VALIDATION_ERROR")
    assert (interim, after) == (b"HTTP/1.1 100 Continue\r\n\r\n", 400)


@pytest.mark.parametrize("lines", [[], [b"GET /api", b"/v1/h"], [b"G"] * 100, [b"\r\n"] * 100])
async def test_a_connection_without_a_complete_request_is_closed(
    gateway: str, monkeypatch: pytest.MonkeyPatch, lines: list[bytes]
) -> None:
    monkeypatch.setattr("gateway.connections.HEAD_SECONDS", 0.4)
    monkeypatch.setattr("gateway.connections.IDLE_SECONDS", 0.4)
    async with connected(gateway) as (reader, writer):

        async def dribble() -> None:
            for line in lines:
                writer.write(line)
                await asyncio.sleep(0.05)

        dribbling = asyncio.create_task(dribble())
        with contextlib.suppress(ConnectionError):
            await reader.read()
        assert not lines or not dribbling.done() or len(lines) == 2
        dribbling.cancel()


@pytest.mark.parametrize("count", [1, 3])
async def test_client_that_closes_its_sending_side_is_answered(
    gateway: str, demo_key: str, count: int
) -> None:
    # A service has to be asked, so that the end is there before the answer.
    request = b"GET /api/v1/orders/%b HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n\r\n" % (
        to_public("ord", new_id()).encode(),
        demo_key.encode(),
    )
    async with connected(gateway) as (reader, writer):
        writer.write(request * count)
        writer.write_eof()
        statuses = [(await answer_of(reader))[0] for _ in range(count)]

        assert statuses == [404] * count
        assert await reader.read() == b""


@pytest.mark.parametrize("last", [b"", b"Content-Length: 5\r\n", b"\r"])
async def test_a_partial_request_ends_with_its_client(gateway: str, last: bytes) -> None:
    async with connected(gateway) as (reader, writer):
        writer.write(HEALTH + b"\r\n" + b"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\n" + last)
        writer.write_eof()

        assert (await answer_of(reader))[0] == 200
        assert await reader.read() == b""


async def test_a_stream_ends_with_its_client(gateway: str, demo_key: str) -> None:
    async with connected(gateway) as (reader, writer):
        key = demo_key.encode()
        writer.write(b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n")
        writer.write(b"Authorization: Bearer " + key + b"\r\n\r\n")
        await reader.readuntil(b"event: ping\ndata: {}\n\n")
        writer.write_eof()

        assert b"200 OK" not in await reader.read()
