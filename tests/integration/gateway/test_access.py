"""Credentials, scopes, marketplaces, and the keys themselves, over HTTP."""

import uuid
from typing import Any

import httpx
import pytest
from orchestrator.ledger.v1 import ledger_pb2
from orchestrator.orders.v1 import orders_pb2

from gateway import keys as key_format
from kernel.ids import to_public

from .conftest import Keys, Services
from .messages import ORDER_ID, an_order, usdc

ORDER = f"/api/v1/orders/{to_public('ord', ORDER_ID)}"
WRITES = [
    ("/api/v1/orders", {"buyerId": "a", "sellerId": "b", "amount": "1.00", "title": "t"}),
    (f"{ORDER}/reserve", None),
    (f"{ORDER}/escrow", None),
    (f"{ORDER}/escrow/fund", None),
    (f"{ORDER}/deliver", None),
    (f"{ORDER}/cancel", None),
    (f"{ORDER}/resolution/release", None),
    (f"{ORDER}/resolution/refund", None),
    (f"{ORDER}/resolution/dispute", None),
    ("/api/v1/users", {"externalUserId": "x"}),
]


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def refusal(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"success", "error"}
    assert body["success"] is False
    assert set(body["error"]) == {"code", "message", "details"}
    assert body["error"]["code"] == code
    details: dict[str, Any] = body["error"]["details"]
    return details


async def test_without_a_credential_nothing_is_served(bare: httpx.AsyncClient) -> None:
    answer = await bare.get(ORDER)

    refusal(answer, 401, "UNAUTHORIZED")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "authorization",
    ["Bearer", "Basic b2hrOg==", "Bearer nonsense", "Bearer ohk_live_", "ohk_live_x"],
)
async def test_a_text_that_is_not_a_key_is_refused(
    bare: httpx.AsyncClient, authorization: str
) -> None:
    answer = await bare.get(ORDER, headers={"authorization": authorization})

    refusal(answer, 401, "INVALID_API_KEY")


async def test_an_unknown_key_is_refused(bare: httpx.AsyncClient) -> None:
    _, unknown = key_format.make("live")

    refusal(await bare.get(ORDER, headers=bearer(unknown)), 401, "INVALID_API_KEY")


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
async def test_a_key_may_come_in_either_header(
    bare: httpx.AsyncClient, services: Services, demo_key: str, header: str
) -> None:
    services.orders.answers["GetOrder"] = an_order()
    value = f"bearer {demo_key}" if header == "authorization" else demo_key

    answer = await bare.get(ORDER, headers={header: value})

    assert answer.status_code == 200


async def test_two_credentials_are_refused(bare: httpx.AsyncClient, demo_key: str) -> None:
    answer = await bare.get(ORDER, headers={**bearer(demo_key), "x-api-key": demo_key})

    fields = refusal(answer, 400, "VALIDATION_ERROR")["fields"]
    assert fields == [{"field": "Authorization", "message": "is sent beside x-api-key"}]


@pytest.mark.parametrize("header", ["authorization", "idempotency-key"])
async def test_a_header_given_twice_is_refused(
    bare: httpx.AsyncClient, demo_key: str, header: str
) -> None:
    headers = [("authorization", f"Bearer {demo_key}"), (header, "x"), (header, "x")]
    answer = await bare.post(f"{ORDER}/reserve", headers=headers)
    told = await bare.post(f"{ORDER}/reserve", headers=[*headers, ("x-request-id", "r-1")])

    refusal(answer, 400, "VALIDATION_ERROR")
    assert len(answer.headers["x-request-id"]) == 36
    assert told.headers["x-request-id"] == "r-1"


async def test_services_get_the_callers_identity(
    bare: httpx.AsyncClient, services: Services, keys: Keys
) -> None:
    services.orders.answers["GetOrder"] = an_order()
    key = await keys.make("read", marketplace="other")

    await bare.get(ORDER, headers=bearer(key))

    _, _, who = services.orders.asked[-1]
    assert who.marketplace_id == await keys.store.marketplace("other", environment="live")
    assert who.principal == f"key:{key_format.id_of(key)}"
    assert (who.caller, who.role, who.scopes) == ("gateway", "marketplace", frozenset({"read"}))


@pytest.mark.parametrize(("path", "body"), WRITES)
async def test_a_read_key_cannot_write(
    bare: httpx.AsyncClient, services: Services, keys: Keys, path: str, body: Any
) -> None:
    key = await keys.make("read", "support", "admin")

    answer = await bare.post(path, json=body, headers=bearer(key))

    details = refusal(answer, 403, "INSUFFICIENT_SCOPE")
    assert details == {
        "required_scope": "write",
        "current_scopes": ["admin", "read", "support"],
    }
    assert services.orders.asked == []


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", ORDER, "read"),
        ("GET", "/api/v1/orders", "read"),
        ("GET", "/api/v1/users/x/balance", "read"),
        ("GET", "/api/v1/disputes", "read"),
        ("GET", "/api/v1/events", "read"),
        ("POST", f"/api/v1/disputes/{to_public('dsp', ORDER_ID)}/assign", "support"),
        ("POST", f"/api/v1/disputes/{to_public('dsp', ORDER_ID)}/resolve", "support"),
        ("POST", "/api/v1/users/x/balance/credit", "admin"),
        ("GET", "/api/v1/auth/api-keys", "admin"),
        ("POST", "/api/v1/auth/api-keys", "admin"),
        ("DELETE", "/api/v1/auth/api-keys/x", "admin"),
    ],
)
async def test_every_route_has_its_scope(
    bare: httpx.AsyncClient, keys: Keys, method: str, path: str, scope: str
) -> None:
    others = {"read", "write", "support", "admin"} - {scope}
    key = await keys.make(*others)

    answer = await bare.request(method, path, headers=bearer(key))

    assert refusal(answer, 403, "INSUFFICIENT_SCOPE")["required_scope"] == scope


async def test_me_shows_the_key(bare: httpx.AsyncClient, keys: Keys) -> None:
    key = await keys.make("read", environment="test")

    answer = await bare.get("/api/v1/me", headers=bearer(key))

    marketplace_id = await keys.store.marketplace("demo", environment="test")
    assert answer.json()["data"] == {
        "marketplaceId": str(marketplace_id),
        "marketplace": "demo",
        "environment": "test",
        "keyId": key_format.id_of(key),
        "supportId": None,
        "name": "",
        "scopes": ["read"],
    }


async def test_a_balance_looks_up_the_users_uuid_once(
    rest: httpx.AsyncClient, services: Services
) -> None:
    name, user_id = f"usr_{uuid.uuid4().hex[:8]}", uuid.uuid4()
    services.orders.answers["GetUser"] = orders_pb2.User(id=str(user_id), public_id=name)
    services.ledger.answers["GetBalance"] = ledger_pb2.Account(
        user_id=str(user_id), available=usdc(2000), reserved=usdc(8000)
    )

    for path in (f"/users/{name}/balance", f"/balances/{name}"):
        answer = await rest.get(f"/api/v1{path}")
        assert answer.json()["data"] == {
            "userId": name,
            "available": "20.00",
            "reserved": "80.00",
            "currency": "USDC",
        }

    assert [name for name, _, _ in services.orders.asked] == ["GetUser"]
    assert services.ledger.last("GetBalance").user_id == str(user_id)
