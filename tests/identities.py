"""The callers of the tests: a key for each caller, and the trust file that lists them."""

import atexit
import shutil
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chassis.identity import OPERATOR, Signer, Verifier
from chassis.trust import Grant, Party, Trust, of_house, private_text, public_text
from deploy.local import authority

# The caller "stranger" is in the trust file, but on no allow-list.
BILLING = "billing"
CALLERS = ("gateway", "orders", "ledger", "escrow", "disputes", OPERATOR, "stranger")
KEYS = {caller: Ed25519PrivateKey.generate() for caller in CALLERS}
KEYS |= {BILLING: Ed25519PrivateKey.generate()}
# BILLING is an external program that was granted one RPC for every marketplace.
GRANT = Grant(
    rpcs=frozenset({"ledger.GetBalance"}),
    scopes=frozenset({"read"}),
    marketplaces="all",
)
TRUST = Trust(
    callers={
        **of_house({name: KEYS[name] for name in CALLERS}).callers,
        BILLING: Party(keys=(public_text(KEYS[BILLING]),), grant=GRANT),
    }
)
# The key of an unknown caller.
FOREIGN_KEY = Ed25519PrivateKey.generate()

_FOLDER = Path(tempfile.mkdtemp(prefix="identities-"))
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
TRUST_FILE = _FOLDER / "trust.json"
TRUST_FILE.write_text(TRUST.model_dump_json())


def key_file(caller: str) -> Path:
    """Return a file with a caller's private key."""
    path = _FOLDER / f"{caller}.pem"
    if not path.exists():
        path.write_text(private_text(KEYS[caller]))
    return path


def tls_settings(program: str) -> dict[str, str]:
    """Return the settings that name a program's certificate, its key and their authority."""
    authority.keep(_FOLDER)
    own = authority.files(_FOLDER, program)
    return {
        "TLS_CERT_FILE": str(own.certificate),
        "TLS_KEY_FILE": str(own.key),
        "TLS_CA_FILE": str(own.authority),
    }


def signer(caller: str, *, key: Ed25519PrivateKey | None = None) -> Signer:
    """Return a signer for a caller. key: by default the caller's own."""
    signing = key or KEYS[caller]
    return Signer(key=lambda: signing, caller=caller)


def verifier() -> Verifier:
    """Return a verifier that knows every caller."""
    return Verifier(trust=lambda: TRUST)
