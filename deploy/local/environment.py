"""The variables that each program of the stack inherits: its own settings, and general ones.

A program gets no other variables of the environment in which the stack was started, so it cannot
leak secrets of other programs. tests/architecture compares these lists with what the programs read.
"""

from collections.abc import Mapping

from chassis.setting_names import is_service_link

# Settings of the operating system, Python, gRPC, and TLS libraries.
AMBIENT = frozenset(
    {
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "PYTHONPATH",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONUNBUFFERED",
        "PYTHONHASHSEED",
        "GRPC_ENABLE_FORK_SUPPORT",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "LD_LIBRARY_PATH",
    }
)
# Programs that call others over HTTP use a proxy if one is configured.
_PROXIES = frozenset(
    {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}
)
_TLS = ("TLS_CERT_FILE", "TLS_KEY_FILE", "TLS_CA_FILE", "NATS_CA_FILE")
_TRACES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER_ARG")
_SERVICE = frozenset(
    {
        "CONCURRENT_CALLS_MAX",
        "ENV",
        "LOG_LEVEL",
        "DATABASE_URL",
        "DATABASE_POOL_SIZE",
        "SILENCE_SECONDS",
        "NATS_URL",
        "STREAM_DAYS_MAX",
        "STREAM_GIGABYTES_MAX",
        "STREAM_REPLICAS",
        *_TLS,
        *_TRACES,
        "TRUST_FILE",
        "HEALTH_PORT",
        "GRPC_HOST",
        "GRPC_PORT",
        "METRICS_HOST",
        "METRICS_PORT",
        "STOP_GRACE_SECONDS",
    }
)
# The settings of programs that call other programs.
_CALLER = ("IDENTITY_KEY", "IDENTITY_KEY_FILE")
_PEERS = ("LEDGER_ADDRESS", "ESCROW_ADDRESS", "DISPUTES_ADDRESS")
# The settings of each program. A secret is passed only to the programs that list it.
READS: Mapping[str, frozenset[str]] = {
    "orders": _SERVICE
    | {
        *_CALLER,
        *_PEERS,
        "AUTO_CONFIRM_POLL_SECONDS",
        "OFFER_HOURS",
        "OFFER_POLL_SECONDS",
        "PLATFORM_FEE_BPS_MARKETPLACE",
        "PLATFORM_FEE_BPS_PARTY",
        "RECONCILE_SECONDS",
        "WALLET_WAIT_SECONDS",
    },
    "ledger": _SERVICE
    | {
        "BATCH_LANES",
        "BATCH_LINGER_MILLISECONDS",
        "BATCH_TRANSFERS_MAX",
        "BATCH_WAITING_MAX",
        "ESCROW_EVENT_KEYS",
    },
    "escrow": _SERVICE
    | {
        "CHAIN_POLL_SECONDS",
        "CHANNEL_ACCOUNTS",
        "CHANNEL_LUMENS",
        "FEES_PAID_BY",
        "COMMANDS_AT_ONCE",
        "STEP_SECONDS",
        "REFUSE_AFTER_SECONDS",
        "RESOLVER_SECRET",
        "COMMAND_LEASE_SECONDS",
        "ESCROW_BUILDER",
        "ESCROW_BUILDS",
        "ESCROW_FACTORY_ID",
        "ESCROW_KEEP_DAYS",
        "WALLET_IDLE_DAYS",
        "ESCROW_MAX_BID_STROOPS",
        "ESCROW_MAX_CLASSIC_BID_STROOPS",
        "ESCROW_MAX_FEE_LUMENS",
        "ESCROW_SPARE_FACTORY_IDS",
        "ESCROW_WASM_HASH",
        "EVENT_SIGNING_KEY",
        "KEY_FILE",
        "PLATFORM_FLOAT_USDC",
        "PLATFORM_SECRET",
        "PROVIDER_FEES",
        "STELLAR_FAUCET_URL",
        "STELLAR_FRIENDBOT_URL",
        "STELLAR_NETWORK_PASSPHRASE",
        "STELLAR_RPC_HEADERS_FILE",
        "STELLAR_RPC_SPARE_URLS",
        "STELLAR_RPC_URL",
        "TRANSACTION_SECONDS",
        "TRUSTLESS_WORK_API_KEY",
        "TRUSTLESS_WORK_FEE_ADDRESS",
        "TRUSTLESS_WORK_URL",
        "USDC_ISSUER",
        "VAULT_ACCOUNT_FILE",
        "VAULT_KUBERNETES_MOUNT",
        "VAULT_KUBERNETES_ROLE",
        "VAULT_TOKEN",
        "VAULT_TOKEN_FILE",
        "VAULT_TRANSIT_KEY",
        "VAULT_TRANSIT_MOUNT",
        "VAULT_URL",
    },
    "disputes": _SERVICE,
    "webhooks": _SERVICE | {"WEBHOOK_CLOSED_NETWORKS", "WEBHOOK_KEY"},
    "gateway": frozenset(
        {
            *_CALLER,
            *_TLS,
            *_TRACES,
            *_PEERS,
            "API_KEY_PEPPER",
            "API_KEY_PEPPER_ALSO",
            "CONCURRENT_REQUESTS_MAX",
            "CONNECTIONS_MAX",
            "CONNECTIONS_PER_ADDRESS_MAX",
            "DATABASE_POOL_SIZE",
            "SILENCE_SECONDS",
            "DATABASE_URL",
            "ENV",
            "EVENT_STREAMS_MAX",
            "EVENT_STREAMS_PER_ACCOUNT_MAX",
            "EXPLORER_URL",
            "GATEWAY_HOST",
            "GATEWAY_PORT",
            "JWT_ISSUERS",
            "LOG_LEVEL",
            "METRICS_HOST",
            "METRICS_PORT",
            "NATS_URL",
            "ORDERS_ADDRESS",
            "PING_SECONDS",
            "RATE_LIMIT_PER_MINUTE",
            "REQUEST_LOG_DAYS",
            "REQUEST_LOG_MAX",
            "STRANGER_REQUESTS_PER_MINUTE",
            "TRUSTED_PROXIES",
            "STOP_GRACE_SECONDS",
            "WAIT_SECONDS",
            "WEBHOOKS_ADDRESS",
        }
    ),
    # The devnet's Trustless Work API has its own key. Only escrow gets the key of the real API.
    "devnet": frozenset(
        {
            "DEVNET_DATA_DIR",
            "DEVNET_ESCROW_WASM",
            "DEVNET_HOST",
            "DEVNET_LANE_SIZE",
            "DEVNET_LEDGER_SECONDS",
            "DEVNET_META",
            "DEVNET_PORT",
            "DEVNET_RENT",
            "DEVNET_TTL",
            "DEVNET_TW_RATE_LIMIT",
            "STELLAR_NETWORK_PASSPHRASE",
        }
    ),
    "migrations": frozenset({"DATABASE_URL"}),
}
_CALLS_OUT = ("escrow", "gateway")


def inherited(environment: Mapping[str, str], program: str) -> dict[str, str]:
    """Return the variables of the stack's environment that a program inherits."""
    names = AMBIENT | READS[program] | (_PROXIES if program in _CALLS_OUT else frozenset())
    return {
        name: value
        for name, value in environment.items()
        if name in names and not is_service_link(name, value)
    }
