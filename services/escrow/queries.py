"""The queries of escrow. They read only, but a query of a merged wallet wakes the wallet."""

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chassis.database import Database
from chassis.waiting import Ends
from services.escrow.commands.rows import ChainTransactionRow
from services.escrow.commands.store import CommandStore, Name
from services.escrow.contracts.destinations import Flaw
from services.escrow.contracts.intents import Memo
from services.escrow.domain import Command, Escrow, EscrowNotFound, Wallet
from services.escrow.ports import Chain
from services.escrow.wallets.destinations import Destinations
from services.escrow.wallets.holders import Holder, Holders
from services.escrow.wallets.keyring import Keyring
from services.escrow.wallets.store import WalletStore
from services.escrow.wallets.waking import Waking

# Networks that have a short name besides their passphrase.
NAMES = {
    "Public Global Stellar Network ; September 2015": "PUBLIC",
    "Test SDF Network ; September 2015": "TESTNET",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The network and the asset that deposits must use."""

    passphrase: str
    asset_issuer: str
    asset_contract: str

    @property
    def name(self) -> str:
        """Return TESTNET, PUBLIC or DEVNET."""
        return NAMES.get(self.passphrase, "DEVNET")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """A page of holders with their live balances in minor units, by address.

    overfunded: contracts into which the buyer's own wallet has paid more than the order's amount.
    """

    holders: Sequence[Holder]
    balances: Mapping[str, int]
    overfunded: frozenset[str]
    next_after: uuid.UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Queries:
    """Reads the database, and the chain for live balances."""

    database: Database
    store: CommandStore
    wallets: WalletStore
    waking: Waking
    holders: Holders
    chain: Chain
    destinations: Destinations
    keyring: Keyring
    ends: Ends[Name]
    network: Network

    async def wallet(self, *, marketplace_id: uuid.UUID, user_id: uuid.UUID) -> Wallet:
        """Return a user's wallet, woken so that its address can be paid. Raises: WalletNotFound."""
        async with self.database.statement() as connection:
            found = await self.wallets.wallet_of_user(
                connection, marketplace_id=marketplace_id, user_id=user_id
            )
        return await self.waking.wake(found)

    async def balance(self, wallet: Wallet) -> int:
        """Return what a wallet holds on chain, in minor units. Raises: ChainUnavailable."""
        return (await self.chain.asset_balances([wallet.address]))[wallet.address]

    async def flaw(
        self,
        *,
        marketplace_id: uuid.UUID,
        user_id: uuid.UUID | None,
        address: str,
        memo: Memo | None,
        amount: int,
    ) -> Flaw | None:
        """Return why a wallet may not pay an amount to an address; None: it may.

        user_id: whose wallet; None: the platform's. Raises: WalletNotFound; ChainUnavailable.
        """
        if user_id is None:
            payer = (await self.keyring.platform()).address
        else:
            payer = (await self.wallet(marketplace_id=marketplace_id, user_id=user_id)).address
        found = self.destinations.flaw(address, payer=payer, memo=memo, amount=amount)
        return (await found)[0]

    async def escrow(self, *, marketplace_id: uuid.UUID, order_id: uuid.UUID) -> Escrow:
        """Return the escrow of an order. Raises: EscrowNotFound."""
        async with self.database.statement() as connection:
            found = await self.store.find_escrow(
                connection, marketplace_id=marketplace_id, order_id=order_id
            )
        if found is None:
            raise EscrowNotFound("The order has no escrow", details={"orderId": str(order_id)})
        return found

    async def command(
        self, *, marketplace_id: uuid.UUID, command_id: uuid.UUID, wait_seconds: int
    ) -> Command:
        """Return a command; wait for its end for at most wait_seconds.

        Raises: CommandNotFound.
        """
        until, name = time.monotonic() + wait_seconds, (marketplace_id, command_id)
        if self.ends.is_here(name):
            # The command runs in this process, and its end rings.
            with self.ends.registered(name) as rung:
                await self.ends.for_ring(rung, seconds=wait_seconds)
            if isinstance(rung.end, Command):
                return rung.end
        while True:
            with self.ends.registered(name) as rung:
                async with self.database.statement() as connection:
                    found = await self.store.command(
                        connection, marketplace_id=marketplace_id, command_id=command_id
                    )
                left = until - time.monotonic()
                if found.finished_at is not None or left <= 0 or self.ends.is_over:
                    return found
                await self.ends.for_ring(rung, seconds=left)

    async def transactions(
        self, *, marketplace_id: uuid.UUID, order_id: uuid.UUID
    ) -> list[ChainTransactionRow]:
        """List what was signed for an order, oldest first."""
        async with self.database.statement() as connection:
            return await self.store.transactions(
                connection, marketplace_id=marketplace_id, order_id=order_id
            )

    async def holdings(
        self, *, marketplace_id: uuid.UUID, after: uuid.UUID | None, size: int
    ) -> Holdings:
        """List the balances of wallets and contracts on chain. Raises: ChainUnavailable."""
        async with self.database.statement() as connection:
            found = await self.holders.page(
                connection, marketplace_id=marketplace_id, after=after, size=size + 1
            )
        shown = found[:size]
        balances = await self.chain.asset_balances([holder.address for holder in shown])
        more = shown[-1].id if len(found) > size else None
        overfunded = [h.address for h in shown if await self._is_overfunded(h, balances[h.address])]
        return Holdings(
            holders=shown, balances=balances, overfunded=frozenset(overfunded), next_after=more
        )

    async def _is_overfunded(self, holder: Holder, balance: int) -> bool:
        """Tell whether the buyer's own wallet has paid a contract more than the order's amount.

        A balance above the amount does not prove it, because anybody may pay a contract.
        """
        if balance <= (0 if holder.is_closed else holder.amount) or not holder.funder:
            return False
        paid = await self.chain.paid_between(
            holder.funder, holder.address, since_ledger=holder.since_ledger
        )
        return paid is not None and paid > holder.amount
