"""The identities of one stack's programs: a key for each caller, and the trust file.

They are created at the first start and stored in RUN_DIR. Callers that were added later are kept.
"""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chassis import trust
from chassis.identity import OPERATOR
from chassis.tls import Certificates, certificates
from chassis.trust import Party, Trust
from deploy.local import authority
from deploy.local.credentials import write_private

# The programs that call other programs. A program that only answers needs no key.
CALLERS = ("gateway", "orders", OPERATOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """What identifies a tool to services: its signing key, and its certificate if it has one."""

    key: Ed25519PrivateKey
    own: Certificates | None = None


def key_file(run_dir: Path, caller: str) -> Path:
    """Return the path of a caller's private key."""
    return run_dir / "identity" / f"{caller}.pem"


def trust_file(run_dir: Path) -> Path:
    """Return the path of the trust file."""
    return run_dir / "identity" / "trust.json"


def operator_papers(run_dir: Path) -> Papers:
    """Return the key and certificate of operators' tools for a stack's services."""
    of_operator = authority.files(run_dir, OPERATOR)
    return Papers(
        key=trust.private_key(key_file(run_dir, OPERATOR).read_text()),
        own=certificates(
            certificate=of_operator.certificate,
            key=of_operator.key,
            authority=of_operator.authority,
        ),
    )


def keep(run_dir: Path) -> None:
    """Create missing keys, and missing entries of the programs in the trust file.

    Raises: ValueError: the content of a file is not valid.
    """
    key_file(run_dir, OPERATOR).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = {caller: _key(key_file(run_dir, caller)) for caller in CALLERS}
    path = trust_file(run_dir)
    known = trust.parse(path.read_text()) if path.exists() else Trust(callers={})
    changed = {**known.callers}
    for caller, party in trust.of_house(keys).callers.items():
        own, before = party.keys, changed.get(caller, party).keys
        changed[caller] = Party(keys=before if own[0] in before else own)
    if changed != known.callers:
        write_private(path, Trust(callers=changed).model_dump_json(indent=2))


def _key(path: Path) -> Ed25519PrivateKey:
    if not path.exists():
        write_private(path, trust.private_text(Ed25519PrivateKey.generate()))
    return trust.private_key(path.read_text())
