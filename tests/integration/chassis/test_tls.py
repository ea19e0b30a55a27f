"""TLS between programs: unknown programs, and programs with another's identity, are refused."""

import asyncio
import socket
import ssl
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc
from orchestrator.disputes.v1 import disputes_pb2, disputes_pb2_grpc

from chassis import watched
from chassis.channel import Caller, open_channel
from chassis.identity import system
from chassis.tls import Certificates, certificates
from deploy.local.authority import Authority, Files, Pair, write
from kernel.errors import DomainError, Unauthenticated, Unavailable
from tests.identities import KEYS, signer
from tests.integration.chassis.scripted import reading, scripted, served
from tests.patience import PATIENCE_SECONDS

WHO = system(caller="orders", marketplace_id=uuid.UUID(int=7))
CALLERS_AT_ONCE = 32
REPLACEMENTS = 4


@dataclass
class House:
    """An authority and the files of the programs that it knows."""

    folder: Path
    authority: Authority = field(default_factory=lambda: Authority.new()[0])

    def certificates(
        self, program: str, *, name: str = "", pair: Pair | None = None
    ) -> Certificates:
        """Watch a program's files. name: what its certificate says; pair: another certificate."""
        files = self.files(program)
        files.authority.write_text(self.authority.certificate)
        write(files, pair or self.authority.issue(name or program))
        return certificates(certificate=files.certificate, key=files.key, authority=files.authority)

    def files(self, program: str) -> Files:
        """Return where the files of a program are."""
        return Files(
            certificate=self.folder / f"{program}.pem",
            key=self.folder / f"{program}.key",
            authority=self.folder / "ca.pem",
        )


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A house of its own."""
    return House(tmp_path)


@asynccontextmanager
async def disputes(house: House, **changed: Any) -> AsyncIterator[str]:
    """Serve disputes over TLS; yields host:port."""
    own = house.certificates("disputes", **changed)
    async with served(scripted(), own=own) as (_, address):
        yield address


async def ask(
    address: str,
    *,
    own: Certificates | None,
    peer: str = "disputes",
    as_: str = "orders",
    key: Any = None,
) -> Any:
    """Call once. Raises: DomainError; Unavailable where there was no handshake."""
    async with open_channel(address, peer=peer, own=own) as channel:
        stub = disputes_pb2_grpc.DisputesServiceStub(channel)
        who = system(caller=as_, marketplace_id=WHO.marketplace_id)
        return await Caller(signer(as_, key=key)).call(stub.GetDispute, reading(), who=who)


async def refusal(*given: Any, **named: Any) -> DomainError:
    with pytest.raises(DomainError) as refused:
        await ask(*given, **named)
    return refused.value


async def test_a_caller_with_its_own_certificate_and_token_is_served(house: House) -> None:
    async with disputes(house) as address:
        answer = await ask(address, own=house.certificates("orders"))

    assert answer == disputes_pb2.Dispute()


async def test_a_client_of_another_authority_is_refused(house: House) -> None:
    async with disputes(house) as address:
        foreign = house.certificates("orders", pair=Authority.new()[0].issue("orders"))
        error = await refusal(address, own=foreign)

    assert isinstance(error, Unavailable)


async def test_a_client_with_an_expired_certificate_is_refused(house: House) -> None:
    async with disputes(house) as address:
        expired = house.certificates("orders", pair=house.authority.issue("orders", days=-0.01))
        error = await refusal(address, own=expired)

    assert isinstance(error, Unavailable)


async def test_a_client_without_a_certificate_is_refused(house: House) -> None:
    async with disputes(house) as address:
        roots = house.authority.certificate.encode()
        nobody = grpc.ssl_channel_credentials(root_certificates=roots)
        options = [("grpc.ssl_target_name_override", "disputes")]
        async with grpc.aio.secure_channel(address, nobody, options=options) as channel:
            stub = disputes_pb2_grpc.DisputesServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.GetDispute(reading(), timeout=PATIENCE_SECONDS)

    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_client_in_plain_text_is_refused(house: House) -> None:
    async with disputes(house) as address:
        error = await refusal(address, own=None)

    assert isinstance(error, Unavailable)


@pytest.mark.parametrize(
    "served_by",
    ["another name", "another authority", "an expired certificate"],
)
async def test_a_server_with_the_certificate_of_another_program_is_refused(
    house: House, served_by: str
) -> None:
    own = house.certificates("orders")
    pair = {
        "another name": house.authority.issue("ledger"),
        "another authority": Authority.new()[0].issue("disputes"),
        "an expired certificate": house.authority.issue("disputes", days=-0.01),
    }[served_by]

    async with disputes(house, pair=pair) as address:
        error = await refusal(address, own=own)

    assert isinstance(error, Unavailable)


async def test_a_service_that_signs_as_another_with_its_own_key_is_refused(house: House) -> None:
    async with disputes(house) as address:
        own = house.certificates("orders")
        error = await refusal(address, own=own, as_="gateway", key=KEYS["orders"])

    assert isinstance(error, Unauthenticated)


async def test_a_service_with_the_token_of_another_is_refused(house: House) -> None:
    async with disputes(house) as address:
        # The token is the gateway's, signed with the gateway's key: only the connection is not.
        error = await refusal(address, own=house.certificates("orders"), as_="gateway")

    assert isinstance(error, Unauthenticated)
    assert "certificate" in error.message


async def test_a_caller_with_a_certificate_without_a_program_is_refused(house: House) -> None:
    async with disputes(house) as address:
        error = await refusal(address, own=house.certificates("orders", name="elsewhere"))

    assert isinstance(error, Unauthenticated)


def test_a_key_of_another_certificate_is_refused(house: House) -> None:
    one, other = house.authority.issue("orders"), house.authority.issue("orders")

    with pytest.raises(ValueError, match="the key does not belong to the certificate"):
        house.certificates("orders", pair=Pair(certificate=one.certificate, key=other.key))


def shown(address: str, house: House) -> int:
    """Return the serial number of the certificate that a server shows to a new connection."""
    host, _, port = address.rpartition(":")
    context = ssl.create_default_context(cadata=house.authority.certificate)
    mine = house.files("orders")
    context.load_cert_chain(mine.certificate, mine.key)
    context.set_alpn_protocols(["h2"])
    context.check_hostname = False
    with (
        socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname="disputes") as connection,
    ):
        found = connection.getpeercert(binary_form=True)
    assert found is not None
    return x509.load_der_x509_certificate(found).serial_number


def serial_of(pair: Pair) -> int:
    return x509.load_pem_x509_certificate(pair.certificate.encode()).serial_number


async def test_certificates_are_replaced_under_load_and_no_call_fails(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "LOOK_SECONDS", 0.0)
    own = house.certificates("orders")
    done, stop, moved = 0, asyncio.Event(), asyncio.Event()

    async def work(stub: Any) -> None:
        nonlocal done
        caller = Caller(signer("orders"))
        while not stop.is_set():
            await caller.call(stub.GetDispute, reading(), who=WHO)
            done += 1
            moved.set()

    async def more(count: int) -> None:
        until = done + count
        async with asyncio.timeout(PATIENCE_SECONDS):
            while done < until and not any(task.done() for task in tasks):
                moved.clear()
                await moved.wait()

    async with (
        disputes(house) as address,
        open_channel(address, peer="disputes", own=own) as channel,
    ):
        stub = disputes_pb2_grpc.DisputesServiceStub(channel)
        tasks = [asyncio.create_task(work(stub)) for _ in range(CALLERS_AT_ONCE)]
        served_with = set()
        for _ in range(REPLACEMENTS):
            await more(2 * CALLERS_AT_ONCE)
            of_server, of_client = (house.authority.issue(name) for name in ("disputes", "orders"))
            write(house.files("disputes"), of_server)
            write(house.files("orders"), of_client)
            await more(2 * CALLERS_AT_ONCE)
            served_with.add(await asyncio.to_thread(shown, address, house))
            assert serial_of(of_server) in served_with
        stop.set()
        await asyncio.gather(*tasks)

    assert len(served_with) == REPLACEMENTS


async def test_calls_use_a_channel_with_the_new_certificate(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    # The client is refused with a certificate that names no program, and served after its renewal.
    own = house.certificates("orders", name="elsewhere")
    async with (
        disputes(house) as address,
        open_channel(address, peer="disputes", own=own) as channel,
    ):
        caller = Caller(signer("orders"))
        stub = disputes_pb2_grpc.DisputesServiceStub(channel)
        with pytest.raises(Unauthenticated):
            await caller.call(stub.GetDispute, reading(), who=WHO)

        write(house.files("orders"), house.authority.issue("orders"))
        now += watched.LOOK_SECONDS

        assert await caller.call(stub.GetDispute, reading(), who=WHO) == disputes_pb2.Dispute()


async def test_only_health_checks_are_served_without_tls(house: House) -> None:
    own = house.certificates("disputes")
    async with served(scripted(), own=own) as (server, _):
        port = await server.start_probes(host="127.0.0.1", port=0)
        async with open_channel(f"127.0.0.1:{port}") as channel:
            health = health_pb2_grpc.HealthStub(channel)
            alive = await health.Check(health_pb2.HealthCheckRequest(service="liveness"))
            ready = await health.Check(health_pb2.HealthCheckRequest())
            await server.set_ready(ready=True)
            then = await health.Check(health_pb2.HealthCheckRequest())
            stub = disputes_pb2_grpc.DisputesServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.GetDispute(reading())

    status = health_pb2.HealthCheckResponse
    assert [alive.status, ready.status, then.status] == [
        status.SERVING,
        status.NOT_SERVING,
        status.SERVING,
    ]
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
