"""Whose case it is: people see and change the cases of their own orders. Pure.

A caller without a user (a marketplace's key) acts for the whole marketplace and passes.
"""

from uuid import UUID

from kernel.errors import PermissionDenied
from services.disputes.domain import Dispute


class NotParty(PermissionDenied):
    """The caller is neither buyer nor seller of the order that the case is about."""

    reason = "NOT_PARTY"


def require_party(dispute: Dispute, user_id: UUID | None) -> None:
    """Check that a user is a side of the case. Raises: NotParty."""
    if user_id is not None and user_id not in {dispute.buyer_id, dispute.seller_id}:
        raise NotParty("You are not a party to this dispute")
