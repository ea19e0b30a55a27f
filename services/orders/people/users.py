"""A user of a marketplace: a UUID, and the public id that the marketplace knows. Pure.

A reference names at most one user, for ever, whether it is a public id, a UUID in either spelling,
or the marketplace's own UUID. References may therefore be cached.
"""

import datetime as dt
import enum
import uuid
from dataclasses import dataclass

from kernel.errors import AlreadyExists, InvalidArgument, NotFound
from kernel.ids import from_public, parse_uuid, to_public
from services.orders.order.domain import Fact, UserName


class UserType(enum.Enum):
    """What a user does on the marketplace."""

    BUYER = "BUYER"
    SELLER = "SELLER"
    BOTH = "BOTH"


class UserNotFound(NotFound):
    """No such user in the caller's marketplace."""

    reason = "USER_NOT_FOUND"


class UserIdTaken(AlreadyExists):
    """Another user of the marketplace has this id."""

    reason = "USER_ID_TAKEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person or business. wallet_address: G… address, empty until it is known."""

    id: uuid.UUID
    marketplace_id: uuid.UUID
    public_id: str
    external_user_id: str
    email: str
    type: UserType
    created_at: dt.datetime
    wallet_address: str = ""
    is_provisioned: bool = False

    @property
    def name(self) -> UserName:
        """The user's two ids."""
        return UserName(id=self.id, public_id=self.public_id)


def chosen_public_id(wanted: str, *, user_id: uuid.UUID) -> str:
    """Return the public id of a user: the wanted one, or else usr_ and base62.

    Raises: InvalidArgument: the wanted id spells a UUID, which is or may become another user's.
    """
    if not wanted:
        return to_public("usr", user_id)
    if parse_uuid(wanted) is not None or from_public("usr", wanted) not in (None, user_id):
        fields = [("public_id", "must not be a UUID, nor usr_ and another user's UUID in base62")]
        raise InvalidArgument("Invalid field: id", fields=fields)
    return wanted


def created_fact(user: User) -> Fact:
    """Return the event of a new user."""
    payload = {
        "userId": user.public_id,
        "externalUserId": user.external_user_id,
        "type": user.type.value,
    }
    return Fact(event_type="user.created", payload=payload)
