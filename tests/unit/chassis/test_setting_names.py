"""A misspelled setting is refused by name; variables of other programs are accepted."""

import pytest

from chassis.setting_names import Unknown, unknown

KNOWN = frozenset(
    {"ENV", "LOG_LEVEL", "DATABASE_URL", "DATABASE_POOL_SIZE", "GRPC_PORT", "CONNECTIONS_MAX"}
    | {"LEDGER_ADDRESS", "RATE_LIMIT_PER_MINUTE", "STELLAR_NETWORK_PASSPHRASE", "BATCH_LANES"}
)
PROGRAMS = ("ledger", "gateway")


def found(name: str, value: str = "x") -> Unknown | None:
    return unknown({name: value}, programs=PROGRAMS, known=KNOWN)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DATABSE_URL", "DATABASE_URL"),
        ("DATABASE_POOL_SZIE", "DATABASE_POOL_SIZE"),
        ("database_poolsize", "DATABASE_POOL_SIZE"),
        ("DATABASE_POOL_MAX", "DATABASE_POOL_SIZE"),
        ("LOG_LEVL", "LOG_LEVEL"),
        ("GRPC_PROT", "GRPC_PORT"),
        ("MAX_CONNECTIONS", "CONNECTIONS_MAX"),
        ("RATE_LIMIT", "RATE_LIMIT_PER_MINUTE"),
        ("RATE_LIMIT_PER_SECOND", "RATE_LIMIT_PER_MINUTE"),
        ("LEDGER_ADRESS", "LEDGER_ADDRESS"),
        ("STELLAR_NETWORK_PASPHRASE", "STELLAR_NETWORK_PASSPHRASE"),
        ("BATCH_LANE", "BATCH_LANES"),
        ("GATEWAY_LOG_LEVEL", ""),
        ("LEDGER_PORT", ""),
        ("LEDGER_WORKERS", ""),
    ],
)
def test_a_misspelled_setting_is_refused(name: str, meant: str) -> None:
    assert found(name) == Unknown(name, meant)


@pytest.mark.parametrize("name", [*sorted(KNOWN), "log_level"])
def test_a_setting_is_known_in_any_case(name: str) -> None:
    assert found(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "TZ",
        "LINES",
        "HOSTNAME",
        "TERM",
        "END",
        "EDITOR",
        "PYTHONPATH",
        "no_proxy",
        "HTTPS_PROXY",
        "SSL_CERT_FILE",
        "POD_NAME",
        "NODE_NAME",
        "KUBERNETES_PORT",
        "OTEL_SERVICE_NAME",
        "SERVICE_NAME",
        "PGHOST",
        "POSTGRES_URL",
        "REDIS_URL",
        "DATABASE_HOST",
        "LOG_FORMAT",
        "GRPC_VERBOSITY",
        "GRPC_TRACE",
        "STELLAR_NETWORK",
        "STELLAR_RPC_HEADERS",
        "VAULT_ADDR",
        "NATS_CREDS",
        "API_TOKEN",
        "MAKEFLAGS",
    ],
)
def test_variables_of_other_programs_are_accepted(name: str) -> None:
    assert found(name) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LEDGER_PORT", "tcp://10.0.0.1:8082"),
        ("GATEWAY_SERVICE_HOST", "10.0.0.1"),
        ("GATEWAY_SERVICE_PORT", "8080"),
        ("GATEWAY_SERVICE_PORT_HTTP", "8080"),
        ("LEDGER_PORT_8082_TCP", "tcp://10.0.0.1:8082"),
        ("LEDGER_PORT_8082_TCP_PROTO", "tcp"),
        ("LEDGER_PORT_8082_TCP_PORT", "8082"),
        ("LEDGER_PORT_8082_TCP_ADDR", "10.0.0.1"),
        ("LEDGER_METRICS_PORT", "tcp://10.0.0.1:9090"),
    ],
)
def test_service_links_of_kubernetes_are_accepted(name: str, value: str) -> None:
    assert found(name, value) is None
