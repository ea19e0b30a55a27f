"""Who the programs of one stack are: a key for each that calls, and the file of whom all believe.

Made at the first start, kept in RUN_DIR. Callers that were added later stay.
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

# The programs that call others. What only answers has no key to lose.
CALLERS = ("gateway", "orders", OPERATOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """What a tool shows to services: the key it signs with, and its certificate, if it has one."""

    key: Ed25519PrivateKey
    own: Certificates | None = None


def key_file(run_dir: Path, caller: str) -> Path:
    """Return where the private key of a caller is."""
    return run_dir / "identity" / f"{caller}.pem"


def trust_file(run_dir: Path) -> Path:
    """Return where it says whom the services believe."""
    return run_dir / "identity" / "trust.json"


def operator_papers(run_dir: Path) -> Papers:
    """Return what operators' tools show to the services of a stack."""
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
    """Make what is missing: keys, and the house's lines in the trust file.

    Raises: ValueError: a file is not what it should be.
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
