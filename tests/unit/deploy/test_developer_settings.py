"""What `login` keeps is its owner's alone, and what is said of a place is checked."""

import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from deploy.developer import settings
from deploy.developer.settings import NoPlaceError, Place

HERE = Place(url="http://127.0.0.1:8080", api_key="ohk_test_secret", faucet_url="http://f/faucet")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, and no variables."""
    for name in settings.READS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


def test_what_is_kept_is_found_and_only_its_owner_reads_it(home: Path) -> None:
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


def test_nobody_has_logged_in() -> None:
    with pytest.raises(NoPlaceError, match="login"):
        settings.load()


def test_the_environment_counts_more_than_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_half_a_place_and_a_wrong_url_are_refused(
    monkeypatch: pytest.MonkeyPatch, named: Mapping[str, str]
) -> None:
    for name, value in named.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(NoPlaceError):
        settings.load()
