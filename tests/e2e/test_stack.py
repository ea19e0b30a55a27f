"""The embedded stack: what it prints, its settings, and its end when it is killed."""

import contextlib
import os
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg
import pytest

from deploy.local import credentials, postgres, state
from deploy.local.devnet import Devnet
from deploy.local.nats import NatsServer
from deploy.local.ports import answers, free_port
from deploy.local.postgres import NOT_DURABLE, PostgresServer
from deploy.local.postgres_place import Place
from deploy.local.settings import ROOT, StackSettings, child_environment
from deploy.local.stack import Stack, chain_settings
from tests.patience import PATIENCE_SECONDS
from tests.running_stack import RunningStack, new_purchase, running_stack, wait_for


def is_alive(pid: int) -> bool:
    """Tell whether a process runs (a zombie whose parent is gone is soon reaped by init)."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


@pytest.mark.parametrize(
    ("name", "environment"), [("apiKey", "live"), ("testKey", "test")], ids=["live", "test"]
)
def test_printed_keys_are_accepted_and_have_every_scope(
    stack: RunningStack, name: str, environment: str
) -> None:
    key = stack.document[name]

    me = who(stack, key)

    assert key.startswith(f"ohk_{environment}_")
    assert (me["marketplace"], me["environment"]) == ("demo", environment)
    assert set(me["scopes"]) == {"read", "write", "support", "admin"}
    assert key in stack.process.log()


def who(stack: RunningStack, key: str) -> dict[str, Any]:
    """Return the marketplace and scopes of a key."""
    answer = httpx.get(f"{stack.url}/api/v1/me", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


def test_the_date_of_answers_goes_on(stack: RunningStack) -> None:
    def date() -> str:
        return httpx.get(f"{stack.url}/api/v1/health").headers["date"]

    first = date()
    wait_for(lambda: date() != first)
    assert date() != first


def make(target: str, run_dir: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a make target."""
    return subprocess.run(
        ["make", target, *words],
        env=child_environment(RUN_DIR=str(run_dir)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_marketplace_is_created_with_its_first_key(stack: RunningStack) -> None:
    live = make("key", stack.run_dir, "MARKETPLACE=corner-shop", "SCOPES=read,write")
    test = make("key", stack.run_dir, "MARKETPLACE=corner-shop:test")
    wrong = make("key", stack.run_dir, "MARKETPLACE=Corner Shop")

    assert (live.returncode, test.returncode) == (0, 0), live.stderr + test.stderr
    first, second = who(stack, live.stdout.strip()), who(stack, test.stdout.strip())
    assert (first["marketplace"], first["environment"]) == ("corner-shop", "live")
    assert (second["marketplace"], second["environment"]) == ("corner-shop", "test")
    assert first["scopes"] == ["read", "write"]
    assert first["marketplaceId"] != second["marketplaceId"]
    assert wrong.returncode != 0
    assert "a name has a-z, 0-9 and hyphens" in wrong.stderr


def test_stack_json_is_readable_by_its_owner_only(stack: RunningStack) -> None:
    for name in ("stack.json", "credentials.json"):
        assert (stack.run_dir / name).stat().st_mode & 0o777 == 0o600


def test_postgres_fsync_can_be_turned_off(
    stack: RunningStack,
) -> None:
    with psycopg.connect(stack.document["databaseUrl"]) as connection:
        assert connection.execute("show fsync").fetchone() == ("off",)


def test_postgres_fsync_is_on_by_default(tmp_path: Path) -> None:
    usual = StackSettings(
        run_dir=tmp_path,
        port_base=1,
        database_url="",
        nats_url="",
        stellar_rpc_url="",
        environment={},
    )

    assert Stack(usual, say=print)._postgres.options == ()


def test_nats_refuses_anonymous_clients(stack: RunningStack) -> None:
    address = urlsplit(stack.document["natsUrl"])
    believed = ssl.create_default_context(cafile=stack.document["natsCaFile"])
    where = ("127.0.0.1", address.port or 0)
    with socket.create_connection(where, timeout=PATIENCE_SECONDS) as plain:
        plain.recv(4096)
        with believed.wrap_socket(plain, server_hostname="127.0.0.1") as client:
            client.sendall(b'CONNECT {"verbose":false}\r\nPING\r\n')
            answer = client.recv(4096)

    assert answer.startswith(b"-ERR 'Authorization Violation'")


def owners_of_secrets(stack: RunningStack) -> Mapping[str, tuple[set[str], set[str]]]:
    """List each secret with the programs that have it in their environment, and that should."""
    known = credentials.load(stack.run_dir)
    house = {"orders", "ledger", "escrow", "disputes", "webhooks", "gateway"}
    owners: Mapping[str, set[str]] = {
        known.api_key_pepper: {"gateway"},
        known.token_secret: {"gateway"},
        known.event_signing_key: {"escrow"},
        known.webhook_key: {"webhooks"},
        known.api_key: set(),
        **{password: {user} & house for user, password in known.nats.items()},
    }
    pids = stack.document["pids"]
    environments = {name: Path(f"/proc/{pid}/environ").read_bytes() for name, pid in pids.items()}
    return {
        secret: ({name for name, text in environments.items() if secret.encode() in text}, theirs)
        for secret, theirs in owners.items()
    }


@pytest.mark.slow
def test_killed_supervisor_leaves_no_process_and_the_next_one_starts(
    session_folder: Path,
) -> None:
    folder = session_folder / "killed"
    # Each program is started by itself, and not forked.
    with running_stack(folder, FORK_PROGRAMS="off") as first:
        document = first.document
        having = owners_of_secrets(first)
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.stop()
        wait_for(lambda: not any(map(is_alive, document["pids"].values())), seconds=60)
        left = state.was_killed(first.run_dir)
        ports = [int(url.rpartition(":")[2]) for url in (document["url"], document["natsUrl"])]
        listening = [port for port in ports if answers(port)]

    assert left
    assert listening == []
    # No process has a secret of another in its environment.
    assert all(found == theirs for found, theirs in having.values()), having.values()
    assert not (folder / "run" / "postgres").exists()


@pytest.mark.slow
def test_restart_keeps_keys_and_data(session_folder: Path) -> None:
    folder = session_folder / "restarted"
    body = {"externalUserId": "kept", "id": "kept", "type": "BUYER"}
    try:
        with running_stack(folder, keep=True, FORK_PROGRAMS="off") as first:
            key = first.document["apiKey"]
            headers = {"Authorization": f"Bearer {key}"}
            made = httpx.post(f"{first.url}/api/v1/users", json=body, headers=headers, timeout=60)
            assert made.status_code == 201, made.text
        assert first.process.exit_code() == 0, first.process.log_tail()

        with running_stack(folder, keep=True) as second:
            found = httpx.get(f"{second.url}/api/v1/users/kept", headers=headers, timeout=60)
            assert found.json()["data"]["externalUserId"] == "kept"
            assert second.document["apiKey"] == key
    finally:
        postgres.remove(folder / "run" / "postgres")


def test_forked_programs_have_their_names_and_no_setting_of_another(tmp_path: Path) -> None:
    try:
        with running_stack(tmp_path, API_KEY_PEPPER="pepper-" * 8) as stack:
            pids = stack.document["pids"]
            programs = {name: pids[name] for name in ("gateway", *stack.document["services"])}
            named = {name: psutil.Process(pid).cmdline() for name, pid in programs.items()}
            loaders = {psutil.Process(pid).ppid() for pid in programs.values()}
            leaking = [
                pid
                for pid in {*programs.values(), *loaders}
                if b"pepper-" in Path(f"/proc/{pid}/environ").read_bytes()
            ]
    finally:
        postgres.remove(tmp_path / "run" / "postgres")

    modules = {name: "gateway" if name == "gateway" else f"services.{name}" for name in programs}
    assert {name: " ".join(line).strip() for name, line in named.items()} == {
        name: f"python -m {module}" for name, module in modules.items()
    }
    assert len(loaders) == 1
    assert leaking == []


def test_invalid_setting_of_a_part_is_reported_in_one_line(session_folder: Path) -> None:
    folder = session_folder / "wrong"
    with contextlib.suppress(Exception), running_stack(folder, PROVIDER_FEES="banana") as refused:
        assert refused.document == {}, "the stack started"

    log = (folder / "stack.log").read_text()
    named = [line for line in log.splitlines() if "PROVIDER_FEES" in line]
    assert len(named) == 1
    assert named[0].startswith("escrow: setting PROVIDER_FEES: ")
    assert "banana" not in log


@pytest.mark.slow
async def test_external_parts_replace_the_embedded_ones(
    session_folder: Path, own_nats_server: NatsServer, own_devnet: Devnet
) -> None:
    folder = session_folder / "elsewhere"
    with passworded_postgres(folder) as database_url:
        chain = chain_settings(own_devnet.url)
        elsewhere = {"DATABASE_URL": database_url, "NATS_URL": own_nats_server.url, **chain}
        with running_stack(folder, keep=False, checkout=None, **elsewhere) as running:
            document = running.document
            async with new_purchase(running) as (purchase, _):
                states = [sight.state async for sight in purchase.steps()]

    assert states[-1] == "CLOSED RELEASED"
    programs = {"orders", "ledger", "escrow", "disputes", "webhooks", "gateway"}
    assert set(document["pids"]) == programs
    assert document["devnetUrl"] is None
    assert document["rpcUrl"] == chain["STELLAR_RPC_URL"]


@contextlib.contextmanager
def passworded_postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL server that requires passwords; yields its administrator's URL."""
    server = PostgresServer(
        home=folder / "postgres", port=free_port(), log_folder=folder, options=NOT_DURABLE
    )
    server.start()
    try:
        server.wait_ready()
        server.execute("alter role postgres password 's3cret pass'")
        access = Place.of(folder / "postgres").data / "pg_hba.conf"
        access.write_text("host all all 127.0.0.1/32 scram-sha-256\n")
        server.execute("select pg_reload_conf()")
        url = server.url().replace("postgres@", "postgres:s3cret%20pass@")
        wait_for(lambda: asks_for_password(server.url()))
        yield url
    finally:
        server.stop()
        postgres.remove(folder / "postgres")


def asks_for_password(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError as error:
        return "password" in str(error)
    return False
