"""Where the parts of a deployment answer, and who asks: from options, or the environment.

Where no address is named, it is the embedded stack of RUN_DIR, as its stack.json tells. Secrets,
and URLs that may have one in them, are never options: every process can see those.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chassis import addresses as spelling
from chassis.identity import OPERATOR_NAME
from deploy.local import credentials, state

SERVICES = ("orders", "ledger", "escrow")
RUN_DIR = ".run"


class NoPlaceError(Exception):
    """It is not said where what is asked is; the text says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A deployment, as far as it is known; what is not is "" or empty.

    services: address by name. database_url: with the gateway's marketplaces. operator: the name of
    who asks: it stands on what they propose and approve. stack: what the embedded stack tells.
    """

    run_dir: Path
    services: Mapping[str, str] = field(default_factory=dict)
    secret: str = field(default="", repr=False)
    database_url: str = field(default="", repr=False)
    operator: str = ""
    stack: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def require_services(self) -> None:
        """Require that the services are known. Raises: NoPlaceError."""
        if not self.services:
            raise NoPlaceError(
                f"no stack runs in {self.run_dir}; start one with `make run`, or name one"
            )

    def require_database(self) -> None:
        """Require that a database is known. Raises: NoPlaceError."""
        if not self.database_url:
            self.require_services()
            raise NoPlaceError("DATABASE_URL: is required")


def load(*, addresses: Mapping[str, str], run_dir: str, operator: str) -> Place:
    """Read where everything is. addresses: of services by name, "" where none is named.

    Raises: NoPlaceError: what is said is wrong, or not whole.
    """
    if operator and OPERATOR_NAME.fullmatch(operator) is None:
        raise NoPlaceError("OPERATOR: small letters, digits, dots, dashes and @, at most 64")
    home = Path(run_dir).resolve()
    if any(addresses.values()):
        return _elsewhere(addresses, home, operator)
    stack = state.read(home)
    if stack is None:
        return Place(run_dir=home, database_url=_read("DATABASE_URL"), operator=operator)
    return Place(
        run_dir=home,
        services=stack["services"],
        secret=credentials.load(home).service_secret,
        database_url=stack["databaseUrl"],
        operator=operator,
        stack=stack,
    )


def _elsewhere(services: Mapping[str, str], run_dir: Path, operator: str) -> Place:
    for name, address in services.items():
        variable = f"{name.upper()}_ADDRESS"
        if not address:
            raise NoPlaceError(f"{variable}: is required where another address is named")
        try:
            spelling.target(address)
        except ValueError as error:
            raise NoPlaceError(f"{variable}: {error}") from None
    return Place(
        run_dir=run_dir,
        services=services,
        secret=_secret(),
        database_url=_read("DATABASE_URL"),
        operator=operator,
    )


def _secret() -> str:
    """Read the services' secret."""
    secret = _read("SERVICE_SECRET")
    if secret:
        return secret
    path = _read("SERVICE_SECRET_FILE")
    if not path:
        raise NoPlaceError("SERVICE_SECRET or SERVICE_SECRET_FILE: is required")
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise NoPlaceError(f"SERVICE_SECRET_FILE: {error.strerror}") from None


def _read(name: str) -> str:
    return os.environ.get(name, "")
