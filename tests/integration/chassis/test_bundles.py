"""Calls that begin together are sent together, and each is answered as if it were alone."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import grpc
import pytest
from orchestrator.bundle.v1 import bundle_pb2, bundle_pb2_grpc
from orchestrator.disputes.v1 import disputes_pb2, disputes_pb2_grpc

from chassis import bundle_servicer, identity
from chassis.bundle_servicer import BundleServicer
from chassis.bundles import CALLS_MAX
from chassis.channel import Caller, open_channel
from chassis.identity import REPLAYED_KEY
from chassis.interceptors import InsufficientScope
from chassis.status import Internal
from kernel.errors import (
    Aborted,
    DeadlineExceeded,
    DomainError,
    FailedPrecondition,
    Unavailable,
)
from tests.identities import signer
from tests.integration.chassis.scripted import (
    Behaviour,
    Scripted,
    changing,
    reading,
    scripted,
    served,
)
from tests.patience import PATIENCE_SECONDS
from tests.serving import identity_of

WHO = identity_of("orders", marketplace_id=uuid.UUID(int=7))
CALLER = Caller(signer("orders"))


@pytest.fixture
def bundles(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of calls of each bundle that a server of the test gets."""
    sizes: list[int] = []
    carry = BundleServicer.Carry

    async def counting(
        self: BundleServicer, request: bundle_pb2.CarryRequest, context: Any
    ) -> AsyncIterator[bundle_pb2.CarryResponse]:
        sizes.append(len(request.calls))
        async for message in carry(self, request, context):
            yield message

    monkeypatch.setattr(BundleServicer, "Carry", counting)
    return sizes


@asynccontextmanager
async def calling(servicer: Scripted) -> AsyncIterator[Any]:
    """Serve a servicer and yield its stub."""
    async with served(servicer) as (_, address), open_channel(address) as channel:
        yield disputes_pb2_grpc.DisputesServiceStub(channel)


def begin(stub: Any, count: int, **named: Any) -> "list[asyncio.Task[Any]]":
    """Begin calls in one turn of the loop."""
    return [
        asyncio.create_task(CALLER.call(stub.CompleteDispute, changing(), **({"who": WHO} | named)))
        for _ in range(count)
    ]


async def outcomes(tasks: "list[asyncio.Task[Any]]") -> list[Any]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await asyncio.gather(*tasks, return_exceptions=True)


def echoing(*, failing: int = 0, error: DomainError | None = None) -> Behaviour:
    """Answer the id that was asked for; refuse the first calls."""
    left = failing

    async def behave(request: Any, _context: Any) -> Any:
        nonlocal left
        if left and error is not None:
            left -= 1
            raise error
        return disputes_pb2.Dispute(id=request.dispute_id)

    return behave


async def test_calls_that_begin_together_are_one_bundle_and_each_gets_its_answer(
    bundles: list[int],
) -> None:
    servicer = scripted(change=echoing())
    asked = [changing() for _ in range(10)]

    async with calling(servicer) as stub:
        answers = await asyncio.gather(
            *(CALLER.call(stub.CompleteDispute, request, who=WHO) for request in asked)
        )

    assert [answer.id for answer in answers] == [request.dispute_id for request in asked]
    assert bundles == [10]
    assert servicer.calls == 10


async def test_a_call_that_is_alone_is_an_ordinary_call(bundles: list[int]) -> None:
    async with calling(scripted(change=echoing())) as stub:
        for _ in range(3):
            await CALLER.call(stub.CompleteDispute, changing(), who=WHO)

    assert bundles == []


async def test_a_bundle_has_a_limit_and_a_large_request_goes_alone(
    bundles: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with calling(scripted(change=echoing())) as stub:
        assert all(answer.id for answer in await outcomes(begin(stub, CALLS_MAX + 7)))
        assert sorted(bundles) == [7, CALLS_MAX]

        monkeypatch.setattr("chassis.bundles.REQUEST_BYTES_MAX", 200)
        large = changing()
        large.request_id = "x" * 200
        alone = asyncio.create_task(CALLER.call(stub.CompleteDispute, large, who=WHO))
        assert all(answer.id for answer in await outcomes([alone, *begin(stub, 2)]))

    assert sorted(bundles) == [2, 7, CALLS_MAX]


async def test_each_call_keeps_its_own_identity_and_rights(bundles: list[int]) -> None:
    seen = []

    async def look(_request: Any, _context: Any) -> Any:
        seen.append((identity.current().marketplace_id, identity.current_request_id()))
        return disputes_pb2.Dispute()

    first, second = uuid.uuid4(), uuid.uuid4()
    servicer = scripted(change=look)

    async with calling(servicer) as stub:
        make = []
        for marketplace_id, request_id in ((first, "req-1"), (second, "req-2")):
            identity.bind(replace(WHO, marketplace_id=marketplace_id), request_id=request_id)
            make.append(asyncio.create_task(CALLER.call(stub.CompleteDispute, changing())))
        identity.bind(None)
        reader = replace(WHO, scopes=frozenset({"read"}))
        *answers, refused = await outcomes([*make, *begin(stub, 1, who=reader)])

    assert bundles == [3]
    assert set(seen) == {(first, "req-1"), (second, "req-2")}
    assert answers == [disputes_pb2.Dispute()] * 2
    assert refused.reason == InsufficientScope.reason


async def test_a_refusal_keeps_its_details_and_its_mark_of_a_stored_answer(
    bundles: list[int],
) -> None:
    error = FailedPrecondition("no", reason="NO", details={"a": "b"})
    error.replayed = True

    async with calling(scripted(change=echoing(failing=1, error=error))) as stub:
        refused, answered = await outcomes(begin(stub, 2))

    assert bundles == [2]
    assert (refused.reason, refused.details, refused.replayed) == ("NO", {"a": "b"}, True)
    assert answered.id


async def test_a_stored_answer_is_marked(bundles: list[int]) -> None:
    async def replay(_request: Any, context: Any) -> Any:
        context.set_trailing_metadata(((REPLAYED_KEY, "true"), ("some-bin", b"\x00\xff")))
        return disputes_pb2.Dispute()

    async with calling(scripted(change=replay)) as stub:
        told = await asyncio.gather(
            *(
                CALLER.call_with_metadata(stub.CompleteDispute, changing(), who=WHO)
                for _ in range(2)
            )
        )

    assert bundles == [2]
    assert [trailing for _, trailing in told] == [
        {REPLAYED_KEY: "true", "some-bin": b"\x00\xff"}
    ] * 2


async def test_no_call_waits_for_the_answer_of_another(bundles: list[int]) -> None:
    may_end = asyncio.Event()
    calls = 0

    async def first_waits(_request: Any, _context: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            await may_end.wait()
        return disputes_pb2.Dispute()

    async with calling(scripted(change=first_waits)) as stub:
        slow, *others = begin(stub, 5)
        assert await outcomes(others) == [disputes_pb2.Dispute()] * 4
        assert not slow.done()
        may_end.set()
        assert await outcomes([slow]) == [disputes_pb2.Dispute()]

    assert bundles == [5]


async def test_each_call_has_its_own_deadline(bundles: list[int]) -> None:
    may_end = asyncio.Event()
    left = []

    async def wait(_request: Any, context: Any) -> Any:
        left.append(context.time_remaining())
        await may_end.wait()
        return disputes_pb2.Dispute()

    async with calling(scripted(change=wait)) as stub:
        hasty = begin(stub, 1, timeout_seconds=0.5)
        patient = begin(stub, 1, timeout_seconds=PATIENCE_SECONDS)
        [late] = await outcomes(hasty)
        may_end.set()

        assert isinstance(late, DeadlineExceeded)
        assert await outcomes(patient) == [disputes_pb2.Dispute()]

    assert bundles == [2]
    assert min(left) <= 0.5 < max(left)


async def test_a_change_is_completed_though_its_caller_has_left(bundles: list[int]) -> None:
    may_end, ended = asyncio.Event(), asyncio.Event()

    async def change(_request: Any, _context: Any) -> Any:
        await may_end.wait()
        ended.set()
        return disputes_pb2.Dispute()

    servicer = scripted(change=change)
    async with calling(servicer) as stub:
        leaving = begin(stub, 2)
        await asyncio.wait_for(servicer.called.wait(), PATIENCE_SECONDS)
        for task in leaving:
            task.cancel()
        await asyncio.wait(leaving)
        may_end.set()
        await asyncio.wait_for(ended.wait(), PATIENCE_SECONDS)

    assert bundles == [2]
    assert servicer.calls == 2


async def test_a_call_that_is_answered_with_unavailable_is_retried_alone(
    bundles: list[int],
) -> None:
    servicer = scripted(change=echoing(failing=2, error=Unavailable("not yet")))

    async with calling(servicer) as stub:
        answers = await outcomes(begin(stub, 3))

    assert all(answer.id for answer in answers)
    assert servicer.calls == 5
    assert bundles == [3]


def final() -> Unavailable:
    error = Unavailable("the provider failed", reason="PROVIDER_ERROR")
    error.is_final = True
    return error


@pytest.mark.parametrize("error", [final(), Aborted("in motion")], ids=["final", "aborted"])
async def test_any_other_refusal_is_not_retried(error: DomainError, bundles: list[int]) -> None:
    servicer = scripted(change=echoing(failing=1, error=error))

    async with calling(servicer) as stub:
        refused, *answers = await outcomes(begin(stub, 3))

    assert refused.reason == error.reason
    assert all(answer.id for answer in answers)
    assert servicer.calls == 3
    assert bundles == [3]


async def test_many_large_answers_arrive(
    bundles: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_servicer, "ANSWERS_BYTES", 1000)
    may_end = asyncio.Event()

    async def large(_request: Any, _context: Any) -> Any:
        await may_end.wait()
        return disputes_pb2.Dispute(description="x" * 400)

    servicer = scripted(change=large)
    async with calling(servicer) as stub:
        tasks = begin(stub, 20)
        await asyncio.wait_for(servicer.called.wait(), PATIENCE_SECONDS)
        may_end.set()
        answers = await outcomes(tasks)

    assert [len(answer.description) for answer in answers] == [400] * 20
    assert bundles == [20]


class Stranger(bundle_pb2_grpc.BundleServiceServicer):
    """Answers bundles as no service does."""

    async def Carry(self, request: Any, context: Any) -> Any:  # noqa: N802 - the contract's
        """Answer calls that are not there, one twice, some unreadably, and one never."""
        del request, context
        answers = [
            bundle_pb2.Answer(call=99),
            bundle_pb2.Answer(call=-1),
            bundle_pb2.Answer(call=0, response=_dispute("first")),
            bundle_pb2.Answer(call=0, response=_dispute("again")),
            bundle_pb2.Answer(call=1, code=77, message="what"),
            bundle_pb2.Answer(call=2, response=b"\xff"),
            bundle_pb2.Answer(
                call=3,
                response=_dispute("marked"),
                trailing=[bundle_pb2.Metadata(key="odd", value=b"\xff")],
            ),
        ]
        yield bundle_pb2.CarryResponse(answers=answers)


def _dispute(text: str) -> bytes:
    return disputes_pb2.Dispute(id=text).SerializeToString()


@asynccontextmanager
async def bare_server(
    servicer: Scripted, bundles: bundle_pb2_grpc.BundleServiceServicer | None
) -> AsyncIterator[tuple[Any, list[str]]]:
    """Serve without the project's server; yields a stub, and the names of the calls."""
    names: list[str] = []

    class Names(grpc.aio.ServerInterceptor):
        async def intercept_service(self, continuation: Any, details: Any) -> Any:
            names.append(details.method.rpartition("/")[2])
            return await continuation(details)

    server = grpc.aio.server(interceptors=[Names()])
    disputes_pb2_grpc.add_DisputesServiceServicer_to_server(servicer, server)
    if bundles is not None:
        bundle_pb2_grpc.add_BundleServiceServicer_to_server(bundles, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with open_channel(f"127.0.0.1:{port}") as channel:
            yield disputes_pb2_grpc.DisputesServiceStub(channel), names
    finally:
        await server.stop(None)


async def test_a_service_without_bundles_gets_each_call_alone() -> None:
    servicer = scripted(change=echoing())

    async with bare_server(servicer, None) as (stub, names):
        for _ in range(3):
            assert all(answer.id for answer in await outcomes(begin(stub, 4)))

    # It is asked for bundles once, and not again soon.
    assert names.count("Carry") == 1
    assert servicer.calls == 12


async def test_answers_that_nobody_asked_for_do_no_harm() -> None:
    servicer = scripted(change=echoing())

    async with bare_server(servicer, Stranger()) as (stub, _):
        first, unknown, unreadable, marked, unanswered = await outcomes(begin(stub, 5))

    assert (first.id, marked.id) == ("first", "marked")
    assert isinstance(unknown, DomainError)
    assert isinstance(unreadable, Internal)
    # The last was sent again, alone.
    assert unanswered.id
    assert servicer.calls == 1


async def test_reading_and_changing_go_in_one_bundle(bundles: list[int]) -> None:
    servicer = scripted(change=echoing())
    async with calling(servicer) as stub:
        read = asyncio.create_task(CALLER.call(stub.GetDispute, reading(), who=WHO))
        await outcomes([read, *begin(stub, 1)])

    assert bundles == [2]
    assert servicer.calls == 2
