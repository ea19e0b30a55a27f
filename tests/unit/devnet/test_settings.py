"""Settings: defaults, and one line that names a wrong one."""

import pytest

from devnet.settings import SettingsError, load


def test_every_setting_has_a_default() -> None:
    settings = load({})

    assert settings.host == "127.0.0.1"
    assert settings.ledger_seconds == 1.0
    assert settings.passphrase == "Orchestrator Devnet ; November 2026"
    assert settings.api_key == "devnet-key"
    assert settings.rate_limit == 50
    assert settings.lifetimes.least == 2_073_600


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEVNET_PORT", "eighty"),
        ("DEVNET_PORT", "65536"),
        ("DEVNET_PORT", "-1"),
        ("DEVNET_HOST", " "),
        ("DEVNET_DATA_DIR", ""),
        ("DEVNET_LEDGER_SECONDS", "0"),
        ("DEVNET_LEDGER_SECONDS", "nan"),
        ("DEVNET_LEDGER_SECONDS", "1e3"),
        ("DEVNET_TW_RATE_LIMIT", "1.5"),
        ("DEVNET_TTL", "future"),
        ("DEVNET_RENT", "cheap"),
        ("DEVNET_META", "none"),
        ("DEVNET_LANE_SIZE", "-1"),
        ("STELLAR_NETWORK_PASSPHRASE", ""),
        ("TRUSTLESS_WORK_API_KEY", ""),
    ],
)
def test_the_error_names_a_wrong_setting(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load({name: value})
