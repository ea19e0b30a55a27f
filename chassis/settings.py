"""Settings: the environment, read once, into a frozen value; a wrong one ends the start.

This is the only file of the chassis that looks at the environment.
"""

import os
import sys
from typing import Annotated, Literal, TypeVar

import pydantic
from pydantic import Field, StringConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict

Secret = Annotated[pydantic.SecretStr, Field(min_length=32)]
PostgresUrl = Annotated[str, StringConstraints(pattern=r"^postgres(ql)?://")]
NatsUrl = Annotated[str, StringConstraints(pattern=r"^(nats|tls)://")]
Address = Annotated[str, StringConstraints(pattern=r"^[^\s/]+:\d+$|^dns:///[^\s/]+:\d+$")]
Port = Annotated[int, Field(ge=1, le=65535)]


class ServiceSettings(BaseSettings):
    """What every gRPC service needs to start."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    env: Literal["dev", "prod"] = "dev"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    database_url: PostgresUrl
    database_pool_size: Annotated[int, Field(ge=2, le=100)] = 10
    nats_url: NatsUrl = "nats://127.0.0.1:4222"
    service_secret: Secret
    grpc_host: str = "127.0.0.1"
    grpc_port: Port
    # Calls served at once; more are refused, so that those inside end in time.
    concurrent_calls_max: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    # The longest that a stop may take; calls in flight have two thirds of it.
    stop_grace_seconds: Annotated[int, Field(ge=0, le=300)] = 20


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def load(cls: type[SettingsT], *, program: str) -> SettingsT:
    """Read the settings of a program from the environment.

    A wrong one ends the program with exit code 2 and one line that names it, never its value:
    it may be a secret.
    """
    try:
        return cls()
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        # A rule over several settings names them itself.
        what = f"{name}: {first['msg']}" if name else first["msg"].removeprefix("Value error, ")
        sys.stderr.write(f"{program}: setting {what}\n")
        raise SystemExit(2) from None


def read(name: str, default: str = "") -> str:
    """Read one variable for a command-line tool that has no settings class."""
    return os.environ.get(name, default)
