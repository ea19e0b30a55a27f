"""Settings: a wrong one ends the start with one line that names it and never shows it."""

import uuid

import pydantic
import pytest
from pydantic import SecretStr

from chassis.identity import system
from chassis.settings import CallerSettings, ServiceSettings, load, read
from chassis.trust import private_text
from tests.identities import KEYS, TRUST, TRUST_FILE, key_file, verifier

GOOD = {
    "DATABASE_URL": "postgresql://ledger@127.0.0.1:5432/orchestrator",
    "TRUST_FILE": str(TRUST_FILE),
    "GRPC_PORT": "8082",
}


@pytest.fixture(autouse=True)
def good_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the settings a service needs, all of them right."""
    for name in ServiceSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def test_valid_settings_are_read_with_their_defaults() -> None:
    settings = load(ServiceSettings, program="ledger")

    assert settings.database_url == GOOD["DATABASE_URL"]
    assert settings.trust().current() == TRUST
    assert (settings.grpc_host, settings.grpc_port) == ("127.0.0.1", 8082)
    assert (settings.env, settings.log_level, settings.database_pool_size) == ("dev", "info", 20)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", None),
        ("DATABASE_URL", "mysql://me:hunter2@elsewhere/db"),
        ("DATABASE_URL", "postgresql://me:hunter2@a:1,b:x/db"),
        ("NATS_URL", "http://hunter2"),
        ("GRPC_HOST", "hunter2 "),
        ("GRPC_HOST", "[hunter2]"),
        ("DATABASE_POOL_SZIE", "hunter2"),
        ("LEDGER_GRPC_PORT", "hunter2"),
        ("TRUST_FILE", None),
        ("TRUST_FILE", "/hunter2"),
        ("TRUST_FILE", __file__),
        ("GRPC_PORT", None),
        ("GRPC_PORT", "hunter2"),
        ("GRPC_PORT", "0"),
        ("GRPC_PORT", "65536"),
        ("DATABASE_POOL_SIZE", "1"),
        ("ENV", "hunter2"),
        ("LOG_LEVEL", "loud"),
        ("STOP_GRACE_SECONDS", "-1"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str | None,
) -> None:
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit) as ended:
        load(ServiceSettings, program="ledger")

    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"ledger: setting {name}: ")
    assert "hunter2" not in line


@pytest.mark.parametrize("host", ["::", "::1", "[::]", "[::1]", "10.0.0.1", "ledger"])
def test_the_listen_address_may_have_any_form(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("GRPC_HOST", host)

    assert load(ServiceSettings, program="ledger").grpc_host == host.strip("[]")


def test_a_service_link_of_kubernetes_is_not_a_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRPC_PORT", "tcp://10.0.0.1:80")

    with pytest.raises(SystemExit):
        load(ServiceSettings, program="ledger")

    assert capsys.readouterr().err == "ledger: setting GRPC_PORT: Field required\n"


def test_a_rule_over_several_settings_is_reported_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Strict(ServiceSettings):
        @pydantic.model_validator(mode="after")
        def _is_never_right(self) -> "Strict":
            raise ValueError("GRPC_PORT needs GRPC_HOST")

    with pytest.raises(SystemExit):
        load(Strict, program="escrow")

    assert capsys.readouterr().err == "escrow: setting GRPC_PORT needs GRPC_HOST\n"


def test_settings_cannot_be_changed_after_the_start() -> None:
    settings = load(ServiceSettings, program="ledger")

    with pytest.raises(ValueError, match="frozen"):
        settings.grpc_port = 1


def test_the_repr_of_settings_contains_no_secret() -> None:
    key = private_text(KEYS["orders"])
    settings = CallerSettings(identity_key=SecretStr(key))

    for line in key.splitlines():
        assert line not in repr(settings)
        assert line not in str(settings)


@pytest.mark.parametrize("given", ["neither", "both", "no key"])
def test_caller_must_have_exactly_one_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: str
) -> None:
    if given != "neither":
        monkeypatch.setenv("IDENTITY_KEY", "hunter2")
    if given == "both":
        monkeypatch.setenv("IDENTITY_KEY", private_text(KEYS["orders"]))
        monkeypatch.setenv("IDENTITY_KEY_FILE", str(key_file("orders")))

    with pytest.raises(SystemExit) as ended:
        load(CallerSettings, program="orders")

    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith("orders: setting IDENTITY_KEY")
    assert "hunter2" not in said


@pytest.mark.parametrize("kind", ["text", "file"])
def test_a_key_can_be_given_as_text_or_as_a_file(kind: str) -> None:
    text = SecretStr(private_text(KEYS["orders"]))
    settings = (
        CallerSettings(identity_key=text)
        if kind == "text"
        else CallerSettings(identity_key_file=key_file("orders"))
    )
    who = system(caller="orders", marketplace_id=uuid.UUID(int=1))

    token = settings.signer(caller="orders").token(who)

    assert verifier().identity(token) == who


def test_a_command_line_tool_reads_a_variable_or_its_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://x")
    monkeypatch.delenv("NOT_SET", raising=False)

    assert read("DATABASE_URL") == "postgresql://x"
    assert read("NOT_SET", "y") == "y"
