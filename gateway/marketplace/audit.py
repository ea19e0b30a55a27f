"""The audit trail: who changed what in the marketplace, when and from where."""

from typing import Annotated, Literal

import orjson
from pydantic import Field, StringConstraints

from chassis.audit import Filter, Line
from chassis.wire import page_token, uuid_from_token
from gateway.answers import Answer
from gateway.call import Call
from gateway.keys import SUPPORT
from gateway.marketplace.shapes import Output, Page, Paging, StoredObject, Time, Uuid, page
from gateway.models import Instant
from gateway.routing import Routes
from kernel.clock import to_milliseconds_text
from kernel.ids import instant_of, to_public

routes = Routes("Audit")


class ListAudit(Paging):
    """One page of the trail.

    All given filters must match; `since` is inclusive, `until` exclusive.
    """

    actor: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    action: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    target_id: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    since: Instant | None = None
    until: Instant | None = None


class AuditLine(Output):
    """One change. before, after: the fields that changed. address: null if it is unknown."""

    id: Annotated[str, StringConstraints(pattern=r"^aud_[0-9A-Za-z]{22}$")]
    at: Time
    marketplaceId: Uuid
    actor: Annotated[
        str,
        Field(description="`key:…`, `user:…`, `support:…`, `operator:…`, `service:…` or `clock`."),
    ]
    role: Literal["marketplace", "user", "admin", "support", "operator", "service", "clock"]
    action: Annotated[str, Field(examples=["order.create"])]
    targetType: str
    targetId: str
    address: str | None
    requestId: str | None
    before: StoredObject
    after: StoredObject


@routes.get("/audit", scope=SUPPORT, support=True)
async def list_audit(call: Call, query: ListAudit) -> Answer[Page[AuditLine]]:
    """List the marketplace's changes, newest first: by keys, people, operators or the clock."""
    chosen = Filter(
        marketplace_id=call.caller.identity.marketplace_id,
        before=uuid_from_token(query.cursor or ""),
        actor=query.actor or "",
        action=query.action or "",
        target_id=query.target_id or "",
        since=query.since,
        until=query.until,
    )
    found = await call.parts.lines.page(chosen, limit=query.limit + 1)
    shown, has_more = found[: query.limit], len(found) > query.limit
    token = page_token(shown[-1].id) if has_more else ""
    return page([printed(line) for line in shown], next_token=token)


def printed(line: Line) -> AuditLine:
    """Return an audit line as the API shows it."""
    return {
        "id": to_public("aud", line.id),
        "at": to_milliseconds_text(instant_of(line.id)),
        "marketplaceId": str(line.marketplace_id),
        "actor": line.actor,
        "role": line.role,  # type: ignore[typeddict-item] # the services write these names only
        "action": line.action,
        "targetType": line.target_type,
        "targetId": line.target_id,
        "address": line.address or None,
        "requestId": line.request_id or None,
        "before": orjson.Fragment(line.before),
        "after": orjson.Fragment(line.after),
    }
