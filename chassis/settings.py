"""Settings: the environment, read once, into a frozen value. An invalid setting stops the start.

This is the only file of the chassis that reads the environment.
"""

import os
import sys
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import pydantic
from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis import addresses, postgres_settings, setting_names, tls, tracing, trust
from chassis.identity import Signer
from chassis.nats_settings import StreamLimits, parse
from chassis.signature import EventSigner, EventVerifier
from chassis.tls import Certificates
from chassis.trust import Trust
from chassis.watched import Watched


def _nats_url(value: str) -> str:
    parse(value)
    return value


def _signing_key(value: pydantic.SecretStr) -> pydantic.SecretStr:
    EventSigner(value.get_secret_value())
    return value


def _public_keys(value: str) -> str:
    EventVerifier(value)
    return value


def _private_key(value: pydantic.SecretStr) -> pydantic.SecretStr:
    trust.private_key(value.get_secret_value())
    return value


def _key_file(value: Path) -> Path:
    Watched([value], trust.read_private_key)
    return value


def _trust_file(value: Path) -> Path:
    Watched([value], trust.read_trust)
    return value


Secret = Annotated[pydantic.SecretStr, Field(min_length=32)]
PostgresUrl = Annotated[str, AfterValidator(postgres_settings.checked), Field(repr=False)]
NatsUrl = Annotated[str, AfterValidator(_nats_url), Field(repr=False)]
SigningKey = Annotated[pydantic.SecretStr, AfterValidator(_signing_key)]
PublicKeys = Annotated[str, AfterValidator(_public_keys)]
PrivateKey = Annotated[pydantic.SecretStr, AfterValidator(_private_key)]
KeyPath = Annotated[pydantic.FilePath, AfterValidator(_key_file)]
TrustPath = Annotated[pydantic.FilePath, AfterValidator(_trust_file)]
Address = Annotated[str, AfterValidator(addresses.target)]
# The address to listen on: a name, IPv4, or IPv6 with or without brackets.
Host = Annotated[str, AfterValidator(addresses.host)]
HttpUrl = Annotated[str, AfterValidator(addresses.http_url)]
# A connection that is silent for longer counts as lost.
SilenceSeconds = Annotated[int, Field(ge=1, le=20)]
Port = Annotated[int, Field(ge=1, le=65535)]
MetricsPort = Annotated[int, Field(ge=0, le=65535)]


class MigrationSettings(BaseSettings):
    """The settings of the migrations: the database, as its administrator."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    database_url: PostgresUrl


class StreamSettings(BaseSettings):
    """How much the stream of events keeps; for the programs that create it or set its limits."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    # The limits of age (days) and size (gigabytes); 0: no limit.
    stream_days_max: Annotated[int, Field(ge=0, le=3650)] = 30
    stream_gigabytes_max: Annotated[int, Field(ge=0, le=100_000)] = 0
    # Servers of a cluster that keep a copy. Source: JetStream allows five at most.
    stream_replicas: Annotated[int, Field(ge=1, le=5)] = 1

    @property
    def stream_limits(self) -> StreamLimits:
        """The same limits, as the bus takes them."""
        return StreamLimits(
            days=self.stream_days_max,
            gigabytes=self.stream_gigabytes_max,
            replicas=self.stream_replicas,
        )


class CallerSettings(BaseSettings):
    """The settings of a program that calls services: its own key, which proves its identity."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    identity_key: PrivateKey | None = None
    # The same key in a file, which is reloaded when it changes.
    identity_key_file: KeyPath | None = None

    @pydantic.model_validator(mode="after")
    def _has_one_key(self) -> Self:
        if (self.identity_key is None) == (self.identity_key_file is None):
            raise ValueError("IDENTITY_KEY or IDENTITY_KEY_FILE must be set, and not both")
        return self

    def signer(self, *, caller: str) -> Signer:
        """Return the signer of this program's calls. caller: its name."""
        if self.identity_key_file is not None:
            key = Watched([self.identity_key_file], trust.read_private_key).current
            return Signer(key=key, caller=caller)
        given = self.identity_key.get_secret_value() if self.identity_key else ""
        own = trust.private_key(given)
        return Signer(key=lambda: own, caller=caller)


class TlsSettings(BaseSettings):
    """A program's certificate and key, and the authority of its peers: all three, or none."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    env: Literal["dev", "prod"] = "dev"
    # PEM files; each is reloaded when it changes.
    tls_cert_file: pydantic.FilePath | None = None
    tls_key_file: pydantic.FilePath | None = None
    tls_ca_file: pydantic.FilePath | None = None
    nats_url: NatsUrl = "nats://127.0.0.1:4222"
    # The authority of the NATS servers' certificates; None: the system's authorities.
    nats_ca_file: pydantic.FilePath | None = None

    @pydantic.model_validator(mode="after")
    def _has_all_of_tls(self) -> Self:
        files = (self.tls_cert_file, self.tls_key_file, self.tls_ca_file)
        if any(files) and not all(files):
            raise ValueError("TLS_CERT_FILE, TLS_KEY_FILE and TLS_CA_FILE go together")
        if self.env == "prod" and not all(files):
            raise ValueError("TLS_CERT_FILE must be set where ENV=prod: nothing goes in plain text")
        try:
            self.certificates()
        except (OSError, ValueError) as error:
            raise ValueError(f"TLS_CERT_FILE: {error}") from None
        return self

    @pydantic.model_validator(mode="after")
    def _names_itself_to_nats(self) -> Self:
        if self.env == "prod":
            require_nats_user(self.nats_url)
        return self

    def certificates(self) -> Certificates | None:
        """Return the source of the program's certificate; None: it has no certificate."""
        if self.tls_cert_file and self.tls_key_file and self.tls_ca_file:
            return tls.certificates(
                certificate=self.tls_cert_file, key=self.tls_key_file, authority=self.tls_ca_file
            )
        return None


class TraceSettings(BaseSettings):
    """Settings of traces, under OpenTelemetry's own names. Its library reads further variables."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    # The base URL of a collector for OTLP over HTTP; empty: tracing is off.
    otel_exporter_otlp_endpoint: HttpUrl | Literal[""] = ""
    # The share of requests that are traced.
    otel_traces_sampler_arg: Annotated[float, Field(ge=0, le=1)] = 0.01

    def traced(self, service: str) -> AbstractContextManager[None]:
        """Trace the block, if there is a collector."""
        return tracing.exported(
            service=service,
            endpoint=self.otel_exporter_otlp_endpoint,
            ratio=self.otel_traces_sampler_arg,
        )


class ServiceSettings(StreamSettings, TraceSettings, TlsSettings):
    """The settings of every gRPC service."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    database_url: PostgresUrl
    # All connections to PostgreSQL, including those of the relay and of locks.
    database_pool_size: Annotated[int, Field(ge=4, le=200)] = 20
    silence_seconds: SilenceSeconds = 10
    # The callers that the service trusts, their public keys, and the grants of outside callers.
    trust_file: TrustPath
    grpc_host: Host = "127.0.0.1"
    grpc_port: Port
    # Where Prometheus scrapes; port 0: nowhere.
    metrics_host: Host = "127.0.0.1"
    metrics_port: MetricsPort = 0
    # Health checks without TLS, on a separate port.
    health_port: Port | None = None
    # The limit of concurrent calls. More calls are refused, so that the running ones end in time.
    concurrent_calls_max: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    # The time limit of a stop. Calls in flight get two thirds of it.
    stop_grace_seconds: Annotated[int, Field(ge=0, le=300)] = 20

    def trust(self) -> Watched[Trust]:
        """Return the watched trust file, whose value is reloaded when it changes."""
        return Watched([self.trust_file], trust.read_trust)


def require_nats_user(url: str) -> None:
    """Require credentials and TLS in the URL of NATS. Raises: ValueError: one is missing."""
    servers = parse(url)
    if not servers.user:
        raise ValueError("NATS_URL must name a user and a password where ENV=prod")
    if not servers.has_tls:
        raise ValueError("NATS_URL must begin with tls:// where ENV=prod")


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def load(
    cls: type[SettingsT], *, program: str, given: Mapping[str, str] | None = None
) -> SettingsT:
    """Read the settings of a program from the environment.

    given: settings by name that replace variables of the environment.

    A wrong or misspelled setting ends the program with exit code 2 and one line that names the
    setting, but never its value, which may be secret.
    """
    known = {name.upper() for name in cls.model_fields}
    refuse_unknown(program, programs=(program,), known=known)
    for name in known:
        # GATEWAY_PORT=tcp://… is a service link of Kubernetes, not a setting.
        if setting_names.is_service_link(name, os.environ.get(name, "")):
            del os.environ[name]
    try:
        fields: dict[str, Any] = {name.lower(): value for name, value in (given or {}).items()}
        return cls(**fields)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        # An error about several settings names them in its message.
        what = f"{name}: {first['msg']}" if name else first["msg"].removeprefix("Value error, ")
        sys.stderr.write(f"{program}: setting {what}\n")
        raise SystemExit(2) from None


def refuse_unknown(teller: str, *, programs: Collection[str], known: Collection[str]) -> None:
    """End the program with exit code 2 if the environment has a misspelled setting.

    teller: the program that reports it. programs, known: see `setting_names.unknown`.
    """
    found = setting_names.unknown(os.environ, programs=programs, known=known)
    if found is not None:
        hint = f"; is {found.meant} meant?" if found.meant else ""
        sys.stderr.write(f"{teller}: setting {found.name}: is unknown{hint}\n")
        raise SystemExit(2)


def read(name: str, default: str = "") -> str:
    """Read one variable for a command-line tool that has no settings class."""
    return os.environ.get(name, default)
