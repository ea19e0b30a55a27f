"""Translate between Protobuf and the domain of orders. A missing enum value is refused here."""

import datetime as dt
import json
import uuid
from collections.abc import Sequence
from typing import Any, TypeVar

from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import orders_pb2

from chassis.wire import fill_instant, instant_to_proto
from kernel.errors import InvalidArgument
from kernel.money import USDC
from services.orders.funds.credit import Credit
from services.orders.lookups.filters import Sort
from services.orders.operations.operation import Operation
from services.orders.order.domain import (
    Decision,
    DisputeReason,
    Milestone,
    Order,
    Origin,
    Party,
    State,
    UserName,
)
from services.orders.order.intake import NewOrder
from services.orders.peers.ports import TimelineItem
from services.orders.people.users import User, UserType
from services.orders.reconciliation.holdings import Found, Reconciliation, Waiting

# The instants of an order. The first two are always set.
_INSTANTS = (
    "created_at",
    "updated_at",
    "reserved_at",
    "funded_at",
    "confirmed_at",
    "released_at",
    "refunded_at",
    "closed_at",
)
EnumT = TypeVar("EnumT", Party, DisputeReason, Decision, Origin, UserType, State, Sort)


def enum_from_proto(
    kind: type[EnumT], descriptor: Any, value: int, *, field: str, default: EnumT | None = None
) -> EnumT:
    """Decode an enum by its name without the prefix. UNSPECIFIED returns `default`.

    Raises: InvalidArgument: UNSPECIFIED without a default.
    """
    name = descriptor.Name(value)
    prefix = descriptor.DESCRIPTOR.values[0].name.removesuffix("UNSPECIFIED")
    if value == 0:
        if default is None:
            raise InvalidArgument(f"Invalid field: {field}", fields=[(field, "is required")])
        return default
    return kind(name.removeprefix(prefix))


def optional_amount(message: Any, field: str) -> int | None:
    """Decode an optional Money of our asset as minor units. Raises: InvalidArgument."""
    if not message.HasField(field):
        return None
    money: common_pb2.Money = getattr(message, field)
    if money.asset != USDC:
        raise InvalidArgument(f"Invalid field: {field}", fields=[(field, f"must be in {USDC}")])
    return money.minor_units


def named_amount(message: Any) -> int | None:
    """Decode the amount that a command on an order names, in minor units; None: no amount.

    Raises: InvalidArgument.
    """
    is_named = "amount" in message.DESCRIPTOR.fields_by_name
    return optional_amount(message, "amount") if is_named else None


def remarks(message: Any) -> dict[str, str]:
    """Decode who asks for a command and why, if the request has these fields.

    Raises: InvalidArgument: there is no such party.
    """
    known, said = message.DESCRIPTOR.fields_by_name, {}
    if "requested_by" in known and message.requested_by:
        by = enum_from_proto(Party, common_pb2.Party, message.requested_by, field="requested_by")
        said["by"] = by.value
    if "reason" in known and isinstance(message.reason, str) and message.reason:
        said["reason"] = message.reason
    return said


def new_order(request: orders_pb2.CreateOrderRequest) -> NewOrder:
    """Decode a request to create an order."""
    return NewOrder(
        buyer=request.buyer,
        seller=request.seller,
        asset=request.amount.asset,
        amount=request.amount.minor_units,
        title=request.title,
        description=request.description,
        currency=request.currency,
        client_order_ref=request.client_order_ref,
        milestones=tuple(
            Milestone(
                ref=m.ref,
                title=m.title,
                minor_units=m.amount.minor_units,
                description=m.description,
            )
            for m in request.milestones
        ),
        metadata_json=request.metadata_json,
        origin=enum_from_proto(Origin, orders_pb2.Origin, request.origin, field="origin"),
        intention_id=request.intention_id,
        contract_template_id=request.contract_template_id,
        contract_id=request.contract_id,
        contract_terms_json=request.contract_terms_json,
    )


def user_to_proto(user: User) -> orders_pb2.User:
    """Encode a user."""
    return orders_pb2.User(
        id=str(user.id),
        public_id=user.public_id,
        external_user_id=user.external_user_id,
        email=user.email,
        type=f"USER_TYPE_{user.type.value}",
        created_at=instant_to_proto(user.created_at),
        wallet_address=user.wallet_address,
    )


def encode_user(user: User) -> bytes:
    """Encode a user as the bytes of a stored answer."""
    return user_to_proto(user).SerializeToString(deterministic=True)


def encode_credit(credit: Credit) -> bytes:
    """Encode a credit as the bytes of a stored answer."""
    message = orders_pb2.Credit(
        id=str(credit.id),
        user=_user_name(credit.user),
        amount=common_pb2.Money(asset=USDC, minor_units=credit.amount),
        reference=credit.reference,
        description=credit.description,
        state=credit.state,
        transaction_hash=credit.transaction_hash,
        created_at=instant_to_proto(credit.created_at),
        finished_at=instant_to_proto(credit.finished_at),
    )
    return message.SerializeToString(deterministic=True)


def encode_order(order: Order, operation: Operation | None) -> bytes:
    """Encode an order as the bytes of a stored answer."""
    return order_to_proto(order, operation).SerializeToString(deterministic=True)


def order_to_proto(order: Order, operation: Operation | None = None) -> orders_pb2.Order:
    """Encode an order with its running operation, if any.

    Nested messages are filled in place, because Protobuf copies a message that is passed in.
    """
    final = "UNSPECIFIED" if order.final_status is None else order.final_status.value
    message = orders_pb2.Order(
        id=str(order.id),
        marketplace_id=str(order.marketplace_id),
        title=order.title,
        description=order.description,
        state=f"ORDER_STATE_{order.state.value}",
        final_status=f"FINAL_STATUS_{final}",
        origin=f"ORIGIN_{order.origin.value}",
        client_order_ref=order.client_order_ref,
        metadata_json=order.metadata_json,
        version=order.version,
        platform_fee_bps=order.platform_fee_bps,
        currency=order.currency,
        intention_id=order.intention_id,
        contract_template_id=order.contract_template_id,
        contract_id=order.contract_id,
        contract_terms_json=order.contract_terms_json,
    )
    _fill_user(message.buyer, order.buyer)
    _fill_user(message.seller, order.seller)
    _fill_money(message.amount, order, order.amount)
    _fill_money(message.platform_fee, order, order.platform_fee)
    for one in order.milestones:
        part = message.milestones.add(ref=one.ref, title=one.title, description=one.description)
        _fill_money(part.amount, order, one.minor_units)
        _add_instant(part, "completed_at", one.completed_at)
    _add_parts(message, order)
    _add_instants(message, order)
    if operation is not None:
        running = message.operation
        running.id, running.kind = str(operation.id), operation.kind.value
        running.state, running.attempts = "RUNNING", operation.attempts
        fill_instant(running.started_at, operation.started_at)
    return message


def _add_parts(message: orders_pb2.Order, order: Order) -> None:
    if order.escrow is not None:
        message.escrow.CopyFrom(
            orders_pb2.OrderEscrow(
                id=str(order.escrow.id),
                contract_id=order.escrow.contract_id,
                status=order.escrow.status,
                funded_at=instant_to_proto(order.escrow.funded_at),
                last_error=order.escrow.last_error,
            )
        )
    if (dispute := order.dispute) is not None:
        decision = dispute.decision.value if dispute.decision else "UNSPECIFIED"
        message.dispute.CopyFrom(
            orders_pb2.OrderDispute(
                id=str(dispute.id),
                status="RESOLVED" if dispute.resolved_at else "OPEN",
                opened_by=f"PARTY_{dispute.opened_by.value}",
                reason=f"DISPUTE_REASON_{dispute.reason.value}",
                decision=f"DISPUTE_DECISION_{decision}",
                opened_at=instant_to_proto(dispute.opened_at),
                resolved_at=instant_to_proto(dispute.resolved_at),
            )
        )
    if order.delivery is not None:
        message.delivery.CopyFrom(
            orders_pb2.Delivery(
                notes=order.delivery.notes,
                url=order.delivery.url,
                delivered_at=instant_to_proto(order.delivery.delivered_at),
            )
        )


def _add_instants(message: orders_pb2.Order, order: Order) -> None:
    for name in _INSTANTS:
        _add_instant(message, name, getattr(order, name))
    if order.released_at is not None:
        _fill_money(message.released_amount, order, order.released_amount)
        _fill_money(message.released_share, order, order.released_share)
    if order.refunded_at is not None:
        _fill_money(message.refunded_amount, order, order.refunded_amount)
    if order.closed_at is not None:
        _fill_money(message.charged_fee, order, order.charged_fee)


def timeline_to_proto(items: Sequence[TimelineItem]) -> orders_pb2.Timeline:
    """Encode a timeline."""
    entries = []
    for item in items:
        entry = orders_pb2.TimelineEntry(
            kind=item.kind, name=item.name, details_json=json.dumps(dict(item.details))
        )
        entry.at.FromJsonString(item.at)
        entries.append(entry)
    return orders_pb2.Timeline(entries=entries)


def receipt_to_proto(receipt_id: uuid.UUID, order: Order) -> orders_pb2.Receipt:
    """Encode the receipt of a completed order."""
    # Only a confirmation by the buyer, without a refund, counts as satisfied.
    is_confirmed = order.ended_by is Party.BUYER and order.refunded_at is None
    signal = "satisfied" if is_confirmed else "neutral"
    if order.dispute is not None:
        signal = "dissatisfied"
    waited = dt.timedelta()
    if order.funded_at is not None and order.delivery is not None:
        waited = order.delivery.delivered_at - order.funded_at
    score = order.delta_score_tenths
    borne = order.released_share - order.charged_fee - order.released_amount
    return orders_pb2.Receipt(
        id=str(receipt_id),
        order_id=str(order.id),
        buyer=_user_name(order.buyer),
        seller=_user_name(order.seller),
        amount=_money(order, order.amount),
        released_share=_money(order, order.released_share),
        platform_fee=_money(order, order.charged_fee),
        provider_fee=_money(order, max(0, borne)),
        seller_income=_money(order, order.released_amount),
        platform_fee_bps=order.platform_fee_bps,
        personal_signal=signal,
        delta_score_tenths=-1 if score is None else score,
        response_time_ms=waited // dt.timedelta(milliseconds=1),
        contract_id=order.contract_id,
        created_at=instant_to_proto(order.closed_at),
        currency=order.currency,
    )


def _fill_money(message: common_pb2.Money, order: Order, minor_units: int) -> None:
    message.asset, message.minor_units = order.asset, minor_units


def _fill_user(message: common_pb2.UserRef, name: UserName) -> None:
    message.id, message.public_id = str(name.id), name.public_id


def _add_instant(message: Any, field: str, at: dt.datetime | None) -> None:
    if at is not None:
        fill_instant(getattr(message, field), at)


def _money(order: Order, minor_units: int) -> common_pb2.Money:
    return common_pb2.Money(asset=order.asset, minor_units=minor_units)


def _user_name(name: UserName) -> common_pb2.UserRef:
    return common_pb2.UserRef(id=str(name.id), public_id=name.public_id)


def reconciliation(
    known: Reconciliation, found: Sequence[Found], waiting: Waiting
) -> orders_pb2.Reconciliation:
    """Encode the result of reconciliation: the differences, and the work that waits."""
    return orders_pb2.Reconciliation(
        looked_at=instant_to_proto(known.looked_at) if known.looked_at else None,
        round_finished_at=(
            instant_to_proto(known.round_finished_at) if known.round_finished_at else None
        ),
        round_accounts=known.round_accounts,
        differing=known.differing,
        differences=[
            orders_pb2.AccountDiffers(
                account=one.account,
                ledger=one.ledger,
                chain=one.chain,
                since=instant_to_proto(one.since),
            )
            for one in found
        ],
        slow=[
            orders_pb2.SlowOperation(
                order_id=str(one.order_id), kind=one.kind, since=instant_to_proto(one.since)
            )
            for one in waiting.slow
        ],
        oldest_event_at=instant_to_proto(waiting.oldest_event_at),
    )
