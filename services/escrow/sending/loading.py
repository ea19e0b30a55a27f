"""Reading a command from the books, with who signs for it. Changes nothing."""

import uuid

from chassis.database import Transaction
from services.escrow.commands.store import CommandStore
from services.escrow.contracts.contract import Parties
from services.escrow.domain import Command, Wallet
from services.escrow.ports import Signer
from services.escrow.sending.journal import Journal
from services.escrow.sending.landings import Landings
from services.escrow.sending.lease import Lease
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
        """Read a command with its steps, envelopes and signers. Raises: CommandNotFound."""
        platform = await self._keyring.platform()
        signers = {platform.address: platform}
        parties = target = None
        wallets: list[Wallet] = []
        command = await self._store.command(
            tx, marketplace_id=lease.marketplace_id, command_id=lease.command_id
        )
        if command.escrow is None:
            target = await self._wallet(tx, command, present(command.wallet_id), signers)
            wallets = [target]
        else:
            buyer = await self._wallet(tx, command, command.escrow.buyer_wallet_id, signers)
            seller = await self._wallet(tx, command, command.escrow.seller_wallet_id, signers)
            wallets = [buyer, seller]
            parties = Parties(
                buyer=buyer.address,
                seller=seller.address,
                platform=platform.address,
                provider=self._provider,
            )
        return Work(
            lease=lease,
            command=command,
            steps=await self._journal.steps(tx, lease),
            platform=platform.address,
            signers=signers,
            wallets=wallets,
            parties=parties,
            target=target,
            is_held=await self._landings.is_held(tx),
            may_claim=await self._landings.has_unclaimed(tx),
        )

    async def _wallet(
        self, tx: Transaction, command: Command, wallet_id: uuid.UUID, signers: dict[str, Signer]
    ) -> Wallet:
        wallet, sealed = await self._wallets.wallet(
            tx, marketplace_id=command.marketplace_id, wallet_id=wallet_id
        )
        signers[wallet.address] = self._keyring.wallet(wallet, sealed=sealed)
        return wallet
