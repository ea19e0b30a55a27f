"""The file of `login` is readable by its owner only, and its values are checked."""

import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from deploy.developer import settings
from deploy.developer.settings import NoPlaceError, Place

HERE = Place(url="http://127.0.0.1:8080", api_key="ohk_test_secret", faucet_url="http://f/faucet")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A separate home folder without variables in the environment."""
    for name in settings.READS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


def test_stored_login_is_loaded_and_readable_by_its_owner_only(home: Path) -> None:
    path = settings.keep(HERE)

    assert settings.load() == HERE
    assert path == home / "orchestrator" / "login.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["login.json"]
    assert HERE.api_key not in repr(HERE)


def test_a_file_that_others_can_read_is_refused() -> None:
    settings.keep(HERE).chmod(0o640)

    with pytest.raises(NoPlaceError, match="others can read it"):
        settings.load()


@pytest.mark.parametrize("content", ["", "[]", '{"url": "x"}', '{"other": 1}', "\udcff"])
def test_a_damaged_file_is_refused(content: str) -> None:
    settings.keep(HERE).write_bytes(content.encode(errors="surrogateescape"))

    with pytest.raises(NoPlaceError, match="is damaged"):
        settings.load()


def test_missing_login_is_an_error_that_names_login() -> None:
    with pytest.raises(NoPlaceError, match="login"):
        settings.load()


def test_environment_overrides_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    settings.keep(HERE)
    monkeypatch.setenv("ORCHESTRATOR_URL", "https://pay.example/api/v1/")
    monkeypatch.setenv("ORCHESTRATOR_API_KEY", "ohk_test_other")

    assert settings.load() == Place(url="https://pay.example", api_key="ohk_test_other")


@pytest.mark.parametrize(
    "named",
    [
        {"ORCHESTRATOR_URL": "http://127.0.0.1:8080"},
        {"ORCHESTRATOR_API_KEY": "ohk_test_secret"},
        {"ORCHESTRATOR_URL": "127.0.0.1", "ORCHESTRATOR_API_KEY": "ohk_test_secret"},
        {
            "ORCHESTRATOR_URL": "http://127.0.0.1",
            "ORCHESTRATOR_API_KEY": "ohk_test_secret",
            "ORCHESTRATOR_FAUCET_URL": "faucet",
        },
    ],
)
def test_incomplete_place_and_wrong_url_are_refused(
    monkeypatch: pytest.MonkeyPatch, named: Mapping[str, str]
) -> None:
    for name, value in named.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(NoPlaceError):
        settings.load()
