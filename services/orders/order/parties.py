"""What a person may do: as a side of an order, or with their own data. Pure.

A caller without a user (a marketplace's key) acts for the whole marketplace and passes each check.
"""

import uuid

from kernel.errors import PermissionDenied
from services.orders.order.domain import Order, Origin, Party, State, wrong_state


class NotParty(PermissionDenied):
    """The caller is neither buyer nor seller of the order."""

    reason = "NOT_PARTY"


class NotPersonal(PermissionDenied):
    """Only the buyer may do this."""

    reason = "NOT_PERSONAL"


class NotBusiness(PermissionDenied):
    """Only the seller may do this."""

    reason = "NOT_BUSINESS"


class DisputeIsOwn(PermissionDenied):
    """The caller works for support and is a party to the disputed order."""

    reason = "DISPUTE_IS_OWN"


def require_party(order: Order, user_id: uuid.UUID | None) -> None:
    """Check that a user is the order's buyer or seller. Raises: NotParty."""
    if user_id is not None and user_id not in {order.buyer.id, order.seller.id}:
        raise NotParty("You are not a party to this order")


def require_buyer(order: Order, user_id: uuid.UUID | None) -> None:
    """Check that a user is the buyer. Raises: NotPersonal."""
    if user_id is not None and user_id != order.buyer.id:
        raise NotPersonal("Only the personal user of this order may do this")


def require_seller(order: Order, user_id: uuid.UUID | None) -> None:
    """Check that a user is the seller. Raises: NotBusiness."""
    if user_id is not None and user_id != order.seller.id:
        raise NotBusiness("Only the business of this order may do this")


def require_outsider(order: Order, own_user_id: uuid.UUID | None) -> None:
    """Check that a person of support is not a party of the order, if they also are a user.

    Raises: DisputeIsOwn.
    """
    if own_user_id is not None and own_user_id in {order.buyer.id, order.seller.id}:
        raise DisputeIsOwn("You are a party to this order; another person must decide")


def require_self(asked: str, user_id: uuid.UUID | None) -> None:
    """Check that a person asks for their own data, by their UUID. Raises: PermissionDenied."""
    # Only the canonical spelling of the UUID is accepted: a marketplace may choose a public id that
    # reads like another user's UUID.
    if user_id is not None and asked != str(user_id):
        raise PermissionDenied("You can only access your own data")


def require_own_registration(
    user_id: uuid.UUID | None, *, external_user_id: str, new_id: str, public_id: str, email: str
) -> None:
    """Check that a person registers the id in their token, without a public id or an email.

    Raises: PermissionDenied.
    """
    if user_id is None:
        return
    require_self(external_user_id, user_id)
    require_self(new_id, user_id)
    if public_id or email:
        raise PermissionDenied("The marketplace sets a person's public id and email")


def require_own_purchase(
    user_id: uuid.UUID | None, *, buyer: str, origin: Origin, client_order_ref: str
) -> None:
    """Check that a person buys for themselves, through the party API, and names no reference.

    Raises: NotPersonal; PermissionDenied.
    """
    if user_id is None:
        return
    if buyer != str(user_id):
        raise NotPersonal("Only the personal user of an order may create it")
    if origin is not Origin.PARTY or client_order_ref:
        raise PermissionDenied("A person creates orders of the party API")


def side_of(order: Order, user_id: uuid.UUID | None) -> Party | None:
    """Return the side of a user; None for a marketplace's key. Raises: NotParty."""
    if user_id is None:
        return None
    require_party(order, user_id)
    return Party.BUYER if user_id == order.buyer.id else Party.SELLER


def require_disputed(order: Order) -> None:
    """Check that the order has a dispute to decide. Raises: OrderInWrongState."""
    if order.state is not State.DISPUTED:
        message = f"Order is {order.state.value}; there is no open dispute to resolve"
        raise wrong_state(order, message, allowed=[State.DISPUTED.value])
