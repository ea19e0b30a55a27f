"""A marketplace with what each mutating RPC needs to succeed: users, money, orders, cases."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message
from orchestrator.disputes.v1 import disputes_pb2 as disputes
from orchestrator.ledger.v1 import ledger_pb2 as ledger

from tests.contract import builders
from tests.contract.builders import VALID, ident, keyed, usdc
from tests.contract.city import City, Way
from tests.serving import Client

CALL_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class World:
    """Calls to all services for one marketplace, by callers that are allowed."""

    city: City
    way: Way
    marketplace_id: uuid.UUID = field(default_factory=uuid.uuid4)

    async def client(self, name: str) -> Client:
        """Return calls to a service."""
        served = await self.city.get(name)
        return served.client(self.way, marketplace_id=self.marketplace_id)

    async def call_with_replay(self, name: str, method: str, request: Message) -> tuple[Any, bool]:
        """Call as a service that may; tells whether the answer had been given before."""
        served = await self.city.get(name)
        client = served.client(self.way, marketplace_id=self.marketplace_id)
        return await client.call_with_replay(
            method, request, caller=served.caller(method), timeout_seconds=CALL_SECONDS
        )

    async def call(self, name: str, method: str, request: Message) -> Any:
        """Call as a service that may."""
        response, _ = await self.call_with_replay(name, method, request)
        return response

    async def an_open_case(self) -> str:
        """Open a dispute; return its id."""
        request = VALID["disputes"]["OpenDispute"]()
        return str((await self.call("disputes", "OpenDispute", request)).id)


async def _about_case(world: World, method: str) -> Message:
    request: Message = VALID["disputes"][method]()
    setattr(request, "dispute_id", await world.an_open_case())  # noqa: B010 - of each of these
    return request


async def _complete_case(world: World) -> Message:
    decision = await _about_case(world, "DecideDispute")
    decided = await world.call("disputes", "DecideDispute", decision)
    return keyed(disputes.CompleteDisputeRequest, dispute_id=decided.id)


async def _post_transfers(world: World) -> Message:
    user = ident()
    account = keyed(ledger.OpenAccountRequest, user_id=user, public_id="usr_1", asset="USDC")
    await world.call("ledger", "OpenAccount", account)
    deposit = builders.transfer(credit_account=f"user:{user}", amount=usdc(10_000))
    return keyed(ledger.PostTransfersRequest, transfers=[deposit])


def _as_it_is(name: str, method: str) -> Callable[[World], Awaitable[Message]]:
    async def ready(_: World) -> Message:
        request: Message = VALID[name][method]()
        return request

    return ready


# For every mutating RPC: makes what it needs, and returns a request that succeeds.
READY: dict[tuple[str, str], Callable[[World], Awaitable[Message]]] = {
    ("disputes", "OpenDispute"): _as_it_is("disputes", "OpenDispute"),
    ("disputes", "AssignDispute"): lambda world: _about_case(world, "AssignDispute"),
    ("disputes", "AddEvidence"): lambda world: _about_case(world, "AddEvidence"),
    ("disputes", "DecideDispute"): lambda world: _about_case(world, "DecideDispute"),
    ("disputes", "CompleteDispute"): _complete_case,
    ("ledger", "OpenAccount"): _as_it_is("ledger", "OpenAccount"),
    ("ledger", "PostTransfers"): _post_transfers,
}
