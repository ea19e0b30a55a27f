"""The clock of a test marketplace moves the answers that disputes and the gateway have kept."""

import uuid

import httpx
from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.orders.v1 import orders_pb2

from kernel.errors import Unavailable

from .conftest import Keys, Services
from .test_access import bearer, refusal

DAY_SECONDS = 86400


async def advance(client: httpx.AsyncClient, seconds: int, key: str) -> httpx.Response:
    return await client.post(
        "/api/v1/test/clock", json={"advance": f"{seconds}s"}, headers={"idempotency-key": key}
    )


async def make_key(client: httpx.AsyncClient, name: str) -> httpx.Response:
    return await client.post(
        "/api/v1/auth/api-keys",
        json={"scopes": ["read"], "name": name},
        headers={"idempotency-key": "one key"},
    )


async def test_kept_answers_get_older_with_the_clock_once_for_each_request(
    gateway: str, keys: Keys, services: Services
) -> None:
    services.orders.answers["AdvanceClock"] = orders_pb2.Marketplace()
    services.disputes.answers["AgeAnswers"] = disputes_pb2.AgeAnswersResponse()
    key = await keys.make(marketplace=uuid.uuid4().hex, environment="test")
    async with httpx.AsyncClient(base_url=gateway, headers=bearer(key)) as client:
        first = await make_key(client, "first")
        for _ in range(3):
            assert (await advance(client, DAY_SECONDS - 60, "clock")).status_code == 200
        refusal(await make_key(client, "second"), 409, "IDEMPOTENCY_KEY_REUSED")
        assert (await make_key(client, "first")).json() == first.json()

        assert (await advance(client, 120, "clock 2")).status_code == 200
        second = await make_key(client, "second")

    assert second.status_code == 201
    assert second.json()["data"]["id"] != first.json()["data"]["id"]
    asked = [request for method, request, _ in services.disputes.asked if method == "AgeAnswers"]
    assert [one.seconds for one in asked] == [DAY_SECONDS - 60] * 3 + [120]
    assert len({one.request_id for one in asked}) == 2


async def test_a_repeat_completes_a_move_that_was_interrupted(
    gateway: str, keys: Keys, services: Services
) -> None:
    services.orders.answers["AdvanceClock"] = orders_pb2.Marketplace()
    services.disputes.answers["AgeAnswers"] = Unavailable("disputes is unavailable")
    key = await keys.make(marketplace=uuid.uuid4().hex, environment="test")
    async with httpx.AsyncClient(base_url=gateway, headers=bearer(key)) as client:
        await make_key(client, "first")
        assert (await advance(client, DAY_SECONDS + 60, "clock")).status_code == 503
        refusal(await make_key(client, "second"), 409, "IDEMPOTENCY_KEY_REUSED")
        services.disputes.answers["AgeAnswers"] = disputes_pb2.AgeAnswersResponse()

        assert (await advance(client, DAY_SECONDS + 60, "clock")).status_code == 200
        second = await make_key(client, "second")

    assert second.status_code == 201
