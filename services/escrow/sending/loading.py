"""Reads a command from the books, with its signers. Writes nothing."""

import time
import uuid
from collections.abc import Sequence

from chassis.database import Transaction
from chassis.leases import Lease
from services.escrow.commands.store import CommandStore
from services.escrow.contracts.contract import Parties
from services.escrow.domain import Command, Wallet, WalletState
from services.escrow.ports import Signer
from services.escrow.sending.journal import Journal
from services.escrow.sending.work import Work
from services.escrow.wallets.keyring import KNOWN_SECONDS, Keyring
from services.escrow.wallets.store import WalletStore

# At most this many wallets are cached, each with its sealed key.
KNOWN_MAX = 10_000


class Loader:
    """Reads commands with everything that work on them needs."""

    def __init__(
        self,
        *,
        store: CommandStore,
        wallets: WalletStore,
        journal: Journal,
        keyring: Keyring,
        provider_fee_address: str,
    ) -> None:
        self._store = store
        self._wallets = wallets
        self._journal = journal
        self._keyring = keyring
        self._provider = provider_fee_address
        self._known: dict[tuple[uuid.UUID, uuid.UUID], tuple[Wallet, Signer, float]] = {}

    async def load(self, tx: Transaction, lease: Lease) -> Work:
        """Read a command with its steps, envelopes and signers. Raises: LeaseLost.

        Writes that follow from it check the lease, and the facts that must still hold.
        """
        return await self._work(tx, lease, await self._store.leased(tx, lease))

    async def look(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, command_id: uuid.UUID
    ) -> Work:
        """Read a command as `load` does, without the right to write. Raises: CommandNotFound."""
        command = await self._store.command(
            tx, marketplace_id=marketplace_id, command_id=command_id
        )
        nobodys = Lease(marketplace_id=marketplace_id, id=command_id, epoch=0)
        return await self._work(tx, nobodys, command)

    async def _work(self, tx: Transaction, lease: Lease, command: Command) -> Work:
        platform, resolver = await self._keyring.platform(), await self._keyring.resolver()
        escrow = command.escrow
        if escrow is not None:
            owners = [escrow.buyer_wallet_id, escrow.seller_wallet_id]
        else:
            # The platform's own wallet belongs to no user.
            owners = [] if command.wallet_id is None else [command.wallet_id]
        if escrow is None:
            # Commands on a wallet change its state.
            self._forget(command.marketplace_id, owners)
        found = await self._parties(tx, command.marketplace_id, owners)
        wallets = [wallet for wallet, _ in found]
        signers = {platform.address: platform, resolver.address: resolver} | {
            wallet.address: signer for wallet, signer in found
        }
        parties = None
        if escrow is not None:
            buyer, seller = wallets
            parties = Parties(
                buyer=buyer.address,
                seller=seller.address,
                platform=platform.address,
                resolver=escrow.resolver,
                provider=self._provider,
                seller_payout=escrow.seller_payout,
                buyer_payout=escrow.buyer_payout,
            )
        books = await self._journal.books(
            tx, lease, escrow_id=None if escrow is None else escrow.id
        )
        return Work(
            lease=lease,
            command=command,
            steps=books.steps,
            platform=platform.address,
            signers=signers,
            wallets=wallets,
            parties=parties,
            target=wallets[0] if escrow is None and wallets else None,
            is_held=books.is_held,
            may_claim=books.has_unclaimed,
            known_ledger=books.newest_ledger,
            was_frozen_before=books.was_frozen_by_us,
        )

    def _forget(self, marketplace_id: uuid.UUID, wallet_ids: Sequence[uuid.UUID]) -> None:
        for each in wallet_ids:
            self._known.pop((marketplace_id, each), None)

    async def _parties(
        self, tx: Transaction, marketplace_id: uuid.UUID, wallet_ids: Sequence[uuid.UUID]
    ) -> list[tuple[Wallet, Signer]]:
        """Return wallets with their signers, possibly from a recent reading.

        A wallet that was in use so recently has not been merged since, because only wallets that
        are idle for days are merged.
        """
        now = time.monotonic()
        known = [self._known.get((marketplace_id, each)) for each in wallet_ids]
        recent = [each for each in known if each is not None and now - each[2] < KNOWN_SECONDS]
        if len(recent) == len(wallet_ids):
            return [(wallet, signer) for wallet, signer, _ in recent]
        if len(self._known) > KNOWN_MAX:
            self._known.clear()
        found = []
        for wallet, sealed in await self._wallets.wallets(
            tx, marketplace_id=marketplace_id, wallet_ids=wallet_ids
        ):
            signer = self._keyring.wallet(wallet, sealed=sealed)
            found.append((wallet, signer))
            if wallet.state is WalletState.ACTIVE:
                self._known[marketplace_id, wallet.id] = (wallet, signer, now)
        return found
