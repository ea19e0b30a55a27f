"""Too much, and too little: rates, load, and parts that are away."""

import asyncio
from typing import Any

import httpx

from deploy.local.ports import free_port
from gateway.app import open_gateway
from gateway.settings import GatewaySettings

from .conftest import CONTRACTS, Services, serving
from .messages import an_order
from .test_access import ORDER, bearer, refusal


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
