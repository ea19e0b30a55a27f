"""The escrow service's settings: builds, factories and nodes are checked at the start."""

import pytest

from chassis.settings import load
from services.escrow.settings import KNOWN_BUILDS, EscrowSettings
from tests.identities import TRUST_FILE
from tests.serving import EVENT_SIGNING_KEY

FACTORY, SPARE = "C" + "A" * 55, "C" + "B" * 55
ACCOUNT, HASH = "G" + "A" * 55, "ab" * 32
GOOD = {
    "DATABASE_URL": "postgresql://escrow@127.0.0.1:5432/orchestrator",
    "TRUST_FILE": str(TRUST_FILE),
    "GRPC_PORT": "8083",
    "EVENT_SIGNING_KEY": EVENT_SIGNING_KEY,
    "STELLAR_RPC_URL": "http://node",
    "STELLAR_NETWORK_PASSPHRASE": "Test",
    "USDC_ISSUER": ACCOUNT,
    "ESCROW_FACTORY_ID": FACTORY,
    "ESCROW_WASM_HASH": HASH,
    "TRUSTLESS_WORK_FEE_ADDRESS": ACCOUNT,
}


@pytest.fixture(autouse=True)
def good_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in EscrowSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def test_unset_settings_have_their_defaults() -> None:
    settings = load(EscrowSettings, program="escrow")

    assert settings.factories == (FACTORY,)
    assert settings.builds == KNOWN_BUILDS
    assert settings.escrow_max_fee_lumens == 10
    assert not settings.is_bumping


def test_platform_pays_network_fees_if_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEES_PAID_BY", "platform")

    assert load(EscrowSettings, program="escrow").is_bumping


def test_builds_factories_and_nodes_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESCROW_BUILDS", f'{{"{HASH}": "A-main"}}')
    monkeypatch.setenv("ESCROW_SPARE_FACTORY_IDS", f"{SPARE},{FACTORY}")
    monkeypatch.setenv("STELLAR_RPC_SPARE_URLS", "https://a,https://b/rpc")

    settings = load(EscrowSettings, program="escrow")

    assert settings.builds == {**KNOWN_BUILDS, HASH: "A-main"}
    assert settings.factories == (FACTORY, SPARE, FACTORY)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FEES_PAID_BY", "somebody"),
        ("ESCROW_BUILDS", "B"),
        ("ESCROW_BUILDS", f'{{"{HASH}": "C"}}'),
        ("ESCROW_BUILDS", '{"ab": "B"}'),
        ("ESCROW_SPARE_FACTORY_IDS", "somewhere"),
        ("ESCROW_SPARE_FACTORY_IDS", f"{SPARE},"),
        ("STELLAR_RPC_SPARE_URLS", "https://a,b"),
        ("STELLAR_RPC_HEADERS_FILE", "/nowhere"),
        ("ESCROW_MAX_FEE_LUMENS", "0"),
        ("ESCROW_MAX_BID_STROOPS", "99"),
        ("ESCROW_KEEP_DAYS", "180"),
        ("WALLET_IDLE_DAYS", "-1"),
    ],
)
def test_wrong_setting_stops_the_start_and_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit):
        load(EscrowSettings, program="escrow")

    assert name in capsys.readouterr().err


def test_unknown_build_is_distinguished_from_a_known_build() -> None:
    settings = load(EscrowSettings, program="escrow")
    [known] = KNOWN_BUILDS

    assert not settings.is_build_known
    assert settings.model_copy(update={"escrow_wasm_hash": known}).is_build_known
    named = settings.model_copy(update={"escrow_builds": f'{{"{HASH}": "B"}}'})
    assert named.is_build_known
