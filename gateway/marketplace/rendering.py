"""The services' messages → what the marketplace API prints.

Pure functions of one message: an answer that is replayed is printed in the same bytes.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from google.protobuf import timestamp_pb2
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from orchestrator.common.v1 import common_pb2
from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.escrow.v1 import escrow_pb2
from orchestrator.ledger.v1 import ledger_pb2
from orchestrator.orders.v1 import orders_pb2

from chassis.wire import instant_from_proto
from gateway.call import Answer
from gateway.keys import Key
from kernel.clock import to_milliseconds_text
from kernel.ids import parse_uuid, to_public
from kernel.money import to_chain_text, to_text

Json = dict[str, Any]
RUNNING = "RUNNING"


def success(data: Any, *, status: int = 200) -> Answer:
    """Put an answer into its envelope."""
    return Answer(status=status, body={"success": True, "data": data})


def page(items: list[Json], *, next_token: str) -> Answer:
    """Put a page of a list into its envelope."""
    body = {
        "success": True,
        "data": items,
        "hasMore": bool(next_token),
        "nextCursor": next_token or None,
    }
    return Answer(body=body)


def time(at: timestamp_pb2.Timestamp) -> str:
    """Spell an instant."""
    return to_milliseconds_text(instant_from_proto(at))


def time_or_none(message: Any, name: str) -> str | None:
    """Spell a message's instant, or None where it is not set."""
    return time(getattr(message, name)) if message.HasField(name) else None


def amount_or_none(message: Any, name: str) -> str | None:
    """Spell a message's amount, or None where it is not set."""
    return to_text(getattr(message, name).minor_units) if message.HasField(name) else None


def public(prefix: str, text: str) -> str:
    """Spell a service's UUID as prefix_ and base62."""
    value = parse_uuid(text)
    if value is None:
        raise ValueError(f"a service answered an id that is no UUID: {text!r}")
    return to_public(prefix, value)


class Names:
    """The names of an enum's values without the enum's own name; None for UNSPECIFIED."""

    def __init__(self, enum: EnumTypeWrapper, prefix: str) -> None:
        self.by_value: dict[int, str | None] = {
            value: name.removeprefix(prefix) for name, value in enum.items()
        }
        self.by_name = {name: value for value, name in self.by_value.items() if name}
        self.by_value[0] = None

    def __getitem__(self, value: int) -> str | None:
        return self.by_value[value]


PARTIES = Names(common_pb2.Party, "PARTY_")
STATES = Names(orders_pb2.OrderState, "ORDER_STATE_")
FINALS = Names(orders_pb2.FinalStatus, "FINAL_STATUS_")
REASONS = Names(orders_pb2.DisputeReason, "DISPUTE_REASON_")
DECISIONS = Names(orders_pb2.DisputeDecision, "DISPUTE_DECISION_")
USER_TYPES = Names(orders_pb2.UserType, "USER_TYPE_")
DISPUTE_STATES = Names(disputes_pb2.DisputeStatus, "DISPUTE_STATUS_")
WALLET_STATES = Names(escrow_pb2.WalletState, "WALLET_STATE_")
CODES = Names(ledger_pb2.TransferCode, "TRANSFER_CODE_")
TYPES = Names(ledger_pb2.TransferType, "TRANSFER_TYPE_")


def named(order: orders_pb2.Order) -> Json:
    """Print which order it is, and its state."""
    return {"id": public("ord", order.id), "status": STATES[order.state]}


def moving(order: orders_pb2.Order) -> Json:
    """Print what every action answers of its order; `operation` where it is still in motion."""
    data = named(order)
    if in_motion(order):
        data["operation"] = operation(order.operation)
    return data


def in_motion(order: orders_pb2.Order) -> bool:
    """Tell whether an operation still runs on the order."""
    return order.HasField("operation") and order.operation.state == RUNNING


def operation(message: orders_pb2.Operation) -> Json:
    """Print work in motion."""
    return {
        "id": message.id,
        "kind": message.kind,
        "state": message.state,
        "step": message.step,
        "attempts": message.attempts,
        "startedAt": time_or_none(message, "started_at"),
    }


def milestone(message: orders_pb2.Milestone) -> Json:
    """Print a part of the work."""
    return {
        "ref": message.ref,
        "title": message.title,
        "description": message.description or None,
        "amount": to_text(message.amount.minor_units),
    }


def order_dispute(message: orders_pb2.OrderDispute) -> Json:
    """Print the dispute as opening it answers."""
    return {
        "id": public("dsp", message.id),
        "status": message.status,
        "openedBy": PARTIES[message.opened_by],
        "reason": REASONS[message.reason],
    }


def order(message: orders_pb2.Order) -> Json:
    """Print one order, whole."""
    return {
        "id": public("ord", message.id),
        "status": STATES[message.state],
        "finalStatus": FINALS[message.final_status],
        "buyerId": message.buyer.public_id,
        "sellerId": message.seller.public_id,
        "amount": to_text(message.amount.minor_units),
        "currency": message.currency or message.amount.asset,
        "title": message.title,
        "description": message.description or None,
        "clientOrderRef": message.client_order_ref or None,
        "milestones": [milestone(part) for part in message.milestones],
        "metadata": json_text(message.metadata_json),
        "escrow": _escrow(message),
        "dispute": _dispute_of_order(message),
        "delivery": _delivery(message),
        "operation": operation(message.operation) if message.HasField("operation") else None,
        "platformFee": to_text(_platform_fee(message).minor_units),
        "platformFeeBps": message.platform_fee_bps,
        "releasedAmount": amount_or_none(message, "released_amount"),
        "refundedAmount": amount_or_none(message, "refunded_amount"),
        "version": message.version,
        **{key: time_or_none(message, name) for key, name in _TIMES},
    }


_TIMES = (
    ("createdAt", "created_at"),
    ("updatedAt", "updated_at"),
    ("reservedAt", "reserved_at"),
    ("fundedAt", "funded_at"),
    ("confirmedAt", "confirmed_at"),
    ("releasedAt", "released_at"),
    ("refundedAt", "refunded_at"),
    ("closedAt", "closed_at"),
)


def json_text(text: str) -> Any:
    """Pass a stored JSON text on as it is; None where there is none."""
    return orjson.Fragment(text) if text else None


def _platform_fee(message: orders_pb2.Order) -> common_pb2.Money:
    """Return what the platform takes of the order; once it is closed, what it has taken."""
    return message.charged_fee if message.HasField("charged_fee") else message.platform_fee


def _escrow(message: orders_pb2.Order) -> Json | None:
    if not message.HasField("escrow"):
        return None
    return {
        "id": public("esc", message.escrow.id),
        "trustlessContractId": message.escrow.contract_id or None,
        "status": message.escrow.status,
        "fundedAt": time_or_none(message.escrow, "funded_at"),
        "lastError": message.escrow.last_error or None,
    }


def _dispute_of_order(message: orders_pb2.Order) -> Json | None:
    if not message.HasField("dispute"):
        return None
    return {
        **order_dispute(message.dispute),
        "decision": DECISIONS[message.dispute.decision],
        "openedAt": time_or_none(message.dispute, "opened_at"),
        "resolvedAt": time_or_none(message.dispute, "resolved_at"),
    }


def _delivery(message: orders_pb2.Order) -> Json | None:
    if not message.HasField("delivery"):
        return None
    return {
        "notes": message.delivery.notes or None,
        "url": message.delivery.url or None,
        "deliveredAt": time_or_none(message.delivery, "delivered_at"),
    }


def user(message: orders_pb2.User) -> Json:
    """Print a user."""
    return {
        "id": message.public_id,
        "uuid": message.id,
        "externalUserId": message.external_user_id,
        "email": message.email or None,
        "type": USER_TYPES[message.type],
        "createdAt": time_or_none(message, "created_at"),
    }


def balance(account: ledger_pb2.Account, *, user_id: str, currency: str) -> Json:
    """Print what a user can spend, and what is held."""
    return {
        "userId": user_id,
        "available": to_text(account.available.minor_units),
        "reserved": to_text(account.reserved.minor_units),
        "currency": currency,
    }


def credit(message: orders_pb2.Credit) -> Json:
    """Print a payment of the platform to a user."""
    return {
        "id": public("crd", message.id),
        "userId": message.user.public_id,
        "amount": to_text(message.amount.minor_units),
        "currency": message.amount.asset,
        "reference": message.reference,
        "description": message.description or None,
        "status": message.state,
        "transactionHash": message.transaction_hash or None,
        "createdAt": time(message.created_at),
        "finishedAt": time_or_none(message, "finished_at"),
    }


def statement(entries: Iterable[ledger_pb2.Entry]) -> list[Json]:
    """Print lines of a statement, newest first: one for each payment, with its postings in it."""
    by_payment: dict[str, list[ledger_pb2.Entry]] = {}
    for entry in entries:
        by_payment.setdefault(entry.payment_id or entry.transfer_id, []).append(entry)
    return [_payment(postings) for postings in by_payment.values()]


def _payment(postings: Sequence[ledger_pb2.Entry]) -> Json:
    """Print a payment: what it is by its first posting, the balance after its last."""
    last, first = postings[0], postings[-1]
    return {
        "transferId": first.transfer_id,
        "code": CODES[first.code],
        "type": TYPES[first.type],
        "orderId": public("ord", first.order_id) if first.order_id else None,
        "availableChange": to_text(sum(one.available_change for one in postings)),
        "reservedChange": to_text(sum(one.reserved_change for one in postings)),
        "available": to_text(last.available_after.minor_units),
        "reserved": to_text(last.reserved_after.minor_units),
        "currency": first.available_after.asset,
        "transactionHash": first.transaction_hash or None,
        "reason": first.reason or None,
        "at": time_or_none(last, "at"),
        "postings": [
            {
                "transferId": one.transfer_id,
                "availableChange": to_text(one.available_change),
                "reservedChange": to_text(one.reserved_change),
                "available": to_text(one.available_after.minor_units),
                "reserved": to_text(one.reserved_after.minor_units),
                "transactionHash": one.transaction_hash or None,
                "reason": one.reason or None,
            }
            for one in reversed(postings)
        ],
    }


def wallet(message: escrow_pb2.Wallet, *, user_id: str) -> Json:
    """Print a wallet; balances with all seven decimals, as the chain has them."""
    return {
        "id": public("wal", message.id),
        "userId": user_id,
        "publicKey": message.address,
        "type": "INVISIBLE",
        "status": WALLET_STATES[message.state],
        "balances": [
            {"asset": held.asset, "balance": to_chain_text(held.minor_units)}
            for held in message.balances
        ],
    }


def deposit(message: escrow_pb2.Wallet, *, user_id: str, network: escrow_pb2.Network) -> Json:
    """Print where a user's deposits go."""
    return {
        "userId": user_id,
        "address": message.address,
        "asset": {"code": network.asset_code, "issuer": network.asset_issuer},
        "network": network.name,
    }


def dispute(message: disputes_pb2.Dispute) -> Json:
    """Print a case."""
    return {
        "id": public("dsp", message.id),
        "orderId": public("ord", message.order_id),
        "status": DISPUTE_STATES[message.status],
        "openedBy": PARTIES[message.opened_by],
        "reason": REASONS[message.reason],
        "description": message.description or None,
        "evidence": list(message.evidence),
        "assignedTo": message.assigned_to or None,
        "assignmentNotes": message.assignment_notes or None,
        "amount": to_text(message.amount.minor_units),
        "decision": DECISIONS[message.decision],
        "releaseAmount": amount_or_none(message, "release_amount"),
        "refundAmount": amount_or_none(message, "refund_amount"),
        "note": message.resolution_note or None,
        "resolvedBy": message.resolved_by or None,
        "createdAt": time_or_none(message, "created_at"),
        "updatedAt": time_or_none(message, "updated_at"),
        "decidedAt": time_or_none(message, "decided_at"),
        "resolvedAt": time_or_none(message, "resolved_at"),
    }


def api_key(key: Key) -> Json:
    """Print a key without its secret."""
    return {
        "id": key.id,
        "name": key.name,
        "environment": key.environment,
        "scopes": sorted(key.scopes),
        "createdAt": to_milliseconds_text(key.created_at),
        "expiresAt": to_milliseconds_text(key.expires_at) if key.expires_at else None,
        "revokedAt": to_milliseconds_text(key.revoked_at) if key.revoked_at else None,
    }
