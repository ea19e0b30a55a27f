"""Every call over a real socket: who, may they, is there time, is it valid; then errors."""

import asyncio
import time
import uuid
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from grpc_health.v1 import health_pb2, health_pb2_grpc
from orchestrator.disputes.v1 import disputes_pb2, disputes_pb2_grpc

from chassis import identity
from chassis.channel import open_channel
from chassis.identity import (
    ADDRESS_KEY,
    AUDIENCE,
    METADATA_KEY,
    REPLAYED_KEY,
    REQUEST_ID_KEY,
)
from chassis.status import from_rpc_error
from chassis.trust import public_text
from kernel.errors import KINDS, DomainError, InvalidArgument
from kernel.ids import new_id
from tests.identities import FOREIGN_KEY, KEYS, signer
from tests.integration.chassis.scripted import (
    Behaviour,
    Scripted,
    changing,
    reading,
    reflected,
    scripted,
    served,
)
from tests.patience import PATIENCE_SECONDS
from tests.serving import identity_of

MARKETPLACE = uuid.UUID(int=7)
OWN = KEYS["orders"]
STATUS_KEY = "grpc-status-details-bin"


def token(
    caller: str = "orders",
    *,
    key: Ed25519PrivateKey | None = None,
    scopes: frozenset[str] | None = None,
) -> str:
    who = identity_of(caller, marketplace_id=MARKETPLACE)
    if scopes is not None:
        who = identity_of(caller, marketplace_id=MARKETPLACE, scopes=scopes)
    return signer(caller, key=key).token(who)


def claims(**changes: object) -> dict[str, object]:
    known = {
        "iss": "orders",
        "aud": AUDIENCE,
        "sub": "key:1",
        "mkt": str(MARKETPLACE),
        "role": "marketplace",
        "scope": "read write",
        "uid": "",
        "exp": int(time.time()) + 60,
    }
    return {name: value for name, value in {**known, **changes}.items() if value is not None}


async def refusal(
    servicer: Scripted,
    method: str,
    request: Any,
    *,
    metadata: tuple[tuple[str, str], ...],
    timeout_seconds: float = 5,
) -> DomainError:
    """Call once and return what the service refused with."""
    async with served(servicer) as (_, address), open_channel(address) as channel:
        stub = disputes_pb2_grpc.DisputesServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await getattr(stub, method)(request, metadata=metadata, timeout=timeout_seconds)
    return from_rpc_error(failed.value)


NOBODY = {
    "no identity": "",
    "no token at all": "x",
    "signed with a key that nobody knows": token(key=FOREIGN_KEY),
    "signed with another caller's key": token(key=KEYS["gateway"]),
    "of a caller that nobody knows": jwt.encode(claims(iss="nobody"), OWN, "EdDSA"),
    "signed with the public key as a secret": jwt.encode(claims(), public_text(OWN), "HS256"),
    "expired": jwt.encode(claims(exp=int(time.time()) - 1), OWN, "EdDSA"),
    "for somebody else": jwt.encode(claims(aud="gateway"), OWN, "EdDSA"),
    "without a signature": jwt.encode(claims(), "", "none"),
    "without an end": jwt.encode(claims(exp=None), OWN, "EdDSA"),
    "without a marketplace": jwt.encode(claims(mkt=None), OWN, "EdDSA"),
    "with a marketplace that is no id": jwt.encode(claims(mkt="1"), OWN, "EdDSA"),
    "with scopes that are no text": jwt.encode(claims(scope=None), OWN, "EdDSA"),
}


@pytest.mark.parametrize("forged", NOBODY.values(), ids=NOBODY.keys())
async def test_a_call_without_a_token_is_unauthenticated(forged: str) -> None:
    servicer = scripted()
    metadata = ((METADATA_KEY, forged),) if forged else ()

    error = await refusal(servicer, "GetDispute", reading(), metadata=metadata)

    assert (error.kind, error.reason) == ("UNAUTHENTICATED", "UNAUTHORIZED")
    assert servicer.calls == 0


async def test_the_identity_arrives_as_it_was_signed() -> None:
    user_id = uuid.uuid4()
    seen: list[object] = []

    async def look(_request: Any, _context: Any) -> Any:
        found = (identity.current_request_id(), identity.current_address())
        seen.extend((identity.current(), *found))
        return disputes_pb2.Dispute()

    who = identity.Identity(
        caller="orders",
        marketplace_id=MARKETPLACE,
        principal=f"user:{user_id}",
        role="user",
        scopes=frozenset({"read", "write"}),
        user_id=user_id,
    )
    metadata = (
        (METADATA_KEY, signer("orders").token(who)),
        (REQUEST_ID_KEY, "req-7"),
        (ADDRESS_KEY, "203.0.113.7"),
    )
    async with served(scripted(change=look)) as (_, address), open_channel(address) as channel:
        stub = disputes_pb2_grpc.DisputesServiceStub(channel)
        await stub.CompleteDispute(changing(), metadata=metadata)

    assert seen == [who, "req-7", "203.0.113.7"]


async def test_a_caller_that_is_not_on_the_allow_list_is_refused() -> None:
    servicer = scripted()

    error = await refusal(
        servicer, "CompleteDispute", changing(), metadata=((METADATA_KEY, token("gateway")),)
    )

    assert (error.kind, error.reason) == ("PERMISSION_DENIED", "CALLER_NOT_ALLOWED")
    assert servicer.calls == 0


async def test_a_method_without_a_line_is_refused_to_all() -> None:
    request = disputes_pb2.AssignDisputeRequest(
        request_id="1", dispute_id=str(new_id()), agent_id="1"
    )

    error = await refusal(
        scripted(), "AssignDispute", request, metadata=((METADATA_KEY, token("orders")),)
    )

    assert (error.kind, error.reason) == ("PERMISSION_DENIED", "CALLER_NOT_ALLOWED")


@pytest.mark.parametrize("role", ["user", "admin", "none", "", "Marketplace"])
async def test_a_line_without_roles_admits_only_marketplaces(role: str) -> None:
    servicer = scripted()
    who = identity.Identity(
        caller="gateway",
        marketplace_id=MARKETPLACE,
        principal="somebody",
        role=role,
        scopes=frozenset({"read", "write", "support", "admin"}),
        user_id=uuid.uuid4(),
    )
    metadata = ((METADATA_KEY, signer("gateway").token(who)),)

    error = await refusal(servicer, "GetDispute", reading(), metadata=metadata)

    assert (error.kind, error.reason) == ("PERMISSION_DENIED", "CALLER_NOT_ALLOWED")
    assert error.details == {"role": role, "allowed_roles": ["marketplace", "system"]}
    assert servicer.calls == 0


async def test_a_missing_scope_is_reported_with_the_current_ones() -> None:
    servicer = scripted()
    reader = token(scopes=frozenset({"read"}))

    error = await refusal(
        servicer, "CompleteDispute", changing(), metadata=((METADATA_KEY, reader),)
    )

    assert (error.kind, error.reason) == ("PERMISSION_DENIED", "INSUFFICIENT_SCOPE")
    assert error.details == {"required_scope": "write", "current_scopes": ["read"]}
    assert servicer.calls == 0


async def test_work_is_not_begun_when_there_is_no_time_for_it() -> None:
    servicer = scripted()

    error = await refusal(
        servicer,
        "CompleteDispute",
        changing(),
        metadata=((METADATA_KEY, token()),),
        timeout_seconds=0.09,
    )

    assert error.kind == "DEADLINE_EXCEEDED"
    assert servicer.calls == 0


async def test_a_broken_field_rule_never_reaches_the_servicer() -> None:
    servicer = scripted()
    request = disputes_pb2.CompleteDisputeRequest(request_id="", dispute_id="1")

    error = await refusal(servicer, "CompleteDispute", request, metadata=((METADATA_KEY, token()),))

    assert isinstance(error, InvalidArgument)
    assert [path for path, _ in error.fields] == ["request_id", "dispute_id"]
    assert servicer.calls == 0


def raising(error: Exception) -> Behaviour:
    async def behave(_request: Any, _context: Any) -> Any:
        raise error

    return behave


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
@pytest.mark.parametrize("method", ["GetDispute", "CompleteDispute"])
async def test_every_kind_of_refusal_arrives_whole(kind: type[DomainError], method: str) -> None:
    details = {"orderId": "ord_1", "allowedStates": ["A", "B"], "retryAfter": 3}
    error = kind("Größe 7 is not there", reason="NO_SUCH_SIZE", details=details)
    request = reading() if method == "GetDispute" else changing()
    servicer = scripted(read=raising(error), change=raising(error))

    arrived = await refusal(servicer, method, request, metadata=((METADATA_KEY, token()),))

    assert type(arrived) is kind
    assert (arrived.reason, arrived.message) == ("NO_SUCH_SIZE", "Größe 7 is not there")
    assert arrived.details == details


async def test_the_wrong_fields_arrive_with_their_problems() -> None:
    fields = (("amount", "must be positive"), ("items[1].name", "is required"))
    servicer = scripted(read=raising(InvalidArgument("No", fields=fields)))

    error = await refusal(servicer, "GetDispute", reading(), metadata=((METADATA_KEY, token()),))

    assert isinstance(error, InvalidArgument)
    assert error.fields == fields


async def test_an_internal_error_is_sent_without_details() -> None:
    servicer = scripted(read=raising(RuntimeError("postgresql://me:hunter2@db")))
    async with served(servicer) as (_, address), open_channel(address) as channel:
        stub = disputes_pb2_grpc.DisputesServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await stub.GetDispute(reading(), metadata=((METADATA_KEY, token()),))

    error = from_rpc_error(failed.value)
    assert failed.value.code() is grpc.StatusCode.INTERNAL
    assert (error.kind, error.reason) == ("INTERNAL", "INTERNAL_ERROR")
    assert error.details == {}
    assert "hunter2" not in str(failed.value.debug_error_string()) + str(
        failed.value.trailing_metadata()
    )


async def test_a_stored_refusal_is_marked_as_replayed() -> None:
    error = KINDS["FAILED_PRECONDITION"]("Not now")
    error.replayed = True
    async with (
        served(scripted(change=raising(error))) as (_, address),
        open_channel(address) as channel,
    ):
        stub = disputes_pb2_grpc.DisputesServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await stub.CompleteDispute(changing(), metadata=((METADATA_KEY, token()),))

    trailing = dict(failed.value.trailing_metadata() or ())
    assert trailing[REPLAYED_KEY] == "true"
    assert STATUS_KEY in trailing


async def test_a_client_that_disconnects_does_not_cancel_a_change() -> None:
    may_end, has_ended = asyncio.Event(), asyncio.Event()

    async def slow(_request: Any, _context: Any) -> Any:
        await may_end.wait()
        has_ended.set()
        return disputes_pb2.Dispute()

    servicer = scripted(change=slow)
    async with served(servicer) as (_, address), open_channel(address) as channel:
        stub = disputes_pb2_grpc.DisputesServiceStub(channel)
        call = stub.CompleteDispute(changing(), metadata=((METADATA_KEY, token()),))
        await servicer.called.wait()
        call.cancel()
        assert await call.code() is grpc.StatusCode.CANCELLED
        may_end.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await has_ended.wait()


async def test_stopping_waits_for_the_change_of_a_disconnected_client() -> None:
    may_end, has_ended = asyncio.Event(), asyncio.Event()

    async def slow(_request: Any, _context: Any) -> Any:
        await may_end.wait()
        has_ended.set()
        return disputes_pb2.Dispute()

    servicer = scripted(change=slow)
    async with served(servicer) as (server, address), open_channel(address) as channel:
        stub = disputes_pb2_grpc.DisputesServiceStub(channel)
        call = stub.CompleteDispute(changing(), metadata=((METADATA_KEY, token()),))
        await servicer.called.wait()
        call.cancel()
        await call.code()
        stopping = asyncio.create_task(server.stop(grace_seconds=0))
        done, _ = await asyncio.wait({stopping}, timeout=0.2)
        assert not done
        may_end.set()
        await stopping

    assert has_ended.is_set()


async def test_stopping_lets_calls_in_flight_end() -> None:
    may_end = asyncio.Event()

    async def slow(_request: Any, _context: Any) -> Any:
        await may_end.wait()
        return disputes_pb2.Dispute(id="done")

    servicer = scripted(change=slow)
    async with served(servicer) as (server, address), open_channel(address) as channel:
        stub = disputes_pb2_grpc.DisputesServiceStub(channel)
        call = stub.CompleteDispute(changing(), metadata=((METADATA_KEY, token()),))
        await servicer.called.wait()
        stopping = asyncio.create_task(server.stop(grace_seconds=5))
        may_end.set()
        assert (await call).id == "done"
        await stopping


async def test_health_needs_no_identity_and_tells_ready_from_alive() -> None:
    name = "orchestrator.disputes.v1.DisputesService"

    async with served(scripted()) as (server, address), open_channel(address) as channel:
        health = health_pb2_grpc.HealthStub(channel)

        async def said() -> dict[str, str]:
            answers = {}
            for service in ("", name, "liveness"):
                checked = await health.Check(health_pb2.HealthCheckRequest(service=service))
                status = health_pb2.HealthCheckResponse.ServingStatus.Name(checked.status)
                answers[service] = status
            return answers

        before = await said()
        await server.set_ready(ready=True)
        after = await said()

    assert before == {"": "NOT_SERVING", name: "NOT_SERVING", "liveness": "SERVING"}
    assert after == {"": "SERVING", name: "SERVING", "liveness": "SERVING"}


async def test_reflection_is_served_only_if_configured() -> None:
    async with served(scripted(), with_reflection=True) as (_, address):
        assert "orchestrator.disputes.v1.DisputesService" in await reflected(address)
    async with served(scripted()) as (_, address):
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await reflected(address)
        assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_message_that_is_too_large_is_refused() -> None:
    request = disputes_pb2.CompleteDisputeRequest(request_id="x" * 1_100_000)

    error = await refusal(
        scripted(), "CompleteDispute", request, metadata=((METADATA_KEY, token()),)
    )

    assert error.kind == "INTERNAL", "it is no limit of the caller's rate"


async def test_a_taken_port_is_an_error() -> None:
    async with served(scripted()) as (_, address):
        with pytest.raises(OSError, match="cannot listen"):
            async with served(scripted(), port=int(address.rpartition(":")[2])):
                pass
