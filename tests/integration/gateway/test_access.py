"""Credentials, scopes, marketplaces, and the keys themselves, over HTTP."""

import asyncio
import datetime as dt
import uuid
from typing import Any

import httpx
import psycopg
import pytest
from orchestrator.ledger.v1 import ledger_pb2
from orchestrator.orders.v1 import orders_pb2

from deploy.local.ports import free_port
from gateway import keys as key_format
from gateway.app import open_gateway
from gateway.settings import GatewaySettings
from kernel.ids import to_public

from .conftest import CONTRACTS, Keys, Services, serving
from .messages import ORDER_ID, an_order, usdc

ORDER = f"/api/v1/orders/{to_public('ord', ORDER_ID)}"
WRITES = [
    ("/api/v1/orders", {"buyerId": "a", "sellerId": "b", "amount": "1.00", "title": "t"}),
    (f"{ORDER}/reserve", None),
    (f"{ORDER}/escrow", None),
    (f"{ORDER}/escrow/fund", None),
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
async def test_what_is_no_key_is_refused(bare: httpx.AsyncClient, authorization: str) -> None:
    answer = await bare.get(ORDER, headers={"authorization": authorization})

    refusal(answer, 401, "INVALID_API_KEY")


async def test_a_key_that_was_never_given_out_is_refused(bare: httpx.AsyncClient) -> None:
    _, unknown = key_format.make("live")

    refusal(await bare.get(ORDER, headers=bearer(unknown)), 401, "INVALID_API_KEY")


async def test_a_key_with_another_secret_is_refused(bare: httpx.AsyncClient, demo_key: str) -> None:
    body = demo_key[:-38] + "A" * 32
    forged = body + key_format._checksum(body)
    assert key_format.id_of(forged) == key_format.id_of(demo_key)

    refusal(await bare.get(ORDER, headers=bearer(forged)), 401, "INVALID_API_KEY")


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
async def test_a_key_may_come_in_either_header(
    bare: httpx.AsyncClient, services: Services, demo_key: str, header: str
) -> None:
    services.orders.answers["GetOrder"] = an_order()
    value = f"bearer {demo_key}" if header == "authorization" else demo_key

    answer = await bare.get(ORDER, headers={header: value})

    assert answer.status_code == 200


async def test_two_credentials_are_one_too_many(bare: httpx.AsyncClient, demo_key: str) -> None:
    answer = await bare.get(ORDER, headers={**bearer(demo_key), "x-api-key": demo_key})

    refusal(answer, 400, "VALIDATION_ERROR")


@pytest.mark.parametrize("header", ["authorization", "idempotency-key"])
async def test_a_header_given_twice_is_refused(
    bare: httpx.AsyncClient, demo_key: str, header: str
) -> None:
    headers = [("authorization", f"Bearer {demo_key}"), (header, "x"), (header, "x")]

    refusal(await bare.post(f"{ORDER}/reserve", headers=headers), 400, "VALIDATION_ERROR")


async def test_the_services_are_told_who_calls(
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
async def test_a_key_that_reads_cannot_write(
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


async def test_me_tells_whom_the_key_stands_for(bare: httpx.AsyncClient, keys: Keys) -> None:
    key = await keys.make("read", environment="test")

    answer = await bare.get("/api/v1/me", headers=bearer(key))

    marketplace_id = await keys.store.marketplace("demo", environment="test")
    assert answer.json()["data"] == {
        "marketplaceId": str(marketplace_id),
        "marketplace": "demo",
        "environment": "test",
        "keyId": key_format.id_of(key),
        "name": "",
        "scopes": ["read"],
    }


async def test_a_test_key_never_touches_what_is_live(keys: Keys) -> None:
    live = await keys.store.marketplace("demo", environment="live")
    test = await keys.store.marketplace("demo", environment="test")

    assert live != test
    assert live == await keys.store.marketplace("demo", environment="live")


async def test_a_key_is_made_shown_once_listed_and_revoked_at_once(
    rest: httpx.AsyncClient, bare: httpx.AsyncClient, services: Services
) -> None:
    services.orders.answers["GetOrder"] = an_order()

    made = await rest.post(
        "/api/v1/auth/api-keys", json={"scopes": ["read", "write"], "name": "shop"}
    )

    assert made.status_code == 201
    data = made.json()["data"]
    key = data.pop("key")
    assert (data["name"], data["scopes"], data["revokedAt"]) == ("shop", ["read", "write"], None)
    assert (await bare.get(ORDER, headers=bearer(key))).status_code == 200

    listed = await rest.get("/api/v1/auth/api-keys", params={"limit": 1})
    assert listed.json()["data"] == [data]
    assert listed.json()["hasMore"] is True
    assert key not in listed.text

    revoked = await rest.delete(f"/api/v1/auth/api-keys/{data['id']}")
    assert revoked.status_code == 200
    assert revoked.json()["data"]["revokedAt"] is not None
    refusal(await bare.get(ORDER, headers=bearer(key)), 401, "INVALID_API_KEY")
    again = await rest.delete(f"/api/v1/auth/api-keys/{data['id']}")
    assert again.json() == revoked.json()


async def test_keys_are_listed_page_by_page(bare: httpx.AsyncClient, keys: Keys) -> None:
    made = [await keys.make("admin", marketplace="lists") for _ in range(5)]
    headers, cursor, seen = bearer(made[0]), None, []

    while True:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await bare.get("/api/v1/auth/api-keys", params=params, headers=headers)).json()
        seen += [key["id"] for key in page["data"]]
        cursor = page["nextCursor"]
        assert page["hasMore"] is (cursor is not None)
        if cursor is None:
            break

    assert seen == [key_format.id_of(key) for key in reversed(made)]


async def test_a_key_cannot_make_a_mightier_one(bare: httpx.AsyncClient, keys: Keys) -> None:
    key = await keys.make("admin", "read")

    answer = await bare.post(
        "/api/v1/auth/api-keys", json={"scopes": ["read", "write"]}, headers=bearer(key)
    )

    assert refusal(answer, 403, "INSUFFICIENT_SCOPE")["required_scope"] == "write"


async def test_another_marketplaces_key_is_not_found(
    bare: httpx.AsyncClient, keys: Keys, demo_key: str
) -> None:
    foreign = await keys.make("admin", marketplace="foreign")
    key_id = key_format.id_of(demo_key)

    answer = await bare.delete(f"/api/v1/auth/api-keys/{key_id}", headers=bearer(foreign))

    refusal(answer, 404, "API_KEY_NOT_FOUND")
    assert (await bare.get("/api/v1/me", headers=bearer(demo_key))).status_code == 200


async def test_a_key_past_its_time_is_refused(bare: httpx.AsyncClient, keys: Keys) -> None:
    marketplace_id = await keys.store.marketplace("demo", environment="live")
    made = await keys.store.create(
        marketplace_id=marketplace_id,
        environment="live",
        scopes=["read"],
        expires_at=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1),
    )

    refusal(await bare.get("/api/v1/me", headers=bearer(made.text)), 401, "INVALID_API_KEY")


async def test_a_repeated_request_for_a_key_gives_the_same_key(
    rest: httpx.AsyncClient, bare: httpx.AsyncClient
) -> None:
    headers, body = {"idempotency-key": str(uuid.uuid4())}, {"scopes": ["read"]}
    path = "/api/v1/auth/api-keys"

    first = await rest.post(path, json=body, headers=headers)
    made = first.json()["data"]
    await rest.delete(f"{path}/{made['id']}")
    again = await rest.post(path, json=body, headers=headers)
    other = await rest.post(path, json={"scopes": ["write"]}, headers=headers)

    assert again.content == first.content
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    refusal(other, 409, "IDEMPOTENCY_KEY_REUSED")
    refusal(await bare.get("/api/v1/me", headers=bearer(made["key"])), 401, "INVALID_API_KEY")


async def test_concurrent_requests_for_a_key_make_one(rest: httpx.AsyncClient) -> None:
    headers, body = {"idempotency-key": str(uuid.uuid4())}, {"scopes": ["read"]}

    answers = await asyncio.gather(
        *(rest.post("/api/v1/auth/api-keys", json=body, headers=headers) for _ in range(8))
    )

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert [answer.headers.get("idempotent-replayed") for answer in answers].count(None) == 1


async def test_a_request_key_is_free_again_after_a_day(
    rest: httpx.AsyncClient, database_admin: str
) -> None:
    headers, body = {"idempotency-key": str(uuid.uuid4())}, {"scopes": ["read"]}
    first = await rest.post("/api/v1/auth/api-keys", json=body, headers=headers)
    with psycopg.connect(database_admin, autocommit=True) as connection:
        connection.execute(
            "update gateway.api_keys set created_at = created_at - interval '25 hours'"
            " where id = %s",
            (first.json()["data"]["id"],),
        )

    again = await rest.post("/api/v1/auth/api-keys", json=body, headers=headers)

    assert again.status_code == 201
    assert again.json()["data"]["key"] != first.json()["data"]["key"]


async def test_a_key_revoked_elsewhere_is_refused_within_seconds(
    bare: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.auth.REMEMBERED_SECONDS", 0.2)
    key = await keys.make("read")
    assert (await bare.get("/api/v1/me", headers=bearer(key))).status_code == 200
    key_id = key_format.id_of(key) or ""
    marketplace_id = await keys.store.marketplace("demo", environment="live")

    await keys.store.revoke(key_id, marketplace_id=marketplace_id)

    async with asyncio.timeout(10):
        while (await bare.get("/api/v1/me", headers=bearer(key))).status_code == 200:
            continue


async def test_only_the_digest_of_a_key_is_kept(keys: Keys, demo_key: str) -> None:
    key = await keys.store.find(key_format.id_of(demo_key) or "")

    assert key is not None
    assert key.digest == keys.store.digest(demo_key)
    assert demo_key.encode() not in key.digest


async def test_too_many_requests_say_when_to_come_back(
    settings: GatewaySettings, demo_key: str
) -> None:
    changed = settings.model_copy(update={"rate_limit_per_minute": 2, "gateway_port": free_port()})
    async with (
        open_gateway(changed) as app,
        serving(app, changed.gateway_port) as url,
        httpx.AsyncClient(base_url=url, headers=bearer(demo_key)) as client,
    ):
        first = await client.get("/api/v1/me")
        await client.get("/api/v1/me")
        answer = await client.get("/api/v1/me")

    assert first.headers["x-ratelimit-limit"] == "2"
    assert first.headers["x-ratelimit-remaining"] == "1"
    details = refusal(answer, 429, "RATE_LIMITED")
    assert details == {"retryAfter": 30, "limit": 2, "window": 60}
    assert answer.headers["retry-after"] == "30"
    assert answer.headers["x-ratelimit-remaining"] == "0"


async def test_more_requests_than_can_be_served_are_told_to_come_back(
    settings: GatewaySettings, services: Services, demo_key: str
) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(_request: object) -> Any:
        entered.set()
        await leave.wait()
        return an_order()

    services.orders.answers["GetOrder"] = slow
    changed = settings.model_copy(
        update={"concurrent_requests_max": 1, "gateway_port": free_port()}
    )
    async with (
        open_gateway(changed) as app,
        serving(app, changed.gateway_port) as url,
        httpx.AsyncClient(base_url=url, headers=bearer(demo_key)) as client,
    ):
        first = asyncio.create_task(client.get(ORDER))
        await entered.wait()
        answer = await client.get(ORDER)
        leave.set()

        assert (await first).status_code == 200
    refusal(answer, 503, "PROVIDER_UNAVAILABLE")
    assert answer.headers["retry-after"] == "1"


async def test_without_its_database_the_gateway_says_so(
    settings: GatewaySettings, demo_key: str
) -> None:
    nowhere = f"postgresql://gateway@127.0.0.1:{free_port()}/none"
    changed = settings.model_copy(update={"database_url": nowhere, "gateway_port": free_port()})
    async with (
        open_gateway(changed) as app,
        serving(app, changed.gateway_port) as url,
        httpx.AsyncClient(base_url=url, headers=bearer(demo_key)) as client,
    ):
        refused = await client.get("/api/v1/me")
        alive = await client.get("/api/v1/health")
        detailed = await client.get("/api/v1/health/detailed")

    refusal(refused, 503, "PROVIDER_UNAVAILABLE")
    assert alive.json() == {"success": True, "data": {"status": "ok"}}
    assert refusal(detailed, 503, "PROVIDER_UNAVAILABLE")["parts"]["database"] == "down"


async def test_health_names_every_part(bare: httpx.AsyncClient, services: Services) -> None:
    assert set(services.addresses) == set(CONTRACTS)

    answer = await bare.get("/api/v1/health/detailed")

    parts = {**dict.fromkeys(CONTRACTS, "up"), "database": "up", "events": "up"}
    assert answer.json()["data"] == {"status": "ok", "parts": parts}


async def test_a_service_that_is_not_ready_is_named(
    bare: httpx.AsyncClient, services: Services
) -> None:
    await services.servers["escrow"].set_ready(ready=False)
    try:
        answer = await bare.get("/api/v1/health/detailed")
    finally:
        await services.servers["escrow"].set_ready(ready=True)

    assert refusal(answer, 503, "PROVIDER_UNAVAILABLE")["parts"]["escrow"] == "down"


async def test_a_balance_needs_the_users_uuid_once(
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
