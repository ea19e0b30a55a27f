"""API keys: created, shown once, listed, revoked, repeated; only digests are stored."""

import asyncio
import base64
import datetime as dt
import uuid

import httpx
import psycopg
import pytest

from gateway import keys as key_format
from tests.patience import PATIENCE_SECONDS

from .conftest import Keys, Services
from .messages import an_order
from .test_access import ORDER, bearer, refusal


async def test_a_key_with_another_secret_is_refused(bare: httpx.AsyncClient, demo_key: str) -> None:
    body = demo_key[:-38] + "A" * 32
    forged = body + key_format._checksum(body)
    assert key_format.id_of(forged) == key_format.id_of(demo_key)

    refusal(await bare.get(ORDER, headers=bearer(forged)), 401, "INVALID_API_KEY")


async def test_a_test_key_never_reaches_live_data(keys: Keys) -> None:
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


@pytest.mark.parametrize(
    "text", ["\x00", "nosuchkey", "A" * 12, "é" * 12, "A" * 11 + "\n", "A" * 13, ""]
)
async def test_an_unknown_cursor_is_refused(rest: httpx.AsyncClient, text: str) -> None:
    cursor = base64.urlsafe_b64encode(text.encode()).decode() or "=="

    answer = await rest.get("/api/v1/auth/api-keys", params={"cursor": cursor})

    fields = refusal(answer, 400, "VALIDATION_ERROR")["fields"]
    assert [field["field"] for field in fields] == ["cursor"]


async def test_another_marketplaces_cursor_is_refused(rest: httpx.AsyncClient, keys: Keys) -> None:
    foreign = key_format.id_of(await keys.make(marketplace="foreign")) or ""
    cursor = base64.urlsafe_b64encode(foreign.encode()).decode()

    refusal(
        await rest.get("/api/v1/auth/api-keys", params={"cursor": cursor}), 400, "VALIDATION_ERROR"
    )


@pytest.mark.parametrize("key_id", ["%00", "%FF", "x", "A" * 12, "%C3%A9" * 12])
async def test_id_that_is_not_an_api_keys_is_not_found(
    rest: httpx.AsyncClient, key_id: str
) -> None:
    refusal(await rest.delete(f"/api/v1/auth/api-keys/{key_id}"), 404, "API_KEY_NOT_FOUND")


async def test_a_database_error_is_internal_and_not_unavailable(keys: Keys) -> None:
    with pytest.raises(psycopg.DataError):
        await keys.store.find_marketplace("\x00", environment="live")


async def test_a_key_cannot_create_a_key_with_more_scopes(
    bare: httpx.AsyncClient, keys: Keys
) -> None:
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
    kept = await keys.store.find(key_id or "")
    assert kept is not None
    assert kept.revoked_at is None


async def test_an_expired_key_is_refused(bare: httpx.AsyncClient, keys: Keys) -> None:
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


async def test_a_repeated_revocation_is_answered_as_the_first_time(
    rest: httpx.AsyncClient, keys: Keys
) -> None:
    headers = {"idempotency-key": str(uuid.uuid4())}
    one, other = [key_format.id_of(await keys.make("read")) for _ in range(2)]

    first = await rest.delete(f"/api/v1/auth/api-keys/{one}", headers=headers)
    again = await rest.delete(f"/api/v1/auth/api-keys/{one}", headers=headers)
    refused = await rest.delete(f"/api/v1/auth/api-keys/{other}", headers=headers)

    assert first.status_code == again.status_code == 200
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.content == first.content
    refusal(refused, 409, "IDEMPOTENCY_KEY_REUSED")
    kept = await keys.store.find(other or "")
    assert kept is not None
    assert kept.revoked_at is None


async def test_creation_and_revocation_share_one_space_of_idempotency_keys(
    rest: httpx.AsyncClient,
) -> None:
    headers, path = {"idempotency-key": str(uuid.uuid4())}, "/api/v1/auth/api-keys"
    made = await rest.post(path, json={"scopes": ["read"]}, headers=headers)

    answer = await rest.delete(f"{path}/{made.json()['data']['id']}", headers=headers)

    refusal(answer, 409, "IDEMPOTENCY_KEY_REUSED")


async def test_refusal_of_a_revocation_is_replayed(rest: httpx.AsyncClient) -> None:
    headers, path = {"idempotency-key": str(uuid.uuid4())}, f"/api/v1/auth/api-keys/{'A' * 12}"

    first = await rest.delete(path, headers=headers)
    again = await rest.delete(path, headers=headers)

    refusal(first, 404, "API_KEY_NOT_FOUND")
    assert "idempotent-replayed" not in first.headers
    assert (again.status_code, again.headers["idempotent-replayed"]) == (404, "true")
    assert again.content == first.content


async def test_stored_requests_and_salts_are_deleted_after_a_day(
    rest: httpx.AsyncClient, keys: Keys, database_admin: str
) -> None:
    headers, path = {"idempotency-key": str(uuid.uuid4())}, "/api/v1/auth/api-keys"
    old = (await rest.post(path, json={"scopes": ["read"]}, headers=headers)).json()["data"]["id"]
    headers = {"idempotency-key": str(uuid.uuid4())}
    new = (await rest.post(path, json={"scopes": ["read"]}, headers=headers)).json()["data"]["id"]
    salts = "select id from gateway.api_keys where salt is not null and id in (%s, %s)"
    requests = "select body from gateway.idempotency where body in (%s, %s)"
    with psycopg.connect(database_admin, autocommit=True) as connection:
        earlier = "set created_at = created_at - interval '26 hours' where"
        connection.execute(f"update gateway.api_keys {earlier} id = %s", (old,))
        connection.execute(f"update gateway.idempotency {earlier} body = %s", (old.encode(),))

        await keys.store.forget()

        assert connection.execute(salts, (old, new)).fetchall() == [(new,)]
        known = connection.execute(requests, (old.encode(), new.encode())).fetchall()
    assert known == [(new.encode(),)]


async def test_concurrent_repeats_create_one_key(rest: httpx.AsyncClient) -> None:
    headers, body = {"idempotency-key": str(uuid.uuid4())}, {"scopes": ["read"]}

    answers = await asyncio.gather(
        *(rest.post("/api/v1/auth/api-keys", json=body, headers=headers) for _ in range(8))
    )

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert [answer.headers.get("idempotent-replayed") for answer in answers].count(None) == 1


async def test_idempotency_key_can_be_reused_after_a_day(
    rest: httpx.AsyncClient, database_admin: str
) -> None:
    headers, body = {"idempotency-key": str(uuid.uuid4())}, {"scopes": ["read"]}
    first = await rest.post("/api/v1/auth/api-keys", json=body, headers=headers)
    with psycopg.connect(database_admin, autocommit=True) as connection:
        connection.execute(
            "update gateway.idempotency set created_at = created_at - interval '25 hours'"
            " where key = %s",
            (f"k:{headers['idempotency-key']}",),
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

    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await bare.get("/api/v1/me", headers=bearer(key))).status_code == 200:
            continue


async def test_only_the_digest_of_a_key_is_kept(keys: Keys, demo_key: str) -> None:
    key = await keys.store.find(key_format.id_of(demo_key) or "")

    assert key is not None
    assert key.digest == keys.store.digest(demo_key)
    assert demo_key.encode() not in key.digest
