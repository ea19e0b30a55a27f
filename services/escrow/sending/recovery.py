"""Compares the chain with the books: does the network have transactions that the books lack?

A database that was restored to an earlier moment, or a standby that took over without the last
commits, has forgotten what was sent since. The next number of a channel account shows it: the
network has used a number that no envelope in the books has. Channel accounts that were created
since are unknown to the books; they show in the number of the platform account, which created them.
In both cases nobody sends anything new (a hold) until an operator has confirmed. What landed
meanwhile is read from the ledgers. Steps claim their transactions (`recognise.py`), and the
operator decides about the rest.
"""

import asyncio
from collections.abc import Collection

from chassis import identity
from chassis.audit import EVERYBODY, Change, Trail
from chassis.database import Database
from chassis.telemetry import logger
from chassis.waiting import Bell
from kernel.errors import DomainError, FailedPrecondition
from services.escrow.contracts.evidence import Finding, Sequences
from services.escrow.ports import Chain
from services.escrow.sending.landings import ChannelNumber, Landings
from services.escrow.sending.platform_account import PlatformLedgers, PlatformNumber
from services.escrow.sending.progress import Progress
from services.escrow.sending.work import CHAIN_AHEAD

CHECK_SECONDS = 60.0
HELD_SECONDS = 2.0
RETRY_SECONDS = 1.0
# The ledger in which the platform account was seen is recorded again after this many ledgers.
SEEN_LEDGERS = 12
# This many pages are read in a row before the findings are stored and the commands are woken.
PAGES_AT_ONCE = 50
log = logger()


class NothingHeld(FailedPrecondition):
    """There is no chain hold to confirm."""

    reason = "NOTHING_HELD"


class Recovery:
    """Compares numbers, opens holds, and reads what the books have forgotten."""

    def __init__(
        self,
        *,
        database: Database,
        landings: Landings,
        progress: Progress,
        chain: Chain,
        bell: Bell,
    ) -> None:
        self._database = database
        self._landings = landings
        self._progress = progress
        self._chain = chain
        self._bell = bell
        self._forgotten: list[str] = []
        self._cursor: str | None = None
        # Channel accounts created since the backup: the books have neither them nor their keys.
        self._lost: set[str] = set()
        self._ledgers = PlatformLedgers(chain=chain)
        self._is_platform_forgotten = False

    async def start(self) -> None:
        """Compare before anything is sent; retry while the chain or the database is unavailable."""
        while True:
            try:
                await self.check()
            except DomainError as error:
                log.warning("recovery.waits", error=type(error).__name__, why=str(error)[:200])
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def keep(self) -> None:
        """Compare from time to time; while a hold is open, read what the books have forgotten."""
        while True:
            seconds = CHECK_SECONDS
            try:
                await self.check()
                async with self._database.statement() as connection:
                    is_held = await self._landings.is_held(connection)
                if is_held:
                    seconds = HELD_SECONDS
                    await self.read()
            except DomainError as error:
                log.warning("recovery.waits", error=type(error).__name__, why=str(error)[:200])
            await asyncio.sleep(seconds)

    async def check(self) -> None:
        """Compare our accounts with the books; open a hold if the books have forgotten something.

        Raises: ChainUnavailable.
        """
        known, platform, seen = await self._look()
        used = seen.used
        behind = [c for c in known if used.get(c.address, 0) >= c.next_sequence]
        self._forgotten = [c.address for c in behind if not await self._settle(c, used[c.address])]
        if (
            not self._forgotten
            and platform is not None
            and platform.address in used
            and not await self._settle_platform(platform, seen)
        ):
            self._forgotten = [platform.address]
        if not self._forgotten:
            return
        why = f"the books have forgotten what used numbers of {', '.join(self._forgotten)}"
        async with self._database.statement() as connection:
            is_new = await self._landings.open_hold(connection, why=why)
        if is_new:
            log.error("escrow.held", why=why)

    async def read(self) -> None:
        """Read from the ledgers what used the forgotten numbers, and wake the waiting commands.

        Raises: ChainUnavailable.
        """
        async with self._database.transaction() as tx:
            ours = {channel.address for channel in await self._landings.numbers(tx)}
            platform = await self._landings.platform(tx)
            since = [await self._landings.newest_signed(tx, a) for a in self._forgotten]
        found = await self._pages(ours, platform, start=min(since, default=0))
        async with self._database.transaction() as tx:
            kept = await self._landings.add_findings(tx, found)
            await self._progress.wake(tx, reason=CHAIN_AHEAD)
        for one in kept:
            log.warning("escrow.transaction_found", hash=one.hash, channel=one.source)
        self._bell.ring()

    async def _pages(
        self, ours: Collection[str], platform: PlatformNumber | None, *, start: int
    ) -> list[Finding]:
        """Read on from the last page, or at first from the ledger `start` (0: nothing is missing).

        Return the transactions of channel accounts: those in the books, and those that the platform
        has created since and that the books have forgotten.
        """
        found: list[Finding] = []
        for _ in range(PAGES_AT_ONCE):
            if self._cursor is None and start == 0:
                break
            page = await self._chain.transactions(
                start_ledger=start if self._cursor is None else None, cursor=self._cursor
            )
            for one in page.found:
                if platform is not None and one.source == platform.address:
                    self._lost |= self._chain.created(one.envelope_xdr)
                if one.source in ours or one.source in self._lost:
                    found.append(one)
            self._cursor = page.next_cursor
            if page.is_last:
                break
        return found

    async def confirm(self, *, by: str, why: str) -> None:
        """End the hold: an operator has settled the transactions that no step has claimed.

        Raises: NothingHeld; ChainUnavailable.
        """
        known, platform, seen = await self._look()
        async with self._database.transaction() as tx:
            if not await self._landings.confirm(tx, by=by, why=why):
                raise NothingHeld("Nothing is held")
            for channel in known:
                if (used := seen.used.get(channel.address)) is not None:
                    await self._landings.realign(tx, source=channel.address, used=used, step=None)
            if platform is not None and (used := seen.used.get(platform.address)) is not None:
                await self._landings.platform_seen(tx, used=used, ledger=seen.read_at_ledger)
            await self._progress.wake(tx, reason=CHAIN_AHEAD)
            await Trail().record(tx, _confirmed(why), marketplace_id=EVERYBODY)
        log.warning("escrow.confirmed", by=by, why=why, caller=identity.current().caller)
        self._bell.ring()

    async def _look(self) -> tuple[list[ChannelNumber], PlatformNumber | None, Sequences]:
        """Read our accounts by the books, and the last numbers that the network has of them."""
        async with self._database.statement() as connection:
            known = await self._landings.numbers(connection)
            platform = await self._landings.platform(connection)
        addresses = [channel.address for channel in known]
        if platform is not None:
            addresses.append(platform.address)
        return known, platform, await self._chain.sequences(addresses)

    async def _settle_platform(self, books: PlatformNumber, seen: Sequences) -> bool:
        """Record how far the platform account has come; False: the books lack accounts it created.

        The first look proves nothing. Later, a number that the books do not know is explained if
        its transaction created no account that the books lack: the process ended before recording
        it, a process of the version before sent it, or an operator used the account.
        Raises: ChainUnavailable.
        """
        used, ledger = seen.used[books.address], seen.read_at_ledger
        is_new = books.last_sequence is None
        is_ahead = not is_new and used > (books.last_sequence or 0)
        if not is_ahead:
            self._is_platform_forgotten = False
        elif not self._is_platform_forgotten:
            self._is_platform_forgotten = not await self._explain(books, used=used, ledger=ledger)
        if self._is_platform_forgotten:
            return False
        if is_new or is_ahead or ledger >= (books.seen_ledger or 0) + SEEN_LEDGERS:
            async with self._database.statement() as connection:
                await self._landings.platform_seen(connection, used=used, ledger=ledger)
        return True

    async def _explain(self, books: PlatformNumber, *, used: int, ledger: int) -> bool:
        """Read from the ledgers whether the books have all accounts that the platform has created.

        During a hold nothing is read, because the operator decides. Raises: ChainUnavailable.
        """
        async with self._database.statement() as connection:
            if await self._landings.is_held(connection):
                return False
        made = await self._ledgers.made_since(books, used=used, at_ledger=ledger)
        async with self._database.statement() as connection:
            if made is None or not await self._landings.are_channels(connection, made):
                return False
        log.warning("escrow.platform_account_used", last=used, known=books.last_sequence)
        return True

    async def _settle(self, channel: ChannelNumber, used: int) -> bool:
        """Move an account that is behind to the chain's number; False: the books lack a reason."""
        if channel.is_explained(used):
            return True
        async with self._database.transaction() as tx:
            forgotten = await self._landings.forgotten(
                tx, source=channel.address, first=channel.next_sequence, last=used
            )
            if not forgotten and not channel.is_leased:
                await self._landings.realign(tx, source=channel.address, used=used, step=None)
        return not forgotten


def _confirmed(why: str) -> Change:
    return Change(
        action="chain.confirm",
        target_type="chain",
        target_id="chain",
        before={"isHeld": True},
        after={"isHeld": False, "why": why},
    )
