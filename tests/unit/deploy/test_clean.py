"""`make clean` keeps what keys depend on, unless it is told to delete them."""

from pathlib import Path

import pytest

from deploy.local import clean

KEPT = {
    "an embedded database": "postgres/PG_VERSION",
    "the key file of a database elsewhere": "escrow.key",
    "a key file by another name": "wallets.key",
    "the pepper of API keys elsewhere": "credentials.json",
    "a key file that KEY_FILE names": "secrets/opener",
}


def cleaned(folder: Path, monkeypatch: pytest.MonkeyPatch, **environment: str) -> int:
    monkeypatch.setenv("RUN_DIR", str(folder))
    for name in ("FORCE", "DATABASE_URL", "KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return clean.main()


@pytest.mark.parametrize("file", KEPT.values(), ids=KEPT)
@pytest.mark.parametrize(
    "url", ["", "postgresql://admin@db.example/shop"], ids=["own", "elsewhere"]
)
def test_keys_are_deleted_only_with_force(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: str,
    url: str,
) -> None:
    precious = tmp_path / "run" / file
    precious.parent.mkdir(parents=True)
    precious.write_text("secret")
    environment = {"DATABASE_URL": url} if url else {}
    if file.startswith("secrets/"):
        environment["KEY_FILE"] = str(precious)

    assert cleaned(tmp_path / "run", monkeypatch, **environment) == 0
    assert precious.exists()
    assert "FORCE=1" in capsys.readouterr().err
    for word in ("0", "yes", ""):
        cleaned(tmp_path / "run", monkeypatch, FORCE=word, **environment)
        assert precious.exists()

    assert cleaned(tmp_path / "run", monkeypatch, FORCE="1", **environment) == 0
    assert not (tmp_path / "run").exists()


def test_a_folder_without_keys_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run" / "logs").mkdir(parents=True)

    assert cleaned(tmp_path / "run", monkeypatch) == 0
    assert not (tmp_path / "run").exists()
