"""Webhooks, served on a real socket with a PostgreSQL and a NATS, and receivers of events."""

import asyncio
import itertools
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from aiohttp import web
from orchestrator.common.v1 import common_pb2
from orchestrator.webhooks.v1 import webhooks_pb2, webhooks_pb2_grpc
from pydantic import SecretStr
from standardwebhooks import Webhook as Verifier

from chassis.bus import Bus, Message, publish_all
from chassis.channel import open_channel
from deploy.local.ports import free_port
from kernel.clock import SystemClock, to_milliseconds_text
from kernel.ids import new_id, to_public
from services.webhooks.app import build
from services.webhooks.outgoing import Outgoing
from services.webhooks.settings import WebhooksSettings
from tests.conftest import TestDatabase
from tests.identities import TRUST_FILE
from tests.patience import until
from tests.serving import Client, Socket, serving

KEY = "a key for the secrets of webhooks, of tests"
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request that a receiver got."""

    headers: dict[str, str]
    body: str

    @property
    def event(self) -> dict[str, Any]:
        """The event in it."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    def verify(self, secret: str) -> None:
        """Check the signature. Raises: WebhookVerificationError."""
        Verifier(secret).verify(self.body, self.headers)


Answer = Callable[[Received], Awaitable[web.Response]]


async def fine(_: Received) -> web.Response:
    """Answer as a receiver that has taken the event."""
    return web.Response(text="taken")


@dataclass(slots=True)
class Receiver:
    """An endpoint of a marketplace. answer: what it does with a request."""

    url: str
    answer: Answer = fine
    received: list[Received] = field(default_factory=list)

    async def _take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        one = Received(headers=headers, body=await request.text())
        self.received.append(one)
        return await self.answer(one)

    async def got(self, count: int) -> Sequence[Received]:
        """Wait for so many requests."""

        async def holds() -> bool:
            return len(self.received) >= count

        await until(holds)
        return self.received


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Run a receiver on this machine."""
    port = free_port()
    receiver = Receiver(url=f"http://127.0.0.1:{port}/hook")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver._take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield receiver
    finally:
        await runner.cleanup()


@dataclass(slots=True, kw_only=True)
class House:
    """Webhooks of one marketplace, and the bus that its events come on."""

    client: Client
    bus: Bus
    database: TestDatabase

    async def register(self, url: str, *event_types: str, **more: Any) -> webhooks_pb2.Webhook:
        """Register a URL."""
        request = webhooks_pb2.CreateWebhookRequest(
            request_id=f"w{next(_numbers)}",
            url=url,
            event_types=event_types or ("order.*",),
            **more,
        )
        found: webhooks_pb2.Webhook = await self.client.call("CreateWebhook", request)
        return found

    async def call(self, method: str, kind: Any, **fields: Any) -> Any:
        """Make a change under a new request id."""
        return await self.client.call(method, kind(request_id=f"w{next(_numbers)}", **fields))

    async def publish(self, *events: dict[str, Any]) -> None:
        """Publish events as a relay does."""
        messages = [
            Message(
                subject=event["eventType"],
                message_id=event["eventId"],
                headers={"marketplace-id": event["metadata"]["marketplaceId"]},
                body=json.dumps(event).encode(),
            )
            for event in events
        ]
        for message in messages:
            assert await publish_all(await self.bus.stream(), [message]) == [True]

    def event(self, event_type: str = "order.created", **changes: Any) -> dict[str, Any]:
        """Return an event of the marketplace that happens now."""
        return {
            "eventId": to_public("evt", new_id()),
            "eventType": event_type,
            "occurredAt": to_milliseconds_text(SystemClock().now()),
            "aggregateId": to_public("ord", new_id()),
            "aggregateType": "Order",
            "version": 1,
            "payload": {},
            "metadata": {"marketplaceId": str(self.client.marketplace_id)},
            **changes,
        }

    async def deliveries(self, webhook: webhooks_pb2.Webhook) -> list[webhooks_pb2.Delivery]:
        """List a webhook's deliveries, newest first."""
        request = webhooks_pb2.ListDeliveriesRequest(
            webhook_id=webhook.id, page=common_pb2.PageRequest(page_size=100)
        )
        return list((await self.client.call("ListDeliveries", request)).deliveries)

    async def delivered(
        self, webhook: webhooks_pb2.Webhook, count: int
    ) -> list[webhooks_pb2.Delivery]:
        """Wait until so many deliveries have ended."""
        found: list[webhooks_pb2.Delivery] = []

        async def holds() -> bool:
            found[:] = [one for one in await self.deliveries(webhook) if one.finished_at.seconds]
            return len(found) >= count

        await until(holds)
        return found

    async def attempted(
        self, webhook: webhooks_pb2.Webhook, attempts: int
    ) -> webhooks_pb2.Delivery:
        """Wait until the newest delivery was attempted so often."""
        found: list[webhooks_pb2.Delivery] = []

        async def holds() -> bool:
            found[:] = await self.deliveries(webhook)
            return bool(found) and found[0].attempts >= attempts

        await until(holds)
        return found[0]

    async def move(self, webhook: webhooks_pb2.Webhook, *, hours: int) -> None:
        """Let time pass for the deliveries that wait: their next attempt comes so much earlier."""
        with psycopg.connect(self.database.url()) as connection:
            connection.execute(
                "update webhooks.deliveries set due_at = due_at - make_interval(hours => %s)"
                " where state = 'PENDING'",
                (hours,),
            )
        # A change makes the replica look at once.
        await self.call(
            "UpdateWebhook",
            webhooks_pb2.UpdateWebhookRequest,
            webhook_id=webhook.id,
            description=f"{next(_numbers)}",
        )

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Read rows as the administrator."""
        with psycopg.connect(self.database.url()) as connection:
            return connection.execute(statement).fetchall()


def settings_of(database: TestDatabase, nats_url: str, **changes: Any) -> WebhooksSettings:
    """Return the settings of a replica."""
    return WebhooksSettings(
        database_url=database.url("webhooks"),
        nats_url=nats_url,
        trust_file=TRUST_FILE,
        grpc_port=free_port(),
        webhook_key=SecretStr(KEY),
        **changes,
    )


@pytest.fixture
async def house(
    database: TestDatabase,
    nats_url: str,
    receiver: Receiver,  # noqa: ARG001 - it has to end after the house
) -> AsyncIterator[House]:
    """One replica of webhooks, with a database of this test alone.

    It stops before the receiver: asyncio neither serves nor closes a connection that it accepts in
    the moment in which a server closes.
    """
    async with open_house(database, nats_url) as opened:
        yield opened


@asynccontextmanager
async def open_house(
    database: TestDatabase, nats_url: str, *, outgoing: Outgoing | None = None, replicas: int = 1
) -> AsyncIterator[House]:
    """Serve webhooks. outgoing: sends instead of their own."""
    async with AsyncExitStack() as stack:
        for _ in range(replicas):
            app = await build(settings_of(database, nats_url), outgoing=outgoing)
            address = await stack.enter_async_context(serving(app))
        bus = Bus(url=nats_url, name="test")
        stack.push_async_callback(bus.close)
        channel = await stack.enter_async_context(open_channel(address))
        client = Client(
            transport=Socket(stub=webhooks_pb2_grpc.WebhooksServiceStub(channel)),
            marketplace_id=uuid.uuid4(),
        )
        yield House(client=client, bus=bus, database=database)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """An endpoint of a marketplace."""
    async with receiving() as found:
        yield found


async def never(_: Received) -> web.Response:
    """Do not answer."""
    await asyncio.Event().wait()
    raise AssertionError
