"""Outgoing calls: retried while a service is unavailable, within the caller's deadline."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from orchestrator.disputes.v1 import disputes_pb2, disputes_pb2_grpc

from chassis import deadline, identity
from chassis.channel import MAX_ANSWER_BYTES, Caller, open_channel
from chassis.status import Internal
from deploy.local.ports import free_port
from kernel.errors import (
    Aborted,
    DeadlineExceeded,
    DomainError,
    Unauthenticated,
    Unavailable,
)
from tests.identities import signer
from tests.integration.chassis.scripted import Behaviour, Scripted, changing, scripted, served
from tests.patience import PATIENCE_SECONDS
from tests.serving import identity_of

WHO = identity_of("orders", marketplace_id=uuid.UUID(int=7))
CALLER = Caller(signer("orders"))


@asynccontextmanager
async def calling(servicer: Scripted) -> AsyncIterator[Any]:
    """Serve a servicer and yield its stub."""
    async with served(servicer) as (_, address), open_channel(address) as channel:
        yield disputes_pb2_grpc.DisputesServiceStub(channel)


def refusing(error: DomainError, *, times: int) -> Behaviour:
    """Refuse some times, then answer."""
    left = [error] * times

    async def behave(_request: Any, _context: Any) -> Any:
        if left:
            raise left.pop()
        return disputes_pb2.Dispute(id="done")

    return behave


def waiting_for(may_end: asyncio.Event) -> Behaviour:
    """Answer after an event."""

    async def behave(_request: Any, _context: Any) -> Any:
        await may_end.wait()
        return disputes_pb2.Dispute()

    return behave


async def test_a_call_is_retried_while_the_service_is_unavailable() -> None:
    servicer = scripted(change=refusing(Unavailable("not yet"), times=2))

    async with calling(servicer) as stub:
        answer = await CALLER.call(stub.CompleteDispute, changing(), who=WHO)

    assert answer.id == "done"
    assert servicer.calls == 3


async def test_a_call_is_given_up_after_four_attempts() -> None:
    servicer = scripted(change=refusing(Unavailable("never", reason="AWAY"), times=9))

    async with calling(servicer) as stub:
        with pytest.raises(Unavailable) as refused:
            await CALLER.call(stub.CompleteDispute, changing(), who=WHO)

    assert refused.value.reason == "AWAY"
    assert servicer.calls == 4


async def test_calls_that_each_fail_once_are_all_retried() -> None:
    calls = 0

    async def every_other(_request: Any, _context: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls % 2:
            raise Unavailable("one connection of many is dead")
        return disputes_pb2.Dispute(id="done")

    async with calling(scripted(change=every_other)) as stub:
        answers = [await CALLER.call(stub.CompleteDispute, changing(), who=WHO) for _ in range(20)]

    assert [answer.id for answer in answers] == ["done"] * 20


async def test_a_hundred_of_the_largest_orders_fit_in_one_answer() -> None:
    size = 100 * 64 * 1024

    async def large(_request: Any, _context: Any) -> Any:
        return disputes_pb2.Dispute(description="x" * size)

    async with calling(scripted(change=large)) as stub:
        answer = await CALLER.call(stub.CompleteDispute, changing(), who=WHO)

    assert len(answer.description) == size


async def test_an_answer_that_is_too_large_is_a_fault_and_not_a_rate_limit() -> None:
    async def large(_request: Any, _context: Any) -> Any:
        return disputes_pb2.Dispute(description="x" * (MAX_ANSWER_BYTES + 1))

    async with calling(scripted(change=large)) as stub:
        with pytest.raises(Internal) as refused:
            await CALLER.call(stub.CompleteDispute, changing(), who=WHO)

    assert "larger" not in refused.value.message


async def test_a_final_refusal_is_not_retried() -> None:
    final = Unavailable("the provider failed", reason="PROVIDER_ERROR")
    final.is_final = True
    servicer = scripted(change=refusing(final, times=1))

    async with calling(servicer) as stub:
        with pytest.raises(Unavailable) as refused:
            await CALLER.call(stub.CompleteDispute, changing(), who=WHO)

    assert refused.value.reason == "PROVIDER_ERROR"
    assert servicer.calls == 1


async def test_no_call_fails_when_one_of_two_replicas_stops() -> None:
    async def change(_request: Any, _context: Any) -> Any:
        return disputes_pb2.Dispute(id="done")

    async with (
        served(scripted(change=change)) as (stopping, first),
        served(scripted(change=change)) as (_, second),
        open_channel(f"ipv4:{first},{second}") as channel,
    ):
        stub = disputes_pb2_grpc.DisputesServiceStub(channel)

        def many() -> list[asyncio.Task[disputes_pb2.Dispute]]:
            make = partial(CALLER.call, stub.CompleteDispute, who=WHO)
            return [asyncio.create_task(make(changing())) for _ in range(100)]

        await asyncio.gather(*many())
        calls = many()
        # The calls are sent in two turns of this loop, and arrive while it is busy: no handler has
        # taken them when the replica stops.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        time.sleep(0.05)  # noqa: ASYNC251 - a busy loop is what the test is about
        await stopping.stop(grace_seconds=PATIENCE_SECONDS)

        assert [answer.id for answer in await asyncio.gather(*calls)] == ["done"] * 100


async def test_a_call_that_its_caller_cancels_is_not_retried() -> None:
    may_end = asyncio.Event()
    servicer = scripted(change=waiting_for(may_end))
    async with calling(servicer) as stub:
        call = asyncio.create_task(CALLER.call(stub.CompleteDispute, changing(), who=WHO))
        await asyncio.wait_for(servicer.called.wait(), PATIENCE_SECONDS)
        call.cancel()
        await asyncio.wait([call])
        may_end.set()
        await CALLER.call(stub.CompleteDispute, changing(), who=WHO)

    assert call.cancelled()
    assert servicer.calls == 2


async def test_aborted_call_is_not_retried() -> None:
    servicer = scripted(change=refusing(Aborted("in motion"), times=1))

    async with calling(servicer) as stub:
        with pytest.raises(Aborted):
            await CALLER.call(stub.CompleteDispute, changing(), who=WHO)

    assert servicer.calls == 1


async def test_a_call_that_takes_too_long_has_an_unknown_outcome() -> None:
    may_end = asyncio.Event()
    servicer = scripted(change=waiting_for(may_end))
    async with calling(servicer) as stub:
        with pytest.raises(DeadlineExceeded):
            await CALLER.call(stub.CompleteDispute, changing(), who=WHO, timeout_seconds=0.5)
        may_end.set()

    assert servicer.calls <= 1


async def test_each_hop_shortens_the_deadline() -> None:
    left: list[float] = []

    async def look(_request: Any, context: Any) -> Any:
        left.append(context.time_remaining())
        return disputes_pb2.Dispute()

    async with calling(scripted(change=look)) as stub:
        deadline.start(8.0)
        await CALLER.call(stub.CompleteDispute, changing(), who=WHO, timeout_seconds=60)
        deadline.start(None)
        await CALLER.call(stub.CompleteDispute, changing(), who=WHO, timeout_seconds=60)

    # gRPC spells a timeout in three digits, rounded up: half of the shave is seen for certain.
    assert left[0] < 8.0 - deadline.SHAVED_SECONDS / 2
    assert left[1] > 8.0


async def test_call_after_its_deadline_is_refused_locally() -> None:
    servicer = scripted()

    async with calling(servicer) as stub:
        deadline.start(0.0)
        with pytest.raises(DeadlineExceeded):
            await CALLER.call(stub.CompleteDispute, changing(), who=WHO)
        deadline.start(None)

    assert servicer.calls == 0


async def test_an_unreachable_service_is_unavailable_within_the_deadline() -> None:
    async with open_channel(f"127.0.0.1:{free_port()}") as channel:
        stub = disputes_pb2_grpc.DisputesServiceStub(channel)
        with pytest.raises((Unavailable, DeadlineExceeded)):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await CALLER.call(stub.CompleteDispute, changing(), who=WHO, timeout_seconds=2)


async def test_a_restarted_service_is_reconnected() -> None:
    port = free_port()

    async with open_channel(f"127.0.0.1:{port}") as channel:
        stub = disputes_pb2_grpc.DisputesServiceStub(channel)
        async with served(scripted(), port=port):
            await CALLER.call(stub.CompleteDispute, changing(), who=WHO)
        with pytest.raises((Unavailable, DeadlineExceeded)):
            await CALLER.call(stub.CompleteDispute, changing(), who=WHO, timeout_seconds=1)
        async with served(scripted(), port=port), asyncio.timeout(PATIENCE_SECONDS):
            while not await _is_answered(stub):
                pass


async def _is_answered(stub: Any) -> bool:
    try:
        await CALLER.call(stub.CompleteDispute, changing(), who=WHO, timeout_seconds=1)
    except (Unavailable, DeadlineExceeded):
        return False
    return True


async def test_a_call_acts_for_the_principal_being_served() -> None:
    seen: list[identity.Identity] = []

    async def look(_request: Any, _context: Any) -> Any:
        seen.append(identity.current())
        return disputes_pb2.Dispute()

    async with calling(scripted(change=look)) as stub:
        identity.bind(identity_of("gateway", marketplace_id=uuid.UUID(int=8)))
        await CALLER.call(stub.CompleteDispute, changing())
        identity.bind(None)

    assert (seen[0].caller, seen[0].marketplace_id) == ("orders", uuid.UUID(int=8))


async def test_a_call_without_an_identity_is_refused_at_once() -> None:
    servicer = scripted()

    async with calling(servicer) as stub:
        identity.bind(None)
        with pytest.raises(Unauthenticated):
            await CALLER.call(stub.CompleteDispute, changing())

    assert servicer.calls == 0
