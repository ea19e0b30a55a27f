"""The RPCs of webhooks: decode, call one use case, encode. ACCESS says who may call each."""

from typing import Any, TypeVar
from uuid import UUID

import grpc
from google.protobuf.message import Message
from orchestrator.webhooks.v1 import webhooks_pb2, webhooks_pb2_grpc

from chassis import identity
from chassis.idempotency import Answer, request_key
from chassis.identity import REPLAYED_KEY, allow
from chassis.server import Binding
from chassis.wire import (
    instant_from_proto,
    number_from_token,
    optional_instant,
    page_size,
    place_from_token,
    uuid_from_token,
)
from services.webhooks import domain, wire
from services.webhooks.service import WebhooksService
from services.webhooks.signing import Secrets

Context = grpc.aio.ServicerContext[Any, Any]
MessageT = TypeVar("MessageT", bound=Message)

ACCESS = {
    "CreateWebhook": allow("gateway", scope="admin"),
    "GetWebhook": allow("gateway", scope="read"),
    "ListWebhooks": allow("gateway", scope="read"),
    "UpdateWebhook": allow("gateway", scope="admin"),
    "DeleteWebhook": allow("gateway", scope="admin"),
    "RotateSecret": allow("gateway", scope="admin"),
    "TestWebhook": allow("gateway", scope="write"),
    "ListDeliveries": allow("gateway", scope="read"),
    "ResendDelivery": allow("gateway", scope="write"),
    "ResendDeliveries": allow("gateway", scope="write"),
    "ListEvents": allow("gateway", scope="read"),
    "GetEvent": allow("gateway", scope="read"),
}


def binding(service: WebhooksService, secrets: Secrets) -> Binding:
    """Return the servicer with its allow-list."""
    return Binding(
        servicer=WebhooksServicer(service, secrets),
        add=webhooks_pb2_grpc.add_WebhooksServiceServicer_to_server,
        descriptor=webhooks_pb2.DESCRIPTOR.services_by_name["WebhooksService"],
        access=ACCESS,
    )


class WebhooksServicer(webhooks_pb2_grpc.WebhooksServiceServicer):
    """The RPCs of webhooks. The contract lists their refusals."""

    def __init__(self, service: WebhooksService, secrets: Secrets) -> None:
        self._service = service
        self._secrets = secrets

    async def CreateWebhook(
        self, request: webhooks_pb2.CreateWebhookRequest, context: Context
    ) -> webhooks_pb2.Webhook:
        answer = await self._service.create(
            key=request_key(request),
            url=request.url,
            event_types=request.event_types,
            description=request.description,
            is_disabled=request.disabled,
        )
        return self._with_secret(answer, context)

    async def GetWebhook(
        self, request: webhooks_pb2.GetWebhookRequest, context: Context
    ) -> webhooks_pb2.Webhook:
        found = await self._service.get(
            marketplace_id=_marketplace(), webhook_id=wire.uuid_of(request.webhook_id)
        )
        return wire.webhook(found)

    async def ListWebhooks(
        self, request: webhooks_pb2.ListWebhooksRequest, context: Context
    ) -> webhooks_pb2.ListWebhooksResponse:
        size = page_size(request.page)
        found = await self._service.list_webhooks(
            marketplace_id=_marketplace(),
            after=uuid_from_token(request.page.page_token),
            size=size,
        )
        return wire.webhooks(found, size=size)

    async def UpdateWebhook(
        self, request: webhooks_pb2.UpdateWebhookRequest, context: Context
    ) -> webhooks_pb2.Webhook:
        answer = await self._service.update(
            key=request_key(request),
            webhook_id=wire.uuid_of(request.webhook_id),
            changes=wire.changes(request),
        )
        return _answered(webhooks_pb2.Webhook, answer, context)

    async def DeleteWebhook(
        self, request: webhooks_pb2.DeleteWebhookRequest, context: Context
    ) -> webhooks_pb2.Webhook:
        answer = await self._service.delete(
            key=request_key(request), webhook_id=wire.uuid_of(request.webhook_id)
        )
        return _answered(webhooks_pb2.Webhook, answer, context)

    async def RotateSecret(
        self, request: webhooks_pb2.RotateSecretRequest, context: Context
    ) -> webhooks_pb2.Webhook:
        answer = await self._service.rotate(
            key=request_key(request), webhook_id=wire.uuid_of(request.webhook_id)
        )
        return self._with_secret(answer, context)

    async def TestWebhook(
        self, request: webhooks_pb2.TestWebhookRequest, context: Context
    ) -> webhooks_pb2.Delivery:
        answer = await self._service.test(
            key=request_key(request), webhook_id=wire.uuid_of(request.webhook_id)
        )
        return _answered(webhooks_pb2.Delivery, answer, context)

    async def ListDeliveries(
        self, request: webhooks_pb2.ListDeliveriesRequest, context: Context
    ) -> webhooks_pb2.ListDeliveriesResponse:
        size = page_size(request.page)
        found = await self._service.list_deliveries(
            marketplace_id=_marketplace(),
            webhook_id=wire.uuid_of(request.webhook_id),
            state=wire.state(request.status),
            after=number_from_token(request.page.page_token),
            size=size,
        )
        return wire.deliveries(found, size=size)

    async def ResendDelivery(
        self, request: webhooks_pb2.ResendDeliveryRequest, context: Context
    ) -> webhooks_pb2.Delivery:
        answer = await self._service.resend(
            key=request_key(request),
            webhook_id=wire.uuid_of(request.webhook_id),
            delivery_id=wire.uuid_of(request.delivery_id),
        )
        return _answered(webhooks_pb2.Delivery, answer, context)

    async def ResendDeliveries(
        self, request: webhooks_pb2.ResendDeliveriesRequest, context: Context
    ) -> webhooks_pb2.ResendDeliveriesResponse:
        answer = await self._service.resend_since(
            key=request_key(request),
            webhook_id=wire.uuid_of(request.webhook_id),
            since=instant_from_proto(request.since),
        )
        return _answered(webhooks_pb2.ResendDeliveriesResponse, answer, context)

    async def ListEvents(
        self, request: webhooks_pb2.ListEventsRequest, context: Context
    ) -> webhooks_pb2.ListEventsResponse:
        size = page_size(request.page)
        wanted = domain.events_wanted(
            types=request.event_types,
            aggregate_id=request.aggregate_id,
            occurred_from=optional_instant(request, "occurred_from"),
            occurred_to=optional_instant(request, "occurred_to"),
            after=wire.place(place_from_token(request.page.page_token, request)),
        )
        found = await self._service.list_events(
            marketplace_id=_marketplace(), wanted=wanted, size=size
        )
        return wire.events(found, request, size=size)

    async def GetEvent(
        self, request: webhooks_pb2.GetEventRequest, context: Context
    ) -> webhooks_pb2.Event:
        found = await self._service.get_event(
            marketplace_id=_marketplace(), event_id=request.event_id
        )
        return wire.event(found)

    def _with_secret(self, answer: Answer, context: Context) -> webhooks_pb2.Webhook:
        """Decode a stored answer and add its webhook's secret, which is not stored."""
        message = _answered(webhooks_pb2.Webhook, answer, context)
        message.secret = self._secrets.secret(
            _marketplace(), wire.uuid_of(message.id), message.secret_number
        )
        return message


def _marketplace() -> UUID:
    return identity.current().marketplace_id


def _answered(kind: type[MessageT], answer: Answer, context: Context) -> MessageT:
    if answer.replayed:
        context.set_trailing_metadata(((REPLAYED_KEY, "true"),))
    message = kind()
    message.ParseFromString(answer.body)
    return message
