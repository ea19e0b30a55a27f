"""The parties of a case: people can see and change the cases of their own orders. Pure.

A caller without a user (a marketplace's key) acts for the whole marketplace and may see every case.
"""

from uuid import UUID

from kernel.errors import PermissionDenied
from services.disputes.domain import Dispute


class NotParty(PermissionDenied):
    """The caller is neither the buyer nor the seller of the order."""

    reason = "NOT_PARTY"


class DisputeIsOwn(PermissionDenied):
    """The caller works for support and is a party to the disputed order."""

    reason = "DISPUTE_IS_OWN"


def require_outsider(dispute: Dispute, own_user_id: UUID | None) -> None:
    """Check that a person of support is not a party to the case, if they also are a user.

    Raises: DisputeIsOwn.
    """
    if own_user_id is not None and own_user_id in {dispute.buyer_id, dispute.seller_id}:
        raise DisputeIsOwn("You are a party to this dispute; another person must work on it")


def require_party(dispute: Dispute, user_id: UUID | None) -> None:
    """Check that a user is a party to the case. Raises: NotParty."""
    if user_id is not None and user_id not in {dispute.buyer_id, dispute.seller_id}:
        raise NotParty("You are not a party to this dispute")
