"""Services of the project in the test's own process, on real sockets, and calls to them."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis import runner
from chassis.channel import Caller, open_channel
from chassis.identity import OPERATOR, REPLAYED_KEY, ROLE_MARKETPLACE, Identity
from chassis.runner import App
from chassis.signature import EventSigner, new_key
from tests.identities import signer
from tests.patience import PATIENCE_SECONDS

# The key that signs escrow's events, and the public key that the ledger checks them with.
EVENT_SIGNING_KEY = new_key()
ESCROW_EVENT_KEYS = EventSigner(EVENT_SIGNING_KEY).public_key
SCOPES = frozenset({"read", "write", "support", "admin"})
READY_SECONDS = PATIENCE_SECONDS
CALL_SECONDS = PATIENCE_SECONDS


class Transport(Protocol):
    """Carries one call to a service."""

    async def exchange(
        self, method: str, request: Message, *, who: Identity, timeout_seconds: float
    ) -> tuple[Any, bool]:
        """Return the response, and whether it is a stored answer. Raises: DomainError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Calls a service's RPCs by name, for its own marketplace."""

    transport: Transport
    marketplace_id: uuid.UUID = field(default_factory=uuid.uuid4)

    async def call(
        self,
        method: str,
        request: Message,
        *,
        caller: str = "gateway",
        who: Identity | None = None,
        timeout_seconds: float = CALL_SECONDS,
    ) -> Any:
        """Return the response. Raises: DomainError: the service's refusal."""
        response, _ = await self.call_with_replay(
            method, request, caller=caller, who=who, timeout_seconds=timeout_seconds
        )
        return response

    async def call_with_replay(
        self,
        method: str,
        request: Message,
        *,
        caller: str = "gateway",
        who: Identity | None = None,
        timeout_seconds: float = CALL_SECONDS,
    ) -> tuple[Any, bool]:
        """Return the response, and whether the service marked it as a stored answer."""
        acting = who or identity_of(caller, marketplace_id=self.marketplace_id)
        return await self.transport.exchange(
            method, request, who=acting, timeout_seconds=timeout_seconds
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Socket:
    """The transport of production: a stub on a channel."""

    stub: Any

    async def exchange(
        self, method: str, request: Message, *, who: Identity, timeout_seconds: float
    ) -> tuple[Any, bool]:
        """Call over the wire."""
        caller = Caller(signer(who.caller))
        response, trailing = await caller.call_with_metadata(
            getattr(self.stub, method), request, who=who, timeout_seconds=timeout_seconds
        )
        return response, trailing.get(REPLAYED_KEY) == "true"


def identity_of(
    caller: str, *, marketplace_id: uuid.UUID, scopes: frozenset[str] = SCOPES
) -> Identity:
    """Return the identity of a service that acts for a marketplace's key with every scope."""
    return Identity(
        caller=caller,
        marketplace_id=marketplace_id,
        principal="operator:test" if caller == OPERATOR else "key:test",
        role=ROLE_MARKETPLACE,
        scopes=scopes,
        environment="test",
    )


@asynccontextmanager
async def serving(app: App) -> AsyncIterator[str]:
    """Run an app with its background loops, as in its own process; yields host:port when ready."""
    stopping = asyncio.Event()
    running = asyncio.ensure_future(runner.serve(app, stopping))
    address = f"{app.settings.grpc_host}:{app.settings.grpc_port}"
    ready = asyncio.ensure_future(_ready(address))
    try:
        await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            ready.cancel()
            running.result()
        await ready
        yield address
    finally:
        stopping.set()
        await running


async def _ready(address: str) -> None:
    async with asyncio.timeout(READY_SECONDS), open_channel(address) as channel:
        request = health_pb2.HealthCheckRequest()
        watch = health_pb2_grpc.HealthStub(channel).Watch(request, wait_for_ready=True)
        async for answer in watch:
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
    raise AssertionError(f"{address} closed its health stream before it was ready")
