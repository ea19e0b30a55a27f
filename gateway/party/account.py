"""The caller: who they are, and the events of their orders."""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Mapping
from typing import Annotated, Any

from pydantic import Field, StringConstraints, WithJsonSchema

from gateway import events
from gateway.answers import Answer, EventStream
from gateway.call import Call
from gateway.events import Wanted
from gateway.parties import Parties
from gateway.party.caller import user_id
from gateway.party.people import PersonCredential
from gateway.party.shapes import Id, Output, Request
from gateway.routing import ANY, Routes

# Aggregates that belong to one user. All other aggregates belong to an order.
_PERSONAL = frozenset({"Balance", "User", "Wallet", "Withdrawal"})
# Fields that name a key or an agent of the marketplace. Parties see SUPPORT instead.
_DECIDERS = frozenset({"resolvedBy", "reviewedBy"})
SUPPORT = "SUPPORT"
routes = Routes("Account")


class Me(Output):
    """The person whose token it is."""

    id: Id
    public_id: str
    marketplace_id: Id
    role: Annotated[str, WithJsonSchema({"enum": ["user", "admin"]})]


@routes.get("/me", scope=ANY)
async def get_me(call: Call) -> Answer[Me]:
    """Read the person whose token it is."""
    who = call.caller.identity
    user = await call.backends.user(str(user_id(call)))
    return Answer(
        body={
            "id": str(user.id),
            "public_id": user.public_id,
            "marketplace_id": str(who.marketplace_id),
            "role": who.role,
        }
    )


class StreamEvents(Request):
    """Comma-separated filters: `types=order.created,balance.*`, `resourceTypes=Order,Balance`."""

    types: Annotated[str, StringConstraints(max_length=1000)] | None = None
    # Both APIs have the same event stream, with the same parameter names.
    resource_types: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        default=None, alias="resourceTypes"
    )


@routes.get("/events", scope=ANY)
async def stream_events(call: Call, query: StreamEvents) -> EventStream:
    """Stream the events of the caller's orders and balance until the token expires.

    With `Last-Event-ID`, all later events are replayed first.
    """
    user = await call.backends.user(str(user_id(call)))
    marketplace_id = call.caller.identity.marketplace_id
    concern = Concern(call.parts.parties, marketplace_id, public_id=user.public_id)
    wanted = Wanted(
        marketplace_id=marketplace_id,
        types=events.patterns(query.types),
        resource_types=events.resource_types(query.resource_types),
        after=events.cursor(call.headers.get("last-event-id")),
        concerns=concern,
        shown=concern.shown,
    )
    chunks = await call.parts.feed.open(wanted)
    caller = call.caller
    expires_at = caller.expires_at if isinstance(caller, PersonCredential) else 0.0
    return EventStream(chunks=_until(chunks, expires_at))


class Concern:
    """Decides whether a user gets an event, and which parts of the event."""

    def __init__(self, parties: Parties, marketplace_id: uuid.UUID, *, public_id: str) -> None:
        self._parties = parties
        self._marketplace_id = marketplace_id
        self._public_id = public_id

    async def __call__(self, event: Mapping[str, Any]) -> bool:
        """Return whether the user gets an event. Raises: Unavailable: this cannot be determined."""
        payload = event.get("payload") or {}
        kind, name = event.get("aggregateType"), str(event.get("aggregateId"))
        if kind in _PERSONAL:
            return self._public_id in (name, payload.get("userId"))
        order = name if kind == "Order" else str(payload.get("orderId"))
        return self._public_id in await self._parties.of(self._marketplace_id, order)

    def shown(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the part of an event that the user may see: usually all of it.

        Only the buyer sees how much of the buyer's balance is reserved. Keys and agents of the
        marketplace are replaced by SUPPORT.
        """
        payload, metadata = event.get("payload") or {}, event.get("metadata") or {}
        is_buyer = self._public_id in (payload.get("buyerId"), payload.get("userId"))
        seen = {
            name: SUPPORT if name in _DECIDERS else value
            for name, value in payload.items()
            if name != "reservedBalance" or is_buyer
        }
        # The principal of an API key is `key:` and the key's id.
        known = {
            name: "" if isinstance(value, str) and value.startswith("key:") else value
            for name, value in metadata.items()
        }
        if seen == payload and known == metadata:
            return event
        return {**event, "payload": seen, "metadata": known}


async def _until(chunks: AsyncGenerator[bytes], expires_at: float) -> AsyncGenerator[bytes]:
    """Yield chunks until an instant (seconds since 1970)."""
    try:
        while (left := expires_at - time.time()) > 0:
            try:
                chunk = await asyncio.wait_for(anext(chunks), left)
            except (StopAsyncIteration, TimeoutError):
                return
            yield chunk
    finally:
        await chunks.aclose()
