"""A service checks each call of a bundle as if it had arrived alone."""

import asyncio
import uuid
from typing import Any

import grpc
import pytest
from orchestrator.bundle.v1 import bundle_pb2, bundle_pb2_grpc

from chassis.bundles import CALLS_MAX
from chassis.channel import open_channel
from chassis.identity import METADATA_KEY
from tests.identities import signer
from tests.integration.chassis.scripted import changing, reading, scripted, served
from tests.patience import PATIENCE_SECONDS
from tests.serving import identity_of

WHO = identity_of("orders", marketplace_id=uuid.UUID(int=7))
READ = "/orchestrator.disputes.v1.DisputesService/GetDispute"
CHANGE = "/orchestrator.disputes.v1.DisputesService/CompleteDispute"
INVALID, DENIED, UNIMPLEMENTED, UNAUTHENTICATED, LATE = (
    code.value[0]
    for code in (
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    )
)


async def carried(address: str, *calls: bundle_pb2.Call) -> list[bundle_pb2.Answer]:
    """Send a bundle by hand."""
    async with open_channel(address) as channel:
        stub = bundle_pb2_grpc.BundleServiceStub(channel)
        messages = stub.Carry(bundle_pb2.CarryRequest(calls=calls), timeout=PATIENCE_SECONDS)
        answers = [answer async for message in messages for answer in message.answers]
    return sorted(answers, key=lambda answer: answer.call)


def a_call(method: str = CHANGE, request: bytes | None = None, token: str = "") -> bundle_pb2.Call:
    return bundle_pb2.Call(
        method=method,
        request=changing().SerializeToString() if request is None else request,
        metadata=[
            bundle_pb2.Metadata(
                key=METADATA_KEY, value=(token or signer("orders").token(WHO)).encode()
            )
        ],
    )


@pytest.mark.parametrize("count", [0, CALLS_MAX + 1])
async def test_a_bundle_of_a_wrong_size_is_refused(count: int) -> None:
    servicer = scripted()
    async with served(servicer) as (_, address):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await carried(address, *(a_call() for _ in range(count)))

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert servicer.calls == 0


async def test_each_call_of_a_bundle_is_checked() -> None:
    servicer = scripted()
    wrong = {
        "no method": a_call(""),
        "no service": a_call("CompleteDispute"),
        "an unknown method": a_call(f"{CHANGE}s"),
        "health": a_call("/grpc.health.v1.Health/Check", b""),
        "a bundle": a_call("/orchestrator.bundle.v1.BundleService/Carry", b""),
        "not allowed": a_call(f"{CHANGE.rpartition('/')[0]}/AssignDispute"),
        "no message": a_call(request=b"\xff"),
        "no valid request": a_call(request=b""),
        "no token": a_call(token="x"),
        "no text": bundle_pb2.Call(
            method=CHANGE, metadata=[bundle_pb2.Metadata(key=METADATA_KEY, value=b"\xff\xfe")]
        ),
    }
    async with served(servicer) as (_, address):
        *refused, answered = await carried(address, *wrong.values(), a_call())

    codes = {name: answer.code for name, answer in zip(wrong, refused, strict=True)}
    assert codes == {
        "no method": UNIMPLEMENTED,
        "no service": UNIMPLEMENTED,
        "an unknown method": UNIMPLEMENTED,
        "health": UNIMPLEMENTED,
        "a bundle": UNIMPLEMENTED,
        "not allowed": DENIED,
        "no message": INVALID,
        "no valid request": INVALID,
        "no token": UNAUTHENTICATED,
        "no text": UNAUTHENTICATED,
    }
    assert (answered.code, servicer.calls) == (0, 1)


async def test_a_call_ends_at_its_own_deadline_and_the_others_go_on() -> None:
    may_end = asyncio.Event()

    async def wait(_request: Any, _context: Any) -> Any:
        await may_end.wait()

    hasty = a_call()
    hasty.timeout_ms = 300
    read = a_call(READ, reading().SerializeToString())
    async with served(scripted(change=wait)) as (_, address):
        late, answered = await asyncio.wait_for(carried(address, hasty, read), PATIENCE_SECONDS)
        may_end.set()

    assert (late.code, answered.code) == (LATE, 0)


async def test_a_wait_of_less_than_nothing_is_a_wait_as_long_as_the_bundle() -> None:
    call = a_call()
    call.timeout_ms = -5
    async with served(scripted()) as (_, address):
        [answer] = await carried(address, call)

    assert answer.code == 0
