"""The results of the background comparison of ledger and chain, which orders runs all the time."""

import uuid
from dataclasses import dataclass
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from orchestrator.orders.v1.orders_pb2 import GetReconciliationRequest, Reconciliation

from chassis.wire import instant_from_proto
from deploy.operator.answers import counted
from deploy.operator.reach import Services
from kernel.clock import to_milliseconds_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """The result for all marketplaces. Times are ISO 8601; "" before the first round has ended.

    accounts: how many accounts the last complete round compared. differing: how many accounts
    differ now, each seen more than once with the same figures.
    """

    looked_at: str
    round_finished_at: str
    accounts: int
    differing: int

    def describe(self) -> str:
        """Describe the result in a sentence."""
        if not self.round_finished_at:
            return f"background comparison: first round in progress, {self.differing} differ"
        return (
            f"background comparison: {counted(self.accounts, 'account')} in the round that ended "
            f"{self.round_finished_at}, {self.differing} differ"
        )

    def document(self) -> dict[str, Any]:
        """Return the result as a JSON document."""
        return {
            "lookedAt": self.looked_at,
            "roundFinishedAt": self.round_finished_at,
            "accounts": self.accounts,
            "differing": self.differing,
        }


async def background(services: Services, *, marketplace_id: uuid.UUID) -> Background:
    """Read the result from orders. Raises: as `Services.call`."""
    found: Reconciliation = await services.call(
        services.orders.GetReconciliation,
        GetReconciliationRequest(),
        marketplace_id=marketplace_id,
    )
    return Background(
        looked_at=_text(found.looked_at if found.HasField("looked_at") else None),
        round_finished_at=_text(
            found.round_finished_at if found.HasField("round_finished_at") else None
        ),
        accounts=found.round_accounts,
        differing=found.differing,
    )


def _text(at: Timestamp | None) -> str:
    return "" if at is None else to_milliseconds_text(instant_from_proto(at))
