"""A stopping gateway answers requests that wait for an operation, with the current order."""

import asyncio
from typing import Any

import httpx
import pytest
from orchestrator.orders.v1 import orders_pb2

from deploy.local.ports import free_port
from gateway.app import open_gateway
from gateway.settings import GatewaySettings
from kernel.errors import Aborted
from tests.patience import PATIENCE_SECONDS

from .conftest import Services, serving
from .messages import an_order, running
from .test_access import ORDER, bearer


@pytest.mark.parametrize("has_ended", [False, True])
async def test_waiting_requests_are_answered_when_the_gateway_stops(
    settings: GatewaySettings, services: Services, demo_key: str, *, has_ended: bool
) -> None:
    begun, asked = asyncio.Event(), []

    async def fund(request: Any) -> orders_pb2.Order:
        asked.append(request)
        if len(asked) == 1:
            begun.set()
            await asyncio.Event().wait()
        if has_ended:
            return an_order()
        raise Aborted("in progress", reason="IDEMPOTENCY_KEY_IN_PROGRESS")

    services.orders.answers["FundEscrow"] = fund
    services.orders.answers["GetOrder"] = an_order(operation=running("FUND_ESCROW"))
    port = free_port()
    changed = settings.model_copy(update={"gateway_port": port})
    async with (
        open_gateway(changed) as app,
        serving(app, port) as url,
        httpx.AsyncClient(
            base_url=url, headers=bearer(demo_key), timeout=PATIENCE_SECONDS
        ) as client,
    ):
        waiting = asyncio.create_task(
            client.post(f"{ORDER}/escrow/fund", headers={"prefer": "wait=60"})
        )
        await begun.wait()
        app.stop_waiting()
        answer = await waiting

    assert answer.status_code == (200 if has_ended else 202)
    assert [request.wait_seconds for request in asked] == [60, 0]
    assert asked[0].request_id == asked[1].request_id
    assert asked[0].fingerprint == asked[1].fingerprint
