"""The first start: the platform's wallet, its money on a local network, the channel accounts.

Every start runs this, and does only what the chain does not show yet. One replica works at a time.
No step here moves a user's money, so its transactions are not stored: they are sent again until the
chain shows their effect, and the chain refuses a second landing.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from chassis.database import Database
from chassis.session_lock import only_one
from chassis.telemetry import logger
from kernel.errors import FailedPrecondition, Unavailable
from services.escrow.contracts.intents import (
    CreateChannels,
    CreateWallet,
    Intent,
    SponsorChannels,
    TopUpChannels,
    TrustAsset,
)
from services.escrow.deposits.store import Deposits
from services.escrow.measures import LUMENS, RESERVES
from services.escrow.ports import Chain, ChainUnavailable, Signer
from services.escrow.sending.lifetimes import Keeper
from services.escrow.sending.platform_sender import PlatformSender
from services.escrow.wallets.accounts import Accounts, Channel
from services.escrow.wallets.keyring import Keyring

CHANNELS_PER_TRANSACTION = 19
RETRY_SECONDS = 1.0
# Connections to the database, besides the pool's.
CONNECTIONS = 1
# Stroops of one lumen.
STROOPS = 10_000_000
# Lumens that each entry reserves; an account counts as two entries. Source: Stellar, "Minimum
# balance".
BASE_RESERVE = 0.5
log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What Bootstrap has to establish.

    channel_balance, channel_least: stroops of XLM that each channel account begins with, and the
    balance below which it is given as many again; channel_balance 0: the platform pays the fees and
    reserves of channel accounts; float_units: minor units of the asset that a local network's
    faucet gives the platform; renew_seconds: how often the channel accounts are checked.
    """

    channels: int
    channel_balance: int
    float_units: int
    asset_contract: str
    channel_least: int
    renew_seconds: int = 15


class Bootstrap:
    """Prepares the chain for the worker."""

    def __init__(
        self,
        *,
        database: Database,
        accounts: Accounts,
        deposits: Deposits,
        keyring: Keyring,
        chain: Chain,
        sender: PlatformSender,
        keeper: Keeper,
        plan: Plan,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._deposits = deposits
        self._keyring = keyring
        self._chain = chain
        self._sender = sender
        self._keeper = keeper
        self._plan = plan

    async def run(self) -> None:
        """Work until everything is there; retry while the chain is unavailable."""
        while True:
            try:
                await self._chain.require_network()
                await self._start_cursor()
                async with only_one(self._database, kind="escrow", name="bootstrap"):
                    await self._prepare()
            except (Unavailable, FailedPrecondition) as error:
                log.warning("bootstrap.waits", error=type(error).__name__, why=str(error)[:200])
                await asyncio.sleep(RETRY_SECONDS)
            else:
                log.info("bootstrap.done", channels=self._plan.channels)
                return

    async def keep(self) -> None:
        """Renew channel accounts and extend entries, until cancelled."""
        while True:
            await asyncio.sleep(self._plan.renew_seconds)
            try:
                # Usually nothing is to be done, and the lock takes a connection of its own.
                if await self._is_due():
                    async with only_one(self._database, kind="escrow", name="bootstrap"):
                        await self.renew()
                        await self._keeper.look_in_time()
            except (Unavailable, FailedPrecondition) as error:
                log.warning("channels.waits", error=type(error).__name__, why=str(error)[:200])

    async def renew(self) -> None:
        """Give lumens to channel accounts that lack them for further fees; create missing accounts.

        Raises: ChainUnavailable; PlatformNotFunded.
        """
        platform = await self._keyring.platform()
        _, low = await self._look(platform)
        await self._top_up(platform, low)
        await self._make_channels(platform)

    async def _is_due(self) -> bool:
        """Tell whether `renew` or the keeper has something to do. Raises: ChainUnavailable."""
        known, low = await self._look(await self._keyring.platform())
        async with self._database.statement() as connection:
            held = await self._accounts.channels_held_up(connection)
        is_missing = len(known) < self._plan.channels + held
        is_closed = any(channel.next_sequence is None for channel in known)
        return bool(low) or is_missing or is_closed or self._keeper.is_due

    async def _look(self, platform: Signer) -> tuple[list[Channel], list[str]]:
        """Return the channel accounts, and the addresses of those that need lumens.

        Raises: ChainUnavailable.
        """
        if (funds := await self._chain.account(platform.address)) is not None:
            LUMENS.labels("platform").set(funds.lumens / STROOPS)
            RESERVES.set(funds.sponsored * BASE_RESERVE)
        async with self._database.statement() as connection:
            known = await self._accounts.channels(connection)
        left = await self._chain.lumens([channel.address for channel in known])
        if left:
            LUMENS.labels("channel").set(min(left.values()) / STROOPS)
        least = self._plan.channel_least if self._plan.channel_balance else 0
        return known, [address for address, lumens in left.items() if lumens < least]

    async def _top_up(self, platform: Signer, low: Sequence[str]) -> None:
        for start in range(0, len(low), CHANNELS_PER_TRANSACTION):
            channels = tuple(low[start : start + CHANNELS_PER_TRANSACTION])
            await self._sender.until_landed(
                TopUpChannels(
                    funder=platform.address, channels=channels, amount=self._plan.channel_balance
                )
            )
            log.info("channels.topped_up", channels=len(channels))

    async def _start_cursor(self) -> None:
        """Store the watcher's first position before any wallet of ours can be paid."""
        contract = self._plan.asset_contract
        async with self._database.transaction() as tx:
            if await self._deposits.cursor(tx, contract) is not None:
                return
        ledger = await self._chain.latest_ledger()
        async with self._database.transaction() as tx:
            await self._deposits.start_cursor(
                tx, asset_contract=contract, position=start_of(ledger.sequence)
            )

    async def _prepare(self) -> None:
        platform = await self._keyring.platform()
        account = await self._sender.funded(platform)
        if account.asset_balance is None:
            await self._sender.until_landed(TrustAsset(account=platform.address))
            account = await self._sender.funded(platform)
        if not account.asset_balance and self._plan.float_units:
            await self._chain.request_asset(platform.address, amount=self._plan.float_units)
        resolver = await self._keyring.resolver()
        if await self._chain.account(resolver.address) is None:
            intent = CreateWallet(account=resolver.address, sponsor=platform.address)
            await self._sender.until_landed(intent, {resolver.address: resolver})
        await self.renew()

    async def _make_channels(self, platform: Signer) -> None:
        async with self._database.transaction() as tx:
            known = await self._accounts.channels(tx)
            # Accounts that quarantined commands hold are out of use until an operator has looked.
            held = await self._accounts.channels_held_up(tx)
        for _ in range(self._plan.channels + held - len(known)):
            address, sealed = await self._keyring.new_channel()
            async with self._database.transaction() as tx:
                await self._accounts.add_channel(tx, address=address, sealed=sealed)
            known.append(Channel(address=address, sealed=sealed, next_sequence=None))
        closed = [channel for channel in known if channel.next_sequence is None]
        for start in range(0, len(closed), CHANNELS_PER_TRANSACTION):
            await self._open(closed[start : start + CHANNELS_PER_TRANSACTION], platform)

    async def _open(self, channels: Sequence[Channel], platform: Signer) -> None:
        """Create channel accounts on chain and let steps use them."""
        addresses = [channel.address for channel in channels]
        found = (await self._chain.sequences(addresses)).used
        absent = [channel for channel in channels if channel.address not in found]
        if absent:
            made, balance = tuple(c.address for c in absent), self._plan.channel_balance
            intent: Intent = SponsorChannels(sponsor=platform.address, channels=made)
            if balance:
                intent = CreateChannels(
                    funder=platform.address, channels=made, starting_balance=balance
                )
            signers = {
                c.address: self._keyring.signer_of_channel(address=c.address, sealed=c.sealed)
                for c in absent
            }
            await self._sender.until_landed(intent, signers)
            found = (await self._chain.sequences(addresses)).used
        if len(found) < len(channels):
            raise ChainUnavailable("the node does not show the channel accounts yet")
        for address in addresses:
            # The account's first number, even if the account has used some numbers: then the books
            # have forgotten what used them, and the comparison of numbers must find it. Source:
            # CAP-1, the network's starting sequence number is the ledger, shifted by 32 bits.
            first = (found[address] >> 32 << 32) + 1
            async with self._database.transaction() as tx:
                await self._accounts.open_channel(tx, address=address, next_sequence=first)


def start_of(ledger: int) -> str:
    """Return the cursor before everything in a ledger.

    Source: SEP-35; an event's id is the number of its operation, whose upper half is the ledger,
    and its position there.
    """
    return f"{ledger << 32:019d}-{0:010d}"
