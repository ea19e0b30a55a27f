"""Where the services of a deployment answer, and who asks: from arguments, or the environment.

Where no address is named, it is the embedded stack of RUN_DIR, as its stack.json tells.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chassis import addresses
from chassis.identity import OPERATOR_NAME
from deploy.local import credentials, settings, state

SERVICES = ("orders", "ledger", "escrow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A deployment. services: address by name; database_url: with the gateway's marketplaces.

    operator: the name of who asks, or "": it stands on what they propose and approve.
    """

    services: Mapping[str, str]
    secret: str
    database_url: str
    operator: str


class NoPlaceError(Exception):
    """It is not said where the services are; the text says what is missing."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what names a deployment to a command's arguments."""
    place = parser.add_argument_group("deployment", "the embedded stack where none is named")
    for name in SERVICES:
        place.add_argument(f"--{name}-address", metavar="HOST:PORT", help=f"or {_variable(name)}")
    place.add_argument("--operator", metavar="NAME", help="who asks; or OPERATOR")


def load(arguments: argparse.Namespace) -> Place:
    """Read where the services are. Raises: NoPlaceError."""
    given = {
        name: getattr(arguments, f"{name}_address") or os.environ.get(_variable(name), "")
        for name in SERVICES
    }
    operator = arguments.operator or os.environ.get("OPERATOR", "")
    if operator and OPERATOR_NAME.fullmatch(operator) is None:
        raise NoPlaceError("OPERATOR: small letters, digits, dots, dashes and @, at most 64")
    if any(given.values()):
        return _elsewhere(given, operator)
    return _embedded(operator)


def _elsewhere(services: Mapping[str, str], operator: str) -> Place:
    for name, address in services.items():
        if not address:
            raise NoPlaceError(f"{_variable(name)}: is required where another address is named")
        try:
            addresses.target(address)
        except ValueError as error:
            raise NoPlaceError(f"{_variable(name)}: {error}") from None
    return Place(
        services=services,
        secret=_secret(),
        database_url=os.environ.get("DATABASE_URL", ""),
        operator=operator,
    )


def _embedded(operator: str) -> Place:
    run_dir = settings.load().run_dir
    stack = state.read(run_dir)
    if stack is None:
        raise NoPlaceError(f"no stack runs in {run_dir}; start one with `make run`, or name one")
    return Place(
        services=stack["services"],
        secret=credentials.load(run_dir).service_secret,
        database_url=stack["databaseUrl"],
        operator=operator,
    )


def _secret() -> str:
    """Read the services' secret; never from the arguments, which every process can see."""
    secret = os.environ.get("SERVICE_SECRET", "")
    if secret:
        return secret
    path = os.environ.get("SERVICE_SECRET_FILE", "")
    if not path:
        raise NoPlaceError("SERVICE_SECRET or SERVICE_SECRET_FILE: is required")
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise NoPlaceError(f"SERVICE_SECRET_FILE: {error.strerror}") from None


def _variable(service: str) -> str:
    return f"{service.upper()}_ADDRESS"


def warn(text: str) -> None:
    """Say on stderr what is no result."""
    sys.stderr.write(f"{text}\n")
