"""Webhooks over the public API of a whole stack: register, receive, look, send again, delete."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from deploy.local.ports import HOST, free_port
from tests.patience import until
from tests.shop import Shop, data_of, error_of


@dataclass(slots=True)
class Receiver:
    """A marketplace's own endpoint. status: what it answers."""

    url: str
    status: int = 200
    received: list[tuple[dict[str, str], str]] = field(default_factory=list)

    async def _take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append((headers, await request.text()))
        return web.Response(status=self.status, text="seen")

    async def got(self, count: int) -> list[dict[str, Any]]:
        """Wait for so many events."""

        async def holds() -> bool:
            return len(self.received) >= count

        await until(holds)
        return [json.loads(body) for _, body in self.received]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    port = free_port()
    found, app = Receiver(url=f"http://{HOST}:{port}/hook"), web.Application()
    app.router.add_post("/hook", found._take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, HOST, port).start()
    yield found
    await runner.cleanup()


async def ended(shop: Shop, webhook: str, count: int) -> list[dict[str, Any]]:
    """Wait until so many deliveries are listed as delivered."""
    found: list[dict[str, Any]] = []

    async def holds() -> bool:
        answer = await shop.client.get(
            f"/webhooks/{webhook}/deliveries", params={"status": "DELIVERED", "limit": 100}
        )
        found[:] = answer.json()["data"]
        return len(found) >= count

    await until(holds)
    return found


async def test_an_order_is_told_to_a_webhook_and_its_delivery_is_listed(
    shop: Shop, receiver: Receiver
) -> None:
    body = {"url": receiver.url, "eventTypes": ["order.*"], "description": "The shop"}
    made = data_of(await shop.post("/webhooks", body), status=201)
    try:
        order = await shop.order_in("FUNDS_RESERVED", await shop.pair(amount="5.00"), amount="5.00")

        async def told() -> bool:
            return {"order.created", "order.funds_reserved"} <= {
                event["eventType"]
                for event in [json.loads(text) for _, text in receiver.received]
                if event["aggregateId"] == order
            }

        await until(told)
        for headers, text in receiver.received:
            Webhook(made["secret"]).verify(text, headers)
        listed = await ended(shop, made["id"], 2)
        of_order = [one for one in listed if one["aggregateId"] == order]
        assert [one["eventType"] for one in of_order] == ["order.funds_reserved", "order.created"]
        assert of_order[0]["lastAttempt"]["statusCode"] == 200
        assert of_order[0]["lastAttempt"]["answer"] == "seen"
        assert of_order[0]["request"]["event"]["payload"]["orderId"] == order
        again = f"/webhooks/{made['id']}/deliveries/{of_order[1]['id']}/resend"
        count = len(receiver.received)
        assert data_of(await shop.post(again))["status"] == "PENDING"
        await receiver.got(count + 1)
        headers, _ = receiver.received[-1]
        assert headers["webhook-id"] == of_order[1]["eventId"]
    finally:
        await shop.client.delete(f"/webhooks/{made['id']}")
    assert error_of(await shop.client.get(f"/webhooks/{made['id']}"), status=404)


async def test_a_webhook_is_changed_tested_and_rotated(shop: Shop, receiver: Receiver) -> None:
    body = {"url": receiver.url, "eventTypes": ["webhook.disabled"], "enabled": False}
    made = data_of(await shop.post("/webhooks", body), status=201)
    path = f"/webhooks/{made['id']}"
    assert (made["enabled"], made["disabledReason"]) == (False, "REQUESTED")
    refused = error_of(await shop.post(f"{path}/test"), status=409)
    assert refused["code"] == "WEBHOOK_DISABLED"
    changed = data_of(await shop.client.patch(path, json={"enabled": True, "description": "On"}))
    assert (changed["enabled"], changed["description"]) == (True, "On")
    assert "secret" not in changed
    rotated = data_of(await shop.post(f"{path}/rotate-secret"))
    assert rotated["secret"] != made["secret"]
    await shop.post(f"{path}/test")
    await receiver.got(1)
    [(headers, text)] = receiver.received
    for secret in (made["secret"], rotated["secret"]):
        Webhook(secret).verify(text, headers)
    since = data_of(await shop.post(f"{path}/resend", {"since": made["createdAt"]}))
    assert since["count"] in {0, 1}
    # No delivery may be in flight when the receiver stops.
    await receiver.got(1 + since["count"])
    gone = data_of(await shop.client.delete(path))
    assert gone["id"] == made["id"]


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("https://169.254.169.254/latest", 422, "WEBHOOK_URL_NOT_ALLOWED"),
        ("https://example.com:22/", 422, "WEBHOOK_URL_NOT_ALLOWED"),
        ("http://example.com/", 422, "WEBHOOK_URL_NOT_ALLOWED"),
        ("https://a@example.com/", 400, "VALIDATION_ERROR"),
    ],
)
async def test_a_url_that_is_not_allowed_is_refused(
    shop: Shop, url: str, status: int, code: str
) -> None:
    answer = await shop.post("/webhooks", {"url": url, "eventTypes": ["*"]})
    error = error_of(answer, status=status)
    assert error["code"] == code
    assert error["details"]["fields"][0]["field"] == "url"
