"""Finds unused wallets, and accepts the commands that merge them.

The platform gets the reserves of a merged account back. The account is created again, with the same
key, when its address is told or a command needs it. The worker carries out the commands.
"""

import asyncio
import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from chassis import identity
from chassis.audit import Change, Trail
from chassis.database import Database
from chassis.telemetry import logger
from chassis.waiting import Bell
from kernel.clock import Clock
from kernel.errors import Unavailable
from kernel.ids import new_id, to_public
from services.escrow.commands.store import CommandStore
from services.escrow.contracts.plan import plan_merge
from services.escrow.domain import Command, CommandKind, CommandState, Wallet, WalletState
from services.escrow.ports import Chain
from services.escrow.wallets.store import WalletStore
from services.escrow.wallets.waking import Waking

LOOK_SECONDS = 60
# How many wallets one look considers, and how many it merges at most: users' commands come first.
PAGE_SIZE, MERGES_MAX = 200, 20
_START = (uuid.UUID(int=0), uuid.UUID(int=0))
log = logger()


@dataclass(kw_only=True)
class IdleWallets:
    """Walks through all wallets repeatedly.

    days: how many days a wallet must be unused; 0: nothing is merged.

    Several processes may walk at once: a wallet's row is locked while its command is accepted.
    """

    database: Database
    store: CommandStore
    wallets: WalletStore
    waking: Waking
    chain: Chain
    bell: Bell
    clock: Clock
    days: int
    _after: tuple[uuid.UUID, uuid.UUID] = field(default=_START)

    async def keep(self) -> None:
        """Look until cancelled; if days is 0, do nothing."""
        while self.days:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except Unavailable as error:
                log.warning("wallets.waits", error=type(error).__name__, why=str(error)[:200])

    async def look(self) -> int:
        """Consider the next wallets; return how many will be merged. Raises: Unavailable."""
        before = self.clock.now() - dt.timedelta(days=self.days)
        async with self.database.statement() as connection:
            page = await self.wallets.page_of_all(connection, after=self._after, size=PAGE_SIZE)
        merged = 0
        for wallet in await self._empty(page, before):
            if merged == MERGES_MAX:
                # The next look continues with the rest of the page.
                return merged
            merged += await self.merge(wallet, before=before)
            self._after = (wallet.marketplace_id, wallet.id)
        is_last = len(page) < PAGE_SIZE
        self._after = _START if is_last else (page[-1].marketplace_id, page[-1].id)
        return merged

    async def merge(self, wallet: Wallet, *, before: dt.datetime) -> bool:
        """Accept the command that merges a wallet; False: it has been used since `before`.

        Only the chain knows whether the wallet is empty: the transaction fails if it is not.
        """
        async with self.database.transaction() as tx:
            await self.wallets.lock_wallet(
                tx, marketplace_id=wallet.marketplace_id, user_id=wallet.user_id
            )
            if not await self.wallets.is_idle(tx, wallet=wallet, before=before):
                return False
            command = Command(
                id=new_id(),
                marketplace_id=wallet.marketplace_id,
                kind=CommandKind.MERGE_WALLET,
                state=CommandState.RUNNING,
                created_at=self.clock.now(),
                wallet_id=wallet.id,
            )
            await self.store.add_command(tx, command=command, planned=plan_merge())
            await self.wallets.set_wallet_state(tx, wallet=wallet, state=WalletState.MERGING)
            who = identity.system(caller="escrow", marketplace_id=wallet.marketplace_id)
            with identity.acting_as(who):
                await Trail().record(tx, _merging(wallet), marketplace_id=wallet.marketplace_id)
        self.bell.ring()
        log.info("wallet.merging", wallet_id=str(wallet.id), command_id=str(command.id))
        return True

    async def _empty(self, page: Sequence[Wallet], before: dt.datetime) -> Sequence[Wallet]:
        """Return the wallets that are old and empty; have missing accounts created again."""
        active = [wallet for wallet in page if wallet.state is WalletState.ACTIVE]
        addresses = [wallet.address for wallet in active]
        if not addresses:
            return []
        held = await self.chain.asset_balances(addresses)
        lumens = await self.chain.lumens(addresses)
        for wallet in active:
            if wallet.address not in lumens:
                log.warning("wallet.not_on_chain", wallet_id=str(wallet.id))
                await self.waking.make_anew(wallet)
        there = [w for w in active if w.address in lumens and w.created_at < before]
        return [w for w in there if not held[w.address] and not lumens[w.address]]


def _merging(wallet: Wallet) -> Change:
    return Change(
        action="wallet.merge",
        target_type="wallet",
        target_id=to_public("wal", wallet.id),
        before={"state": WalletState.ACTIVE.value},
        after={"state": WalletState.MERGING.value, "address": wallet.address},
    )
