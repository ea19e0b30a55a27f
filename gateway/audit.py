"""The audit trail of a marketplace: the services' lines and the gateway's own lines, as one list.

Each service stores the lines of its own changes. Ids sort by time. The newest lines of all are
therefore among the newest lines of each service.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from orchestrator.audit.v1 import audit_pb2, audit_pb2_grpc

from chassis import audit
from chassis.audit import Filter, Line
from chassis.database import Database
from chassis.wire import instant_to_proto
from gateway.backends import Backends


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Reads the audit lines of a marketplace. database: has the gateway's own lines."""

    backends: Backends
    database: Database

    async def page(self, chosen: Filter, *, limit: int) -> Sequence[Line]:
        """List lines, newest first; fails if one service does not answer.

        Raises: as `Backends.call`.
        """
        request = audit_pb2.ListLinesRequest(
            limit=limit,
            before=str(chosen.before) if chosen.before else "",
            actor=chosen.actor,
            action=chosen.action,
            target_id=chosen.target_id,
            since=instant_to_proto(chosen.since),
            until=instant_to_proto(chosen.until),
        )
        pages = await asyncio.gather(
            self._own(chosen, limit),
            *(self._theirs(stub, request) for stub in self.backends.audits.values()),
        )
        found = [line for page in pages for line in page]
        return sorted(found, key=lambda line: line.id, reverse=True)[:limit]

    async def _theirs(
        self, stub: audit_pb2_grpc.AuditServiceStub, request: audit_pb2.ListLinesRequest
    ) -> list[Line]:
        answer = await self.backends.call(stub.ListLines, request)
        return [_line(one) for one in answer.lines]

    async def _own(self, chosen: Filter, limit: int) -> list[Line]:
        async with self.database.statement() as connection:
            return await audit.page(connection, chosen, limit=limit)


def _line(message: audit_pb2.Line) -> Line:
    return Line(
        id=UUID(message.id),
        marketplace_id=UUID(message.marketplace_id),
        actor=message.actor,
        role=message.role,
        action=message.action,
        target_type=message.target_type,
        target_id=message.target_id,
        address=message.address,
        request_id=message.request_id,
        before=message.before,
        after=message.after,
    )
