"""The decisions that end an order: delivery, release, refund, dispute, cancellation. Pure.

This module is separate from domain.py only because of its length. domain.py has the table of
transitions.
"""

import datetime as dt
import uuid
from dataclasses import replace

from kernel.clock import to_milliseconds_text
from kernel.errors import InvalidArgument
from kernel.ids import to_public
from kernel.money import CENT, to_text
from services.orders.order.domain import (
    Decided,
    Decision,
    Delivery,
    DisputeAlreadyOpen,
    DisputeInfo,
    DisputeReason,
    Fact,
    FinalStatus,
    Order,
    Party,
    State,
    Trigger,
    move,
    require,
    wrong_state,
)
from services.orders.order.settlement import Settlement

# The states in which the two sides may agree on a division. They include a dispute that support
# has not decided.
AGREEABLE = (State.IN_PROGRESS, State.DISPUTED)


class SplitAmountsMismatch(InvalidArgument):
    """The two amounts of the split do not add up to the order's amount."""

    reason = "SPLIT_AMOUNTS_MISMATCH"


def canceled(order: Order, *, by: Party, reason: str, at: dt.datetime) -> Decided:
    """Close an order that has no money on chain and whose hold, if any, has been voided."""
    payload = {"orderId": order.public_id, "canceledBy": by.value, "reason": reason}
    trigger = Trigger.EXPIRE if order.state is State.ESCROW_CREATING else Trigger.CANCEL
    after = move(order, trigger, at=at, closed_at=at, final_status=FinalStatus.CANCELED)
    return after, (Fact(event_type="order.canceled", payload=payload), _closed_fact(after))


def delivered(order: Order, *, notes: str, url: str, at: dt.datetime) -> Decided:
    """Record the delivery. Raises: OrderInWrongState: also if the order is already delivered."""
    require(order, Trigger.DELIVER)
    if order.delivery is not None:
        message = "The order has been delivered already"
        raise wrong_state(order, message, allowed=[State.IN_PROGRESS.value])
    delivery = Delivery(notes=notes, url=url, delivered_at=at)
    payload = {"orderId": order.public_id, "deliveredAt": to_milliseconds_text(at)}
    after = move(order, Trigger.DELIVER, at=at, delivery=delivery)
    return after, (Fact(event_type="order.delivered", payload=payload),)


def release_requested(
    order: Order,
    *,
    by: Party,
    delta_score_tenths: int | None = None,
    at: dt.datetime,
) -> Decided:
    """Record that a release begins.

    by: BUYER, or SYSTEM when the buyer's days to accept are over; both confirm the work.
    """
    after = move(
        order,
        Trigger.RELEASE,
        at=at,
        confirmed_at=at if by in {Party.BUYER, Party.SYSTEM} else None,
        ended_by=by,
        delta_score_tenths=delta_score_tenths,
        escrow=replace(order.escrow, status="RELEASING") if order.escrow else None,
    )
    payload = {"orderId": order.public_id, "requestedBy": by.value}
    return after, (Fact(event_type="order.release_requested", payload=payload),)


def agreed(order: Order, *, by: Party, at: dt.datetime) -> Decided:
    """Record that both sides agreed on a division, whose payment begins. by: who accepted it.

    A disputed order stays DISPUTED until the money has moved. Raises: OrderInWrongState.
    """
    if order.state is State.DISPUTED:
        return order, ()
    after = move(
        order,
        Trigger.RELEASE,
        at=at,
        ended_by=by,
        escrow=replace(order.escrow, status="RESOLVING") if order.escrow else None,
    )
    payload = {"orderId": order.public_id, "requestedBy": by.value}
    return after, (Fact(event_type="order.release_requested", payload=payload),)


def refund_requested(order: Order, *, by: Party, at: dt.datetime) -> Decided:
    """Record that a refund begins."""
    after = move(
        order,
        Trigger.REFUND,
        at=at,
        ended_by=by,
        escrow=replace(order.escrow, status="REFUNDING") if order.escrow else None,
    )
    payload = {"orderId": order.public_id, "requestedBy": by.value}
    return after, (Fact(event_type="order.refund_requested", payload=payload),)


def released(order: Order, *, paid: Settlement, escrow_status: str, at: dt.datetime) -> Decided:
    """Record that the seller was paid, as the chain reports, and close the order."""
    after = _released(order, paid=paid, status=escrow_status, at=at)
    return _close(after, FinalStatus.RELEASED, at, _released_fact(after))


def refunded(order: Order, *, paid: Settlement, escrow_status: str, at: dt.datetime) -> Decided:
    """Record that the buyer was paid back, as the chain reports, and close the order."""
    after = move(
        order,
        Trigger.REFUNDED,
        at=at,
        refunded_at=at,
        refunded_amount=paid.to_buyer,
        provider_fee=paid.provider_fee,
        escrow=replace(order.escrow, status=escrow_status) if order.escrow else None,
        dispute=_resolved(order, Decision.FULL_REFUND, at),
    )
    return _close(after, FinalStatus.REFUNDED, at, _refunded_fact(after))


def payout_abandoned(order: Order, *, status: str, reason: str, at: dt.datetime) -> Decided:
    """Undo a requested release or refund that has paid nothing and never will.

    status: the contract's status. A disputed order stays DISPUTED and has no event.
    """
    escrow = replace(order.escrow, status=status, last_error=reason) if order.escrow else None
    after = move(
        order,
        Trigger.PAYOUT_ABANDONED,
        at=at,
        escrow=escrow,
        confirmed_at=None,
        ended_by=None,
        delta_score_tenths=None,
    )
    if after.state is State.DISPUTED:
        return after, ()
    return after, (Fact(event_type="order.in_progress", payload={"orderId": order.public_id}),)


def split(order: Order, *, paid: Settlement, at: dt.datetime) -> Decided:
    """Record that both sides were paid, as decided or agreed. The order counts as released.

    The events `order.released` and `order.refunded` are both published.
    """
    half = _released(order, paid=paid, status="RESOLVED", at=at)
    after = replace(
        half,
        refunded_at=at,
        refunded_amount=paid.to_buyer,
        dispute=_resolved(order, Decision.SPLIT, at),
    )
    return _close(after, FinalStatus.RELEASED, at, _released_fact(after), _refunded_fact(after))


def disputed(
    order: Order, *, dispute_id: uuid.UUID, by: Party, reason: DisputeReason, at: dt.datetime
) -> Decided:
    """Freeze the order. Raises: DisputeAlreadyOpen; OrderInWrongState."""
    if order.state is State.DISPUTED:
        raise DisputeAlreadyOpen(
            "A dispute is already open for this order",
            details={"orderId": order.public_id, "currentState": order.state.value},
        )
    dispute = DisputeInfo(id=dispute_id, opened_by=by, reason=reason, opened_at=at)
    payload = {
        "orderId": order.public_id,
        "disputeId": to_public("dsp", dispute_id),
        "openedBy": by.value,
        "reason": reason.value,
    }
    after = move(order, Trigger.DISPUTE, at=at, dispute=dispute)
    return after, (Fact(event_type="order.disputed", payload=payload),)


def shares(
    order: Order, *, decision: Decision, release: int | None, refund: int | None
) -> tuple[int, int]:
    """Return the amounts that a decision gives to seller and buyer, in minor units.

    Raises: SplitAmountsMismatch: an amount is missing, zero, or not in whole cents; the two do not
        add up to the order's amount; or amounts were given for a decision other than SPLIT.
    """
    if decision is not Decision.SPLIT:
        if release is not None or refund is not None:
            raise _mismatch("amounts belong to a SPLIT only")
        return (order.amount, 0) if decision is Decision.FULL_RELEASE else (0, order.amount)
    if release is None or refund is None:
        raise _mismatch("a SPLIT needs releaseAmount and refundAmount")
    if release <= 0 or refund <= 0:
        raise _mismatch("each must be greater than 0; use FULL_RELEASE or FULL_REFUND instead")
    if release % CENT or refund % CENT:
        raise _mismatch("must be in whole cents")
    if release + refund != order.amount:
        raise _mismatch(f"must sum to the order's amount, {to_text(order.amount)}")
    return release, refund


def _mismatch(message: str) -> SplitAmountsMismatch:
    fields = [("release_amount", message), ("refund_amount", message)]
    return SplitAmountsMismatch(message[0].upper() + message[1:], fields=fields)


def _released(order: Order, *, paid: Settlement, status: str, at: dt.datetime) -> Order:
    return move(
        order,
        Trigger.RELEASED,
        at=at,
        released_at=at,
        released_amount=paid.to_seller,
        released_share=paid.share,
        provider_fee=paid.provider_fee,
        charged_fee=paid.platform_fee(basis_points=order.platform_fee_bps),
        escrow=replace(order.escrow, status=status) if order.escrow else None,
        dispute=_resolved(order, Decision.FULL_RELEASE, at),
    )


def _resolved(order: Order, decision: Decision, at: dt.datetime) -> DisputeInfo | None:
    if order.dispute is None:
        return None
    return replace(order.dispute, decision=decision, resolved_at=at)


def _close(order: Order, final: FinalStatus, at: dt.datetime, *facts: Fact) -> Decided:
    after = move(order, Trigger.CLOSE, at=at, closed_at=at, final_status=final)
    return after, (*facts, _closed_fact(after))


def _released_fact(order: Order) -> Fact:
    payload = {
        "orderId": order.public_id,
        "sellerId": order.seller.public_id,
        "amount": to_text(order.released_amount),
        "releasedAt": to_milliseconds_text(order.updated_at),
    }
    return Fact(event_type="order.released", payload=payload)


def _refunded_fact(order: Order) -> Fact:
    payload = {
        "orderId": order.public_id,
        "buyerId": order.buyer.public_id,
        "amount": to_text(order.refunded_amount),
        "refundedAt": to_milliseconds_text(order.updated_at),
    }
    return Fact(event_type="order.refunded", payload=payload)


def _closed_fact(order: Order) -> Fact:
    payload = {
        "orderId": order.public_id,
        "finalStatus": order.final_status.value if order.final_status else "",
        "closedAt": to_milliseconds_text(order.updated_at),
    }
    return Fact(event_type="order.closed", payload=payload)
