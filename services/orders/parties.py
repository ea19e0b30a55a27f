"""Who of an order may do what, and the links they may leave. Pure.

A caller without a user (a marketplace's key) acts for the whole marketplace and passes.
"""

import uuid
from collections.abc import Sequence
from urllib.parse import urlsplit

from kernel.errors import InvalidArgument, PermissionDenied
from services.orders.domain import Order, OrderInWrongState, Party, State

URL_LENGTH_MAX = 2048


class NotParty(PermissionDenied):
    """The caller is neither buyer nor seller of the order."""

    reason = "NOT_PARTY"


class NotPersonal(PermissionDenied):
    """Only the buyer may do this."""

    reason = "NOT_PERSONAL"


class NotBusiness(PermissionDenied):
    """Only the seller may do this."""

    reason = "NOT_BUSINESS"


def require_party(order: Order, user_id: uuid.UUID | None) -> None:
    """Check that a user is in the order. Raises: NotParty."""
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


def side_of(order: Order, user_id: uuid.UUID | None) -> Party | None:
    """Return which side a user is; None for a marketplace's key. Raises: NotParty."""
    if user_id is None:
        return None
    require_party(order, user_id)
    return Party.BUYER if user_id == order.buyer.id else Party.SELLER


def require_disputed(order: Order) -> None:
    """Check that support may decide. Raises: OrderInWrongState."""
    if order.state is not State.DISPUTED:
        raise OrderInWrongState(
            f"Order is {order.state.value}; there is no open dispute to resolve",
            details={
                "orderId": order.public_id,
                "currentState": order.state.value,
                "allowedStates": [State.DISPUTED.value],
            },
        )


def require_urls(urls: Sequence[str], *, field: str) -> None:
    """Check links that are stored and shown, never fetched: https, short, without user info.

    Raises: InvalidArgument: names the field with its index where there are several.
    """
    wrong = [(index, why) for index, url in enumerate(urls) if (why := _wrong(url))]
    if wrong:
        fields = [(f"{field}[{i}]" if len(urls) > 1 else field, why) for i, why in wrong]
        raise InvalidArgument(f"Invalid field: {field}", fields=fields)


def _wrong(url: str) -> str:
    if len(url) > URL_LENGTH_MAX:
        return f"must have at most {URL_LENGTH_MAX} characters"
    if not url.isprintable() or any(character.isspace() for character in url):
        return "must have no spaces or control characters"
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return "must be a URL"
    if parts.scheme != "https" or not host:
        return "must be an https:// URL"
    if parts.username is not None or parts.password is not None:
        return "must have no user name or password"
    return ""
