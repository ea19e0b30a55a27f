"""Settings: the environment, read once, into a frozen value; a wrong one ends the start.

This is the only file of the chassis that looks at the environment.
"""

import os
import sys
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

import pydantic
from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis import addresses, postgres_settings, setting_names
from chassis.nats_settings import StreamLimits, parse
from chassis.signature import EventSigner, EventVerifier


def _nats_url(value: str) -> str:
    parse(value)
    return value


def _signing_key(value: pydantic.SecretStr) -> pydantic.SecretStr:
    EventSigner(value.get_secret_value())
    return value


def _public_keys(value: str) -> str:
    EventVerifier(value)
    return value


Secret = Annotated[pydantic.SecretStr, Field(min_length=32)]
PostgresUrl = Annotated[str, AfterValidator(postgres_settings.checked), Field(repr=False)]
NatsUrl = Annotated[str, AfterValidator(_nats_url), Field(repr=False)]
SigningKey = Annotated[pydantic.SecretStr, AfterValidator(_signing_key)]
PublicKeys = Annotated[str, AfterValidator(_public_keys)]
Address = Annotated[str, AfterValidator(addresses.target)]
# Where to listen: a name, IPv4, or IPv6 with brackets or without.
Host = Annotated[str, AfterValidator(addresses.host)]
HttpUrl = Annotated[str, AfterValidator(addresses.http_url)]
# After so long without a sign of life the other end of a connection counts as gone.
SilenceSeconds = Annotated[int, Field(ge=1, le=20)]
Port = Annotated[int, Field(ge=1, le=65535)]


class MigrationSettings(BaseSettings):
    """What the migrations need: the database, as an administrator of it."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    database_url: PostgresUrl


class StreamSettings(BaseSettings):
    """How much the stream of events keeps, for who makes it or gives it its limits."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    # How long events stay, and how much of them; 0: no limit.
    stream_days_max: Annotated[int, Field(ge=0, le=3650)] = 90
    stream_gigabytes_max: Annotated[int, Field(ge=0, le=100_000)] = 0

    @property
    def stream_limits(self) -> StreamLimits:
        """The same, for the bus."""
        return StreamLimits(days=self.stream_days_max, gigabytes=self.stream_gigabytes_max)


class ServiceSettings(StreamSettings):
    """What every gRPC service needs to start."""

    env: Literal["dev", "prod"] = "dev"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    database_url: PostgresUrl
    # Connections to PostgreSQL in all, those of the relay and of locks too.
    database_pool_size: Annotated[int, Field(ge=4, le=200)] = 20
    silence_seconds: SilenceSeconds = 10
    nats_url: NatsUrl = "nats://127.0.0.1:4222"
    service_secret: Secret
    grpc_host: Host = "127.0.0.1"
    grpc_port: Port
    # Calls served at once; more are refused, so that those inside end in time.
    concurrent_calls_max: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    # The longest that a stop may take; calls in flight have two thirds of it.
    stop_grace_seconds: Annotated[int, Field(ge=0, le=300)] = 20

    @pydantic.model_validator(mode="after")
    def _names_itself_to_nats(self) -> Self:
        if self.env == "prod":
            require_nats_user(self.nats_url)
        return self


def require_nats_user(url: str) -> None:
    """Require credentials in the URL of NATS. Raises: ValueError: there are none."""
    if not parse(url).user:
        raise ValueError("NATS_URL must name a user and a password where ENV=prod")


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def load(
    cls: type[SettingsT], *, program: str, given: Mapping[str, str] | None = None
) -> SettingsT:
    """Read the settings of a program from the environment.

    given: settings by name that it will get instead, for who starts it.

    A wrong one ends the program with exit code 2 and one line that names it, never its value:
    it may be a secret. So does a name that is meant for the program and is no setting.
    """
    known = {name.upper() for name in cls.model_fields}
    refuse_unknown(program, programs=(program,), known=known)
    for name in known:
        # GATEWAY_PORT=tcp://… is said of a service that is called so, and not to the program.
        if setting_names.is_service_link(name, os.environ.get(name, "")):
            del os.environ[name]
    try:
        fields: dict[str, Any] = {name.lower(): value for name, value in (given or {}).items()}
        return cls(**fields)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        # A rule over several settings names them itself.
        what = f"{name}: {first['msg']}" if name else first["msg"].removeprefix("Value error, ")
        sys.stderr.write(f"{program}: setting {what}\n")
        raise SystemExit(2) from None


def refuse_unknown(teller: str, *, programs: Collection[str], known: Collection[str]) -> None:
    """End the program where the environment has a name that is meant for it and is no setting.

    teller: who says so. programs, known: see `setting_names.unknown`.
    """
    found = setting_names.unknown(os.environ, programs=programs, known=known)
    if found is not None:
        hint = f"; is {found.meant} meant?" if found.meant else ""
        sys.stderr.write(f"{teller}: setting {found.name}: is unknown{hint}\n")
        raise SystemExit(2)


def read(name: str, default: str = "") -> str:
    """Read one variable for a command-line tool that has no settings class."""
    return os.environ.get(name, default)
