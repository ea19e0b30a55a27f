"""The RPC that lists a service's audit trail.

The runner serves it beside the service's own RPCs.
"""

import uuid
from typing import Any

import grpc
from orchestrator.audit.v1 import audit_pb2, audit_pb2_grpc

from chassis import audit, identity
from chassis.database import Database
from chassis.identity import MARKETPLACE, OPERATOR, STAFF, allow
from chassis.server import Binding
from chassis.wire import instant_from_proto

ACCESS = {"ListLines": allow("gateway", OPERATOR, scope="support", roles=MARKETPLACE | STAFF)}


def binding(database: Database) -> Binding:
    """Return the servicer with its allow-list."""
    return Binding(
        servicer=AuditServicer(database),
        add=audit_pb2_grpc.add_AuditServiceServicer_to_server,
        descriptor=audit_pb2.DESCRIPTOR.services_by_name["AuditService"],
        access=ACCESS,
    )


class AuditServicer(audit_pb2_grpc.AuditServiceServicer):
    """Lists the audit lines of the caller's marketplace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ListLines(  # noqa: N802 - named by the contract
        self,
        request: audit_pb2.ListLinesRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> audit_pb2.ListLinesResponse:
        """List lines, newest first."""
        del context
        chosen = audit.Filter(
            marketplace_id=identity.current().marketplace_id,
            before=uuid.UUID(request.before) if request.before else None,
            actor=request.actor,
            action=request.action,
            target_id=request.target_id,
            since=instant_from_proto(request.since) if request.HasField("since") else None,
            until=instant_from_proto(request.until) if request.HasField("until") else None,
        )
        async with self._database.statement() as connection:
            lines = await audit.page(connection, chosen, limit=request.limit)
        return audit_pb2.ListLinesResponse(lines=[_line(one) for one in lines])


def _line(line: audit.Line) -> audit_pb2.Line:
    return audit_pb2.Line(
        id=str(line.id),
        marketplace_id=str(line.marketplace_id),
        actor=line.actor,
        role=line.role,
        action=line.action,
        target_type=line.target_type,
        target_id=line.target_id,
        address=line.address,
        request_id=line.request_id,
        before=line.before,
        after=line.after,
    )
