"""The gateway and its key tool as processes."""

import subprocess
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from deploy.local.ports import answers, free_port
from deploy.local.process import Command, Process, python_module
from deploy.local.settings import ROOT, child_environment
from gateway import keys as key_format
from gateway.settings import GatewaySettings
from tests.identities import key_file, tls_settings

from .conftest import PEPPER
from .test_access import bearer


def environment(settings: GatewaySettings, **changed: str) -> dict[str, str]:
    own = {
        "DATABASE_URL": settings.database_url,
        "NATS_URL": settings.nats_url,
        "IDENTITY_KEY_FILE": str(key_file("gateway")),
        "API_KEY_PEPPER": PEPPER,
        "ORDERS_ADDRESS": settings.orders_address,
        "LEDGER_ADDRESS": settings.ledger_address,
        "ESCROW_ADDRESS": settings.escrow_address,
        "DISPUTES_ADDRESS": settings.disputes_address,
        "WEBHOOKS_ADDRESS": settings.webhooks_address,
    }
    return child_environment(**(own | changed))


def run(settings: GatewaySettings, *arguments: str, **changed: str) -> tuple[int, str, str]:
    done = subprocess.run(
        python_module(*arguments),
        env=environment(settings, **changed),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def own_process(
    settings: GatewaySettings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Process, str]]:
    """A gateway in a process of its own, and its URL."""
    port = free_port()
    command = Command(
        name="gateway",
        argv=python_module("gateway"),
        environment=environment(settings, GATEWAY_PORT=str(port)),
        folder=ROOT,
    )
    running = Process(command, tmp_path_factory.mktemp("gateway") / "gateway.log")
    running.wait_until(lambda: answers(port), timeout_seconds=60)
    yield running, f"http://127.0.0.1:{port}"
    running.stop(timeout_seconds=30)


@pytest.fixture
def process(own_process: tuple[Process, str]) -> str:
    """The URL of a gateway in a process of its own."""
    return own_process[1]


def test_nats_without_authentication_is_refused_in_production(settings: GatewaySettings) -> None:
    certified = tls_settings("gateway")
    code, _, said = run(settings, "gateway", ENV="prod", **certified)

    refused = "gateway: setting NATS_URL must name a user and a password where ENV=prod\n"
    assert (code, said) == (2, refused)


def test_plain_text_calls_to_services_are_refused_in_production(settings: GatewaySettings) -> None:
    code, _, said = run(settings, "gateway", ENV="prod")

    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith("gateway: setting TLS_CERT_FILE must be set where ENV=prod")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IDENTITY_KEY_FILE", "/nowhere"),
        ("API_KEY_PEPPER", ""),
        ("ORDERS_ADDRESS", "nowhere"),
        ("GATEWAY_PORT", "0"),
        ("DATABASE_URL", "mysql://x"),
    ],
)
def test_a_wrong_setting_ends_the_start_with_one_line_that_names_it(
    settings: GatewaySettings, name: str, value: str
) -> None:
    code, _, said = run(settings, "gateway", **{name: value})

    assert code == 2
    assert said.startswith(f"gateway: setting {name}: ")
    assert said.count("\n") == 1


def test_a_taken_port_ends_the_start(settings: GatewaySettings, process: str) -> None:
    code, _, said = run(settings, "gateway", GATEWAY_PORT=process.rpartition(":")[2])

    assert code == 1
    assert said.splitlines()[-1].startswith("gateway: [Errno")


def test_gateway_accepts_a_key_created_by_the_tool(settings: GatewaySettings, process: str) -> None:
    code, said, _ = run(
        settings, "gateway.keytool", "create", "--marketplace", "tool", "--scopes", "read,write"
    )
    key = said.strip()
    me = httpx.get(f"{process}/api/v1/me", headers=bearer(key))

    assert code == 0
    assert me.json()["data"]["scopes"] == ["read", "write"]

    revoked = run(
        settings,
        "gateway.keytool",
        "revoke",
        key_format.id_of(key) or "",
        "--marketplace",
        "tool",
    )
    assert revoked[0] == 0


@pytest.mark.parametrize("scopes", ["", "read,root", "READ"])
def test_the_tool_knows_four_scopes(settings: GatewaySettings, scopes: str) -> None:
    code, said, _ = run(
        settings, "gateway.keytool", "create", "--marketplace", "tool", "--scopes", scopes
    )

    assert (code, said) == (2, "")


@pytest.mark.parametrize(
    "name",
    ["all", str(uuid.UUID(int=1)), uuid.UUID(int=1).hex, "0-0" + "1" * 30 + "--", "A", "a_b", ""],
)
def test_a_name_that_means_other_marketplaces_is_refused(
    settings: GatewaySettings, name: str
) -> None:
    code, said, _ = run(
        settings, "gateway.keytool", "create", "--marketplace", name, "--scopes", "read"
    )

    assert (code, said) == (2, "")


@pytest.mark.parametrize("name", ["alls", "a" * 33, "0" * 31, "x" + "0" * 32])
def test_a_name_similar_to_a_reserved_one_is_accepted(settings: GatewaySettings, name: str) -> None:
    code, _, _ = run(
        settings, "gateway.keytool", "create", "--marketplace", name, "--scopes", "read"
    )

    assert code == 0


def test_sigterm_ends_open_streams_and_then_the_process(
    settings: GatewaySettings, own_process: tuple[Process, str]
) -> None:
    running, url = own_process
    made = run(settings, "gateway.keytool", "create", "--marketplace", "tool", "--scopes", "read")
    headers = bearer(made[1].strip())

    with httpx.stream("GET", f"{url}/api/v1/events", headers=headers, timeout=15) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "event: ping"
        # Longer than the client waits for the end of an open stream.
        with ThreadPoolExecutor(1) as pool:
            stopping = pool.submit(running.stop, timeout_seconds=60)
            assert set(lines) <= {"data: {}", "event: ping", ""}

            assert stopping.result() == 0
