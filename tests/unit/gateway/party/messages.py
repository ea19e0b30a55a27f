"""The document's order, dispute and receipt as the services answer them."""

import datetime as dt
import uuid
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from orchestrator.common.v1 import common_pb2
from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.orders.v1 import orders_pb2

ORDER = uuid.UUID("11223344-5566-7788-99aa-bbccddeeff00")
PERSONAL = uuid.UUID("aabbccdd-eeff-0011-2233-445566778899")
BUSINESS = uuid.UUID("b2c3d4e5-f6a7-8901-bcde-f12345678901")
INTENTION = "f6a7b8c9-d0e1-2345-fab0-678901234567"
TEMPLATE = "d4e5f6a7-b8c9-0123-defa-234567890123"
DISPUTE = uuid.UUID("99887766-5544-3322-1100-ffeeddccbbaa")
RECEIPT = uuid.UUID("aabb1122-3344-5566-7788-99aabbccddee")
TERMS = (
    '{"delivery_days":3,"revisions":2,"scope":"Full financial analysis report with visualizations"}'
)


def at(text: str) -> Timestamp:
    """Return an instant."""
    message = Timestamp()
    message.FromDatetime(dt.datetime.fromisoformat(text))
    return message


def usdc(cents: int) -> common_pb2.Money:
    """Return an amount."""
    return common_pb2.Money(asset="USDC", minor_units=cents * 100_000)


def an_order(state: str = "ORDER_CREATED", **changes: Any) -> orders_pb2.Order:
    """Return the document's order in a state."""
    values: dict[str, Any] = {
        "id": str(ORDER),
        "marketplace_id": str(uuid.UUID(int=1)),
        "buyer": common_pb2.UserRef(id=str(PERSONAL), public_id="usr_personal"),
        "seller": common_pb2.UserRef(id=str(BUSINESS), public_id="usr_business"),
        "amount": usdc(15_000),
        "platform_fee": usdc(1500),
        "platform_fee_bps": 1000,
        "title": "Order",
        "currency": "USD",
        "state": f"ORDER_STATE_{state}",
        "intention_id": INTENTION,
        "contract_template_id": TEMPLATE,
        "contract_terms_json": TERMS,
        "created_at": at("2026-02-27T10:30:00.999Z"),
        "updated_at": at("2026-02-27T10:30:00.999Z"),
        "version": 1,
    }
    return orders_pb2.Order(**(values | changes))


def a_delivery(notes: str = "", url: str = "") -> orders_pb2.Delivery:
    """Return a delivery."""
    return orders_pb2.Delivery(notes=notes, url=url, delivered_at=at("2026-02-28T09:15:00Z"))


def its_dispute(**changes: Any) -> orders_pb2.OrderDispute:
    """Return the dispute as the order knows it."""
    values: dict[str, Any] = {
        "id": str(DISPUTE),
        "status": "OPEN",
        "opened_by": "PARTY_SELLER",
        "reason": "DISPUTE_REASON_OTHER",
        "opened_at": at("2026-03-05T14:00:00.999Z"),
    }
    return orders_pb2.OrderDispute(**(values | changes))


def a_case(status: str = "OPEN", **changes: Any) -> disputes_pb2.Dispute:
    """Return the document's dispute."""
    values: dict[str, Any] = {
        "id": str(DISPUTE),
        "order_id": str(ORDER),
        "status": f"DISPUTE_STATUS_{status}",
        "opened_by": "PARTY_SELLER",
        "reason": "DISPUTE_REASON_OTHER",
        "description": "The personal user has not responded",
        "initiated_by": str(BUSINESS),
        "evidence": ["https://cdn.example/a.png"],
        "amount": usdc(15_000),
        "created_at": at("2026-03-05T14:00:01.010Z"),
        "updated_at": at("2026-03-05T14:00:01.010Z"),
    }
    return disputes_pb2.Dispute(**(values | changes))


def a_receipt(**changes: Any) -> orders_pb2.Receipt:
    """Return the document's receipt."""
    values: dict[str, Any] = {
        "id": str(RECEIPT),
        "order_id": str(ORDER),
        "buyer": common_pb2.UserRef(id=str(PERSONAL), public_id="usr_personal"),
        "seller": common_pb2.UserRef(id=str(BUSINESS), public_id="usr_business"),
        "amount": usdc(15_000),
        "platform_fee": usdc(1500),
        "provider_fee": usdc(0),
        "released_share": usdc(15_000),
        "seller_income": usdc(13_500),
        "platform_fee_bps": 1000,
        "personal_signal": "satisfied",
        "delta_score_tenths": 87,
        "response_time_ms": 45_200,
        "currency": "USD",
        "created_at": at("2026-03-01T16:30:00Z"),
    }
    return orders_pb2.Receipt(**(values | changes))
