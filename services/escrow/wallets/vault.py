"""The vault: wallets' keys, sealed. A seed is in memory only while one signature is made.

Every seed is encrypted with its own data key (AES-256-GCM), and a key provider wraps the data key.
The cipher itself checks what the seal is bound to (version, marketplace, wallet, public key), so a
sealed key that is copied to another row does not open.
"""

import base64
import binascii
import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chassis.watched import Watched
from kernel.errors import Unavailable
from services.escrow.ports import Signer

VERSION = 1
KEY_BYTES = 32
NONCE_BYTES = 12
_ACCOUNT_VERSION_BYTE = 6 << 3
_SEED_VERSION_BYTE = 18 << 3
# A sealed key as it is stored.
Sealed = Mapping[str, str | int]


class KeyUnusable(Unavailable):
    """A wallet's sealed key cannot be decrypted: changed or swapped, or its own key is missing."""

    reason = "KEY_UNUSABLE"


class KeyFileRefused(ValueError):
    """The key file may not be used; the message names the setting and the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOwner:
    """The owner of a key, a part of its seal. address: the G… account that the key signs for."""

    marketplace_id: str
    wallet_id: str
    address: str

    def binding(self, *, version: int) -> bytes:
        """Return the bytes that a seal is bound to.

        Length prefixes keep neighbouring fields apart.
        """
        fields = (str(version), self.marketplace_id, self.wallet_id, self.address)
        return b"".join(len(f.encode()).to_bytes(4, "big") + f.encode() for f in fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedKey:
    """A stored seal. kek_id names the key that wrapped the data key; nothing here is secret."""

    version: int
    kek_id: str
    wrapped_data_key: bytes
    nonce: bytes
    ciphertext: bytes


class KeyProvider(Protocol):
    """Holds key-encryption keys, and uses them without giving them out."""

    @property
    def current(self) -> str:
        """The id of the key that wraps new data keys."""
        ...

    async def wrap(self, data_key: bytes, *, context: bytes) -> tuple[str, bytes]:
        """Encrypt a data key under the current key, bound to the context; return its id too."""
        ...

    async def unwrap(self, wrapped: bytes, *, kek_id: str, context: bytes) -> bytes:
        """Decrypt a data key. Raises: KeyUnusable."""
        ...


class Vault:
    """Makes, seals and uses keys."""

    def __init__(self, *, provider: KeyProvider) -> None:
        self._provider = provider

    @property
    def kek_id(self) -> str:
        """The id of the key that wraps new data keys."""
        return self._provider.current

    async def create(self, *, marketplace_id: str, wallet_id: str) -> tuple[KeyOwner, SealedKey]:
        """Make a new key and seal it; return its owner, which has the address, and the seal."""
        seed = os.urandom(KEY_BYTES)
        owner = KeyOwner(
            marketplace_id=marketplace_id, wallet_id=wallet_id, address=_address_of(seed)
        )
        return owner, await self._seal(seed, owner=owner)

    async def import_secret(
        self, secret: str, *, marketplace_id: str, wallet_id: str
    ) -> tuple[KeyOwner, SealedKey]:
        """Seal an existing key, given as S… text. Raises: ValueError: it is not a key."""
        seed = _decode_secret(secret)
        owner = KeyOwner(
            marketplace_id=marketplace_id, wallet_id=wallet_id, address=_address_of(seed)
        )
        return owner, await self._seal(seed, owner=owner)

    async def rewrap(self, sealed: SealedKey, *, owner: KeyOwner) -> SealedKey:
        """Wrap the data key with the provider's current key; the ciphertext is unchanged.

        Raises: KeyUnusable.
        """
        data_key = await self._unwrap(sealed, owner)
        context = owner.binding(version=sealed.version)
        kek_id, wrapped = await self._provider.wrap(data_key, context=context)
        return replace(sealed, kek_id=kek_id, wrapped_data_key=wrapped)

    def signer(self, sealed: SealedKey, *, owner: KeyOwner) -> Signer:
        """Return a signer for the wallet. It unseals the seed anew for every signature."""
        return _SealedSigner(vault=self, sealed=sealed, owner=owner)

    async def sign(self, sealed: SealedKey, *, owner: KeyOwner, payload: bytes) -> bytes:
        """Return the Ed25519 signature of a hash. Raises: KeyUnusable."""
        data_key = await self._unwrap(sealed, owner)
        binding = owner.binding(version=sealed.version)
        try:
            seed = AESGCM(data_key).decrypt(sealed.nonce, sealed.ciphertext, binding)
        except (InvalidTag, ValueError) as error:
            raise KeyUnusable("a sealed key does not open") from error
        return Ed25519PrivateKey.from_private_bytes(seed).sign(payload)

    async def _seal(self, seed: bytes, *, owner: KeyOwner) -> SealedKey:
        data_key, nonce = os.urandom(KEY_BYTES), os.urandom(NONCE_BYTES)
        binding = owner.binding(version=VERSION)
        kek_id, wrapped = await self._provider.wrap(data_key, context=binding)
        return SealedKey(
            version=VERSION,
            kek_id=kek_id,
            wrapped_data_key=wrapped,
            nonce=nonce,
            ciphertext=AESGCM(data_key).encrypt(nonce, seed, binding),
        )

    async def _unwrap(self, sealed: SealedKey, owner: KeyOwner) -> bytes:
        context = owner.binding(version=sealed.version)
        return await self._provider.unwrap(
            sealed.wrapped_data_key, kek_id=sealed.kek_id, context=context
        )


class _SealedSigner:
    """Signs for one wallet. Its repr shows only the address."""

    def __init__(self, *, vault: Vault, sealed: SealedKey, owner: KeyOwner) -> None:
        self._vault = vault
        self._sealed = sealed
        self._owner = owner

    def __repr__(self) -> str:
        return f"<signer of {self._owner.address}>"

    @property
    def address(self) -> str:
        return self._owner.address

    async def sign(self, *, payload: bytes) -> bytes:
        return await self._vault.sign(self._sealed, owner=self._owner, payload=payload)


class LocalFileKeyProvider:
    """Key-encryption keys in a local file, for development.

    The file has one `id hex` line per key; the last key wraps, all keys unwrap. read: returns the
    file's current keys, the last one last.
    """

    def __init__(self, *, read: Callable[[], Mapping[str, bytes]]) -> None:
        self._read = read

    def __repr__(self) -> str:
        return f"<local key file, {len(self._read())} keys>"

    @classmethod
    def open(cls, path: Path, *, production: bool) -> "LocalFileKeyProvider":
        """Read the key file; create it, readable only by its owner, if it is missing.

        Raises: KeyFileRefused: in production; others may read the file; it holds no keys.
        """
        if production:
            raise KeyFileRefused("KEY_FILE: a local key file is refused when ENV=prod")
        if not path.exists():
            try:
                _make(path)
            except OSError as error:
                raise KeyFileRefused(f"KEY_FILE: cannot be made: {error.strerror}") from error
        if path.stat().st_mode & 0o077:
            raise KeyFileRefused("KEY_FILE: others may read it; its mode must be 0600")
        # The file is read again when it changes: keys are added and removed without a restart.
        return cls(read=Watched([path], _keys_in).current)

    @property
    def current(self) -> str:
        """The id of the key that wraps."""
        return list(self._read())[-1]

    async def wrap(self, data_key: bytes, *, context: bytes) -> tuple[str, bytes]:
        """Encrypt a data key under the current key; return the key's id too."""
        nonce = os.urandom(NONCE_BYTES)
        kek_id, key = list(self._read().items())[-1]
        return kek_id, nonce + AESGCM(key).encrypt(nonce, data_key, _bound(kek_id, context))

    async def unwrap(self, wrapped: bytes, *, kek_id: str, context: bytes) -> bytes:
        """Decrypt a data key. Raises: KeyUnusable."""
        key = self._read().get(kek_id)
        if key is None:
            raise KeyUnusable(f"no key-encryption key {kek_id}")
        nonce, rest = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        try:
            return AESGCM(key).decrypt(nonce, rest, _bound(kek_id, context))
        except (InvalidTag, ValueError) as error:
            raise KeyUnusable("a wrapped data key does not open") from error


def _bound(kek_id: str, context: bytes) -> bytes:
    return len(kek_id.encode()).to_bytes(4, "big") + kek_id.encode() + context


def _make(path: Path) -> None:
    # The file is linked into place when it is complete: two processes that start at once share one
    # key.
    draft = path.with_name(f"{path.name}.{os.urandom(6).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"local-1 {os.urandom(KEY_BYTES).hex()}\n")
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(draft)
    draft.unlink()


def _keys_in(contents: Sequence[bytes]) -> Mapping[str, bytes]:
    """Read a key file. Raises: KeyFileRefused."""
    [raw] = contents
    keys = {}
    for line in raw.decode("ascii", "replace").splitlines():
        kek_id, _, text = line.partition(" ")
        try:
            key = bytes.fromhex(text)
        except ValueError:
            key = b""
        if not kek_id or len(key) != KEY_BYTES:
            raise KeyFileRefused("KEY_FILE: every line must be an id and 64 hex digits")
        keys[kek_id] = key
    if not keys:
        raise KeyFileRefused("KEY_FILE: it holds no key")
    return keys


def _address_of(seed: bytes) -> str:
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return _spell(_ACCOUNT_VERSION_BYTE, public)


def _spell(version_byte: int, payload: bytes) -> str:
    """Spell a key as Stellar does: version byte, 32 bytes, CRC-16/XMODEM, base32 (SEP-23)."""
    body = bytes([version_byte]) + payload
    checksum = binascii.crc_hqx(body, 0).to_bytes(2, "little")
    return base64.b32encode(body + checksum).decode("ascii")


def _decode_secret(secret: str) -> bytes:
    try:
        raw = base64.b32decode(secret.encode("ascii"))
    except (ValueError, UnicodeEncodeError):
        raise ValueError("not a secret key") from None
    seed = raw[1:-2]
    if len(seed) != KEY_BYTES or _spell(_SEED_VERSION_BYTE, seed) != secret:
        raise ValueError("not a secret key")
    return seed
