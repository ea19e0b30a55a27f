"""Trust: the callers of a service by name, their public keys, and the grants of outside callers.

The trust file has no secrets, so it can be read, reviewed and mounted like any configuration. Each
caller signs with its own private key. A reader of the file can check signatures but cannot sign.
`python -m chassis.trust` prints a new key.
"""

import base64
import binascii
import re
import sys
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Literal, Self

import pydantic
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

KEY_BYTES = 32
# The old and the new key, during a key rotation.
KEYS_MAX = 2
CALLER_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}", re.ASCII)
RPC_NAME = re.compile(r"[a-z]+\.[A-Z][A-Za-z]+", re.ASCII)


def _name(value: str) -> str:
    if CALLER_NAME.fullmatch(value) is None:
        raise ValueError("must be a name of small letters, digits and dashes")
    return value


def _rpc(value: str) -> str:
    if RPC_NAME.fullmatch(value) is None:
        raise ValueError("must be a service and a method, as in ledger.GetBalance")
    return value


def _public(value: str) -> str:
    public_key(value)
    return value


CallerName = Annotated[str, AfterValidator(_name)]
PublicKeyText = Annotated[str, AfterValidator(_public)]


class Grant(BaseModel):
    """The rights of a caller from outside.

    rpcs: such as "ledger.GetBalance". scopes: those it may claim. marketplaces: their ids, or
    "all".
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rpcs: Annotated[frozenset[Annotated[str, AfterValidator(_rpc)]], Field(min_length=1)]
    scopes: frozenset[Literal["read", "write", "support", "admin"]]
    marketplaces: Literal["all"] | Annotated[frozenset[uuid.UUID], Field(min_length=1)]

    def has_marketplace(self, marketplace_id: uuid.UUID) -> bool:
        """Return whether the grant covers a marketplace."""
        return self.marketplaces == "all" or marketplace_id in self.marketplaces


class Party(BaseModel):
    """One caller.

    keys: the caller's public keys, base64. grant: None for our own programs, whose rights are in
    the allow-lists of the code.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: Annotated[tuple[PublicKeyText, ...], Field(min_length=1, max_length=KEYS_MAX)]
    grant: Grant | None = None


class Trust(BaseModel):
    """The trusted callers, by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    callers: dict[CallerName, Party]
    _keys: dict[str, tuple[Ed25519PublicKey, ...]] = pydantic.PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _each_key_is_one_callers(self) -> Self:
        keys = [key for party in self.callers.values() for key in party.keys]
        if len(set(keys)) != len(keys):
            raise ValueError("a key must be listed once, for one caller")
        return self

    def model_post_init(self, _: object) -> None:
        """Parse all keys, once."""
        for name, party in self.callers.items():
            self._keys[name] = tuple(public_key(key) for key in party.keys)

    def keys_of(self, caller: str) -> tuple[Ed25519PublicKey, ...]:
        """Return a caller's keys; none for an unknown caller."""
        return self._keys.get(caller, ())

    def grant_of(self, caller: str) -> Grant | None:
        """Return the grant of a caller from outside; None: our own program, or unknown."""
        party = self.callers.get(caller)
        return party.grant if party else None


def parse(text: str | bytes) -> Trust:
    """Parse a trust file. Raises: ValueError: names the problem in one line."""
    try:
        return Trust.model_validate_json(text)
    except pydantic.ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{place}: {what}" if place else what) from None


def read_trust(files: Sequence[bytes]) -> Trust:
    """Parse the content of a trust file, for `Watched`. Raises: ValueError."""
    return parse(files[0])


def of_house(keys: Mapping[str, Ed25519PrivateKey]) -> Trust:
    """Return a trust of our own programs only. keys: their private keys by name."""
    parties = {name: Party(keys=(public_text(key),)) for name, key in keys.items()}
    return Trust(callers=parties)


def public_key(text: str) -> Ed25519PublicKey:
    """Parse a public key: 32 bytes in base64. Raises: ValueError."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != KEY_BYTES:
        raise ValueError(f"must be a public key of Ed25519: {KEY_BYTES} bytes in base64")
    return Ed25519PublicKey.from_public_bytes(found)


def public_text(key: Ed25519PrivateKey | Ed25519PublicKey) -> str:
    """Return the public half of a key as the trust file spells it."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return base64.b64encode(public.public_bytes_raw()).decode()


def private_key(text: str | bytes) -> Ed25519PrivateKey:
    """Parse a private key: PEM of PKCS #8, or its 32 bytes in base64.

    Raises: ValueError: its message does not quote the key.
    """
    data = text.encode() if isinstance(text, str) else text
    with suppress(binascii.Error, ValueError):
        return Ed25519PrivateKey.from_private_bytes(base64.b64decode(data.strip(), validate=True))
    try:
        found = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        found = None
    if not isinstance(found, Ed25519PrivateKey):
        raise ValueError("must be a private key of Ed25519, in PEM (PKCS #8) or base64")  # noqa: TRY004
    return found


def read_private_key(files: Sequence[bytes]) -> Ed25519PrivateKey:
    """Parse the content of a private key's file, for `Watched`. Raises: ValueError."""
    return private_key(files[0])


def private_text(key: Ed25519PrivateKey) -> str:
    """Return a private key as PEM of PKCS #8."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def main() -> None:
    """Print a new pair: the owner's setting, and the owner's line of the trust file."""
    key = Ed25519PrivateKey.generate()
    private = base64.b64encode(key.private_bytes_raw()).decode()
    sys.stdout.write(f'IDENTITY_KEY={private}\n"keys": ["{public_text(key)}"]\n')


if __name__ == "__main__":
    main()
