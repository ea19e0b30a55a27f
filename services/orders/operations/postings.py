"""The ledger transfers of each movement of an order's money. Pure; docs/money.md shows examples.

Ids are derived from the order and the purpose, so a repeated step posts the same transfer.
"""

import uuid
from collections.abc import Sequence
from dataclasses import replace

from kernel.errors import FailedPrecondition
from kernel.ids import derived_id
from kernel.money import to_text
from services.orders.order.domain import Order
from services.orders.order.settlement import Settlement
from services.orders.peers.ports import Payment, Posted, Transfer

PARTIES = frozenset({"SELLER", "BUYER"})
# The reason in a statement for a reimbursed fee.
MADE_GOOD = "fee made good"
# The reason in a statement for a payment to another address than the party's wallet.
REDIRECTED = "paid to another address"


class InsufficientFunds(FailedPrecondition):
    """The user has less available than the amount."""

    reason = "INSUFFICIENT_FUNDS"


def hold_id(order_id: uuid.UUID) -> uuid.UUID:
    """Return the id of the order's hold; an order has only one."""
    return derived_id(order_id, "hold")


def hold(order: Order) -> list[Transfer]:
    """Reserve: a pending transfer from the buyer to the order's escrow account."""
    return [
        Transfer(
            id=hold_id(order.id),
            type="PENDING",
            code="RESERVE",
            debit=f"user:{order.buyer.id}",
            credit=f"escrow:{order.id}",
            asset=order.asset,
            amount=order.amount,
            order_id=order.id,
        )
    ]


def void(order: Order, *, reason: str) -> list[Transfer]:
    """Cancel: void the hold, or leave a tombstone if the hold was never made.

    A replica that was paused in a reservation may post its hold after the cancellation. The ledger
    refuses that hold.
    """
    (held,) = hold(order)
    return [
        replace(
            held,
            id=derived_id(order.id, "void"),
            type="VOID",
            code="CANCEL",
            pending_id=held.id,
            reason=reason,
            bars=True,
        )
    ]


def post(order: Order, *, payments: Sequence[Payment]) -> list[Transfer]:
    """Fund: post the hold, after the chain has confirmed the payment into the contract."""
    return [
        Transfer(
            id=derived_id(order.id, "post"),
            type="POST",
            code="FUND",
            pending_id=hold_id(order.id),
            order_id=order.id,
            transaction_hash=next((p.transaction_hash for p in payments), ""),
        )
    ]


def payout(
    order: Order, *, payments: Sequence[Payment], is_dispute: bool, reason: str = ""
) -> list[Transfer]:
    """Release, refund or split: one transfer for each payment that the chain reports.

    reason: the requester's words, which the statements of both parties show.

    If third parties have paid into the contract, more than the order's amount leaves it. That
    surplus is first booked as money from outside.
    """
    targets = {
        "SELLER": f"user:{order.seller.id}",
        "BUYER": f"user:{order.buyer.id}",
        "PLATFORM": "fees:platform",
        "PROVIDER": "fees:provider",
    }
    # A reimbursed fee has the code of its payment; its debit account tells it apart.
    codes = {
        "SELLER": "DISPUTE_RELEASE" if is_dispute else "RELEASE",
        "BUYER": "DISPUTE_REFUND" if is_dispute else "REFUND",
        "PLATFORM": "PLATFORM_FEE",
        "PROVIDER": "PROVIDER_FEE",
    }
    surplus = _outflow(payments) - order.amount
    transfers = []
    if surplus > 0:
        transfers.append(_line(order, "surplus", "SURPLUS", "external:stellar", _escrow(order)))
        transfers[0] = replace(
            transfers[0], amount=surplus, transaction_hash=payments[0].transaction_hash
        )
    for index, payment in enumerate(payments):
        if payment.payee in {"CONTRACT", "WALLET"} or payment.amount == 0:
            continue
        source = "fees:absorbed" if payment.is_absorbed_fee else _escrow(order)
        code, target = codes[payment.payee], targets[payment.payee]
        line = _line(order, f"pay:{index}", code, source, target)
        why = MADE_GOOD if payment.is_absorbed_fee else reason
        line = replace(line, amount=payment.amount, transaction_hash=payment.transaction_hash)
        if payment.payee not in PARTIES:
            transfers.append(line)
            continue
        transfers.append(replace(line, reason=why))
        if payment.is_redirected:
            # The amount belongs to the party but was paid to another address, so it is credited
            # and debited in the same batch.
            left = _line(order, f"left:{index}", "WITHDRAWAL", target, "external:stellar")
            left = replace(left, amount=payment.amount, reason=REDIRECTED)
            transfers.append(replace(left, transaction_hash=payment.transaction_hash))
    return transfers


def settlement(payments: Sequence[Payment], *, share: int) -> Settlement:
    """Sum the payments. share: the part of the order's amount that was released, before fees."""
    return Settlement(
        share=share,
        to_seller=total(payments, "SELLER"),
        to_buyer=total(payments, "BUYER"),
        provider_fee=total(payments, "PROVIDER"),
        outflow=_outflow(payments),
    )


def total(payments: Sequence[Payment], payee: str) -> int:
    """Sum the payments to one side, reimbursed fees included, in minor units."""
    return sum(payment.amount for payment in payments if payment.payee == payee)


def insufficient(order: Order, posted: Posted) -> InsufficientFunds:
    """Make the refusal of a hold, with the balance that the ledger reported."""
    return InsufficientFunds(
        "The buyer's available balance is less than the order's amount",
        details={
            "available": to_text(posted.available),
            "requested": to_text(posted.requested or order.amount),
            "currency": order.asset,
        },
    )


def _outflow(payments: Sequence[Payment]) -> int:
    """Sum the payments out of the contract."""
    return sum(payment.amount for payment in payments if not payment.is_absorbed_fee)


def _escrow(order: Order) -> str:
    return f"escrow:{order.id}"


def _line(order: Order, purpose: str, code: str, debit: str, credit: str) -> Transfer:
    return Transfer(
        id=derived_id(order.id, purpose),
        type="SINGLE",
        code=code,
        debit=debit,
        credit=credit,
        asset=order.asset,
        order_id=order.id,
    )
