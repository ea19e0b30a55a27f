"""Rotation of the key-encryption key: each data key is wrapped again, and no wallet's key changes.

Signing continues meanwhile: the previous key unwraps for as long as its provider has it.
"""

from dataclasses import dataclass

from chassis import identity
from chassis.database import Database
from chassis.telemetry import logger
from services.escrow.wallets.keyring import from_json, owner_of, to_json
from services.escrow.wallets.seals import Seals
from services.escrow.wallets.vault import KeyUnusable, Vault

PAGE_SIZE = 100
log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrapped:
    """The result of one page of keys. unusable: addresses whose keys do not open.

    following: the address after which the next page begins, "" if there is none. kek_id: of the key
    that wraps now.
    """

    rewrapped: int
    unusable: list[str]
    following: str
    kek_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrapping:
    """The operator's use case of wrapping sealed keys again."""

    database: Database
    seals: Seals
    vault: Vault

    async def page(self, *, after: str) -> Rewrapped:
        """Wrap the keys after an address again, with the provider's current key.

        Raises: Unavailable: the database is unavailable.
        """
        async with self.database.transaction() as tx:
            seals = await self.seals.page(tx, after=after, size=PAGE_SIZE)
        unusable = []
        for seal in seals:
            try:
                # Not within a transaction, because the provider may be far away.
                fresh = await self.vault.rewrap(from_json(seal.sealed), owner=owner_of(seal))
            except KeyUnusable as error:
                log.error("escrow.key_unusable", address=seal.address, why=error.message)  # noqa: TRY400 - no fault of ours
                unusable.append(seal.address)
                continue
            async with self.database.transaction() as tx:
                await self.seals.replace(tx, seal, sealed=to_json(fresh))
        done = Rewrapped(
            rewrapped=len(seals) - len(unusable),
            unusable=unusable,
            following=seals[-1].address if len(seals) == PAGE_SIZE else "",
            kek_id=self.vault.kek_id,
        )
        log.warning(
            "escrow.keys_rewrapped",
            rewrapped=done.rewrapped,
            unusable=len(unusable),
            kek_id=done.kek_id,
            by=identity.current().principal,
        )
        return done
