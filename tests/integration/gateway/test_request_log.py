"""The request log over HTTP, and its rows in PostgreSQL."""

import asyncio
import datetime as dt
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
import pytest

from chassis.database import Database
from gateway import request_store
from gateway.keys import id_of
from gateway.request_log import MASK
from gateway.request_store import Filter, LoggedRequest, RequestStore
from gateway.settings import GatewaySettings
from kernel.errors import FailedPrecondition
from kernel.ids import first_id, new_id, to_public
from tests.patience import until

from .conftest import Keys, Services
from .messages import an_order
from .party.conftest import a_user, issuer, mint, party_gateway
from .test_access import ORDER, bearer, refusal

LOG = "/api/v1/requests"
NOW = dt.datetime(2026, 2, 18, 10, tzinfo=dt.UTC)


async def logged(client: httpx.AsyncClient, count: int, **query: str) -> list[dict[str, Any]]:
    """Wait until the log has so many requests that fit; returns them, the newest first."""
    found: list[dict[str, Any]] = []

    async def are_there() -> bool:
        answer = await client.get(LOG, params={"limit": "100", **query})
        assert answer.status_code == 200, answer.text
        found[:] = answer.json()["data"]
        return len(found) >= count

    await until(are_there)
    return found


@pytest.fixture
async def shop(gateway: str, keys: Keys) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a marketplace that only one test uses."""
    key = await keys.make(marketplace=f"shop-{uuid.uuid4().hex[:12]}")
    async with httpx.AsyncClient(base_url=gateway, headers=bearer(key)) as client:
        yield client


async def test_requests_are_logged_for_their_marketplace_alone(
    shop: httpx.AsyncClient, rest: httpx.AsyncClient, services: Services
) -> None:
    services.orders.answers["GetOrder"] = an_order()
    services.orders.answers["ReserveFunds"] = FailedPrecondition(
        "Not enough", reason="INSUFFICIENT_FUNDS"
    )
    headers = {"idempotency-key": "try-1", "x-request-id": "mine-1"}
    await shop.get(f"{ORDER}/")
    await shop.post(f"{ORDER}/reserve", json={"amount": "80.00"}, headers=headers)

    refused, read = await logged(shop, 2)

    key = shop.headers["authorization"].removeprefix("Bearer ")
    assert (read["path"], read["route"]) == (ORDER, "/api/v1/orders/{id}")
    assert (read["method"], read["status"], read["code"]) == ("GET", 200, None)
    assert (read["actor"], read["role"]) == (f"key:{id_of(key)}", "marketplace")
    assert 0 <= read["milliseconds"] < 60_000
    assert {name: refused[name] for name in ("method", "status", "code", "message")} == {
        "method": "POST",
        "status": 422,
        "code": "INSUFFICIENT_FUNDS",
        "message": "Not enough",
    }
    assert (refused["requestId"], refused["idempotencyKey"]) == ("mine-1", "try-1")
    # A request is found by its id in its own marketplace only.
    one = await shop.get(f"{LOG}/{read['id']}")
    assert one.json() == {"success": True, "data": read}
    refusal(await rest.get(f"{LOG}/{read['id']}"), 404, "REQUEST_NOT_FOUND")
    others = (await rest.get(LOG, params={"requestId": "mine-1"})).json()["data"]
    assert others == []
    refusal(await shop.get(f"{LOG}/{to_public('req', new_id())}"), 404, "REQUEST_NOT_FOUND")
    refusal(await shop.get(f"{LOG}/%00"), 404, "REQUEST_NOT_FOUND")


async def test_refusals_before_the_handler_are_logged_and_reads_of_the_log_are_not(
    gateway: str, keys: Keys
) -> None:
    marketplace = f"shop-{uuid.uuid4().hex[:12]}"
    reader, other = [await keys.make("read", marketplace=marketplace) for _ in range(2)]
    async with httpx.AsyncClient(base_url=gateway, headers=bearer(reader)) as client:
        await client.post(f"{ORDER}/reserve")
        await client.get("/api/v1/orders", params={"colour": "red"})
        await client.get(LOG, params={"status": "4xx"})
        await client.get("/api/v1/me", headers=bearer(other))

        mine = await logged(client, 2, actor=f"key:{id_of(reader)}")

        assert [(one["status"], one["code"]) for one in mine] == [
            (400, "VALIDATION_ERROR"),
            (403, "INSUFFICIENT_SCOPE"),
        ]
        assert await logged(client, 3) == [*(await logged(client, 1, status="200")), *mine]


async def test_a_stream_is_logged_when_it_begins(shop: httpx.AsyncClient) -> None:
    async with shop.stream("GET", "/api/v1/events") as answer:
        assert answer.status_code == 200

        [begun] = await logged(shop, 1)

    assert (begun["path"], begun["status"]) == ("/api/v1/events", 200)


async def test_secrets_are_nowhere_in_the_log(shop: httpx.AsyncClient, database_admin: str) -> None:
    key = shop.headers["authorization"].removeprefix("Bearer ")
    secret = f"eyJ{uuid.uuid4().hex}.e30.c2ln"
    headers = {"x-request-id": secret, "idempotency-key": f"for {key}"}
    await shop.delete(f"/api/v1/auth/api-keys/{key}", headers=headers)
    await shop.get("/api/v1/users/ann@shop.example/balance")
    await shop.get("/api/v1/orders", params={"text": secret})
    await shop.post("/api/v1/users", json={"externalUserId": secret, secret: 1})

    found = await logged(shop, 4)

    paths = {one["path"] for one in found}
    assert {f"/api/v1/auth/api-keys/{MASK}", f"/api/v1/users/{MASK}/balance"} <= paths
    assert found[3]["idempotencyKey"] == f"for {MASK}"
    with psycopg.connect(database_admin) as connection:
        rows = connection.execute("select r::text from gateway.requests r").fetchall()
    text = "\n".join(row for (row,) in rows)
    assert [one for one in (key, secret, "ann@", "c2ln") if one in text] == []


async def test_people_are_logged_in_their_marketplace(
    settings: GatewaySettings, services: Services, keys: Keys
) -> None:
    name = f"shop-{uuid.uuid4().hex[:12]}"
    key, subject = await keys.make("read", marketplace=name), uuid.uuid4()
    services.orders.answers["GetUser"] = a_user(subject)
    async with (
        party_gateway(settings, jwt_issuers=[issuer("own", name)]) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        token = mint(subject, by="own")
        refused = await client.get(ORDER, headers=bearer(token))
        client.headers = httpx.Headers(bearer(key))

        [found] = await logged(client, 1)

    assert found["code"] == refused.json()["code"]
    assert (found["actor"], found["role"]) == (f"user:{subject}", "user")


_STUCK = """
select count(*) from pg_locks where not granted and relation = 'gateway.requests'::regclass
"""


async def test_a_locked_table_delays_no_request(
    shop: httpx.AsyncClient, services: Services, database_admin: str
) -> None:
    services.orders.answers["GetOrder"] = an_order()
    with (
        psycopg.connect(database_admin) as blocking,
        psycopg.connect(database_admin, autocommit=True) as looking,
    ):
        blocking.execute("lock table gateway.requests in access exclusive mode")
        statuses = {(await shop.get(ORDER)).status_code}

        async def is_stuck() -> bool:
            return bool(looking.execute(_STUCK).fetchall()[0][0])

        await until(is_stuck)
        answers = await asyncio.gather(*(shop.get(ORDER) for _ in range(20)))
        statuses |= {answer.status_code for answer in answers}
        blocking.rollback()

    assert statuses == {200}
    assert len(await logged(shop, 21)) == 21


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", "6xx"),
        ("status", "40"),
        ("status", "4xx\n"),
        ("method", "get"),
        ("path", "orders"),
        ("actor", ""),
        ("route", "x" * 256),
        ("from", "yesterday"),
        ("to", "2026-02-18T10:00:00Z"),
        ("cursor", "%%%"),
    ],
)
async def test_a_filter_that_is_not_valid_is_refused(
    rest: httpx.AsyncClient, field: str, value: str
) -> None:
    query = {"from": "2026-02-18T10:00:00Z", field: value}

    fields = refusal(await rest.get(LOG, params=query), 400, "VALIDATION_ERROR")["fields"]

    assert [one["field"] for one in fields] == [field]


async def test_the_log_needs_the_scope_read(bare: httpx.AsyncClient, keys: Keys) -> None:
    key = await keys.make("write", "support", "admin")

    refusal(await bare.get(LOG, headers=bearer(key)), 403, "INSUFFICIENT_SCOPE")


@pytest.fixture
async def store(settings: GatewaySettings) -> AsyncIterator[RequestStore]:
    database = Database.open(url=settings.database_url, schema="gateway", pool_size=2)
    yield RequestStore(database)
    await database.close()


def a_row(marketplace_id: uuid.UUID, number: int, **changes: Any) -> LoggedRequest:
    """Return a request of the number-th second after ten o'clock."""
    at = first_id(NOW + dt.timedelta(seconds=number))
    row = LoggedRequest(
        marketplace_id=marketplace_id,
        id=uuid.UUID(int=at.int | 7 << 76 | number),
        actor="key:one",
        role="marketplace",
        method="GET",
        route="/api/v1/orders/{id}",
        path=f"/api/v1/orders/{number}",
        status=200,
        code="",
        message="",
        milliseconds=1,
        request_id=f"r{number}",
        idempotency_key="",
    )
    return row._replace(**changes)


async def numbers(store: RequestStore, chosen: Filter, *, limit: int = 3) -> list[list[int]]:
    """Read every page; returns the seconds of its requests."""
    pages = []
    while True:
        page = await store.page(chosen, limit=limit)
        pages.append([one.id.int & 0xFFFF for one in page.rows])
        if page.next_before is None:
            return pages
        chosen = Filter(
            **{name: getattr(chosen, name) for name in Filter.__slots__ if name != "before"},
            before=page.next_before,
        )


async def test_requests_are_filtered_page_by_page(store: RequestStore) -> None:
    own, others = uuid.uuid4(), uuid.uuid4()
    changes: dict[int, dict[str, Any]] = {
        1: {"status": 404, "code": "ORDER_NOT_FOUND"},
        3: {"status": 422, "method": "POST", "route": "/api/v1/orders/{id}/reserve"},
        4: {"actor": "key:two", "path": "/api/v1/users"},
    }
    rows = [a_row(own, number, **changes.get(number, {})) for number in range(6)]
    await store.add(rows)
    await store.add([*rows, a_row(others, 2)])

    def chosen(**given: Any) -> Filter:
        return Filter(marketplace_id=own, **given)

    assert await numbers(store, chosen()) == [[5, 4, 3], [2, 1, 0]]
    assert await numbers(store, chosen(), limit=4) == [[5, 4, 3, 2], [1, 0]]
    assert await numbers(store, chosen(statuses=(400, 499))) == [[3, 1]]
    assert await numbers(store, chosen(statuses=(404, 404))) == [[1]]
    assert await numbers(store, chosen(method="POST")) == [[3]]
    assert await numbers(store, chosen(actor="key:two")) == [[4]]
    assert await numbers(store, chosen(request_id="r2")) == [[2]]
    assert await numbers(store, chosen(request_id="r2", actor="key:two")) == [[]]
    assert await numbers(store, chosen(path="/api/v1/us")) == [[4]]
    assert await numbers(store, chosen(route="/api/v1/orders/{id}/reserve")) == [[3]]
    within = {"since": NOW + dt.timedelta(seconds=1), "until": NOW + dt.timedelta(seconds=3)}
    assert await numbers(store, chosen(**within)) == [[2, 1]]


async def test_page_reads_a_limited_number_of_rows_and_continues(
    store: RequestStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_store, "WALK_MAX", 2)
    own = uuid.uuid4()
    await store.add(a_row(own, number, status=404 if number == 0 else 200) for number in range(5))

    found = await numbers(store, Filter(marketplace_id=own, statuses=(404, 404)))

    assert found == [[], [], [0]]


async def test_old_requests_and_those_beyond_the_maximum_are_deleted(
    store: RequestStore, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_store, "DELETED_MAX", 2)
    names = [f"shop-{uuid.uuid4().hex[:12]}" for _ in range(2)]
    full, quiet = [await keys.store.marketplace(one, environment="live") for one in names]
    await store.add(a_row(full, number) for number in range(10))
    await store.add(a_row(quiet, number) for number in range(4, 6))

    await store.forget(before=NOW + dt.timedelta(seconds=5), most=100)
    by_age = [await numbers(store, Filter(marketplace_id=one), limit=9) for one in (full, quiet)]
    await store.trim(full, most=2)
    await store.trim(quiet, most=2)

    assert by_age == [[[9, 8, 7, 6, 5]], [[5]]]
    assert await numbers(store, Filter(marketplace_id=full)) == [[9, 8]]
    assert await numbers(store, Filter(marketplace_id=quiet)) == [[5]]


async def test_a_page_is_read_by_index(database_admin: str) -> None:
    plans = []
    with psycopg.connect(database_admin) as connection:
        connection.execute("set search_path = gateway")
        connection.execute("set enable_seqscan = off")
        connection.execute("set enable_bitmapscan = off")
        connection.execute("set enable_sort = off")
        # Rows of other tests are left out: with few rows, every plan is quick.
        connection.execute("truncate requests")
        connection.execute("delete from pg_statistic where starelid = 'requests'::regclass")
        for chosen in (
            Filter(marketplace_id=uuid.uuid4(), method="GET"),
            Filter(marketplace_id=uuid.uuid4(), actor="key:one", statuses=(400, 499)),
            Filter(marketplace_id=uuid.uuid4(), request_id="r1"),
        ):
            statement = request_store._page(chosen.walked(), chosen.tried())
            rows = connection.execute(
                f"explain {statement}", {**chosen.values(), "limit": 21}
            ).fetchall()
            plans.append("\n".join(row for (row,) in rows))
        connection.rollback()

    for plan, index in zip(
        plans, ("requests_pkey", "requests_actor", "requests_request"), strict=True
    ):
        assert f"Index Scan Backward using {index}" in plan
        assert "Sort" not in plan
