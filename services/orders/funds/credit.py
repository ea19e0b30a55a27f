"""A manual credit: a payment of the platform to a user. This module has only values."""

import datetime as dt
import uuid
from dataclasses import dataclass

from chassis.idempotency import RequestKey
from kernel.errors import AlreadyExists
from services.orders.order.domain import UserName


class ReferenceTaken(AlreadyExists):
    """Another credit has this reference."""

    reason = "REFERENCE_TAKEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """A payment of the platform to a user; amount in minor units. key: the request it answers.

    epoch: the epoch of its newest lease. Only the holder of that lease may end the credit.
    """

    id: uuid.UUID
    marketplace_id: uuid.UUID
    key: RequestKey
    user: UserName
    amount: int
    reference: str
    description: str
    created_at: dt.datetime
    state: str = "RUNNING"
    transaction_hash: str = ""
    finished_at: dt.datetime | None = None
    error: str = ""
    epoch: int = 1
