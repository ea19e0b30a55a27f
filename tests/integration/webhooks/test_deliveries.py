"""Events reach the URLs that are registered for them: signed, once in the table, in order."""

import json
from collections.abc import Collection
from uuid import UUID

import pytest
import standardwebhooks
from aiohttp import web
from orchestrator.webhooks.v1 import webhooks_pb2

from chassis.database import Connection
from kernel.errors import DomainError, FailedPrecondition, NotFound
from services.webhooks import intake
from services.webhooks.domain import PAUSES, Webhook
from services.webhooks.webhook_store import WebhookStore

from .conftest import House, Received, Receiver, receiving


def answering(status: int, text: str = "", **headers: str) -> object:
    """Return an answer of a receiver."""

    async def answer(_: Received) -> web.Response:
        return web.Response(status=status, text=text, headers=headers)

    return answer


async def test_an_event_is_delivered_with_a_signature_of_the_standard(
    house: House, receiver: Receiver
) -> None:
    webhook = await house.register(receiver.url)
    event = house.event()
    await house.publish(event)
    [received] = await receiver.got(1)
    received.verify(webhook.secret)
    assert received.headers["webhook-id"] == event["eventId"]
    assert received.headers["content-type"] == "application/json"
    assert received.event == event
    [delivery] = await house.delivered(webhook, 1)
    assert delivery.status == webhooks_pb2.DELIVERY_STATUS_DELIVERED
    assert (delivery.attempts, delivery.last_attempt.status_code) == (1, 200)
    assert delivery.last_attempt.answer == "taken"
    assert delivery.event_json == received.body


async def test_a_webhook_gets_the_types_that_it_names_of_its_own_marketplace(
    house: House, receiver: Receiver
) -> None:
    webhook = await house.register(receiver.url, "order.*", "dispute.opened")
    foreign = house.event(metadata={"marketplaceId": "4b3b9f6e-5f6d-4b4e-8a55-3a9d1b3f0001"})
    wanted = [house.event("order.closed"), house.event("dispute.opened")]
    await house.publish(foreign, house.event("balance.credited"), house.event("dispute.resolved"))
    await house.publish(*wanted)
    await house.delivered(webhook, 2)
    assert {one.event["eventId"] for one in receiver.received} == {
        event["eventId"] for event in wanted
    }


async def test_events_without_a_webhook_are_handled_in_batches(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "QUIET_SECONDS", 0.5)
    look, looks = WebhookStore.of_marketplaces, list[object]()

    async def counted(self: WebhookStore, tx: Connection, names: Collection[UUID]) -> list[Webhook]:
        looks.append(names)
        return await look(self, tx, names)

    monkeypatch.setattr(WebhookStore, "of_marketplaces", counted)
    for _ in range(20):
        await house.publish(house.event())
    webhook = await house.register(receiver.url)
    await house.publish(house.event())
    await house.delivered(webhook, 1)
    assert len(looks) <= 10


async def test_messages_that_are_no_events_do_not_block_those_behind_them(
    house: House, receiver: Receiver
) -> None:
    webhook = await house.register(receiver.url, "*")
    stream = await house.bus.stream()
    strange = [
        house.event(aggregateId="a\0b"),
        house.event(aggregateId="x" * 5000),
        house.event(occurredAt="2026-99-99T10:00:00Z"),
        house.event(metadata={"marketplaceId": "nobody"}),
        house.event(version=0),
    ]
    for event in strange:
        await stream.publish("order.created", json.dumps(event).encode())
    await stream.publish("order.created", b"\xff not JSON")
    last = house.event()
    await house.publish(last)
    await house.delivered(webhook, 1)
    assert [one.event["eventId"] for one in receiver.received] == [last["eventId"]]


async def test_an_event_that_comes_again_is_delivered_once(
    house: House, receiver: Receiver
) -> None:
    webhook = await house.register(receiver.url)
    event, last = house.event(), house.event()
    await house.publish(event)
    await house.delivered(webhook, 1)
    again = {**event, "payload": {"again": True}}
    stream = await house.bus.stream()
    await stream.publish("order.created", json.dumps(again).encode())
    await house.publish(last)
    await house.delivered(webhook, 2)
    assert [one.event["eventId"] for one in receiver.received] == [
        event["eventId"],
        last["eventId"],
    ]


@pytest.mark.parametrize(
    ("status", "trouble"), [(500, "STATUS_NOT_2XX"), (404, "STATUS_NOT_2XX"), (302, "REDIRECTED")]
)
async def test_an_answer_that_is_not_2xx_is_tried_again_later(
    house: House, receiver: Receiver, status: int, trouble: str
) -> None:
    receiver.answer = answering(status, "no" * 3000, location=receiver.url)  # type: ignore[assignment]
    webhook = await house.register(receiver.url)
    await house.publish(house.event())
    found = await house.attempted(webhook, 1)
    assert found.status == webhooks_pb2.DELIVERY_STATUS_PENDING
    assert found.last_attempt.error == trouble
    assert found.last_attempt.status_code == status
    assert found.last_attempt.answer == "no" * 1024
    assert found.next_attempt_at.seconds - found.last_attempt.at.seconds == PAUSES[0]
    receiver.answer = answering(204)  # type: ignore[assignment]
    await house.move(webhook, hours=1)
    [found] = await house.delivered(webhook, 1)
    assert found.attempts == 2
    assert len({one.headers["webhook-id"] for one in receiver.received}) == 1
    assert len(receiver.received) == 2


async def test_a_receiver_that_is_down_for_three_days_disables_its_webhook(
    house: House, receiver: Receiver
) -> None:
    async with receiving() as down:
        url = down.url
    webhook = await house.register(url)
    told = await house.register(receiver.url, "webhook.*")
    await house.publish(house.event())
    for attempts in range(1, len(PAUSES) + 1):
        found = await house.attempted(webhook, attempts)
        assert found.last_attempt.error == "CONNECTION_FAILED"
        assert found.status == webhooks_pb2.DELIVERY_STATUS_PENDING
        await house.move(webhook, hours=12)
    [found] = await house.delivered(webhook, 1)
    assert found.status == webhooks_pb2.DELIVERY_STATUS_FAILED
    request = webhooks_pb2.GetWebhookRequest(webhook_id=webhook.id)
    after = await house.client.call("GetWebhook", request)
    assert (after.enabled, after.disabled_reason) == (False, "FAILED")
    [received] = await receiver.got(1)
    received.verify(told.secret)
    assert received.event["eventType"] == "webhook.disabled"
    assert received.event["payload"]["url"] == url


async def test_events_during_a_webhooks_disabling_are_delivered_after_enabling(
    house: House, receiver: Receiver
) -> None:
    webhook = await house.register(receiver.url, disabled=True)
    live = await house.register(receiver.url + "/live")
    await house.publish(house.event())
    await house.delivered(live, 1)
    assert len(receiver.received) == 1
    await house.call(
        "UpdateWebhook", webhooks_pb2.UpdateWebhookRequest, webhook_id=webhook.id, enabled=True
    )
    await house.delivered(webhook, 1)
    assert len(receiver.received) == 2


async def test_events_of_an_aggregate_come_in_order_unless_one_fails(
    house: House, receiver: Receiver
) -> None:
    webhook = await house.register(receiver.url)
    events = [house.event(aggregateId="ord_1", version=n) for n in range(1, 31)]

    async def answer(one: Received) -> web.Response:
        return web.Response(status=500 if one.event["version"] == 3 else 200)

    receiver.answer = answer
    await house.publish(*events)
    await house.delivered(webhook, 29)
    assert [one.event["version"] for one in receiver.received] == list(range(1, 31))


async def test_rotated_secret_signs_for_one_more_day_beside_the_new_one(
    house: House, receiver: Receiver
) -> None:
    first = await house.register(receiver.url)
    second = await house.call("RotateSecret", webhooks_pb2.RotateSecretRequest, webhook_id=first.id)
    assert second.secret != first.secret
    await house.publish(house.event())
    [received] = await receiver.got(1)
    received.verify(first.secret)
    received.verify(second.secret)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        received.verify("whsec_" + "A" * 44)
    house_past = "update webhooks.webhooks set previous_until = now() returning 1"
    assert house.rows(house_past)
    await house.publish(house.event())
    received = (await receiver.got(2))[1]
    received.verify(second.secret)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        received.verify(first.secret)


async def test_a_test_event_is_sent_to_one_webhook(house: House, receiver: Receiver) -> None:
    webhook = await house.register(receiver.url)
    await house.register(receiver.url + "/other")
    sent = await house.call("TestWebhook", webhooks_pb2.TestWebhookRequest, webhook_id=webhook.id)
    [received] = await receiver.got(1)
    received.verify(webhook.secret)
    assert received.event["eventType"] == sent.event_type == "webhook.test"
    await house.delivered(webhook, 1)
    assert len(receiver.received) == 1


async def test_ended_deliveries_can_be_resent_singly_or_all_at_once(
    house: House, receiver: Receiver
) -> None:
    webhook = await house.register(receiver.url)
    await house.publish(house.event(), house.event())
    _, older = await house.delivered(webhook, 2)
    await house.call(
        "ResendDelivery",
        webhooks_pb2.ResendDeliveryRequest,
        webhook_id=webhook.id,
        delivery_id=older.id,
    )
    received = await receiver.got(3)
    assert received[2].headers["webhook-id"] == older.event_id
    await house.delivered(webhook, 2)
    request = webhooks_pb2.ResendDeliveriesRequest
    since = older.created_at
    told = await house.call("ResendDeliveries", request, webhook_id=webhook.id, since=since)
    assert told.count == 2
    await receiver.got(5)


async def test_a_deleted_webhook_gets_nothing_more(house: House, receiver: Receiver) -> None:
    receiver.answer = answering(500)  # type: ignore[assignment]
    webhook = await house.register(receiver.url)
    await house.publish(house.event())
    await house.attempted(webhook, 1)
    await house.call("DeleteWebhook", webhooks_pb2.DeleteWebhookRequest, webhook_id=webhook.id)
    with pytest.raises(NotFound):
        await house.deliveries(webhook)
    assert house.rows("select count(*) from webhooks.deliveries") == [(0,)]


async def test_repeated_registration_returns_the_same_secret_without_storing_it(
    house: House, receiver: Receiver
) -> None:
    request = webhooks_pb2.CreateWebhookRequest(
        request_id="once", url=receiver.url, event_types=["*"]
    )
    first, _ = await house.client.call_with_replay("CreateWebhook", request)
    again, is_replayed = await house.client.call_with_replay("CreateWebhook", request)
    assert is_replayed
    assert again == first
    [(stored,)] = house.rows("select body from webhooks.idempotency")
    assert first.secret.removeprefix("whsec_").encode() not in bytes(stored)


async def test_a_marketplace_has_a_limited_number_of_webhooks(house: House) -> None:
    for number in range(20):
        await house.register(f"https://example.com/{number}")
    with pytest.raises(FailedPrecondition, match="at most 20"):
        await house.register("https://example.com/more")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://10.0.0.1/", "WEBHOOK_URL_NOT_ALLOWED"),
        ("http://example.com/", "WEBHOOK_URL_NOT_ALLOWED"),
        ("https://example.com:22/", "WEBHOOK_URL_NOT_ALLOWED"),
        ("https://example.com/#part", "WEBHOOK_URL_NOT_ALLOWED"),
        ("https://user@example.com/", "INVALID_URL"),
        ("ftp://example.com/", "INVALID_URL"),
    ],
)
async def test_a_url_that_is_not_public_is_refused_when_it_is_registered(
    house: House, url: str, reason: str
) -> None:
    with pytest.raises(DomainError) as refused:
        await house.register(url)
    assert refused.value.reason == reason
