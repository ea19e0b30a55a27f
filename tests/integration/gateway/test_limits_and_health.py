"""Rate limits, load, and unavailable parts."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from deploy.local.ports import free_port
from gateway.app import open_gateway
from gateway.settings import GatewaySettings
from kernel.version import VERSION
from tests.patience import PATIENCE_SECONDS

from .conftest import CONTRACTS, Keys, Services, serving
from .messages import an_order
from .test_access import ORDER, bearer, refusal


async def test_429_has_retry_after(settings: GatewaySettings, demo_key: str) -> None:
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


async def test_only_requests_without_a_valid_credential_are_limited_by_address(
    settings: GatewaySettings, demo_key: str
) -> None:
    def forwarded(address: str) -> dict[str, str]:
        return {"x-forwarded-for": f"203.0.113.9, {address}"}

    async with gateway_with(
        settings, demo_key, stranger_requests_per_minute=2, trusted_proxies=1
    ) as client:
        stranger = bearer("ohk_live_nobody") | forwarded("198.51.100.7")
        answers = [await client.get("/api/v1/me", headers=stranger) for _ in range(3)]
        page = await client.get("/openapi.json", headers=stranger)
        own = await client.get("/api/v1/me", headers=forwarded("198.51.100.7"))
        alive = await client.get("/api/v1/health", headers=stranger)
        other = await client.get(
            "/api/v1/me", headers=bearer("ohk_live_nobody") | forwarded("198.51.100.8")
        )

    assert [answer.status_code for answer in answers] == [401, 401, 429]
    details = refusal(answers[2], 429, "RATE_LIMITED")
    assert details == {"retryAfter": 30, "limit": 2, "window": 60}
    assert answers[2].headers["retry-after"] == "30"
    assert page.status_code == 429
    assert (own.status_code, alive.status_code, other.status_code) == (200, 200, 401)


async def test_too_many_concurrent_requests_are_refused_with_503(
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


async def test_health_answers_under_full_load(
    settings: GatewaySettings, services: Services, demo_key: str
) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(_request: object) -> Any:
        entered.set()
        await leave.wait()
        return an_order()

    services.orders.answers["GetOrder"] = slow
    async with gateway_with(settings, demo_key, concurrent_requests_max=1) as client:
        first = asyncio.create_task(client.get(ORDER))
        await entered.wait()
        busy = await client.get(ORDER)
        checks = [await client.get(f"/api/v1/health{more}") for more in ("", "/", "/detailed")]
        leave.set()
        await first

    refusal(busy, 503, "PROVIDER_UNAVAILABLE")
    assert [answer.status_code for answer in checks] == [200, 200, 200]


@contextlib.asynccontextmanager
async def gateway_with(
    settings: GatewaySettings, key: str, **changes: int
) -> AsyncIterator[httpx.AsyncClient]:
    """Serve a gateway with other settings; yields a client with the key."""
    changed = settings.model_copy(update={"gateway_port": free_port(), **changes})
    async with (
        open_gateway(changed) as app,
        serving(app, changed.gateway_port) as url,
        httpx.AsyncClient(base_url=url, headers=bearer(key)) as client,
    ):
        try:
            yield client
        finally:
            app.stop_waiting()


async def streaming(opened: contextlib.AsyncExitStack, client: httpx.AsyncClient) -> httpx.Response:
    """Open a stream of events that stays open; returns its answer."""
    return await opened.enter_async_context(client.stream("GET", "/api/v1/events"))


async def test_open_streams_leave_every_request_its_place(
    settings: GatewaySettings, services: Services, demo_key: str
) -> None:
    services.orders.answers["GetOrder"] = an_order()
    async with (
        gateway_with(settings, demo_key, concurrent_requests_max=2) as client,
        contextlib.AsyncExitStack() as opened,
    ):
        streams = [await streaming(opened, client) for _ in range(4)]

        answers = [await client.get(ORDER) for _ in range(3)]

    assert [answer.status_code for answer in streams + answers] == [200] * 7


async def test_a_key_with_too_many_streams_gets_429(
    settings: GatewaySettings, keys: Keys, demo_key: str
) -> None:
    async with (
        gateway_with(settings, demo_key, event_streams_per_account_max=2) as client,
        contextlib.AsyncExitStack() as opened,
    ):
        for _ in range(2):
            await streaming(opened, client)
        refused = await client.get("/api/v1/events")
        other = bearer(await keys.make("read"))
        async with client.stream("GET", "/api/v1/events", headers=other) as allowed:
            pass
        # A stream that was refused otherwise, or has ended, takes no place.
        await opened.aclose()
        await client.get("/api/v1/events", params={"types": "nothing"})
        again = await until_streaming(client, opened)

    details = refusal(refused, 429, "RATE_LIMITED")
    assert details == {"retryAfter": 5, "limit": 2, "window": 0}
    assert refused.headers["retry-after"] == "5"
    assert allowed.status_code == again.status_code == 200


async def until_streaming(
    client: httpx.AsyncClient, opened: contextlib.AsyncExitStack
) -> httpx.Response:
    """Open two streams when the gateway has seen that the ones before are gone."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        answers: list[httpx.Response] = []
        while len(answers) < 2:
            attempt = contextlib.AsyncExitStack()
            answer = await streaming(attempt, client)
            if answer.status_code == 200:
                await opened.enter_async_context(attempt)
                answers.append(answer)
            else:
                await attempt.aclose()
    return answers[-1]


async def test_the_number_of_streams_is_limited(
    settings: GatewaySettings, keys: Keys, demo_key: str
) -> None:
    async with (
        gateway_with(settings, demo_key, event_streams_max=1) as client,
        contextlib.AsyncExitStack() as opened,
    ):
        await streaming(opened, client)

        other = bearer(await keys.make("read"))
        refused = await client.get("/api/v1/events", headers=other)

    refusal(refused, 503, "PROVIDER_UNAVAILABLE")


async def test_a_client_that_does_not_send_its_body_is_refused(
    gateway: str, demo_key: str, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.call.BODY_SECONDS", 0.1)
    host, port = gateway.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {ORDER}/cancel HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {demo_key}\r\n"

    writer.write(f"{head}content-length: 20\r\n\r\n".encode())

    async with asyncio.timeout(PATIENCE_SECONDS):
        answer = (await reader.read()).decode()  # to its end: the connection is closed
    writer.close()
    await writer.wait_closed()
    assert answer.startswith("HTTP/1.1 408 ")
    assert json.loads(answer.partition("\r\n\r\n")[2])["error"] == {
        "code": "REQUEST_TIMEOUT",
        "message": "The request body did not arrive in time",
        "details": {"fields": [{"field": "body", "message": "did not arrive in time"}]},
    }
    assert services.orders.asked == []


async def test_the_gateway_reports_an_unavailable_database(
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
    assert alive.json() == {
        "success": True,
        "data": {"status": "ok", "version": VERSION},
    }
    assert refusal(detailed, 503, "PROVIDER_UNAVAILABLE")["parts"]["database"] == "down"


async def test_health_names_every_part(bare: httpx.AsyncClient, services: Services) -> None:
    assert set(services.addresses) == set(CONTRACTS)

    answer = await bare.get("/api/v1/health/detailed")

    parts = {**dict.fromkeys(CONTRACTS, "up"), "database": "up", "events": "up"}
    assert answer.json()["data"] == {"status": "ok", "version": VERSION, "parts": parts}


@pytest.mark.parametrize("path", ["/api/v1/health", "/api/v1/health/detailed"])
async def test_a_probe_may_ask_for_the_head_alone(bare: httpx.AsyncClient, path: str) -> None:
    whole = await bare.get(path)

    answer = await bare.head(path)
    after = await bare.get(path)

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == whole.headers["content-length"]
    assert answer.headers["content-type"] == "application/json"
    assert after.content == whole.content


async def test_no_other_route_answers_head(rest: httpx.AsyncClient) -> None:
    assert (await rest.head("/api/v1/me")).status_code == 405
    refused = await rest.post("/api/v1/health")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


async def test_a_service_that_is_not_ready_is_named(
    bare: httpx.AsyncClient, services: Services
) -> None:
    await services.servers["escrow"].set_ready(ready=False)
    try:
        answer = await bare.get("/api/v1/health/detailed")
    finally:
        await services.servers["escrow"].set_ready(ready=True)

    assert refusal(answer, 503, "PROVIDER_UNAVAILABLE")["parts"]["escrow"] == "down"
