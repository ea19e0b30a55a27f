"""The addresses of a deployment and the operator's name, from options or the environment.

Without addresses, the embedded stack of RUN_DIR is used, as its stack.json describes it. Secrets,
and URLs that may contain secrets, are never options, because other processes can read options.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from chassis import addresses as spelling
from chassis import trust
from chassis.identity import OPERATOR_NAME
from chassis.settings import StreamSettings
from chassis.signature import EventSigner
from chassis.tls import Certificates, certificates
from deploy.local import credentials, identities, state
from deploy.local.identities import Papers
from deploy.local.settings import child_environment

SERVICES = ("orders", "ledger", "escrow")
# The settings that commands read, besides API_KEY_PEPPER_FILE.
READS = frozenset(
    {
        *(f"{service.upper()}_ADDRESS" for service in SERVICES),
        "API_KEY_PEPPER",
        "DATABASE_URL",
        "ESCROW_EVENT_KEYS",
        "NATS_URL",
        "OPERATOR",
        "RUN_DIR",
        "IDENTITY_KEY",
        "IDENTITY_KEY_FILE",
        "NATS_CA_FILE",
        "TLS_CA_FILE",
        "TLS_CERT_FILE",
        "TLS_KEY_FILE",
        "STELLAR_NETWORK_PASSPHRASE",
        "STELLAR_RPC_URL",
        # The limits of a rebuilt stream.
        *(name.upper() for name in StreamSettings.model_fields),
    }
)
RUN_DIR = ".run"


class NoPlaceError(Exception):
    """A setting is missing or wrong; the text names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A deployment, as far as it is known; unknown values are "" or empty.

    services: addresses by name. papers: the operators' key and certificate. pepper: API_KEY_PEPPER.
    database_url: of a role that can read the gateway's marketplaces. nats_url: with an
    administrator of the stream. nats_authority: of the NATS certificate; None: the system's.
    operator: the name of the operator, recorded with proposals and approvals. event_keys: the
    ledger's ESCROW_EVENT_KEYS. rpc_url, passphrase: of the chain's node. stack: the embedded
    stack's stack.json.
    """

    run_dir: Path
    services: Mapping[str, str] = field(default_factory=dict)
    papers: Papers | None = None
    pepper: str = field(default="", repr=False)
    database_url: str = field(default="", repr=False)
    nats_url: str = field(default="", repr=False)
    nats_authority: Path | None = None
    operator: str = ""
    event_keys: str = ""
    rpc_url: str = ""
    passphrase: str = ""
    stack: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def require_services(self) -> None:
        """Check that the services' addresses are known. Raises: NoPlaceError."""
        if not self.services:
            raise NoPlaceError(
                f"no stack runs in {self.run_dir}; start one with `make run`, or name one"
            )

    def require_papers(self) -> Papers:
        """Return the operator's key and certificate. Raises: NoPlaceError."""
        if self.papers is None:
            raise NoPlaceError("IDENTITY_KEY or IDENTITY_KEY_FILE: is required")
        return self.papers

    def require_database(self) -> None:
        """Check that a database is known. Raises: NoPlaceError."""
        if not self.database_url:
            self.require_services()
            raise NoPlaceError("DATABASE_URL: is required")

    def require_nats(self) -> None:
        """Check that NATS is known. Raises: NoPlaceError."""
        if not self.nats_url:
            raise NoPlaceError("NATS_URL: is required, of an administrator of the stream")


def load(*, addresses: Mapping[str, str], run_dir: str, operator: str) -> Place:
    """Read options and environment. addresses: of services by name; "" for those not given.

    Raises: NoPlaceError: a setting is wrong, or only a part of the settings is given.
    """
    if operator and OPERATOR_NAME.fullmatch(operator) is None:
        raise NoPlaceError(
            "OPERATOR: must be at most 64 lower-case letters, digits, dots, dashes and @"
        )
    place = Place(
        run_dir=Path(run_dir).resolve(),
        operator=operator,
        pepper=_secret("API_KEY_PEPPER"),
        database_url=_read("DATABASE_URL"),
        nats_url=_read("NATS_URL"),
        nats_authority=_path(_read("NATS_CA_FILE")),
        event_keys=_read("ESCROW_EVENT_KEYS"),
        rpc_url=_http(_read("STELLAR_RPC_URL")),
        passphrase=_read("STELLAR_NETWORK_PASSPHRASE"),
    )
    if any(addresses.values()):
        return _elsewhere(addresses, place)
    stack = state.read(place.run_dir)
    return place if stack is None else _embedded(stack, place)


def _embedded(stack: Mapping[str, Any], place: Place) -> Place:
    """Return the place of an embedded stack; its stack.json overrides the environment."""
    found = credentials.load(place.run_dir)
    return replace(
        place,
        services=stack["services"],
        papers=identities.operator_papers(place.run_dir),
        pepper=found.api_key_pepper,
        database_url=stack["databaseUrl"],
        nats_url=stack["natsAdminUrl"],
        nats_authority=_path(stack["natsCaFile"]),
        event_keys=EventSigner(found.event_signing_key).public_key,
        rpc_url=stack["rpcUrl"] or "",
        passphrase=stack["networkPassphrase"] or "",
        stack=stack,
    )


def _elsewhere(services: Mapping[str, str], place: Place) -> Place:
    for name, address in services.items():
        variable = f"{name.upper()}_ADDRESS"
        if not address:
            raise NoPlaceError(f"{variable}: is required if another address is given")
        try:
            spelling.target(address)
        except ValueError as error:
            raise NoPlaceError(f"{variable}: {error}") from None
    return replace(place, services=services, papers=_papers())


def _http(url: str) -> str:
    """Check a URL and return it. Raises: NoPlaceError: it is not valid."""
    try:
        return spelling.http_url(url) if url else ""
    except ValueError as error:
        raise NoPlaceError(f"STELLAR_RPC_URL: {error}") from None


def child(**values: str) -> dict[str, str]:
    """Return the environment for a program of the project that a command starts."""
    return child_environment(**values)


def _secret(name: str) -> str:
    """Read a secret from its variable, or from the file that `<name>_FILE` names; "" if neither.

    Raises: NoPlaceError.
    """
    path = _read(f"{name}_FILE")
    if _read(name) or not path:
        return _read(name)
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise NoPlaceError(f"{name}_FILE: {error.strerror}") from None


def _papers() -> Papers:
    """Load the operators' key and certificate. Raises: NoPlaceError."""
    path = _read("IDENTITY_KEY_FILE")
    try:
        given = _read("IDENTITY_KEY") or (Path(path).read_text() if path else "")
    except OSError as error:
        raise NoPlaceError(f"IDENTITY_KEY_FILE: {error.strerror}") from None
    if not given:
        raise NoPlaceError("IDENTITY_KEY or IDENTITY_KEY_FILE: is required")
    try:
        return Papers(key=trust.private_key(given), own=_certificates())
    except ValueError as error:
        raise NoPlaceError(f"IDENTITY_KEY: {error}") from None


def _certificates() -> Certificates | None:
    """Load the operators' certificate; None: the services are called without TLS."""
    names = ("TLS_CERT_FILE", "TLS_KEY_FILE", "TLS_CA_FILE")
    paths = [_read("TLS_CERT_FILE"), _read("TLS_KEY_FILE"), _read("TLS_CA_FILE")]
    if not any(paths):
        return None
    if not all(paths):
        raise NoPlaceError(f"{', '.join(names)}: go together")
    certificate, key, authority = map(Path, paths)
    try:
        return certificates(certificate=certificate, key=key, authority=authority)
    except OSError as error:
        raise NoPlaceError(f"{error.filename}: {error.strerror}") from None
    except ValueError as error:
        raise NoPlaceError(f"TLS_CERT_FILE: {error}") from None


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _read(name: str) -> str:
    return os.environ.get(name, "")
