"""A service as a process: it starts or says in one line why not, and stops when it is told to."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.channel import open_channel
from chassis.tls import certificates
from deploy.local.ports import free_port
from tests.conftest import TestDatabase
from tests.identities import TRUST_FILE, tls_settings
from tests.integration.chassis.scripted import reflected
from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[3]
SERVING = health_pb2.HealthCheckResponse.SERVING


def environment(**settings: str) -> dict[str, str]:
    """Return what a service needs to start, with some settings changed; empty: left out."""
    known = {
        "PATH": os.defpath,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}",
        "DATABASE_URL": f"postgresql://disputes@127.0.0.1:{free_port()}/none",
        "NATS_URL": f"nats://127.0.0.1:{free_port()}",
        "TRUST_FILE": str(TRUST_FILE),
        "GRPC_PORT": str(free_port()),
    }
    return {name: value for name, value in {**known, **settings}.items() if value}


@contextmanager
def started(settings: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Start disputes; it is killed where the test has not ended it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "services.disputes"],
        env=settings,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(settings: dict[str, str]) -> tuple[int, str]:
    """Start disputes and wait for its end; returns exit code and what it said."""
    with started(settings) as process:
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
        return process.returncode, said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRUST_FILE", "/hunter2"),
        ("TRUST_FILE", __file__),
        ("TRUST_FILE", ""),
        ("DATABASE_URL", "mysql://hunter2@db/x"),
        ("DATABASE_URL", ""),
        ("GRPC_PORT", "hunter2"),
        ("GRPC_PORT", ""),
        ("NATS_URL", "http://hunter2"),
        ("NATS_URL", "nats://me:hunter2@a:4222,nats://you:hunter3@b:4222"),
        ("NATS_URL", "nats://a:4222,hunter2"),
        ("ENV", "hunter2"),
    ],
)
def test_a_wrong_setting_stops_the_start_in_one_line_that_names_it(name: str, value: str) -> None:
    code, said = ended(environment(**{name: value}))

    assert code == 2
    assert said.count("\n") == 1
    assert said.startswith(f"disputes: setting {name}: ")
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("tls://a:4222,tls://b:4222", "must name a user and a password"),
        ("nats://me:word@a:4222", "must begin with tls://"),
    ],
)
def test_in_production_nats_without_credentials_is_refused(url: str, why: str) -> None:
    code, said = ended(environment(NATS_URL=url, ENV="prod", **tls_settings("disputes")))

    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith(f"disputes: setting NATS_URL {why}")


def test_in_production_nothing_is_served_in_plain_text() -> None:
    code, said = ended(environment(NATS_URL="tls://me:word@a:4222", ENV="prod"))

    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith("disputes: setting TLS_CERT_FILE must be set where ENV=prod")


@pytest.mark.parametrize("wrong", ["missing", "another's key"])
def test_a_certificate_without_its_key_stops_the_start(wrong: str) -> None:
    settings = tls_settings("disputes")
    settings["TLS_KEY_FILE"] = "" if wrong == "missing" else tls_settings("orders")["TLS_KEY_FILE"]

    code, said = ended(environment(**settings))

    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith("disputes: setting TLS_CERT_FILE")


def test_a_taken_port_stops_the_start_and_is_named(
    database_url: Callable[..., str], nats_url: str
) -> None:
    settings = environment(DATABASE_URL=database_url("disputes"), NATS_URL=nats_url)

    with started(settings) as first:
        assert first.stderr is not None
        assert "service.started" in first.stderr.readline()
        code, said = ended(settings)

    assert code == 1
    # gRPC's own line comes before.
    refused = f"disputes: cannot listen on 127.0.0.1:{settings['GRPC_PORT']}"
    assert said.splitlines()[-1] == refused


async def health_of(port: str) -> int:
    """Ask a process whether calls are welcome; waits until it listens."""
    async with open_channel(f"127.0.0.1:{port}") as channel:
        answer: health_pb2.HealthCheckResponse = await health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=PATIENCE_SECONDS
        )
        return int(answer.status)


async def until_serving(port: str) -> None:
    """Wait until calls are welcome."""
    async with open_channel(f"127.0.0.1:{port}") as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=PATIENCE_SECONDS
        )
        async for answer in watch:
            if answer.status == SERVING:
                return


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_service_stops_with_exit_code_0_on_sigterm(
    database: TestDatabase, nats_url: str, number: signal.Signals
) -> None:
    settings = environment(DATABASE_URL=database.url("disputes"), NATS_URL=nats_url)

    with started(settings) as process:
        await until_serving(settings["GRPC_PORT"])
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 0
    assert "service.stopped" in said.splitlines()[-1]


async def test_without_its_database_it_is_alive_and_not_ready() -> None:
    settings = environment()

    with started(settings) as process:
        status = await health_of(settings["GRPC_PORT"])
        process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)

    assert status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert process.returncode == 0


async def test_without_nats_it_serves(database: TestDatabase) -> None:
    settings = environment(DATABASE_URL=database.url("disputes"))

    with started(settings) as process:
        await until_serving(settings["GRPC_PORT"])
        process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 0


async def test_in_production_there_is_no_reflection(database: TestDatabase, nats_url: str) -> None:
    named = nats_url.replace("nats://", "tls://disputes:password@")
    health_port = str(free_port())
    settings = environment(
        DATABASE_URL=database.url("disputes"),
        NATS_URL=named,
        ENV="prod",
        HEALTH_PORT=health_port,
        **tls_settings("disputes"),
    )
    mine = {name: Path(value) for name, value in tls_settings("orders").items()}
    own = certificates(
        certificate=mine["TLS_CERT_FILE"], key=mine["TLS_KEY_FILE"], authority=mine["TLS_CA_FILE"]
    )

    with started(settings):
        await until_serving(health_port)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await reflected(f"127.0.0.1:{settings['GRPC_PORT']}", own=own)

    # The stream is refused while the client still writes to it: grpc calls that INTERNAL at times.
    assert failed.value.code() in {grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INTERNAL}
