"""The stack refuses every program's wrong settings before it starts anything."""

from pathlib import Path

import pytest

from deploy.local import authority, checking, credentials, identities, settings
from deploy.local.settings import refuse_unknown
from deploy.local.stack import Stack
from deploy.local.wiring import Wiring


def started(folder: Path, monkeypatch: pytest.MonkeyPatch, **environment: str) -> Stack:
    """Read the settings of a stack as its program does."""
    for name, value in {**environment, "RUN_DIR": str(folder)}.items():
        monkeypatch.setenv(name, value)
    refuse_unknown()
    return Stack(settings.load(), say=print)


@pytest.mark.parametrize(
    ("name", "value", "program"),
    [
        ("PORT_BASE", "x", "stack"),
        ("PORT_BAES", "9000", "stack"),
        ("DATABASE_URL", "postgresql://me:hunter2@a:1,b:x/db", "stack"),
        ("NATS_URL", "nats://a:4222,hunter2", "stack"),
        ("STELLAR_RPC_URL", "http://", "stack"),
        ("LINKS", "orders>ledger=[::1]:99999", "stack"),
        ("ORDERS_WORKERS", "2", "stack"),
        ("LEDGER_PORT", "8082", "stack"),
        ("ORDERS_DATABASE_URL", "mysql://hunter2", "orders"),
        ("BATCH_LANES", "0", "ledger"),
        ("COMMANDS_AT_ONCE", "many", "escrow"),
        ("VAULT_URL", "http://", "escrow"),
        ("LOG_LEVEL", "loud", "orders"),
        ("GATEWAY_HOST", "[gateway]", "gateway"),
        ("JWT_ISSUERS", "hunter2", "gateway"),
        ("DEVNET_LEDGER_SECONDS", "never", "devnet"),
        ("DEVNET_LEDGER_SECNODS", "1", "stack"),
    ],
)
def test_a_wrong_setting_of_any_program_ends_the_start_at_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    program: str,
) -> None:
    with pytest.raises(SystemExit) as ended:
        started(tmp_path, monkeypatch, **{name: value}).start()

    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.count("\n") == 1
    # What replaces a program's own setting is named as that program knows it.
    assert said.startswith(f"{program}: setting {name.removeprefix('ORDERS_')}") or (
        program == "stack" and said.startswith(f"stack: setting {name}: ")
    )
    assert "hunter2" not in said
    assert not (tmp_path / "logs").exists()


def test_an_external_network_needs_all_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        started(tmp_path, monkeypatch, STELLAR_RPC_URL="https://rpc.example").start()

    said = capsys.readouterr().err
    assert said == "escrow: setting STELLAR_NETWORK_PASSPHRASE: Field required\n"


def test_valid_settings_are_accepted_in_every_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {
        "DATABASE_URL": "postgresql://admin:pw@db1:5432,[::1]:5433/orchestrator",
        "NATS_URL": "nats://me:pw@a:4222,nats://[::1]:4222",
        "GATEWAY_HOST": "[::]",
        "LINKS": "orders>ledger=[::1]:9001",
        "LEDGER_PORT": "tcp://10.0.0.1:8082",
        "GATEWAY_PORT": "tcp://10.0.0.1:8080",
        "RUN_DIR": str(tmp_path),
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    refuse_unknown()
    read = settings.load()
    identities.keep(tmp_path)
    authority.keep(tmp_path)
    wiring = Wiring(
        settings=read,
        credentials=credentials.load(tmp_path),
        database_url=read.database_url,
        nats_url=read.nats_url,
    )

    checking.check(wiring, network=checking.TOLD_LATER, has_devnet=True)

    orders, gateway = wiring.service("orders", network={}), wiring.gateway()
    assert orders["DATABASE_URL"].endswith("@db1:5432,[::1]:5433/orchestrator")
    assert orders["LEDGER_ADDRESS"] == "[::1]:9001"
    assert gateway["GATEWAY_PORT"] == str(read.port("gateway"))
