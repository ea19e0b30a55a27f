"""A servicer that does what a test says, behind the real server and the contract of disputes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from orchestrator.disputes.v1 import disputes_pb2, disputes_pb2_grpc

from chassis.channel import open_channel
from chassis.identity import MARKETPLACE, PEOPLE, allow
from chassis.server import Binding, Server
from chassis.tls import Certificates
from kernel.ids import new_id
from tests.identities import verifier

Behaviour = Callable[[Any, Any], Awaitable[Any]]


@dataclass
class Scripted(disputes_pb2_grpc.DisputesServiceServicer):
    """Does `read` for GetDispute and `change` for CompleteDispute, and counts calls."""

    read: Behaviour
    change: Behaviour
    calls: int = 0
    called: asyncio.Event = field(default_factory=asyncio.Event)

    async def GetDispute(self, request: Any, context: Any) -> Any:  # noqa: N802 - the contract's
        """Do what the test says."""
        self.calls += 1
        self.called.set()
        return await self.read(request, context)

    async def CompleteDispute(self, request: Any, context: Any) -> Any:  # noqa: N802 - the contract's
        """Do what the test says."""
        self.calls += 1
        self.called.set()
        return await self.change(request, context)

    async def AssignDispute(self, request: Any, context: Any) -> Any:  # noqa: N802 - the contract's
        """Never reached: no line of the allow-list names it."""
        raise AssertionError((request, context))


async def answer(_request: Any, _context: Any) -> Any:
    """Answer an empty case."""
    return disputes_pb2.Dispute()


def scripted(*, read: Behaviour = answer, change: Behaviour = answer) -> Scripted:
    """Make a servicer."""
    return Scripted(read=read, change=change)  # type: ignore[abstract] # the rest is never called


def binding_of(servicer: Scripted) -> Binding:
    """Say who may call it."""
    return Binding(
        servicer=servicer,
        add=disputes_pb2_grpc.add_DisputesServiceServicer_to_server,
        descriptor=disputes_pb2.DESCRIPTOR.services_by_name["DisputesService"],
        access={
            "GetDispute": allow("gateway", "orders"),
            "CompleteDispute": allow("orders", scope="write", roles=MARKETPLACE | PEOPLE),
        },
    )


@asynccontextmanager
async def served(
    servicer: Scripted,
    *,
    port: int = 0,
    with_reflection: bool = False,
    calls_max: int = 1000,
    own: Certificates | None = None,
) -> AsyncIterator[tuple[Server, str]]:
    """Serve a servicer; yields the server and host:port."""
    server = Server(
        binding=binding_of(servicer),
        verifier=verifier(),
        with_reflection=with_reflection,
        calls_max=calls_max,
        own=own,
    )
    bound = await server.start(host="127.0.0.1", port=port)
    try:
        yield server, f"127.0.0.1:{bound}"
    finally:
        await server.stop(grace_seconds=1)


def reading() -> disputes_pb2.GetDisputeRequest:
    """Return a valid request to read."""
    return disputes_pb2.GetDisputeRequest(dispute_id=str(new_id()))


def changing() -> disputes_pb2.CompleteDisputeRequest:
    """Return a valid request to change."""
    return disputes_pb2.CompleteDisputeRequest(request_id="1", dispute_id=str(new_id()))


async def reflected(address: str, *, own: Certificates | None = None) -> list[str]:
    """List the services that a server tells of."""
    async with open_channel(address, peer="disputes", own=own) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)

        async def ask() -> Any:
            yield reflection_pb2.ServerReflectionRequest(list_services="")

        async for response in stub.ServerReflectionInfo(ask()):
            return [service.name for service in response.list_services_response.service]
    return []
