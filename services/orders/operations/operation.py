"""Operations: work that needs another service, recorded so that any process can finish it. Pure.

One row is the saga and the audit line of a command; at most one runs on an order at a time, so
release, refund, dispute and cancel exclude each other in the database.
"""

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from services.orders.order.use_cases import Kind

# How long a process holds an operation without renewing, by the database's clock.
LEASE_SECONDS = 10


class AnotherRuns(Exception):
    """Another operation was recorded for the order at the same moment; look again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A command that is being carried out.

    scope, key, fingerprint: the request it answers. context: the command's fields, JSON values.
    epoch: the lease this process holds; every write checks it.
    """

    id: uuid.UUID
    marketplace_id: uuid.UUID
    order_id: uuid.UUID
    kind: Kind
    scope: str
    key: str
    fingerprint: bytes
    context: Mapping[str, str]
    actor: str
    request_id: str
    epoch: int
    started_at: dt.datetime
    attempts: int = 0
