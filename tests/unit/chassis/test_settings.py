"""Settings: a wrong one ends the start with one line that names it and never shows it."""

import pydantic
import pytest

from chassis.settings import ServiceSettings, load, read

GOOD = {
    "DATABASE_URL": "postgresql://ledger@127.0.0.1:5432/orchestrator",
    "SERVICE_SECRET": "0123456789abcdef0123456789abcdef",
    "GRPC_PORT": "8082",
}


@pytest.fixture(autouse=True)
def good_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the settings a service needs, all of them right."""
    for name in ServiceSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def test_right_settings_are_read_with_their_defaults() -> None:
    settings = load(ServiceSettings, program="ledger")

    assert settings.database_url == GOOD["DATABASE_URL"]
    assert settings.service_secret.get_secret_value() == GOOD["SERVICE_SECRET"]
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
        ("SERVICE_SECRET", None),
        ("SERVICE_SECRET", "hunter2"),
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
def test_a_wrong_setting_ends_the_start_with_one_line_that_names_it(
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
def test_where_to_listen_may_be_said_in_any_form(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("GRPC_HOST", host)

    assert load(ServiceSettings, program="ledger").grpc_host == host.strip("[]")


def test_what_kubernetes_says_of_a_service_is_no_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRPC_PORT", "tcp://10.0.0.1:80")

    with pytest.raises(SystemExit):
        load(ServiceSettings, program="ledger")

    assert capsys.readouterr().err == "ledger: setting GRPC_PORT: Field required\n"


def test_a_rule_over_several_settings_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
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


def test_a_secret_is_not_in_what_settings_look_like() -> None:
    settings = load(ServiceSettings, program="ledger")

    assert GOOD["SERVICE_SECRET"] not in repr(settings)
    assert GOOD["SERVICE_SECRET"] not in str(settings)


def test_a_command_line_tool_reads_a_variable_or_its_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://x")
    monkeypatch.delenv("NOT_SET", raising=False)

    assert read("DATABASE_URL") == "postgresql://x"
    assert read("NOT_SET", "y") == "y"
