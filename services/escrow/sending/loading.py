"""Reads a command from the books, with its signers. Changes nothing."""

import uuid

from chassis.database import Transaction
from chassis.leases import Lease
from services.escrow.commands.store import CommandStore
from services.escrow.contracts.contract import Parties
from services.escrow.domain import Command
from services.escrow.sending.journal import Journal
from services.escrow.sending.landings import Landings
from services.escrow.sending.work import Work, present
from services.escrow.wallets.keyring import Keyring
from services.escrow.wallets.store import WalletStore


class Loader:
    """Reads commands as they are to be worked on."""

    def __init__(
        self,
        *,
        store: CommandStore,
        wallets: WalletStore,
        journal: Journal,
        landings: Landings,
        keyring: Keyring,
        provider_fee_address: str,
    ) -> None:
        self._store = store
        self._wallets = wallets
        self._journal = journal
        self._landings = landings
        self._keyring = keyring
        self._provider = provider_fee_address

    async def load(self, tx: Transaction, lease: Lease) -> Work:
        """Read a command with its steps, envelopes and signers; lock its row. Raises: LeaseLost."""
        return await self._work(tx, lease, await self._store.leased(tx, lease))

    async def look(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, command_id: uuid.UUID
    ) -> Work:
        """Read a command as `load` does, without a right to write. Raises: CommandNotFound."""
        command = await self._store.command(
            tx, marketplace_id=marketplace_id, command_id=command_id
        )
        nobodys = Lease(marketplace_id=marketplace_id, id=command_id, epoch=0)
        return await self._work(tx, nobodys, command)

    async def _work(self, tx: Transaction, lease: Lease, command: Command) -> Work:
        platform = await self._keyring.platform()
        escrow = command.escrow
        owners = (
            [present(command.wallet_id)]
            if escrow is None
            else [escrow.buyer_wallet_id, escrow.seller_wallet_id]
        )
        found = await self._wallets.wallets(
            tx, marketplace_id=command.marketplace_id, wallet_ids=owners
        )
        wallets = [wallet for wallet, _ in found]
        signers = {platform.address: platform} | {
            wallet.address: self._keyring.wallet(wallet, sealed=sealed) for wallet, sealed in found
        }
        parties = None
        if escrow is not None:
            buyer, seller = wallets
            parties = Parties(
                buyer=buyer.address,
                seller=seller.address,
                platform=platform.address,
                provider=self._provider,
            )
        obstacles = await self._landings.obstacles(tx)
        return Work(
            lease=lease,
            command=command,
            steps=await self._journal.steps(tx, lease),
            platform=platform.address,
            signers=signers,
            wallets=wallets,
            parties=parties,
            target=wallets[0] if escrow is None else None,
            is_held=obstacles.is_held,
            may_claim=obstacles.has_unclaimed,
        )
