"""Settings of the gateway and of its key tool. The only file here that meets the environment."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.settings import Address, NatsUrl, Port, PostgresUrl, Secret


class KeySettings(BaseSettings):
    """What the key tool needs: the database, and the pepper that keys are hashed with."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    database_url: PostgresUrl
    api_key_pepper: Secret


class GatewaySettings(KeySettings):
    """What the gateway needs to start."""

    env: Literal["dev", "prod"] = "dev"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    gateway_host: str = "127.0.0.1"
    gateway_port: Port = 8080
    database_pool_size: Annotated[int, Field(ge=2, le=100)] = 4
    nats_url: NatsUrl = "nats://127.0.0.1:4222"
    service_secret: Secret
    orders_address: Address
    ledger_address: Address
    escrow_address: Address
    disputes_address: Address
    # How long an action is waited for where the request does not say (`Prefer: wait=N`).
    wait_seconds: Annotated[int, Field(ge=0, le=60)] = 30
    # Requests of one API key; the bucket fills evenly over the minute.
    rate_limit_per_minute: Annotated[int, Field(ge=1)] = 60_000
    # Requests served at once; more are refused with 503, so that those inside end in time.
    concurrent_requests_max: Annotated[int, Field(ge=1)] = 1_000
    # The longest a graceful stop may take before requests in flight are cut.
    stop_grace_seconds: Annotated[int, Field(ge=0, le=300)] = 20
