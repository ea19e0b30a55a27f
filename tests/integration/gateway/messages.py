"""Messages as the services answer them, for tests of what is printed."""

import datetime as dt
import uuid
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from orchestrator.common.v1 import common_pb2
from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.orders.v1 import orders_pb2
from orchestrator.webhooks.v1 import webhooks_pb2

ORDER_ID = uuid.UUID("018f0000-0000-7000-8000-000000000001")
ESCROW_ID = uuid.UUID("018f0000-0000-7000-8000-000000000002")
DISPUTE_ID = uuid.UUID("018f0000-0000-7000-8000-000000000003")
USER_ID = uuid.UUID("018f0000-0000-7000-8000-000000000004")
CONTRACT = "C" + "A" * 55


def at(text: str) -> Timestamp:
    """Return an instant."""
    message = Timestamp()
    message.FromDatetime(dt.datetime.fromisoformat(text))
    return message


def usdc(cents: int) -> common_pb2.Money:
    """Return an amount."""
    return common_pb2.Money(asset="USDC", minor_units=cents * 100_000)


def an_order(state: str = "ORDER_CREATED", **changes: Any) -> orders_pb2.Order:
    """Return the guide's order in a state."""
    values: dict[str, Any] = {
        "id": str(ORDER_ID),
        "marketplace_id": str(uuid.UUID(int=1)),
        "buyer": common_pb2.UserRef(id=str(USER_ID), public_id="usr_buyer123"),
        "seller": common_pb2.UserRef(id=str(uuid.UUID(int=2)), public_id="usr_seller456"),
        "amount": usdc(8000),
        "title": "Logo design",
        "description": "Design a logo for my startup",
        "state": f"ORDER_STATE_{state}",
        "currency": "USDC",
        "platform_fee": usdc(0),
        "created_at": at("2026-02-18T10:00:00Z"),
        "updated_at": at("2026-02-18T10:00:00Z"),
        "version": 1,
    }
    return orders_pb2.Order(**(values | changes))


def running(kind: str) -> orders_pb2.Operation:
    """Return a running operation."""
    return orders_pb2.Operation(
        id=str(uuid.UUID(int=9)), kind=kind, state="RUNNING", step="SUBMITTED", attempts=1
    )


def an_escrow(status: str, **changes: Any) -> orders_pb2.OrderEscrow:
    """Return the order's escrow in a state."""
    return orders_pb2.OrderEscrow(id=str(ESCROW_ID), contract_id=CONTRACT, status=status, **changes)


def a_dispute(status: str = "OPEN", **changes: Any) -> disputes_pb2.Dispute:
    """Return a case."""
    values: dict[str, Any] = {
        "id": str(DISPUTE_ID),
        "order_id": str(ORDER_ID),
        "status": f"DISPUTE_STATUS_{status}",
        "opened_by": "PARTY_BUYER",
        "reason": "DISPUTE_REASON_QUALITY_ISSUE",
        "amount": usdc(8000),
        "created_at": at("2026-02-18T10:30:00Z"),
        "updated_at": at("2026-02-18T10:30:00Z"),
    }
    return disputes_pb2.Dispute(**(values | changes))


def a_webhook(**changes: Any) -> webhooks_pb2.Webhook:
    """Return a webhook."""
    values: dict[str, Any] = {
        "id": str(ORDER_ID),
        "url": "https://shop.example.com/hooks",
        "event_types": ["order.*"],
        "enabled": True,
        "secret_number": 1,
        "created_at": at("2026-02-18T10:00:00Z"),
        "updated_at": at("2026-02-18T10:00:00Z"),
    }
    return webhooks_pb2.Webhook(**(values | changes))


def a_delivery(**changes: Any) -> webhooks_pb2.Delivery:
    """Return a delivery that was attempted once."""
    values: dict[str, Any] = {
        "id": str(ESCROW_ID),
        "webhook_id": str(ORDER_ID),
        "event_id": "evt_1",
        "event_type": "order.created",
        "aggregate_id": "ord_1",
        "status": "DELIVERY_STATUS_DELIVERED",
        "attempts": 1,
        "created_at": at("2026-02-18T10:00:00Z"),
        "finished_at": at("2026-02-18T10:00:00Z"),
        "last_attempt": webhooks_pb2.Attempt(
            at=at("2026-02-18T10:00:00Z"),
            url="https://shop.example.com/hooks",
            duration_milliseconds=12,
            status_code=200,
            answer="taken",
        ),
        "event_json": '{"eventId":"evt_1"}',
    }
    return webhooks_pb2.Delivery(**(values | changes))


def an_event() -> webhooks_pb2.Event:
    """Return an event of the list."""
    text = (
        '{"eventId":"evt_1","eventType":"order.created","occurredAt":"2026-02-18T10:00:00.000Z",'
        '"aggregateId":"ord_1","aggregateType":"Order","version":1,"payload":{"orderId":"ord_1"},'
        '"metadata":{"correlationId":"","causationId":"","userId":"","marketplaceId":"m"}}'
    )
    return webhooks_pb2.Event(event_id="evt_1", event_json=text)
