"""A request's headers, keys, preferences, fingerprints and body."""

import asyncio
from typing import Any, cast

import pytest

from gateway import call
from gateway.call import Call, HeaderNotValid, Parts
from gateway.errors import BodyTooLarge, RequestTimeout, UnsupportedMediaType

NO_PARTS = cast("Parts", None)


def a_call(headers: dict[str, str] | None = None, **changes: Any) -> Call:
    values: dict[str, Any] = {
        "method": "POST",
        "path": "/api/v1/orders",
        "headers": headers or {},
        "query_string": b"",
        "request_id": "r",
        "parts": NO_PARTS,
        "body": b"{}",
    }
    return Call(**(values | changes))


def a_scope(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http", "headers": list(headers)}


@pytest.mark.parametrize(
    "name", [b"authorization", b"x-api-key", b"idempotency-key", b"content-type"]
)
def test_a_repeated_single_header_is_refused(name: bytes) -> None:
    with pytest.raises(HeaderNotValid, match="twice"):
        call.read_headers(a_scope((name, b"a"), (name, b"a")))


def test_other_headers_may_be_repeated() -> None:
    headers = call.read_headers(a_scope((b"prefer", b"wait=1"), (b"prefer", b"respond-async")))

    assert headers == {"prefer": "wait=1, respond-async"}


@pytest.mark.parametrize("given", ["abc-123", "!" * 128])
def test_a_printable_request_id_is_kept(given: str) -> None:
    assert call.request_id(a_scope((b"x-request-id", given.encode()))) == given


@pytest.mark.parametrize("given", ["", "a b", "a\tb", "x" * 129, "é"])
def test_an_invalid_request_id_is_replaced(given: str) -> None:
    made = call.request_id(a_scope((b"x-request-id", given.encode("latin-1"))))

    assert made != given
    assert len(made) == 36


def test_a_request_without_an_id_or_with_two_is_given_one() -> None:
    two = call.request_id(a_scope((b"x-request-id", b"a"), (b"x-request-id", b"a")))

    assert len(two) == len(call.request_id(a_scope())) == 36


@pytest.mark.parametrize("key", ["a", "x" * 255, "550e8400-e29b-41d4-a716-446655440000", "a b~!"])
def test_a_printable_key_is_the_request_id_of_the_change(key: str) -> None:
    assert a_call({"idempotency-key": key}).write_key() == f"k:{key}"


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\tb", "a\x7f"])
def test_an_idempotency_key_that_is_not_printable_is_refused(key: str) -> None:
    with pytest.raises(HeaderNotValid, match="Idempotency-Key"):
        a_call({"idempotency-key": key}).write_key()


def test_without_an_idempotency_key_every_request_is_new() -> None:
    assert a_call().write_key() != a_call().write_key()
    assert a_call().write_key().startswith("r:")


def test_the_same_request_has_the_same_fingerprint() -> None:
    one = a_call(query_string=b"b=2&a=1").fingerprint()

    assert one == a_call(query_string=b"a=1&b=2").fingerprint()
    assert len(one) == 32


@pytest.mark.parametrize(
    "change",
    [
        {"method": "DELETE"},
        {"path": "/api/v1/users"},
        {"query_string": b"a=1"},
        {"body": b"{ }"},
        {"body": b""},
    ],
)
def test_another_request_has_another_fingerprint(change: dict[str, Any]) -> None:
    assert a_call(**change).fingerprint() != a_call().fingerprint()


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (None, 30),
        ("", 30),
        ("wait=5", 5),
        ("wait=0", 0),
        ("Wait = 7", 7),
        ("wait=600", 60),
        ("respond-async", 0),
        ("respond-async, wait=10", 10),
        ("return=minimal", 30),
        ("wait=-1", 30),
        ("wait=1.5", 30),
        ("wait=soon", 30),
    ],
)
def test_prefer_header_sets_the_wait_time(prefer: str | None, seconds: int) -> None:
    headers = {} if prefer is None else {"prefer": prefer}

    assert a_call(headers).wait_seconds() == seconds


def receiving(*chunks: bytes) -> Any:
    messages = [
        {"type": "http.request", "body": chunk, "more_body": place < len(chunks) - 1}
        for place, chunk in enumerate(chunks)
    ]

    async def receive() -> Any:
        return messages.pop(0)

    return receive


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'],
)
async def test_a_body_in_several_chunks_is_read(content_type: str) -> None:
    headers = {"content-type": content_type}

    assert await call.read_body(receiving(b'{"a"', b":1", b"}"), headers) == b'{"a":1}'


async def test_a_body_without_a_content_type_is_taken_as_json() -> None:
    assert await call.read_body(receiving(b"{}"), {}) == b"{}"


async def test_no_body_needs_no_content_type() -> None:
    assert await call.read_body(receiving(b""), {}) == b""


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "application/json+x",
     "application/jsonx", "application/problem+json"],
)  # fmt: skip
async def test_a_body_that_is_declared_as_something_else_is_refused(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        await call.read_body(receiving(b"{}"), {"content-type": content_type})


@pytest.mark.parametrize("chunks", [[b"x" * 65_537], [b"x" * 65_000, b"x" * 600, b"never read"]])
async def test_a_body_beyond_the_limit_is_not_read_further(chunks: list[bytes]) -> None:
    with pytest.raises(BodyTooLarge):
        await call.read_body(receiving(*chunks), {"content-type": "application/json"})


@pytest.mark.parametrize("chunks", [[], [b""], [b'{"amount":']])
async def test_a_body_that_does_not_arrive_times_out(
    monkeypatch: pytest.MonkeyPatch, chunks: list[bytes]
) -> None:
    monkeypatch.setattr(call, "BODY_SECONDS", 0.01)
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]

    async def receive() -> Any:
        return messages.pop(0) if messages else await asyncio.Event().wait()

    with pytest.raises(RequestTimeout, match="in time"):
        await call.read_body(receive, {})


@pytest.mark.parametrize("chunks", [[], [b""], [b"{}"]])
async def test_an_incomplete_body_is_refused(chunks: list[bytes]) -> None:
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.disconnect"})

    async def receive() -> Any:
        return messages.pop(0)

    with pytest.raises(RequestTimeout, match="incomplete"):
        await call.read_body(receive, {})


async def test_a_body_of_64_kib_is_read() -> None:
    raw = b"x" * 65_536

    assert await call.read_body(receiving(raw), {"content-type": "application/json"}) == raw


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, b"198.51.100.1", "192.0.2.1"),
        (1, b"203.0.113.9, 198.51.100.1", "198.51.100.1"),
        (2, b"203.0.113.9, 198.51.100.1", "203.0.113.9"),
        (3, b"203.0.113.9, 198.51.100.1", "192.0.2.1"),
        (1, b"", "192.0.2.1"),
        (1, b"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (1, b"::ffff:198.51.100.1", "198.51.100.1"),
        (1, b"x" * 100, "x" * 64),
    ],
)
def test_the_client_address_is_taken_from_trusted_proxies(
    proxies: int, forwarded: bytes, address: str
) -> None:
    scope = a_scope((b"x-forwarded-for", forwarded)) | {"client": ("192.0.2.1", 5)}

    assert call.client_address(scope, proxies=proxies) == address
