"""A service under overload, with malformed messages, and during its stop."""

import asyncio
import time
from typing import Any

import grpc
import pytest
from orchestrator.disputes.v1 import disputes_pb2, disputes_pb2_grpc

from chassis.channel import open_channel
from chassis.identity import METADATA_KEY
from chassis.status import from_rpc_error
from kernel.errors import DomainError
from tests.integration.chassis.scripted import changing, reading, scripted, served
from tests.integration.chassis.test_interceptors import token
from tests.patience import PATIENCE_SECONDS

COMPLETE = "/orchestrator.disputes.v1.DisputesService/CompleteDispute"


def signed() -> tuple[tuple[str, str], ...]:
    return ((METADATA_KEY, token()),)


async def refused(call: Any) -> DomainError:
    """Wait for a call and return what it was refused with."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return from_rpc_error(failed.value)


async def test_calls_beyond_the_limit_are_refused_and_not_retried() -> None:
    may_end = asyncio.Event()

    async def slow(_request: Any, _context: Any) -> Any:
        await may_end.wait()
        return disputes_pb2.Dispute(id="done")

    servicer = scripted(read=slow)
    async with (
        served(servicer, calls_max=2) as (_, address),
        open_channel(address) as channel,
    ):
        stub = disputes_pb2_grpc.DisputesServiceStub(channel)
        calls = [stub.GetDispute(reading(), metadata=signed(), timeout=20) for _ in range(3)]
        done, _ = await asyncio.wait(
            [asyncio.ensure_future(call.code()) for call in calls],
            return_when=asyncio.FIRST_COMPLETED,
        )
        assert [one.result() for one in done] == [grpc.StatusCode.UNAVAILABLE]
        assert servicer.calls == 2
        may_end.set()
        codes = sorted([(await call.code()).name for call in calls])
        [late] = [call for call in calls if await call.code() is grpc.StatusCode.UNAVAILABLE]
        error = await refused(late)
        again = await stub.GetDispute(reading(), metadata=signed(), timeout=20)

    assert codes == ["OK", "OK", "UNAVAILABLE"]
    assert (error.kind, error.reason) == ("UNAVAILABLE", "PROVIDER_UNAVAILABLE")
    assert again.id == "done"


async def test_the_work_of_disconnected_clients_counts() -> None:
    may_end = asyncio.Event()

    async def slow(_request: Any, _context: Any) -> Any:
        await may_end.wait()
        return disputes_pb2.Dispute()

    servicer = scripted(change=slow)
    async with (
        served(servicer, calls_max=1) as (_, address),
        open_channel(address) as channel,
    ):
        stub = disputes_pb2_grpc.DisputesServiceStub(channel)
        gone = stub.CompleteDispute(changing(), metadata=signed())
        await servicer.called.wait()
        gone.cancel()
        await gone.code()

        error = await refused(stub.CompleteDispute(changing(), metadata=signed(), timeout=20))
        may_end.set()

    assert error.reason == "PROVIDER_UNAVAILABLE"


async def test_an_overloaded_server_is_unavailable_and_not_a_rate_limit() -> None:
    crowded = grpc.aio.AioRpcError(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.aio.Metadata(),
        grpc.aio.Metadata(),
        details="Concurrent RPC limit exceeded!",
    )

    error = from_rpc_error(crowded)

    assert (error.kind, error.reason) == ("UNAVAILABLE", "PROVIDER_UNAVAILABLE")


@pytest.mark.parametrize("raw", [b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x02\xff\xfe"])
async def test_a_malformed_message_is_an_invalid_request_of_an_allowed_caller(raw: bytes) -> None:
    servicer = scripted()
    async with served(servicer) as (_, address), open_channel(address) as channel:
        call: Any = channel.unary_unary(COMPLETE)
        stranger = await refused(call(raw, timeout=20))
        known = await refused(call(raw, metadata=signed(), timeout=20))

    assert stranger.kind == "UNAUTHENTICATED"
    assert (known.kind, known.reason) == ("INVALID_ARGUMENT", "VALIDATION_ERROR")
    assert servicer.calls == 0


async def test_endless_work_does_not_block_a_stop() -> None:
    was_cancelled = asyncio.Event()

    async def stuck(_request: Any, _context: Any) -> Any:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            was_cancelled.set()
            raise

    servicer = scripted(change=stuck)
    async with served(servicer) as (server, address), open_channel(address) as channel:
        stub = disputes_pb2_grpc.DisputesServiceStub(channel)
        call = stub.CompleteDispute(changing(), metadata=signed())
        await servicer.called.wait()
        started = time.monotonic()
        await server.stop(grace_seconds=0.5)
        took = time.monotonic() - started
        await call.code()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await was_cancelled.wait()

    assert took < 10
