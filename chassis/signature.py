"""Signatures over events. They prove who wrote an event; access to the bus proves nothing.

The writer holds the private key and its readers the public key, so a reader cannot forge events.
Both keys are 32 bytes in base64. `python -m chassis.signature` prints a new pair.
"""

import base64
import binascii
import sys
from collections.abc import Iterable, Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

HEADER = "signature-ed25519"
KEY_BYTES = 32
# A key rotation needs two keys. More keys only take time.
PUBLIC_KEYS_MAX = 4
# Signed together with the event, so that a signature made for another purpose is not valid here.
_CONTEXT = b"orchestrator event 1\n"


class EventSigner:
    """Signs the events of one writer."""

    def __init__(self, key: str) -> None:
        """Take the private key. Raises: ValueError: it is not 32 bytes in base64."""
        self._key = Ed25519PrivateKey.from_private_bytes(_bytes(key))

    @property
    def public_key(self) -> str:
        """The key with which readers check the signatures."""
        return base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def sign(self, subject: str, body: bytes) -> str:
        """Return the signature over an event's subject and exact body, as the value of HEADER."""
        return base64.b64encode(self._key.sign(_signed(subject, body))).decode()


class EventVerifier:
    """Checks one writer's signatures with the writer's public keys."""

    def __init__(self, keys: str) -> None:
        """Read comma-separated public keys.

        Raises: ValueError: none, too many, or an invalid one.
        """
        self._keys = [Ed25519PublicKey.from_public_bytes(_bytes(key)) for key in _listed(keys)]

    def is_signed(self, *, subject: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Return whether a message has the writer's signature over this subject and body."""
        try:
            signature = base64.b64decode(headers.get(HEADER, ""), validate=True)
        except (binascii.Error, ValueError):
            return False
        return any(_fits(key, signature, _signed(subject, body)) for key in self._keys)


def new_key() -> str:
    """Generate a private key."""
    return base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()


def _signed(subject: str, body: bytes) -> bytes:
    # A subject has no line break, so the end of the subject is unambiguous.
    return _CONTEXT + subject.encode() + b"\n" + body


def _fits(key: Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _listed(keys: str) -> Iterable[str]:
    found = [key.strip() for key in keys.split(",") if key.strip()]
    if not 1 <= len(found) <= PUBLIC_KEYS_MAX:
        raise ValueError(f"must be 1 to {PUBLIC_KEYS_MAX} keys, separated by commas")
    return found


def _bytes(key: str) -> bytes:
    try:
        found = base64.b64decode(key.strip(), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != KEY_BYTES:
        # The message does not quote the text, which may be secret.
        raise ValueError(f"must be {KEY_BYTES} bytes in base64")
    return found


def main() -> None:
    """Print a new pair of keys, as settings."""
    key = new_key()
    sys.stdout.write(f"EVENT_SIGNING_KEY={key}\n")
    sys.stdout.write(f"ESCROW_EVENT_KEYS={EventSigner(key).public_key}\n")


if __name__ == "__main__":
    main()
