"""The ledger transfers of a withdrawal. Pure; docs/money.md shows examples.

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
    """Return the id of the hold for a withdrawal's newest commit."""
    return derived_id(withdrawal.id, "hold", withdrawal.commits)


def hold(withdrawal: Withdrawal) -> Transfer:
    """Commit: a pending transfer from the user, or from the platform fees, to the outside."""
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
    """Void the hold, or leave a tombstone if the hold was never made.

    A process that was paused may post its hold after the commit was refused. The ledger refuses
    that hold.
    """
    return replace(
        hold(withdrawal),
        id=derived_id(withdrawal.id, "void", withdrawal.commits),
        type="VOID",
        pending_id=hold_id(withdrawal),
        bars=True,
    )


def post(withdrawal: Withdrawal, *, transaction_hash: str) -> Transfer:
    """Complete: post the hold, after the chain has paid."""
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
    """Return the reason of the transfers, which statements show: the withdrawal's id."""
    return withdrawal.public_id
