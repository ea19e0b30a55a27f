"""The ledger transfers of a withdrawal. Pure; docs/money.md shows them in figures.

Ids are derived from the withdrawal, the commit and the purpose, so a repeated step posts the same
transfer.
"""

import uuid
from dataclasses import replace

from kernel.ids import derived_id
from services.orders.peers.ports import Transfer
from services.orders.withdrawals.domain import Withdrawal

OUTSIDE = "external:stellar"
FEES = "fees:platform"


def hold_id(withdrawal: Withdrawal) -> uuid.UUID:
    """Return the id of the hold of a withdrawal's newest commit."""
    return derived_id(withdrawal.id, "hold", withdrawal.commits)


def hold(withdrawal: Withdrawal) -> Transfer:
    """Commit: pending, from the user, or from the platform's fees, to the outside."""
    return Transfer(
        id=hold_id(withdrawal),
        type="PENDING",
        code="WITHDRAWAL",
        order_id=None,
        debit=FEES if withdrawal.is_platforms else f"user:{withdrawal.user.id}",
        credit=OUTSIDE,
        asset=withdrawal.asset,
        amount=withdrawal.amount,
        reason=reason(withdrawal),
    )


def void(withdrawal: Withdrawal) -> Transfer:
    """Give the hold back; one that was never made is barred.

    A process that was paused may still post its hold after the commit was refused. The ledger then
    refuses it.
    """
    return replace(
        hold(withdrawal),
        id=derived_id(withdrawal.id, "void", withdrawal.commits),
        type="VOID",
        pending_id=hold_id(withdrawal),
        bars=True,
    )


def post(withdrawal: Withdrawal, *, transaction_hash: str) -> Transfer:
    """Complete: the money has left, as the chain reports."""
    return Transfer(
        id=derived_id(withdrawal.id, "post", withdrawal.commits),
        type="POST",
        code="WITHDRAWAL",
        order_id=None,
        pending_id=hold_id(withdrawal),
        transaction_hash=transaction_hash,
        reason=reason(withdrawal),
    )


def reason(withdrawal: Withdrawal) -> str:
    """Return what a statement says of the transfers: the withdrawal's id."""
    return withdrawal.public_id
