"""What the comparison of ledger and chain finds that goes on all the time, as orders tells it."""

import uuid
from dataclasses import dataclass
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from orchestrator.orders.v1.orders_pb2 import GetReconciliationRequest, Reconciliation

from chassis.wire import instant_from_proto
from deploy.operator.reach import Services
from kernel.clock import to_milliseconds_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """It is over all marketplaces. Times are ISO 8601, "" where it has not come so far.

    accounts: how many were compared in the last whole round. differing: how many differ now, seen
    more than once with the same figures.
    """

    looked_at: str
    round_finished_at: str
    accounts: int
    differing: int

    def describe(self) -> str:
        """Say it in words."""
        if not self.round_finished_at:
            return f"all the time: the first round is under way, {self.differing} differ"
        return (
            f"all the time: {self.accounts} accounts in the round that ended "
            f"{self.round_finished_at}, {self.differing} differ"
        )

    def document(self) -> dict[str, Any]:
        """Say it by its fields."""
        return {
            "lookedAt": self.looked_at,
            "roundFinishedAt": self.round_finished_at,
            "accounts": self.accounts,
            "differing": self.differing,
        }


async def background(services: Services, *, marketplace_id: uuid.UUID) -> Background:
    """Ask orders for it. Raises: as `Services.call` says."""
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
