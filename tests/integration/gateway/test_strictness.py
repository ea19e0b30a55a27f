"""Requests that are not valid are refused with their code and reach no service."""

import asyncio
import json
import uuid
from typing import Any

import httpx
import pytest

from chassis.server import Server
from gateway import keys as key_format
from kernel.errors import (
    Aborted,
    AlreadyExists,
    DeadlineExceeded,
    DomainError,
    FailedPrecondition,
    Unauthenticated,
    Unavailable,
)
from kernel.ids import to_public
from tests.identities import verifier
from tests.patience import PATIENCE_SECONDS

from .conftest import Keys, Services, binding_of
from .messages import ORDER_ID, an_order, running
from .test_access import refusal

ORD = to_public("ord", ORDER_ID)
ORDER = f"/api/v1/orders/{ORD}"
JSON = {"content-type": "application/json"}
CREATE: dict[str, Any] = {
    "buyerId": "usr_buyer123",
    "sellerId": "usr_seller456",
    "amount": "80.00",
    "title": "Logo design",
}


def changed(**fields: Any) -> bytes:
    return json.dumps({**CREATE, **fields}).encode()


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"", JSON, 400, "VALIDATION_ERROR"),
        (b"{", JSON, 400, "VALIDATION_ERROR"),
        (b"[]", JSON, 400, "VALIDATION_ERROR"),
        (b'"text"', JSON, 400, "VALIDATION_ERROR"),
        (b'{"title": "a", "title": "b"}', JSON, 400, "VALIDATION_ERROR"),
        (b'{"amount": NaN}', JSON, 400, "VALIDATION_ERROR"),
        (b"{}", JSON, 400, "MISSING_REQUIRED_FIELD"),
        (changed(amount="80"), JSON, 400, "INVALID_AMOUNT_FORMAT"),
        (changed(amount=80.0), JSON, 400, "INVALID_AMOUNT_FORMAT"),
        (changed(currency="dollars"), JSON, 400, "INVALID_CURRENCY"),
        (changed(other=1), JSON, 400, "VALIDATION_ERROR"),
        (changed(title="\x00"), JSON, 400, "VALIDATION_ERROR"),
        (changed(metadata={"a": "x" * 16_400}), JSON, 400, "VALIDATION_ERROR"),
        (b'{"metadata": ' + b"[" * 9 + b"]" * 9 + b"}", JSON, 400, "VALIDATION_ERROR"),
        (changed(description="x" * 70_000), JSON, 413, "VALIDATION_ERROR"),
        (changed(), {"content-type": "text/plain"}, 415, "VALIDATION_ERROR"),
        (changed(), {"content-type": ""}, 415, "VALIDATION_ERROR"),
        (changed(), {**JSON, "idempotency-key": "x" * 256}, 400, "VALIDATION_ERROR"),
        (changed(), {**JSON, "idempotency-key": ""}, 400, "VALIDATION_ERROR"),
    ],
)
async def test_a_wrong_request_is_refused_with_its_code(
    rest: httpx.AsyncClient,
    services: Services,
    content: bytes,
    headers: dict[str, str],
    status: int,
    code: str,
) -> None:
    answer = await rest.post("/api/v1/orders", content=content, headers=headers)

    fields = refusal(answer, status, code)["fields"]
    assert fields
    assert all(set(found) == {"field", "message"} for found in fields)
    assert services.orders.asked == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"text"', b'{"a": 1, "a": 2}', b"\xff"])
async def test_a_body_that_is_not_a_json_object_is_refused(
    rest: httpx.AsyncClient, content: bytes
) -> None:
    answer = await rest.post("/api/v1/orders", content=content)

    fields = refusal(answer, 400, "VALIDATION_ERROR")["fields"]
    assert [found["field"] for found in fields] == ["body"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=%ff", "status"),
        ("limit=1&buyer%49d=%C3", "buyerId"),
        ("status=%00", "status"),
        ("%ff=1", "query"),
        ("&".join(["a=1"] * 33), "query"),
        ("other=1", "other"),
    ],
)
async def test_a_parameter_that_is_not_text_is_named(
    rest: httpx.AsyncClient, query: str, field: str
) -> None:
    answer = await rest.get(f"/api/v1/orders?{query}")

    fields = refusal(answer, 400, "VALIDATION_ERROR")["fields"]
    assert [found["field"] for found in fields] == [field]


@pytest.mark.parametrize(
    "path",
    ["/api", "/api/v1", "/api/v1/", "/nothing", "/nothing/party", "/party", "/docs/assets/no"],
)
async def test_an_unknown_path_is_refused_in_the_marketplace_shape(
    bare: httpx.AsyncClient, path: str
) -> None:
    answer = await bare.get(path, headers={"x-request-id": "r-1"})

    refusal(answer, 404, "NOT_FOUND")
    assert answer.headers["x-request-id"] == "r-1"


async def test_an_unknown_path_with_a_token_is_refused_in_the_party_shape(
    bare: httpx.AsyncClient,
) -> None:
    for path in ("/nothing", "/api/v1/nothing"):
        answer = await bare.get(path, headers={"authorization": "Bearer eyJ.x.y"})
        assert answer.status_code == 404
        assert answer.json()["code"] == "not_found"


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/docs/party", "/party/openapi.json"])
async def test_a_page_answers_only_get(bare: httpx.AsyncClient, path: str) -> None:
    refused = await bare.post(path)

    for headers in ({}, {"authorization": "Bearer eyJ.x.y"}, {"x-api-key": "ohk_live_x"}):
        assert (await bare.get(path, headers=headers)).status_code == 200
    assert refused.status_code == 405
    assert "GET" in refused.headers["allow"]
    if "party" in path:
        assert refused.json()["code"] == "method_not_allowed"
    else:
        refusal(refused, 405, "METHOD_NOT_ALLOWED")


async def test_a_wrong_idempotency_key_is_refused_before_anything_changes(
    rest: httpx.AsyncClient, keys: Keys
) -> None:
    key_id = key_format.id_of(await keys.make()) or ""

    answer = await rest.delete(
        f"/api/v1/auth/api-keys/{key_id}", headers={"idempotency-key": "x" * 256}
    )

    refusal(answer, 400, "VALIDATION_ERROR")
    kept = await keys.store.find(key_id)
    assert kept is not None
    assert kept.revoked_at is None


@pytest.mark.parametrize("content", [b"", b"{}"])
async def test_an_action_needs_neither_a_body_nor_a_content_type(
    rest: httpx.AsyncClient, services: Services, content: bytes
) -> None:
    services.orders.answers["ReserveFunds"] = an_order("FUNDS_RESERVED")

    answer = await rest.post(f"{ORDER}/reserve", content=content)

    assert "content-type" not in answer.request.headers
    assert answer.status_code == 200


async def test_every_wrong_field_is_named(rest: httpx.AsyncClient) -> None:
    answer = await rest.post("/api/v1/orders", json={"amount": "1", "buyer_id": "a b", "x": 1})

    details = refusal(answer, 400, "VALIDATION_ERROR")
    assert [found["field"] for found in details["fields"]] == [
        "buyerId",
        "sellerId",
        "amount",
        "title",
        "x",
    ]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nothing", 404, "NOT_FOUND"),
        ("GET", "/api/v1/", 404, "NOT_FOUND"),
        ("GET", "/api/v1/orders/a/b/c", 404, "NOT_FOUND"),
        ("PUT", "/api/v1/orders", 405, "METHOD_NOT_ALLOWED"),
        ("DELETE", ORDER, 405, "METHOD_NOT_ALLOWED"),
        ("OPTIONS", "/api/v1/health", 405, "METHOD_NOT_ALLOWED"),
        ("GET", f"{ORDER}/reserve", 405, "METHOD_NOT_ALLOWED"),
    ],
)
async def test_an_unknown_path_is_refused_in_the_documented_shape(
    bare: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    answer = await bare.request(method, path)

    refusal(answer, status, code)
    if status == 405:
        assert answer.headers["allow"]


async def test_both_methods_of_a_path_are_named(bare: httpx.AsyncClient) -> None:
    answer = await bare.patch("/api/v1/orders")

    assert answer.headers["allow"] == "GET, POST"


async def test_a_collection_answers_with_a_slash_without_a_redirect(
    rest: httpx.AsyncClient, services: Services
) -> None:
    services.orders.answers["CreateOrder"] = an_order()

    answer = await rest.post("/api/v1/orders/", json=CREATE)

    assert answer.status_code == 201


async def test_a_trailing_slash_does_not_change_the_request(
    rest: httpx.AsyncClient, services: Services
) -> None:
    services.orders.answers["CreateOrder"] = an_order()
    prints = set()

    for path in ("/api/v1/orders", "/api/v1/orders/"):
        await rest.post(path, json=CREATE, headers={"idempotency-key": "k"})
        prints.add(services.orders.last("CreateOrder").fingerprint)

    assert len(prints) == 1


@pytest.mark.parametrize("content", [None, b"", b"{}"])
@pytest.mark.parametrize("action", ["reserve", "escrow", "cancel", "resolution/release"])
async def test_an_action_needs_no_body(
    rest: httpx.AsyncClient, services: Services, action: str, content: bytes | None
) -> None:
    for rpc in ("ReserveFunds", "CreateEscrow", "CancelOrder", "ReleaseFunds"):
        services.orders.answers[rpc] = an_order()

    answer = await rest.post(f"{ORDER}/{action}", content=content, headers=JSON)

    assert answer.status_code in {200, 202}


async def test_the_request_id_is_echoed_and_travels(
    rest: httpx.AsyncClient, services: Services
) -> None:
    services.orders.answers["GetOrder"] = an_order()

    answer = await rest.get(ORDER, headers={"x-request-id": "mine-1"})
    made = await rest.get(ORDER)

    assert answer.headers["x-request-id"] == "mine-1"
    assert uuid.UUID(made.headers["x-request-id"])


async def test_a_key_and_the_fingerprint_reach_the_service(
    rest: httpx.AsyncClient, services: Services
) -> None:
    services.orders.answers["ReserveFunds"] = an_order("FUNDS_RESERVED")

    await rest.post(f"{ORDER}/reserve", headers={"idempotency-key": "abc"})
    one = services.orders.last("ReserveFunds")
    await rest.post(f"{ORDER}/reserve", json={}, headers={"idempotency-key": "abc"})
    other = services.orders.last("ReserveFunds")

    assert one.request_id == other.request_id == "k:abc"
    assert len(one.fingerprint) == 32
    assert one.fingerprint != other.fingerprint


async def test_a_replayed_answer_says_so(rest: httpx.AsyncClient, services: Services) -> None:
    services.orders.answers["ReserveFunds"] = an_order("FUNDS_RESERVED")
    first = await rest.post(f"{ORDER}/reserve", headers={"idempotency-key": "abc"})
    services.orders.replays = True

    again = await rest.post(f"{ORDER}/reserve", headers={"idempotency-key": "abc"})

    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.content == first.content


async def test_a_replayed_refusal_says_so(rest: httpx.AsyncClient, services: Services) -> None:
    error = FailedPrecondition("No", reason="INVALID_STATE", details={"currentState": "CLOSED"})
    error.replayed = True
    services.orders.answers["ReserveFunds"] = error

    answer = await rest.post(f"{ORDER}/reserve", headers={"idempotency-key": "abc"})

    assert refusal(answer, 409, "INVALID_STATE") == {"currentState": "CLOSED"}
    assert answer.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Aborted(reason="IDEMPOTENCY_KEY_IN_PROGRESS"), 409, "IDEMPOTENCY_KEY_IN_PROGRESS"),
        (AlreadyExists(reason="IDEMPOTENCY_KEY_REUSED"), 409, "IDEMPOTENCY_KEY_REUSED"),
        (FailedPrecondition(reason="INSUFFICIENT_FUNDS"), 422, "INSUFFICIENT_FUNDS"),
        (Unavailable(reason="PROVIDER_ERROR"), 502, "PROVIDER_ERROR"),
        (Unavailable(), 503, "PROVIDER_UNAVAILABLE"),
        (DeadlineExceeded(), 504, "PROVIDER_TIMEOUT"),
        (Unauthenticated("the gateway itself was refused"), 500, "INTERNAL_ERROR"),
    ],
)
async def test_a_services_refusal_is_printed(
    rest: httpx.AsyncClient, services: Services, error: DomainError, status: int, code: str
) -> None:
    services.orders.answers["ReserveFunds"] = error

    answer = await rest.post(f"{ORDER}/reserve")

    refusal(answer, status, code)


async def test_an_internal_error_has_no_details(
    rest: httpx.AsyncClient, services: Services
) -> None:
    # An answer without an id cannot be printed.
    services.orders.answers["GetOrder"] = an_order(id="nonsense")

    answer = await rest.get(ORDER, headers={"x-request-id": "r-1"})

    assert refusal(answer, 500, "INTERNAL_ERROR") == {"requestId": "r-1"}
    assert "nonsense" not in answer.text


@pytest.mark.parametrize(
    ("prefer", "seconds"), [(None, 30), ("wait=3", 3), ("respond-async", 0), ("wait=99", 60)]
)
async def test_prefer_reaches_the_service(
    rest: httpx.AsyncClient, services: Services, prefer: str | None, seconds: int
) -> None:
    services.orders.answers["FundEscrow"] = an_order(
        "ESCROW_FUNDING", operation=running("FUND_ESCROW")
    )

    answer = await rest.post(f"{ORDER}/escrow/fund", headers={"prefer": prefer} if prefer else {})

    assert services.orders.last("FundEscrow").wait_seconds == seconds
    assert answer.status_code == 202
    data = answer.json()["data"]
    assert (data["status"], data["operation"]["kind"]) == ("ESCROW_FUNDING", "FUND_ESCROW")


async def test_an_unavailable_service_is_answered_in_time_and_shape(
    rest: httpx.AsyncClient, services: Services
) -> None:
    await services.servers["disputes"].stop(grace_seconds=0)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            answer = await rest.get("/api/v1/disputes", timeout=PATIENCE_SECONDS)
    finally:
        await restart(services, "disputes")

    refusal(answer, 503, "PROVIDER_UNAVAILABLE")
    assert answer.headers["retry-after"] == "1"


async def restart(services: Services, name: str) -> None:
    port = int(services.addresses[name].rpartition(":")[2])
    binding = binding_of(name, getattr(services, name))
    server = Server(binding=binding, verifier=verifier(), with_reflection=False)
    await server.start(host="127.0.0.1", port=port)
    await server.set_ready(ready=True)
    services.servers[name] = server
