"""Both kinds of client against a server that fails as told: the same requests, the same answers."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from client import AsyncMarketplace, Event, Marketplace, codes, errors

KEY = "ohk_test_secret"
USER = {"id": "usr_1", "uuid": "u", "externalUserId": "a"}
DONE = (200, {"success": True, "data": USER})
CUT = (0, None)


@dataclass(slots=True)
class Server:
    """Gives the answers it was told to, one a request; 0 cuts the connection instead."""

    answers: list[tuple[int, Any]] = field(default_factory=list)
    asked: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        with contextlib.suppress(asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, value in (one.split(": ", 1) for one in lines)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.asked.append((line.rsplit(" ", 1)[0], headers, body))
            status, content = self.answers.pop(0)
            if status:
                is_stream = isinstance(content, str)
                sent = content.encode() if is_stream else json.dumps(content).encode()
                kind = "text/event-stream" if is_stream else "application/json"
                writer.write(
                    b"HTTP/1.1 %d X\r\nConnection: close\r\nContent-Type: %b\r\n"
                    b"Content-Length: %d\r\n\r\n%b" % (status, kind.encode(), len(sent), sent)
                )
                await writer.drain()
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server on a port of its own."""
    made = Server()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield made
    listening.close()
    await listening.wait_closed()


async def blocking(url: str, name: str, *args: Any, **named: Any) -> Any:
    def call() -> Any:
        with Marketplace(KEY, base_url=url, retries=2, sleep=lambda _: None) as api:
            found = getattr(api, name)(*args, **named)
            if name == "events":
                return [next(found) for _ in range(3)]
            return list(found) if name.startswith("list") else found

    return await asyncio.to_thread(call)


async def awaited(url: str, name: str, *args: Any, **named: Any) -> Any:
    async with AsyncMarketplace(KEY, base_url=url, retries=2) as api:
        found = getattr(api, name)(*args, **named)
        if name == "events":
            return [await anext(found) for _ in range(3)]
        return [one async for one in found] if name.startswith("list") else await found


both = pytest.mark.parametrize("call", [blocking, awaited])
Caller = Callable[..., Awaitable[Any]]


@both
async def test_a_change_is_repeated_with_the_same_key(server: Server, call: Caller) -> None:
    server.answers = [CUT, (503, {"success": False, "error": {"code": "X", "message": ""}}), DONE]

    found = await call(server.url, "register_user", externalUserId="a")

    assert found == USER
    assert {line for line, _, _ in server.asked} == {"POST /api/v1/users"}
    assert {body for _, _, body in server.asked} == {b'{"externalUserId": "a"}'}
    assert len({headers["idempotency-key"] for _, headers, _ in server.asked}) == 1
    assert len(server.asked) == 3
    assert server.asked[0][1]["authorization"] == f"Bearer {KEY}"


@both
async def test_no_answer_in_the_end_is_an_unknown_outcome_without_the_key(
    server: Server, call: Caller
) -> None:
    server.answers = [CUT] * 3

    with pytest.raises(errors.ConnectionFailed) as caught:
        await call(server.url, "get_user", "usr_1")

    assert "/users/usr_1" in str(caught.value)
    assert KEY not in str(caught.value)
    assert len(server.asked) == 3


@both
async def test_a_refusal_is_raised_at_once(server: Server, call: Caller) -> None:
    refusal = {"code": "USER_NOT_FOUND", "message": "User not found", "details": {}}
    server.answers = [(404, {"success": False, "error": refusal})]

    with pytest.raises(codes.UserNotFound):
        await call(server.url, "get_user", "usr/../1")

    assert [line for line, _, _ in server.asked] == ["GET /api/v1/users/usr%2F..%2F1"]


@both
async def test_a_redirect_is_not_followed(server: Server, call: Caller) -> None:
    server.answers = [(302, {})]

    with pytest.raises(errors.APIError):
        await call(server.url, "get_user", "usr_1")

    assert len(server.asked) == 1


@both
async def test_a_list_is_read_page_by_page(server: Server, call: Caller) -> None:
    pages = [([1, 2], "next"), ([3], None)]
    server.answers = [
        (200, {"success": True, "data": data, "hasMore": bool(after), "nextCursor": after})
        for data, after in pages
    ]

    found = await call(server.url, "list_users", limit=2)

    assert found == [1, 2, 3]
    assert [line for line, _, _ in server.asked] == [
        "GET /api/v1/users?limit=2",
        "GET /api/v1/users?limit=2&cursor=next",
    ]


@both
async def test_events_continue_after_a_lost_connection(server: Server, call: Caller) -> None:
    ping = "event: ping\ndata: {}\n\n"

    def event(number: int) -> str:
        return f'id: {number}-evt\nevent: order.created\ndata: {{"n": {number}}}\n\n'

    server.answers = [(200, ping + event(1) + event(2)), CUT, (200, event(3))]

    found = await call(server.url, "events", types="order.*")

    assert found == [Event(f"{n}-evt", "order.created", {"n": n}) for n in (1, 2, 3)]
    asked = [headers.get("last-event-id") for _, headers, _ in server.asked]
    assert asked == [None, "2-evt", "2-evt"]
    assert {line for line, _, _ in server.asked} == {"GET /api/v1/events?types=order.%2A"}


@both
async def test_a_refused_stream_of_events_raises(server: Server, call: Caller) -> None:
    refusal = {"code": "INVALID_API_KEY", "message": "No", "details": {}}
    server.answers = [(401, {"success": False, "error": refusal})]

    with pytest.raises(codes.InvalidApiKey):
        await call(server.url, "events")
