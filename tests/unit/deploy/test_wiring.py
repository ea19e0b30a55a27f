"""Which program gets which secret: every secret is checked against every program."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from deploy.local.credentials import load
from deploy.local.settings import StackSettings
from deploy.local.wiring import SERVICES, Wiring

PROGRAMS = (*SERVICES, "gateway", "devnet", "migrations")
HOUSE = {*SERVICES, "gateway"}
# The programs that may know each secret in the environment of a stack.
GIVEN: Mapping[str, set[str]] = {
    "IDENTITY_KEY": set(),
    "API_KEY_PEPPER": {"gateway"},
    "JWT_ISSUERS": {"gateway"},
    "VAULT_TOKEN": {"escrow"},
    "PLATFORM_SECRET": {"escrow"},
    "RESOLVER_SECRET": {"escrow"},
    "EVENT_SIGNING_KEY": {"escrow"},
    "WEBHOOK_KEY": {"webhooks"},
    "TRUSTLESS_WORK_API_KEY": {"escrow"},
    "DATABASE_URL": {"migrations"},
    "NATS_URL": HOUSE,
    **{f"{name.upper()}_DATABASE_URL": {name} for name in sorted(HOUSE)},
    **{f"{name.upper()}_NATS_URL": {name} for name in sorted(HOUSE)},
    "ADMIN_NATS_URL": set(),
    "READER_NATS_URL": set(),
    "AWS_SECRET_ACCESS_KEY": set(),
    "GITHUB_TOKEN": set(),
    "SSH_AUTH_SOCK": set(),
    "PGPASSWORD": set(),
}
# And each that the stack makes for itself, by its name in credentials.json.
MADE: Mapping[str, set[str]] = {
    "api_key_pepper": {"gateway"},
    "token_secret": {"gateway"},
    "event_signing_key": {"escrow"},
    "webhook_key": {"webhooks"},
    "api_key": set(),
    "test_key": set(),
}
SIGNING_KEY = "aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMmh1bnQ="


def handed_out(folder: Path, environment: Mapping[str, str], *, nats: str = "") -> dict[str, str]:
    """Return the environment of each program, as text to look for secrets in."""
    wiring = Wiring(
        settings=StackSettings(
            run_dir=folder,
            port_base=8080,
            database_url=environment.get("DATABASE_URL", ""),
            nats_url=nats,
            stellar_rpc_url="",
            environment=environment,
        ),
        credentials=load(folder),
        database_url=environment.get("DATABASE_URL", "postgresql://postgres@127.0.0.1/x"),
        nats_url=nats or "nats://127.0.0.1:4222",
    )
    network = {"STELLAR_RPC_URL": "http://127.0.0.1"}
    found = {name: wiring.service(name, network=network) for name in SERVICES}
    found |= {"gateway": wiring.gateway(), "devnet": wiring.devnet()}
    found["migrations"] = wiring.migrations()
    return {name: str(settings) for name, settings in found.items()}


def value_of(name: str) -> str:
    if name == "EVENT_SIGNING_KEY":
        return SIGNING_KEY
    mark = f"secret-{name.lower().replace('_', '-')}"
    scheme = "postgresql" if "DATABASE" in name else "nats"
    return f"{scheme}://me:{mark}@127.0.0.1:1/x" if name.endswith("_URL") else mark


@pytest.mark.parametrize("name", GIVEN)
def test_a_secret_in_the_environment_reaches_only_programs_that_need_it(
    tmp_path: Path, name: str
) -> None:
    value = value_of(name)
    environment = {name: value}
    if name == "TRUSTLESS_WORK_API_KEY":
        environment["TRUSTLESS_WORK_URL"] = "https://provider.example"

    handed = handed_out(tmp_path, environment, nats=value if name == "NATS_URL" else "")

    assert {program for program in PROGRAMS if value in handed[program]} == GIVEN[name]


@pytest.mark.parametrize("name", MADE)
def test_a_generated_secret_reaches_only_programs_that_need_it(tmp_path: Path, name: str) -> None:
    value = getattr(load(tmp_path), name) or "no key was made"
    handed = handed_out(tmp_path, {})

    assert {program for program in PROGRAMS if value in handed[program]} == MADE[name]


def test_every_generated_secret_is_covered_by_the_tests(tmp_path: Path) -> None:
    assert {*MADE, "nats"} == {*load(tmp_path).__slots__}


def test_each_program_has_its_own_password_of_nats_and_no_other(tmp_path: Path) -> None:
    passwords = load(tmp_path).nats
    handed = handed_out(tmp_path, {})

    for program in PROGRAMS:
        known = {user for user, password in passwords.items() if password in handed[program]}
        assert known == {program} & HOUSE


def test_the_devnet_never_gets_the_key_of_the_real_provider(tmp_path: Path) -> None:
    handed = handed_out(tmp_path, {"TRUSTLESS_WORK_API_KEY": "secret-key"})

    assert not [name for name in PROGRAMS if "secret-key" in handed[name]]


def test_the_ledger_gets_the_public_key_of_escrows_signing_key(tmp_path: Path) -> None:
    handed = handed_out(tmp_path, {"EVENT_SIGNING_KEY": SIGNING_KEY})

    assert SIGNING_KEY in handed["escrow"]
    assert SIGNING_KEY not in handed["ledger"]
    assert "'ESCROW_EVENT_KEYS': '" in handed["ledger"]


def test_old_credentials_are_completed_and_used_values_are_kept(
    tmp_path: Path,
) -> None:
    (tmp_path / "credentials.json").write_text(
        '{"service_secret": "a", "api_key_pepper": "b", "token_secret": "c", "api_key": "d"}'
    )

    first, second = load(tmp_path), load(tmp_path)

    assert (first.api_key_pepper, first.api_key) == ("b", "d")
    assert first == second
    assert (tmp_path / "credentials.json").stat().st_mode & 0o777 == 0o600
