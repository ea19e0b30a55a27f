"""The parameters of a list of orders: filters, a sort, and the place where a page begins. Pure."""

import datetime as dt
import enum
import uuid
from dataclasses import dataclass

from services.orders.order.domain import State


class Sort(enum.Enum):
    """The order of a list. For equal amounts: SMALLEST has the older first, LARGEST the newer."""

    NEWEST = "NEWEST"
    OLDEST = "OLDEST"
    SMALLEST = "SMALLEST"
    LARGEST = "LARGEST"

    @property
    def is_by_amount(self) -> bool:
        """Whether the list is sorted by amount, instead of only by creation."""
        return self in {Sort.SMALLEST, Sort.LARGEST}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """The filters of a list; an order must match every given filter. Amounts in minor units.

    buyer, seller: UUID or public id. created_from: inclusive. created_to: exclusive. text: all its
    words must be in the order's title or description, in any sequence.
    """

    state: State | None = None
    buyer: str = ""
    seller: str = ""
    client_order_ref: str = ""
    created_from: dt.datetime | None = None
    created_to: dt.datetime | None = None
    amount: int | None = None
    amount_from: int | None = None
    amount_to: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The position of an order in a list: its id, or its amount and then its id."""

    amount: int
    order_id: uuid.UUID
