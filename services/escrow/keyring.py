"""Who signs: keys made by the vault, kept sealed in the store, handed out as signers."""

import uuid

from chassis.database import Database
from services.escrow.domain import Wallet
from services.escrow.ports import Signer
from services.escrow.store.accounts import Accounts, Sealed
from services.escrow.vault import KeyOwner, SealedKey, Vault

# What a seal of a key of no marketplace is bound to.
PLATFORM = "platform"
CHANNEL = "channel"


class Keyring:
    """Makes keys and finds the signer of an address."""

    def __init__(self, *, vault: Vault, accounts: Accounts, database: Database) -> None:
        self._vault = vault
        self._accounts = accounts
        self._database = database
        self._platform: Signer | None = None
        self._channels: dict[str, Signer] = {}

    async def new_wallet(
        self, *, marketplace_id: uuid.UUID, wallet_id: uuid.UUID
    ) -> tuple[str, Sealed]:
        """Make the key of a user's wallet; returns its address and the seal."""
        owner, sealed = await self._vault.create(
            marketplace_id=str(marketplace_id), wallet_id=str(wallet_id)
        )
        return owner.address, to_json(sealed)

    async def new_channel(self) -> tuple[str, Sealed]:
        """Make the key of a channel account; returns its address and the seal."""
        owner, sealed = await self._vault.create(marketplace_id=PLATFORM, wallet_id=CHANNEL)
        return owner.address, to_json(sealed)

    async def ensure_platform(self, *, secret: str | None) -> None:
        """Keep the platform's key: the given one, or a new one, where none is kept yet.

        Several replicas may do so at once; the first one's key is everybody's.
        Raises: ValueError: the given secret is none, or another key is kept.
        """
        if secret:
            owner, sealed = await self._vault.import_secret(
                secret, marketplace_id=PLATFORM, wallet_id=PLATFORM
            )
        else:
            owner, sealed = await self._vault.create(marketplace_id=PLATFORM, wallet_id=PLATFORM)
        async with self._database.transaction() as tx:
            if await self._accounts.platform(tx) is None:
                await self._accounts.add_platform(tx, address=owner.address, sealed=to_json(sealed))
        kept = (await self.platform()).address
        if secret and kept != owner.address:
            raise ValueError(f"another platform wallet is in use: {kept}")

    async def platform(self) -> Signer:
        """Return who signs for the platform. Raises: LookupError: before the first start."""
        if self._platform is None:
            async with self._database.transaction() as tx:
                found = await self._accounts.platform(tx)
            if found is None:
                raise LookupError("there is no platform wallet yet")
            address, sealed = found
            owner = KeyOwner(marketplace_id=PLATFORM, wallet_id=PLATFORM, address=address)
            self._platform = self._vault.signer(from_json(sealed), owner=owner)
        return self._platform

    async def channel(self, address: str) -> Signer:
        """Return who signs for a channel account."""
        if address not in self._channels:
            async with self._database.transaction() as tx:
                sealed = await self._accounts.channel(tx, address)
            self._channels[address] = self.signer_of_channel(address=address, sealed=sealed)
        return self._channels[address]

    def signer_of_channel(self, *, address: str, sealed: Sealed) -> Signer:
        """Return who signs for a channel account whose seal is at hand."""
        owner = KeyOwner(marketplace_id=PLATFORM, wallet_id=CHANNEL, address=address)
        return self._vault.signer(from_json(sealed), owner=owner)

    def wallet(self, wallet: Wallet, *, sealed: Sealed) -> Signer:
        """Return who signs for a user's wallet."""
        owner = KeyOwner(
            marketplace_id=str(wallet.marketplace_id),
            wallet_id=str(wallet.id),
            address=wallet.address,
        )
        return self._vault.signer(from_json(sealed), owner=owner)


def to_json(sealed: SealedKey) -> Sealed:
    """Write a seal as it is stored."""
    return {
        "version": sealed.version,
        "kek_id": sealed.kek_id,
        "wrapped_data_key": sealed.wrapped_data_key.hex(),
        "nonce": sealed.nonce.hex(),
        "ciphertext": sealed.ciphertext.hex(),
    }


def from_json(stored: Sealed) -> SealedKey:
    """Read a stored seal."""
    return SealedKey(
        version=int(stored["version"]),
        kek_id=str(stored["kek_id"]),
        wrapped_data_key=bytes.fromhex(str(stored["wrapped_data_key"])),
        nonce=bytes.fromhex(str(stored["nonce"])),
        ciphertext=bytes.fromhex(str(stored["ciphertext"])),
    )
