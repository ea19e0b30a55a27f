"""The services' messages → what the party API prints.

Pure functions of messages: an answer that is replayed is printed in the same bytes.
"""

import datetime as dt
from typing import Any

import orjson
from google.protobuf import timestamp_pb2
from orchestrator.common.v1 import common_pb2
from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.orders.v1 import orders_pb2

from chassis.wire import instant_from_proto
from gateway.party import numbers

Json = dict[str, Any]
RUNNING = "RUNNING"
# Reference §3: one order, two vocabularies. PAID: until it is delivered.
PENDING, PAID, DELIVERED, DISPUTED = "pending_payment", "paid", "delivered", "disputed"
_STATES = {
    orders_pb2.ORDER_STATE_ORDER_CREATED: PENDING,
    orders_pb2.ORDER_STATE_FUNDS_RESERVED: PENDING,
    orders_pb2.ORDER_STATE_ESCROW_CREATING: PENDING,
    orders_pb2.ORDER_STATE_ESCROW_FUNDING: PENDING,
    orders_pb2.ORDER_STATE_ESCROW_FUNDED: PAID,
    orders_pb2.ORDER_STATE_IN_PROGRESS: PAID,
    orders_pb2.ORDER_STATE_RELEASE_REQUESTED: PAID,
    orders_pb2.ORDER_STATE_RELEASED: PAID,
    orders_pb2.ORDER_STATE_REFUND_REQUESTED: PAID,
    orders_pb2.ORDER_STATE_REFUNDED: PAID,
    orders_pb2.ORDER_STATE_DISPUTED: DISPUTED,
}
_ENDS = {
    orders_pb2.FINAL_STATUS_RELEASED: "completed",
    orders_pb2.FINAL_STATUS_REFUNDED: "refunded",
    orders_pb2.FINAL_STATUS_CANCELED: "cancelled",
}


def time(at: timestamp_pb2.Timestamp) -> str:
    """Spell an instant, cut to seconds: 2026-02-27T10:30:00Z."""
    return instant_from_proto(at).astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def status(message: orders_pb2.Order) -> str:
    """Return where an order stands, in the parties' words."""
    if message.state == orders_pb2.ORDER_STATE_CLOSED:
        return _ENDS[message.final_status]
    found = _STATES[message.state]
    return DELIVERED if found == PAID and message.HasField("delivery") else found


def in_motion(message: orders_pb2.Order) -> bool:
    """Tell whether an operation still runs on the order."""
    return message.HasField("operation") and message.operation.state == RUNNING


def currency(message: orders_pb2.Order) -> str:
    """Return what an order is priced in."""
    return message.currency or message.amount.asset


def order(message: orders_pb2.Order) -> Json:
    """Print one order."""
    return {
        "id": message.id,
        "intention_id": message.intention_id or None,
        "personal_id": message.buyer.id,
        "business_id": message.seller.id,
        "contract_template_id": message.contract_template_id or None,
        "contract_id": message.contract_id or None,
        "contract_terms": _object(message.contract_terms_json),
        "amount": numbers.printed(message.amount.minor_units),
        "platform_fee": numbers.printed(message.platform_fee.minor_units),
        "currency": currency(message),
        "status": status(message),
        "paid_at": _time_or_none(message, "funded_at"),
        "delivered_at": _time_or_none(message.delivery, "delivered_at"),
        "confirmed_at": _time_or_none(message, "confirmed_at"),
        "delivery_notes": message.delivery.notes or None,
        "deliverable_url": message.delivery.url or None,
        "milestones": [_milestone(part) for part in message.milestones] or None,
        "created_at": time(message.created_at),
        "updated_at": time(message.updated_at),
    }


def opened_dispute(message: orders_pb2.Order, *, by: str, reason: str, evidence: list[str]) -> Json:
    """Print a dispute as it is when it is opened, from the order that was frozen for it."""
    opened = time(message.dispute.opened_at)
    return {
        "id": message.dispute.id,
        "order_id": message.id,
        "initiated_by": by,
        "reason": reason,
        "evidence": evidence,
        "contract_snapshot": _object(message.contract_terms_json),
        "status": "open",
        "resolution": None,
        "resolved_at": None,
        "created_at": opened,
        "updated_at": opened,
    }


def dispute(case: disputes_pb2.Dispute, *, of: orders_pb2.Order) -> Json:
    """Print a dispute as it is. of: its order, which says when it was opened."""
    opened = time(of.dispute.opened_at)
    is_fresh = case.updated_at == case.created_at
    return {
        "id": case.id,
        "order_id": case.order_id,
        "initiated_by": case.initiated_by or _side(case, of),
        "reason": case.description or _name(orders_pb2.DisputeReason, case.reason),
        "evidence": list(case.evidence),
        "contract_snapshot": _object(case.contract_snapshot_json),
        "status": _name(disputes_pb2.DisputeStatus, case.status),
        "resolution": _resolution(case),
        "resolved_at": _time_or_none(case, "resolved_at"),
        "created_at": opened,
        "updated_at": opened if is_fresh else max(opened, time(case.updated_at)),
    }


def receipt(message: orders_pb2.Receipt) -> Json:
    """Print a receipt. Its amount is what was released of the order's."""
    released = numbers.printed(message.released_share.minor_units)
    fee = numbers.printed(message.platform_fee.minor_units)
    income = numbers.printed(message.seller_income.minor_units)
    breakdown = {
        "base_amount": released,
        "platform_fee_rate": numbers.rate(message.platform_fee_bps),
        "platform_fee": fee,
    }
    if message.provider_fee.minor_units:
        breakdown["provider_fee"] = numbers.printed(message.provider_fee.minor_units)
    score = message.delta_score_tenths
    return {
        "id": message.id,
        "order_id": message.order_id,
        "personal_id": message.buyer.id,
        "business_id": message.seller.id,
        "amount": released,
        "platform_fee": fee,
        "business_income": income,
        "currency": message.currency,
        "cost_breakdown": {**breakdown, "business_payout": income},
        "personal_signal": message.personal_signal,
        "delta_score": None if score < 0 else numbers.tenths(score),
        "response_time_ms": message.response_time_ms or None,
        "contract_id": message.contract_id or None,
        "created_at": time(message.created_at),
    }


def _object(text: str) -> Any:
    """Pass a stored JSON object on as it is."""
    return orjson.Fragment(text) if text else {}


def _time_or_none(message: Any, name: str) -> str | None:
    return time(getattr(message, name)) if message.HasField(name) else None


def _milestone(part: orders_pb2.Milestone) -> Json:
    amount = numbers.printed(part.amount.minor_units)
    return {"ref": part.ref, "title": part.title, "amount": amount}


def _side(case: disputes_pb2.Dispute, of: orders_pb2.Order) -> str:
    """Return the user for whom the marketplace opened a dispute."""
    return of.seller.id if case.opened_by == common_pb2.PARTY_SELLER else of.buyer.id


def _resolution(case: disputes_pb2.Dispute) -> str | None:
    """Return the decision, once it has been paid out."""
    if case.status != disputes_pb2.DISPUTE_STATUS_RESOLVED:
        return None
    return _name(orders_pb2.DisputeDecision, case.decision)


def _name(enum: Any, value: int) -> str:
    """Return an enum's name without its prefix, in lower case."""
    prefix = enum.DESCRIPTOR.values[0].name.removesuffix("UNSPECIFIED")
    text: str = enum.Name(value)
    return text.removeprefix(prefix).lower()
