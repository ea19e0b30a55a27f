"""`callers`: programs other than Orchestrator's own, and the RPCs that each may call.

The trust file lists them; services reload it when it changes. It holds public keys and no secret,
exists before any database, and is reviewed and rolled back like other configuration. For the
embedded stack the file is found automatically, and its authority issues the certificates.
"""

import binascii
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.escrow.v1 import escrow_pb2
from orchestrator.ledger.v1 import ledger_pb2
from orchestrator.orders.v1 import orders_pb2
from pydantic import ValidationError

from chassis import trust
from chassis.tls import spiffe_id
from chassis.trust import KEYS_MAX, Grant, Party, Trust
from deploy.local import authority, identities
from deploy.local.authority import Files
from deploy.local.credentials import write_private
from deploy.operator.answers import Answer
from deploy.operator.command import doing
from deploy.operator.marketplaces import ALL, chosen
from deploy.operator.settings import NoPlaceError, Place
from kernel.errors import FailedPrecondition, NotFound

CONTRACTS = {
    "orders": orders_pb2.DESCRIPTOR.services_by_name["OrdersService"],
    "ledger": ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"],
    "escrow": escrow_pb2.DESCRIPTOR.services_by_name["EscrowService"],
    "disputes": disputes_pb2.DESCRIPTOR.services_by_name["DisputesService"],
}
RPCS = frozenset(
    f"{service}.{method.name}" for service, found in CONTRACTS.items() for method in found.methods
)


class CallerRefused(FailedPrecondition):
    """A caller cannot be added as described."""

    reason = "CALLER_REFUSED"


class CallerNotFound(NotFound):
    """No caller has that name."""

    reason = "CALLER_NOT_FOUND"


def _with_trust(run: Callable[..., Answer]) -> Callable[..., Answer]:
    given = click.Path(dir_okay=False, path_type=Path)
    said = "The trust file; the embedded stack's by default."
    return click.option("--trust", "file", type=given, help=said)(run)


@doing("add", about="Add a caller, or give an existing one another key and a new grant.")
@click.argument("name")
@_with_trust
@click.option(
    "--rpc",
    "rpcs",
    multiple=True,
    required=True,
    help="An RPC that it may call, such as ledger.GetBalance.",
)
@click.option("--scope", "scopes", multiple=True, help="read, write, support or admin.")
@click.option("--marketplace", "whose", multiple=True, required=True, help="A name, a UUID or all.")
@click.option(
    "--public-key",
    "given",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Its public key, PEM or base64; by default a key pair is created.",
)
@click.option(
    "--csr",
    "request",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A certificate signing request; by default the TLS key is created, too.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder for the created files.",
)
def add(
    place: Place,
    *,
    name: str,
    file: Path | None,
    rpcs: Sequence[str],
    scopes: Sequence[str],
    whose: Sequence[str],
    given: Path | None,
    request: Path | None,
    out: Path | None,
) -> Answer:
    """Add a caller.

    Raises: NoPlaceError; CallerRefused; NoSuchMarketplaceError; psycopg.Error.
    """
    path, known = _read(place, file)
    if name in authority.PROGRAMS:
        raise CallerRefused(f"{name} is one of Orchestrator's own programs")
    unknown = sorted(set(rpcs) - RPCS)
    if unknown:
        raise CallerRefused(f"unknown RPC: {', '.join(unknown)}")
    folder = out or place.run_dir / "callers" / name
    key, made = _key(given)
    keys = _keys(known.callers.get(name), trust.public_text(key))
    try:
        grant = Grant.model_validate(
            {"rpcs": rpcs, "scopes": scopes, "marketplaces": _marketplaces(place, whose)}
        )
        changed = Trust.model_validate(
            {"callers": {**known.callers, name: Party(keys=keys, grant=grant)}}
        )
    except ValidationError as error:
        raise CallerRefused(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    written = _write_key(folder, made)
    if file is None:
        written += _certify(place, folder, name, request)
    write_private(path, changed.model_dump_json(indent=2))
    names = [str(one) for one in written]
    return Answer(
        lines=[f"{name} may call {', '.join(sorted(rpcs))}", *names],
        document={**_described(name, changed.callers[name]), "files": names},
    )


@doing("list", about="List the callers that services accept, and what each may call.")
@_with_trust
def listing(place: Place, *, file: Path | None) -> Answer:
    """List callers. Raises: NoPlaceError."""
    _, known = _read(place, file)
    found = [_described(name, party) for name, party in sorted(known.callers.items())]
    return Answer(lines=[_line(one) for one in found], document={"callers": found})


@doing("remove", about="Remove a caller; within a second every service refuses it.")
@click.argument("name")
@_with_trust
def remove(place: Place, *, name: str, file: Path | None) -> Answer:
    """Remove an outside caller. Raises: NoPlaceError; CallerRefused; CallerNotFound."""
    path, known = _read(place, file)
    party = known.callers.get(name)
    if party is None:
        raise CallerNotFound(f"unknown caller: {name}")
    if party.grant is None:
        raise CallerRefused(f"{name} is one of Orchestrator's own programs")
    kept = {one: other for one, other in known.callers.items() if one != name}
    write_private(path, Trust(callers=kept).model_dump_json(indent=2))
    return Answer(lines=[f"{name} is removed"], document={"name": name})


group = click.Group(
    "callers",
    help="Manage other programs that may call the services.",
    commands=[add, listing, remove],
)


def _read(place: Place, file: Path | None) -> tuple[Path, Trust]:
    """Read the trust file. Raises: NoPlaceError: it is missing or invalid."""
    if file is None:
        place.require_services()
        if not place.stack:
            raise NoPlaceError("--trust: is required, except for the embedded stack")
    path = file or identities.trust_file(place.run_dir)
    try:
        return path, trust.parse(path.read_text())
    except (OSError, ValueError) as error:
        raise NoPlaceError(f"{path}: {error}") from None


def _key(given: Path | None) -> tuple[Ed25519PublicKey, Ed25519PrivateKey | None]:
    """Return a caller's public key, and also the private key if it is created here."""
    if given is None:
        made = Ed25519PrivateKey.generate()
        return made.public_key(), made
    data = given.read_bytes()
    try:
        if data.startswith(b"-----"):
            found = load_pem_public_key(data)
        else:
            found = trust.public_key(data.decode().strip())
    except (ValueError, binascii.Error):
        found = None
    if not isinstance(found, Ed25519PublicKey):
        raise CallerRefused("the public key must be an Ed25519 key, in PEM or base64")
    return found, None


def _keys(before: Party | None, key: str) -> tuple[str, ...]:
    """Return the keys of a caller after a rotation: the last key and the new one are trusted."""
    last = before.keys[-(KEYS_MAX - 1) :] if before else ()
    return (*(one for one in last if one != key), key)


def _marketplaces(place: Place, whose: Sequence[str]) -> Any:
    if ALL in whose:
        return ALL
    return [found.id for text in whose for found in chosen(text, database_url=place.database_url)]


def _write_key(folder: Path, made: Ed25519PrivateKey | None) -> list[Path]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if made is None:
        return []
    path = folder / "identity.pem"
    write_private(path, trust.private_text(made))
    return [path]


def _certify(place: Place, folder: Path, name: str, request: Path | None) -> list[Path]:
    """Write a certificate issued by the stack's authority. Raises: CallerRefused."""
    of_stack = authority.load(place.run_dir)
    files = Files(
        certificate=folder / "tls.pem", key=folder / "tls.key", authority=folder / "ca.pem"
    )
    files.authority.write_text(of_stack.certificate)
    if request is None:
        authority.write(files, of_stack.issue(name))
        return [files.certificate, files.key, files.authority]
    try:
        signed = of_stack.sign_request(request.read_bytes(), program=name)
    except ValueError as error:
        raise CallerRefused(f"certificate request: {error}") from None
    files.certificate.write_text(signed)
    return [files.certificate, files.authority]


def _described(name: str, party: Party) -> dict[str, Any]:
    grant = party.grant
    return {
        "name": name,
        "spiffeId": spiffe_id(name),
        "keys": list(party.keys),
        "rpcs": sorted(grant.rpcs) if grant else None,
        "scopes": sorted(grant.scopes) if grant else None,
        "marketplaces": _told(grant) if grant else None,
    }


def _told(grant: Grant) -> str | list[str]:
    return ALL if isinstance(grant.marketplaces, str) else sorted(map(str, grant.marketplaces))


def _line(one: dict[str, Any]) -> str:
    if one["rpcs"] is None:
        return f"{one['name']}  Orchestrator's own"
    whose = one["marketplaces"]
    where = whose if isinstance(whose, str) else ",".join(whose)
    return f"{one['name']}  {','.join(one['rpcs'])}  {','.join(one['scopes']) or '-'}  {where}"
