"""The client of escrow asks to wait for a command's end in the call that starts the command."""

import uuid
from typing import Any

import grpc
import pytest
from orchestrator.escrow.v1 import escrow_pb2, escrow_pb2_grpc

from chassis import identity
from chassis.channel import Caller, open_channel
from services.orders.peers.clients import COMMAND_WAIT_SECONDS, EscrowClient
from tests.identities import signer
from tests.serving import identity_of

STARTING = {
    "fund": {},
    "release": {},
    "refund": {},
    "freeze": {},
    "complete_milestone": {"place": 1},
}


class Recorded:
    """A servicer that answers every method with an ended command and keeps the requests."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, float]] = []

    def __getattr__(self, name: str) -> Any:
        return self._answer

    async def _answer(self, request: Any, context: Any) -> escrow_pb2.Command:
        self.asked.append((request.wait_seconds, context.time_remaining()))
        return escrow_pb2.Command(
            id=request.request_id, state=escrow_pb2.CommandState.COMMAND_STATE_SUCCEEDED
        )


@pytest.mark.parametrize("method", STARTING)
async def test_starting_call_waits_for_the_end_within_its_deadline(method: str) -> None:
    servicer, server = Recorded(), grpc.aio.server()
    escrow_pb2_grpc.add_EscrowServiceServicer_to_server(servicer, server)  # type: ignore[arg-type]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    identity.bind(identity_of("orders", marketplace_id=uuid.UUID(int=7)))

    async with open_channel(f"127.0.0.1:{port}") as channel:
        client = EscrowClient(escrow_pb2_grpc.EscrowServiceStub(channel), Caller(signer("orders")))
        command = await getattr(client, method)(
            command_id=uuid.uuid4(), order_id=uuid.uuid4(), **STARTING[method]
        )
    await server.stop(None)

    assert command.state == "SUCCEEDED"
    [(waits, left)] = servicer.asked
    assert waits == COMMAND_WAIT_SECONDS
    assert left > waits, "the answer would come after the deadline"
