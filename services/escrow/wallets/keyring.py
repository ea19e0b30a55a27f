"""The signers of addresses. The vault makes their keys; the stores keep the keys sealed."""

import hashlib
import time
import uuid

from chassis.database import Database
from services.escrow.domain import Wallet
from services.escrow.ports import Signer
from services.escrow.wallets.accounts import Accounts
from services.escrow.wallets.seals import Seal
from services.escrow.wallets.vault import KeyOwner, KeyUnusable, Sealed, SealedKey, Vault

# The owners that the seals of keys without a marketplace are bound to.
PLATFORM = "platform"
RESOLVER = "resolver"
CHANNEL = "channel"
# The platform's key signs this once. The secret of salts follows from the signature.
SALTS = hashlib.sha256(b"orchestrator: the salts of contracts").digest()
# A seal is read again after this time, because the key that wraps it may have been replaced.
KNOWN_SECONDS = 30.0


class Keyring:
    """Makes keys and finds the signer of an address."""

    def __init__(self, *, vault: Vault, accounts: Accounts, database: Database) -> None:
        self._vault = vault
        self._accounts = accounts
        self._database = database
        self._salt_key: bytes | None = None
        self._known: dict[str, tuple[Signer, float]] = {}

    async def new_wallet(
        self, *, marketplace_id: uuid.UUID, wallet_id: uuid.UUID
    ) -> tuple[str, Sealed]:
        """Make the key of a user's wallet; return its address and its seal."""
        owner, sealed = await self._vault.create(
            marketplace_id=str(marketplace_id), wallet_id=str(wallet_id)
        )
        return owner.address, to_json(sealed)

    async def new_channel(self) -> tuple[str, Sealed]:
        """Make the key of a channel account; return its address and its seal."""
        owner, sealed = await self._vault.create(marketplace_id=PLATFORM, wallet_id=CHANNEL)
        return owner.address, to_json(sealed)

    async def ensure_platform(self, *, secret: str | None, resolver: str | None = None) -> None:
        """Store the keys of the platform and of the resolver, if none are stored yet.

        secret: a given key; None: a new key. resolver: a given key; None: the platform resolves
        disputes. Several replicas may call this at once; all use the keys of the first one.
        Raises: ValueError: a given secret is not a key, or another key is stored.
        """
        await self._ensure(PLATFORM, secret)
        if resolver:
            await self._ensure(RESOLVER, resolver)

    async def _ensure(self, name: str, secret: str | None) -> None:
        if secret:
            owner, sealed = await self._vault.import_secret(
                secret, marketplace_id=PLATFORM, wallet_id=name
            )
        else:
            owner, sealed = await self._vault.create(marketplace_id=PLATFORM, wallet_id=name)
        add = {PLATFORM: self._accounts.add_platform, RESOLVER: self._accounts.add_resolver}
        read = {PLATFORM: self._accounts.platform, RESOLVER: self._accounts.resolver}
        async with self._database.transaction() as tx:
            if await read[name](tx) is None:
                await add[name](tx, address=owner.address, sealed=to_json(sealed))
        kept = (await self._signer(name)).address
        if secret and kept != owner.address:
            raise ValueError(f"another {name} wallet is in use: {kept}")

    async def platform(self) -> Signer:
        """Return the signer of the platform. Raises: LookupError: before the first start."""
        return await self._signer(PLATFORM)

    async def resolver(self) -> Signer:
        """Return the signer that divides disputed contracts: the platform's, or one of its own.

        Raises: as `platform`.
        """
        try:
            return await self._signer(RESOLVER)
        except LookupError:
            return self._keep(RESOLVER, await self.platform())

    async def _signer(self, name: str) -> Signer:
        if (known := self._recent(name)) is not None:
            return known
        read = {PLATFORM: self._accounts.platform, RESOLVER: self._accounts.resolver}
        async with self._database.statement() as connection:
            found = await read[name](connection)
        if found is None:
            raise LookupError(f"there is no {name} wallet yet")
        address, sealed = found
        owner = KeyOwner(marketplace_id=PLATFORM, wallet_id=name, address=address)
        return self._keep(name, self._vault.signer(from_json(sealed), owner=owner))

    async def salt_key(self) -> bytes:
        """Return the secret that salts are made with. It follows from the platform's key.

        So it needs no storage, and a restored database has the same secret. The signed bytes are
        the hash of no transaction. Raises: LookupError: before the first start; KeyUnusable.
        """
        if self._salt_key is None:
            signature = await (await self.platform()).sign(payload=SALTS)
            self._salt_key = hashlib.sha256(signature).digest()
        return self._salt_key

    async def channel(self, address: str) -> Signer:
        """Return the signer of a channel account."""
        if (known := self._recent(address)) is not None:
            return known
        async with self._database.statement() as connection:
            sealed = await self._accounts.channel(connection, address)
        return self._keep(address, self.signer_of_channel(address=address, sealed=sealed))

    def _recent(self, name: str) -> Signer | None:
        """Return a signer that was read a moment ago; an older one may have another seal by now."""
        signer, read_at = self._known.get(name, (None, 0.0))
        return signer if time.monotonic() - read_at < KNOWN_SECONDS else None

    def _keep(self, name: str, signer: Signer) -> Signer:
        self._known[name] = (signer, time.monotonic())
        return signer

    def signer_of_channel(self, *, address: str, sealed: Sealed) -> Signer:
        """Return the signer of a channel account from its seal."""
        owner = KeyOwner(marketplace_id=PLATFORM, wallet_id=CHANNEL, address=address)
        return self._vault.signer(from_json(sealed), owner=owner)

    def wallet(self, wallet: Wallet, *, sealed: Sealed) -> Signer:
        """Return the signer of a user's wallet."""
        owner = KeyOwner(
            marketplace_id=str(wallet.marketplace_id),
            wallet_id=str(wallet.id),
            address=wallet.address,
        )
        return self._vault.signer(from_json(sealed), owner=owner)


def owner_of(seal: Seal) -> KeyOwner:
    """Return the owner that a stored seal is bound to."""
    platform = {"platform": PLATFORM, "resolver": RESOLVER, "channels": CHANNEL}
    if seal.place in platform:
        return KeyOwner(
            marketplace_id=PLATFORM, wallet_id=platform[seal.place], address=seal.address
        )
    return KeyOwner(
        marketplace_id=seal.marketplace_id, wallet_id=seal.wallet_id, address=seal.address
    )


def to_json(sealed: SealedKey) -> Sealed:
    """Return a seal in the form in which it is stored."""
    return {
        "version": sealed.version,
        "kek_id": sealed.kek_id,
        "wrapped_data_key": sealed.wrapped_data_key.hex(),
        "nonce": sealed.nonce.hex(),
        "ciphertext": sealed.ciphertext.hex(),
    }


def from_json(stored: Sealed) -> SealedKey:
    """Parse a stored seal. Raises: KeyUnusable: the row is not a seal."""
    try:
        return SealedKey(
            version=int(stored["version"]),
            kek_id=str(stored["kek_id"]),
            wrapped_data_key=bytes.fromhex(str(stored["wrapped_data_key"])),
            nonce=bytes.fromhex(str(stored["nonce"])),
            ciphertext=bytes.fromhex(str(stored["ciphertext"])),
        )
    except (LookupError, ValueError) as error:
        raise KeyUnusable("the stored value is not a sealed key") from error
