"""The event stream of a person: which events, and which parts of them."""

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import orders_pb2

from chassis.bus import Bus, Message, publish_all
from gateway.settings import GatewaySettings
from kernel.errors import PermissionDenied
from kernel.ids import new_id, to_public
from tests.integration.gateway.conftest import Keys, Services
from tests.integration.gateway.messages import ORDER_ID, an_order
from tests.patience import PATIENCE_SECONDS

from .conftest import mint, own_order, refusal

DEADLINE_SECONDS = PATIENCE_SECONDS


@contextlib.asynccontextmanager
async def streaming(person: httpx.AsyncClient, query: str = "") -> AsyncIterator[Any]:
    """Open the stream of events; yields a function that reads the next one's data."""
    async with person.stream("GET", f"/api/v1/events{query}", timeout=DEADLINE_SECONDS) as answer:
        assert answer.status_code == 200
        lines = answer.aiter_lines()

        async def following() -> dict[str, Any] | None:
            async for line in lines:
                if line.startswith("data: ") and line != "data: {}":
                    found: dict[str, Any] = json.loads(line.removeprefix("data: "))
                    return found
            return None

        yield following


async def publish(settings: GatewaySettings, marketplace_id: uuid.UUID, **body: Any) -> str:
    """Publish an event as the services do; returns its id."""
    event_id = to_public("evt", new_id())
    whole = {
        "eventId": event_id,
        "occurredAt": "2026-02-18T10:00:00.000Z",
        "version": 1,
        "metadata": {"marketplaceId": str(marketplace_id)},
        **body,
    }
    message = Message(
        subject=body["eventType"],
        message_id=event_id,
        headers={},
        body=json.dumps(whole).encode(),
    )
    bus = Bus(url=settings.nats_url, name="test")
    assert await publish_all(await bus.stream(), [message]) == [True]
    await bus.close()
    return event_id


def happened(own: str, other: str, me: str) -> list[tuple[str, str, dict[str, str], bool]]:
    """List events: aggregate, its id, payload, and whether they are about me."""
    return [
        ("Order", other, {}, False),
        ("Order", own, {}, True),
        ("Escrow", "esc_1", {"orderId": other}, False),
        ("Dispute", "dsp_1", {"orderId": own}, True),
        ("Balance", "usr_somebody", {"userId": "usr_somebody"}, False),
        ("Balance", me, {"userId": me}, True),
        ("Wallet", "wal_1", {"userId": "usr_somebody"}, False),
        ("Order", own, {}, True),
    ]


async def test_a_person_gets_events_of_their_own_orders_and_balance_only(
    person: httpx.AsyncClient,
    services: Services,
    subject: uuid.UUID,
    settings: GatewaySettings,
    keys: Keys,
) -> None:
    own, other = new_id(), new_id()
    marketplace_id = await keys.store.marketplace("demo", environment="live")

    async def get_order(request: Any) -> orders_pb2.Order:
        if request.order_id != str(own):
            raise PermissionDenied("not yours", reason="NOT_PARTY")
        return own_order(subject, id=str(own))

    services.orders.answers["GetOrder"] = get_order
    events = happened(to_public("ord", own), to_public("ord", other), to_public("usr", subject))
    told = []
    async with streaming(person) as following:
        for kind, name, payload, is_mine in events:
            body = {"aggregateType": kind, "aggregateId": name, "payload": payload}
            event_type = f"{kind.lower()}.created"
            event_id = await publish(settings, marketplace_id, eventType=event_type, **body)
            told += [event_id] if is_mine else []

        seen = [(await following())["eventId"] for _ in told]

    assert seen == told
    asked = [one.order_id for method, one, _ in services.orders.asked if method == "GetOrder"]
    assert asked == [str(other), str(own)]


async def test_a_stream_can_be_filtered_by_resource_type(
    person: httpx.AsyncClient,
    services: Services,
    subject: uuid.UUID,
    settings: GatewaySettings,
    keys: Keys,
) -> None:
    marketplace_id = await keys.store.marketplace("demo", environment="live")
    services.orders.answers["GetOrder"] = own_order(subject)
    order_id, me = to_public("ord", ORDER_ID), to_public("usr", subject)
    published = []
    async with streaming(person, "?resourceTypes=Balance,Dispute") as following:
        for kind, event_type, payload in (
            ("Order", "order.created", {"orderId": order_id}),
            ("Balance", "balance.credited", {"userId": me}),
            ("Escrow", "escrow.created", {"orderId": order_id}),
            ("Dispute", "dispute.opened", {"orderId": order_id}),
        ):
            body = {"aggregateType": kind, "aggregateId": order_id, "payload": payload}
            published.append(await publish(settings, marketplace_id, eventType=event_type, **body))

        seen = [(await following())["eventId"] for _ in range(2)]

    assert seen == [published[1], published[3]]


async def test_a_stream_ends_when_its_token_does(
    party_url: str, services: Services, subject: uuid.UUID
) -> None:
    del services
    soon = int(time.time()) - 60 + 2
    headers = {"authorization": f"Bearer {mint(subject, exp=soon)}"}
    async with httpx.AsyncClient(base_url=party_url, headers=headers) as person:
        async with asyncio.timeout(DEADLINE_SECONDS), streaming(person) as following:
            assert await following() is None
        assert refusal(await person.get("/api/v1/events")) == (401, "not_authenticated")


async def test_a_stream_is_asked_for_as_documented(person: httpx.AsyncClient) -> None:
    for query in (
        "?types=nothing.here",
        "?types=order",
        "?resourceTypes=Nothing",
        "?resource_types=Order",
    ):
        assert refusal(await person.get(f"/api/v1/events{query}")) == (422, "validation_error")
    answer = await person.get("/api/v1/events", headers={"last-event-id": "nonsense"})
    assert refusal(answer) == (422, "validation_error")


async def test_a_seller_does_not_see_the_buyers_reserve_or_the_decider(
    person: httpx.AsyncClient,
    services: Services,
    subject: uuid.UUID,
    settings: GatewaySettings,
    keys: Keys,
) -> None:
    marketplace_id = await keys.store.marketplace("demo", environment="live")
    seller = common_pb2.UserRef(id=str(subject), public_id=to_public("usr", subject))
    # Who is in an order is known for good: this one is no other test's.
    own = new_id()
    services.orders.answers["GetOrder"] = an_order(id=str(own), seller=seller)
    order_id = to_public("ord", own)
    held = {"orderId": order_id, "buyerId": "usr_buyer", "reservedBalance": "900.00"}
    resolved = {"orderId": order_id, "decision": "SPLIT", "resolvedBy": "key:key_1"}

    async with streaming(person) as following:
        seen = []
        for kind, event_type, payload in (
            ("Order", "order.funds_reserved", held),
            ("Dispute", "dispute.resolved", resolved),
        ):
            body = {"aggregateType": kind, "aggregateId": order_id, "payload": payload}
            await publish(settings, marketplace_id, eventType=event_type, **body)
            seen.append((await following())["payload"])

    assert seen == [
        {"orderId": order_id, "buyerId": "usr_buyer"},
        {"orderId": order_id, "decision": "SPLIT", "resolvedBy": "SUPPORT"},
    ]
