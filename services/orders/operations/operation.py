"""Operations: work that needs another service, recorded so that any process can finish it. Pure.

One row is both the saga's state and the audit record of a command. At most one operation runs on an
order at a time: the database makes release, refund, dispute and cancel exclude each other.
"""

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from services.orders.order.use_cases import Kind

# How long a lease lasts unless it is renewed, by the database's clock.
LEASE_SECONDS = 10


class AnotherRuns(Exception):
    """Another operation was recorded for the order at the same moment. Try again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A command that is being carried out.

    scope, key, fingerprint: the request that the operation answers. context: the command's fields,
    JSON values. epoch: the epoch of this process's lease, which every write checks.
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
