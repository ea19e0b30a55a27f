"""Parts reach each other directly, or at the address of the link between them."""

from pathlib import Path

import pytest

from deploy.local import settings
from deploy.local.credentials import load
from deploy.local.settings import StackSettings
from deploy.local.wiring import Wiring

DATABASE = "postgresql://admin:secret@127.0.0.1:5000/postgres"


def wiring(folder: Path, links: dict[tuple[str, str], str]) -> Wiring:
    return Wiring(
        settings=StackSettings(
            run_dir=folder,
            port_base=5100,
            database_url="",
            nats_url="",
            stellar_rpc_url="",
            environment={
                "LINKS": "not for the parts",
                "RESTART_PAUSE_SECONDS": "1",
                "LOG_MEGABYTES_MAX": "1",
                "POSTGRES_FSYNC": "off",
            },
            links=links,
        ),
        credentials=load(folder),
        database_url=DATABASE,
        nats_url="nats://127.0.0.1:5001",
    )


def test_a_link_replaces_the_address_of_one_peer_for_one_part(tmp_path: Path) -> None:
    linked = wiring(tmp_path, {("orders", "ledger"): "127.0.0.1:9001"})

    orders, gateway = linked.service("orders", network={}), linked.gateway()

    assert orders["LEDGER_ADDRESS"] == "127.0.0.1:9001"
    assert orders["ESCROW_ADDRESS"] == "127.0.0.1:5103"
    assert gateway["LEDGER_ADDRESS"] == "127.0.0.1:5102"


def test_a_link_keeps_everything_of_a_url_but_host_and_port(tmp_path: Path) -> None:
    links = {
        ("escrow", "postgres"): "127.0.0.1:9001",
        ("escrow", "nats"): "127.0.0.1:9002",
        ("escrow", "devnet"): "127.0.0.1:9003",
    }
    network = {"STELLAR_RPC_URL": "http://127.0.0.1:5105/rpc", "USDC_ISSUER": "G"}

    direct = wiring(tmp_path, {}).service("escrow", network=network)
    linked = wiring(tmp_path, links).service("escrow", network=network)

    moved = {name: value for name, value in linked.items() if value != direct[name]}
    assert moved == {
        "DATABASE_URL": direct["DATABASE_URL"].replace("127.0.0.1:5000", "127.0.0.1:9001"),
        "NATS_URL": direct["NATS_URL"].replace("127.0.0.1:5001", "127.0.0.1:9002"),
        "STELLAR_RPC_URL": "http://127.0.0.1:9003/rpc",
    }


def test_the_stacks_own_settings_do_not_reach_its_parts(tmp_path: Path) -> None:
    linked = wiring(tmp_path, {("orders", "ledger"): "127.0.0.1:9001"})

    own = {"LINKS", "RESTART_PAUSE_SECONDS", "LOG_MEGABYTES_MAX", "POSTGRES_FSYNC"}
    assert not own & set(linked.service("orders", network={}))


def test_links_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINKS", "orders>ledger=127.0.0.1:9001,gateway>nats=proxy.example:9")

    assert settings.load().links == {
        ("orders", "ledger"): "127.0.0.1:9001",
        ("gateway", "nats"): "proxy.example:9",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LINKS", "orders=127.0.0.1:9001"),
        ("LINKS", "orders>ledger=9001"),
        ("LINKS", "orders>moon=127.0.0.1:9001"),
        ("LINKS", "orders>orders=127.0.0.1:9001"),
        ("RESTART_PAUSE_SECONDS", "0"),
        ("RESTART_PAUSE_SECONDS", "-1"),
        ("RESTART_PAUSE_SECONDS", "soon"),
        ("LOG_MEGABYTES_MAX", "0"),
        ("LOG_MEGABYTES_MAX", "1.5"),
        ("POSTGRES_FSYNC", "sometimes"),
    ],
)
def test_a_wrong_link_or_pause_ends_the_start_with_a_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit) as ended:
        settings.load()

    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"stack: setting {name}: ")
