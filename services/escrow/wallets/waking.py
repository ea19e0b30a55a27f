"""Creates a merged wallet's account again, when its address is told or a command needs it.

The key stays, and so does the address. How an account comes to be merged does not belong here.
"""

import uuid
from dataclasses import dataclass, replace

from chassis import identity
from chassis.database import Database, Transaction
from chassis.waiting import Bell
from kernel.clock import Clock
from kernel.ids import derived_id
from services.escrow.commands.store import CommandStore
from services.escrow.contracts.plan import plan_return
from services.escrow.domain import Command, CommandKind, CommandState, Wallet, WalletState
from services.escrow.measures import MERGED
from services.escrow.wallets.store import WalletStore

# States of a wallet whose account is not on the chain, or may be removed in a moment.
ASLEEP = frozenset({WalletState.MERGING, WalletState.RETURNING, WalletState.MERGED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Waking:
    """Wakes wallets."""

    database: Database
    store: CommandStore
    wallets: WalletStore
    bell: Bell
    clock: Clock

    async def wake(self, wallet: Wallet) -> Wallet:
        """Have a merged wallet's account created again; return the wallet in its new state.

        The account exists when the state is ACTIVE.
        """
        if wallet.state not in ASLEEP:
            return wallet
        async with self.database.transaction() as tx:
            found = await self.wallets.lock_wallet(
                tx, marketplace_id=wallet.marketplace_id, user_id=wallet.user_id
            )
            found = await self.rouse(tx, found)
        self.bell.ring()
        return found

    async def rouse(self, tx: Transaction, wallet: Wallet) -> Wallet:
        """Wake a wallet whose row is locked, in the caller's transaction."""
        if wallet.state is WalletState.MERGED:
            return await self._make_again(tx, wallet)
        if wallet.state is WalletState.MERGING:
            # The merge may still land. The account can be created only after the merge has ended.
            return await self._set(tx, wallet, WalletState.RETURNING)
        return wallet

    async def make_anew(self, wallet: Wallet) -> None:
        """Have the account of an ACTIVE wallet created again, because the chain does not show it.

        A restored database has forgotten the merge. If only a node lagged, the command finds the
        account and does nothing.
        """
        async with self.database.transaction() as tx:
            found = await self.wallets.lock_wallet(
                tx, marketplace_id=wallet.marketplace_id, user_id=wallet.user_id
            )
            if found.state is not WalletState.ACTIVE:
                return
            await self._make_again(tx, found)
        self.bell.ring()

    async def merged(self, tx: Transaction, wallet: Wallet) -> None:
        """Record that a wallet's account is merged; create it again if it is needed already."""
        MERGED.inc()
        found = await self.wallets.lock_wallet(
            tx, marketplace_id=wallet.marketplace_id, user_id=wallet.user_id
        )
        if found.state is WalletState.RETURNING:
            await self._make_again(tx, found)
        else:
            await self._set(tx, found, WalletState.MERGED)

    async def _make_again(self, tx: Transaction, wallet: Wallet) -> Wallet:
        tries = await self.store.count_wallet_commands(tx, wallet=wallet)
        command = Command(
            id=creation_id(wallet, tries + 1),
            marketplace_id=wallet.marketplace_id,
            kind=CommandKind.CREATE_WALLET,
            state=CommandState.RUNNING,
            created_at=self.clock.now(),
            wallet_id=wallet.id,
            correlation_id=identity.current_request_id(),
        )
        await self.store.add_command(tx, command=command, planned=plan_return())
        return await self._set(tx, wallet, WalletState.CREATING)

    async def _set(self, tx: Transaction, wallet: Wallet, state: WalletState) -> Wallet:
        await self.wallets.set_wallet_state(tx, wallet=wallet, state=state)
        return replace(wallet, state=state)


def creation_id(wallet: Wallet, number: int) -> uuid.UUID:
    """Return the id of a command that creates a wallet's account. number: counts them from 1."""
    return derived_id("create_wallet", wallet.id, number)
