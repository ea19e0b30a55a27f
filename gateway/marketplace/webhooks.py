"""Webhooks: events, signed and sent to URLs that the marketplace registers."""

from typing import Annotated, Any, Literal

import orjson
from orchestrator.webhooks.v1 import webhooks_pb2
from pydantic import Field, StringConstraints

from chassis.nats_settings import SUBJECTS
from chassis.wire import instant_to_proto
from gateway.answers import Answer
from gateway.call import Call, delivery_id, webhook_id
from gateway.keys import ADMIN, READ, WRITE
from gateway.marketplace.shapes import (
    Names,
    Output,
    Page,
    Paging,
    StoredObject,
    Success,
    Time,
    page,
    public,
    success,
    time,
    time_or_none,
)
from gateway.models import Instant, Nothing, Request
from gateway.routing import Routes

Status = Literal["PENDING", "DELIVERED", "FAILED"]
Why = Literal["REQUESTED", "FAILED"]
STATES: Names[Status] = Names(webhooks_pb2.DeliveryStatus, "DELIVERY_STATUS_")
WebhookId = Annotated[str, StringConstraints(pattern=r"^wh_[0-9A-Za-z]{22}$")]
DeliveryId = Annotated[str, StringConstraints(pattern=r"^whd_[0-9A-Za-z]{22}$")]
_FAMILIES = "|".join(subject.removesuffix(".*") for subject in SUBJECTS)
EventType = Annotated[str, StringConstraints(pattern=rf"^(\*|({_FAMILIES})\.(\*|[a-z_]{{1,60}}))$")]
EventTypes = Annotated[
    list[EventType],
    Field(
        min_length=1,
        max_length=50,
        description="Names of events, families such as `order.*`, or `*` for all.",
    ),
]
WebhookUrl = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2048),
    Field(description="https, a public host, port 443 or 8443, no user name and no fragment."),
]
Description = Annotated[str, StringConstraints(max_length=255)]
_EXAMPLES = {"nothing": {}}  # type: dict[str, dict[str, object]]
_URL = ("VALIDATION_ERROR", "WEBHOOK_URL_NOT_ALLOWED")
routes = Routes("Webhooks")


class CreateWebhook(Request):
    """A URL, and the types of events that it gets."""

    url: WebhookUrl
    event_types: EventTypes
    description: Description | None = None
    enabled: bool = True


class UpdateWebhook(Request):
    """The fields to change. Other fields stay unchanged."""

    url: WebhookUrl | None = None
    event_types: EventTypes | None = None
    description: Description | None = None
    enabled: bool | None = None


class Webhook(Output):
    """A webhook, without its secret. disabledReason: null while it is enabled."""

    id: WebhookId
    url: str
    eventTypes: list[str]
    description: str
    enabled: bool
    disabledReason: Why | None
    disabledAt: Time | None
    previousSecretUntil: Time | None
    createdAt: Time
    updatedAt: Time


class WebhookWithSecret(Webhook):
    """A webhook with its new secret, which is shown only this once."""

    secret: str


class DeliveryRequest(Output):
    """The request that is sent; its body is the event. url: of the last attempt; null: none yet."""

    url: str | None
    event: StoredObject


class DeliveryAttempt(Output):
    """One attempt. statusCode: null: there was no answer. answer: the first 2 KiB of its body."""

    at: Time
    durationMilliseconds: int
    statusCode: int | None
    answer: str
    error: str | None


class WebhookDelivery(Output):
    """The delivery of one event to a webhook. attempts: since the last request to send it."""

    id: DeliveryId
    webhookId: WebhookId
    eventId: str
    eventType: str
    aggregateId: str
    status: Status
    attempts: int
    lastAttempt: DeliveryAttempt | None
    nextAttemptAt: Time | None
    createdAt: Time
    finishedAt: Time | None
    request: DeliveryRequest


class Resent(Output):
    """The number of deliveries that are sent again."""

    webhookId: WebhookId
    count: int


def webhook(message: webhooks_pb2.Webhook) -> Webhook:
    """Return a webhook as the API shows it, without its secret."""
    reason: Any = message.disabled_reason or None
    return {
        "id": public("wh", message.id),
        "url": message.url,
        "eventTypes": list(message.event_types),
        "description": message.description,
        "enabled": message.enabled,
        "disabledReason": reason,
        "disabledAt": time_or_none(message, "disabled_at"),
        "previousSecretUntil": time_or_none(message, "previous_secret_until"),
        "createdAt": time(message.created_at),
        "updatedAt": time(message.updated_at),
    }


def delivery(message: webhooks_pb2.Delivery) -> WebhookDelivery:
    """Return a delivery as the API shows it."""
    last, has_last = message.last_attempt, message.HasField("last_attempt")
    attempt: DeliveryAttempt = {
        "at": time(last.at),
        "durationMilliseconds": last.duration_milliseconds,
        "statusCode": last.status_code or None,
        "answer": last.answer,
        "error": last.error or None,
    }
    return {
        "id": public("whd", message.id),
        "webhookId": public("wh", message.webhook_id),
        "eventId": message.event_id,
        "eventType": message.event_type,
        "aggregateId": message.aggregate_id,
        "status": STATES[message.status],
        "attempts": message.attempts,
        "lastAttempt": attempt if has_last else None,
        "nextAttemptAt": time_or_none(message, "next_attempt_at"),
        "createdAt": time(message.created_at),
        "finishedAt": time_or_none(message, "finished_at"),
        "request": {
            "url": last.url if has_last else None,
            "event": orjson.Fragment(message.event_json),
        },
    }


@routes.post(
    "/webhooks",
    scope=ADMIN,
    status=201,
    examples={
        "orders": {"url": "https://shop.example.com/hooks", "eventTypes": ["order.*"]},
        "all": {
            "url": "https://shop.example.com/hooks",
            "eventTypes": ["*"],
            "description": "Everything, for the warehouse",
            "enabled": False,
        },
    },
    refusals=(*_URL, "TOO_MANY_WEBHOOKS"),
)
async def create_webhook(call: Call, body: CreateWebhook) -> Answer[Success[WebhookWithSecret]]:
    """Register a URL. The secret is shown only once."""
    request = webhooks_pb2.CreateWebhookRequest(
        **call.written(),
        url=body.url,
        event_types=list(dict.fromkeys(body.event_types)),
        description=body.description or "",
        disabled=not body.enabled,
    )
    made = await call.change(call.backends.webhooks.CreateWebhook, request)
    return success({**webhook(made), "secret": made.secret})


@routes.get("/webhooks", scope=READ)
async def list_webhooks(call: Call, query: Paging) -> Answer[Page[Webhook]]:
    """List the marketplace's webhooks, newest first."""
    request = webhooks_pb2.ListWebhooksRequest(page=query.message())
    found = await call.read(call.backends.webhooks.ListWebhooks, request)
    return page([webhook(one) for one in found.webhooks], next_token=found.next_page_token)


@routes.get("/webhooks/{id}", scope=READ, refusals=("WEBHOOK_NOT_FOUND",))
async def get_webhook(call: Call) -> Answer[Success[Webhook]]:
    """Read a webhook."""
    request = webhooks_pb2.GetWebhookRequest(webhook_id=webhook_id(call.params["id"]))
    return success(webhook(await call.read(call.backends.webhooks.GetWebhook, request)))


@routes.patch(
    "/webhooks/{id}",
    scope=ADMIN,
    examples={"types": {"eventTypes": ["order.*", "withdrawal.*"]}, "off": {"enabled": False}},
    refusals=("WEBHOOK_NOT_FOUND", *_URL),
)
async def update_webhook(call: Call, body: UpdateWebhook) -> Answer[Success[Webhook]]:
    """Change a webhook. Events that occurred while it was disabled are sent once it is enabled."""
    request = webhooks_pb2.UpdateWebhookRequest(
        **call.written(),
        webhook_id=webhook_id(call.params["id"]),
        url=body.url,
        event_types=list(dict.fromkeys(body.event_types or [])),
        description=body.description,
        enabled=body.enabled,
    )
    return success(webhook(await call.change(call.backends.webhooks.UpdateWebhook, request)))


@routes.delete("/webhooks/{id}", scope=ADMIN, refusals=("WEBHOOK_NOT_FOUND",))
async def delete_webhook(call: Call) -> Answer[Success[Webhook]]:
    """Delete a webhook and its deliveries. The answer is the deleted webhook."""
    request = webhooks_pb2.DeleteWebhookRequest(
        **call.written(), webhook_id=webhook_id(call.params["id"])
    )
    return success(webhook(await call.change(call.backends.webhooks.DeleteWebhook, request)))


@routes.post(
    "/webhooks/{id}/rotate-secret",
    scope=ADMIN,
    examples=_EXAMPLES,
    refusals=("WEBHOOK_NOT_FOUND",),
)
async def rotate_webhook_secret(call: Call, _body: Nothing) -> Answer[Success[WebhookWithSecret]]:
    """Replace the secret. For 24 hours, events are signed with the old and the new secret."""
    request = webhooks_pb2.RotateSecretRequest(
        **call.written(), webhook_id=webhook_id(call.params["id"])
    )
    made = await call.change(call.backends.webhooks.RotateSecret, request)
    return success({**webhook(made), "secret": made.secret})


@routes.post(
    "/webhooks/{id}/test",
    scope=WRITE,
    examples=_EXAMPLES,
    refusals=("WEBHOOK_NOT_FOUND", "WEBHOOK_DISABLED"),
)
async def send_webhook_test(call: Call, _body: Nothing) -> Answer[Success[WebhookDelivery]]:
    """Send an event of the type `webhook.test` to the webhook. The answer does not wait for it."""
    request = webhooks_pb2.TestWebhookRequest(
        **call.written(), webhook_id=webhook_id(call.params["id"])
    )
    return success(delivery(await call.change(call.backends.webhooks.TestWebhook, request)))


class ListDeliveries(Paging):
    """One page of deliveries."""

    status: Status | None = None


@routes.get("/webhooks/{id}/deliveries", scope=READ, refusals=("WEBHOOK_NOT_FOUND",))
async def list_webhook_deliveries(
    call: Call, query: ListDeliveries
) -> Answer[Page[WebhookDelivery]]:
    """List the deliveries of the last 30 days, newest first."""
    request = webhooks_pb2.ListDeliveriesRequest(
        webhook_id=webhook_id(call.params["id"]),
        page=query.message(),
        status=STATES.value(query.status),
    )
    found = await call.read(call.backends.webhooks.ListDeliveries, request)
    return page([delivery(one) for one in found.deliveries], next_token=found.next_page_token)


@routes.post(
    "/webhooks/{id}/deliveries/{deliveryId}/resend",
    scope=WRITE,
    examples=_EXAMPLES,
    refusals=("WEBHOOK_NOT_FOUND", "DELIVERY_NOT_FOUND", "WEBHOOK_DISABLED"),
)
async def resend_webhook_delivery(call: Call, _body: Nothing) -> Answer[Success[WebhookDelivery]]:
    """Send a delivery again, with the same `webhook-id`."""
    request = webhooks_pb2.ResendDeliveryRequest(
        **call.written(),
        webhook_id=webhook_id(call.params["id"]),
        delivery_id=delivery_id(call.params["deliveryId"]),
    )
    return success(delivery(await call.change(call.backends.webhooks.ResendDelivery, request)))


class ResendDeliveries(Request):
    """The moment from which ended deliveries are sent again."""

    since: Instant


@routes.post(
    "/webhooks/{id}/resend",
    scope=WRITE,
    examples={"since": {"since": "2026-02-18T10:00:00.000Z"}},
    refusals=("WEBHOOK_NOT_FOUND", "WEBHOOK_DISABLED"),
)
async def resend_webhook_deliveries(call: Call, body: ResendDeliveries) -> Answer[Success[Resent]]:
    """Send all ended deliveries again that were created at or after a moment."""
    request = webhooks_pb2.ResendDeliveriesRequest(
        **call.written(),
        webhook_id=webhook_id(call.params["id"]),
        since=instant_to_proto(body.since),
    )
    found = await call.change(call.backends.webhooks.ResendDeliveries, request)
    return success({"webhookId": public("wh", found.webhook_id), "count": found.count})
