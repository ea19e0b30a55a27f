"""Stops, resumes and limits flows of money for an operator."""

import uuid
from dataclasses import dataclass

from chassis import identity
from chassis.audit import EVERYBODY, Trail
from chassis.database import Database
from chassis.telemetry import logger
from chassis.waiting import Bell
from services.escrow.operating import lines
from services.escrow.sending.flow_store import FlowStore
from services.escrow.sending.flows import Change, Flow, FlowReport

log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """The operator's use cases on flows."""

    database: Database
    flows: FlowStore
    bell: Bell

    async def change(
        self,
        *,
        marketplace_id: uuid.UUID | None,
        flow: Flow,
        change: Change,
        reason: str,
        daily_limit: int | None = None,
    ) -> None:
        """Stop or resume a flow, or set its limit. The change applies when this returns.

        From then on nothing new is signed that it forbids; what was signed before is settled.
        marketplace_id: None for all, future ones included.
        """
        by, whose = identity.current().principal, marketplace_id or EVERYBODY
        async with self.database.transaction() as tx:
            before = await self.flows.states(tx, marketplace_id=whose)
            await self.flows.change(
                tx,
                marketplace_id=marketplace_id,
                flow=flow,
                change=change,
                daily_limit=daily_limit,
                reason=reason,
                by=by,
            )
            after = await self.flows.states(tx, marketplace_id=whose)
            line = lines.about_flow(flow, change, before=before, after=after, reason=reason)
            await Trail().record(tx, line, marketplace_id=whose)
        log.warning(
            "escrow.flow_changed",
            marketplace_id=str(marketplace_id or "all"),
            flow=flow.value,
            change=change.value,
            daily_limit=daily_limit,
            reason=reason,
            by=by,
        )
        self.bell.ring()

    async def report(self, *, marketplace_id: uuid.UUID) -> FlowReport:
        """Return the state of a marketplace's flows, and their history."""
        async with self.database.transaction() as tx:
            return FlowReport(
                states=await self.flows.states(tx, marketplace_id=marketplace_id),
                history=await self.flows.history(tx, marketplace_id=marketplace_id),
            )
