"""What a list of orders is asked for: filters, a sort, a place to go on from. Pure."""

import datetime as dt
import enum
import uuid
from dataclasses import dataclass

from services.orders.order.domain import State


class Sort(enum.Enum):
    """In which order a list of orders is; of the same amount, the older one is first, or last."""

    NEWEST = "NEWEST"
    OLDEST = "OLDEST"
    SMALLEST = "SMALLEST"
    LARGEST = "LARGEST"

    @property
    def is_by_amount(self) -> bool:
        """Whether amounts decide, and not only when orders were created."""
        return self in {Sort.SMALLEST, Sort.LARGEST}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which orders are listed; every filter given must hold. Amounts in minor units.

    buyer, seller: UUID or public id. created_from: at or after it; created_to: before it.
    text: all of its words must be in the order's title or description, in any order.
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
    """Where an order stands in a list: by its id, or by its amount and then its id."""

    amount: int
    order_id: uuid.UUID
