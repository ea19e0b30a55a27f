"""The watcher reads the asset's transfers from a stored cursor, and publishes each deposit once.

The cursor is saved in the transaction that records what was found. So no deposit is missed while
this process is stopped, and none is published twice. Over ledgers with nothing to record, the
cursor is saved from time to time, and those ledgers may be read again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from chassis import tracing
from chassis.database import Database, Transaction
from chassis.outbox import Event, Outbox
from chassis.telemetry import logger
from kernel.clock import Clock
from kernel.errors import DomainError, Unavailable
from kernel.ids import derived_id, to_public
from kernel.money import USDC, to_chain_text
from services.escrow.contracts.evidence import (
    ReceivedTransfer,
    TransfersPage,
    UnreadableTransfer,
    unrecorded,
)
from services.escrow.deposits.foreign import Foreign
from services.escrow.deposits.store import Deposit, Deposits, NotRecordable, apart
from services.escrow.domain import Wallet
from services.escrow.ports import (
    Chain,
    ChainBehind,
    ChainRefused,
    HistoryUnavailable,
    WrongNetwork,
)

PAGE_SIZE = 1000
AWAY_SECONDS_MAX = 5.0
# While nothing arrives, each pause is longer than the one before by this factor, up to this time.
QUIET_SECONDS, LONGER = 1.0, 1.25
NO_CURSOR_SECONDS = 0.2
# How often the cursor is saved after empty pages, and after pages with nothing to record.
KEEP_SECONDS, PASSED_SECONDS = 10.0, 0.25
ALARM_SECONDS = 60.0
# How far, and for how long, a node may lag behind another node that was read before.
LAG_LEDGERS_MAX = 120
LAG_SECONDS_MAX = 60.0
# How often the watcher records that it has looked.
NOTE_SECONDS = 10.0
WHY_MAX = 500
log = logger()


class NetworkReset(Unavailable):
    """The network was reset: our accounts and contracts no longer exist."""

    reason = "CHAIN_RESET"


_ALARMS: Mapping[type[Exception], str] = {
    HistoryUnavailable: "watcher.history_lost",
    ChainBehind: "watcher.cursor_ahead",
    NetworkReset: "watcher.network_reset",
    WrongNetwork: "watcher.wrong_network",
    ChainRefused: "watcher.refused",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """The asset's contract on a network. platform: our own wallet there."""

    passphrase: str
    asset_contract: str
    platform: str
    poll_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """How far a watcher has read.

    stored: the cursor in the database, as this watcher last read or moved it, at `stored_at`. read:
    the cursor up to which there was nothing to record after `stored`. keep_at: when `read` must be
    saved.
    """

    stored: str
    read: str
    stored_at: float = 0.0
    keep_at: float = 0.0


class Watcher:
    """Runs until cancelled. If several run, a page counts for the watcher that moves the cursor."""

    def __init__(
        self,
        *,
        database: Database,
        deposits: Deposits,
        chain: Chain,
        clock: Clock,
        watched: Watched,
    ) -> None:
        self._database = database
        self._deposits = deposits
        self._foreign = Foreign(deposits=deposits)
        self._chain = chain
        self._clock = clock
        self._watched = watched
        self._pause = watched.poll_seconds
        # None: the cursor has to be read again.
        self._place: _Place | None = None
        self._lags_since: float | None = None
        self._noted: str | None = None
        self._note_at = 0.0

    async def run(self) -> None:
        """Watch until cancelled. A trouble that needs an operator is logged and retried slowly."""
        pause = self._watched.poll_seconds
        while True:
            try:
                is_behind = await self.look()
                self._lags_since = None
                await self._note("")
                pause = 0.0 if is_behind else self._pause
            except Exception as error:  # noqa: BLE001 - whatever it is, watching goes on
                pause = await self._troubled(error, pause)
            await asyncio.sleep(pause)

    async def _troubled(self, error: Exception, pause: float) -> float:
        """Log why deposits cannot be seen; return how many seconds to wait."""
        if isinstance(error, Unavailable) and not self._needs_operator(error):
            log.warning("watcher.waits", why=str(error)[:200])
            return min(max(pause * 2, self._watched.poll_seconds), AWAY_SECONDS_MAX)
        if isinstance(error, ChainBehind) and await self._is_begun_anew():
            error = NetworkReset(
                f"the network was begun anew, the platform's account is gone: {error.message}",
                details=error.details,
            )
        # Continuing would lose deposits silently, so an operator has to act.
        name = _ALARMS.get(type(error), "watcher.failed")
        facts = error.details if isinstance(error, DomainError) else {}
        is_known = isinstance(error, DomainError)
        log.error(name, why=str(error)[:WHY_MAX], exc_info=not is_known, **facts)
        try:
            await self._note(f"{type(error).__name__}: {error}"[:WHY_MAX])
        except Unavailable:
            log.warning("watcher.not_noted")
        return ALARM_SECONDS

    def _needs_operator(self, trouble: Unavailable) -> bool:
        """Tell whether a trouble is a gap or another network, not a node that lags or is silent."""
        if isinstance(trouble, HistoryUnavailable | WrongNetwork):
            return True
        if not isinstance(trouble, ChainBehind):
            return False
        now = asyncio.get_running_loop().time()
        if self._lags_since is None:
            self._lags_since = now
        lag = int(str(trouble.details["cursor_ledger"])) - int(
            str(trouble.details["latest_ledger"])
        )
        return lag > LAG_LEDGERS_MAX or now - self._lags_since > LAG_SECONDS_MAX

    async def _is_begun_anew(self) -> bool:
        """Tell whether the network was reset: only then is the platform's account gone."""
        try:
            return await self._chain.account(self._watched.platform) is None
        except DomainError:
            return False

    async def _note(self, trouble: str) -> None:
        """Store the trouble for operators; from time to time, store that there is none."""
        now = asyncio.get_running_loop().time()
        if trouble == self._noted and now < self._note_at:
            return
        async with self._database.statement() as connection:
            await self._deposits.note(connection, self._watched.asset_contract, trouble=trouble)
        self._noted, self._note_at = trouble, now + NOTE_SECONDS

    async def look(self) -> bool:
        """Read one page after the cursor and record its deposits; return True if there may be more.

        Raises: ChainUnavailable; ChainBehind; HistoryUnavailable; ChainRefused.
        """
        place, self._place = self._place, None
        if place is None:
            async with self._database.statement() as connection:
                cursor = await self._deposits.cursor(connection, self._watched.asset_contract)
            if cursor is None:
                await asyncio.sleep(NO_CURSOR_SECONDS)
                return False
            place = _Place(stored=cursor, read=cursor)
        page = await self._chain.transfers_since(place.read, limit=PAGE_SIZE)
        is_full = page.has_more or len(page.transfers) >= PAGE_SIZE
        now = asyncio.get_running_loop().time()
        is_quiet, pause = page.is_empty, self._watched.poll_seconds
        self._pause = min(self._pause * LONGER, max(QUIET_SECONDS, pause)) if is_quiet else pause
        has_news = not is_quiet and await self._has_news(page)
        keep_at = (
            place.keep_at if is_quiet else min(place.keep_at, place.stored_at + PASSED_SECONDS)
        )
        if not has_news and now < keep_at:
            self._place = replace(place, read=page.next_cursor, keep_at=keep_at)
            return is_full
        told = await self._without_payouts(page) if has_news else None
        reached = page.next_cursor
        if reached == place.stored or await self._taken(told, old=place.stored, new=reached):
            self._place = _Place(
                stored=reached, read=reached, stored_at=now, keep_at=now + KEEP_SECONDS
            )
        return is_full

    async def _has_news(self, page: TransfersPage) -> bool:
        """Tell whether a page has something to record; most of it is others' or our own doing."""
        if page.unreadable:
            return True
        async with self._database.statement() as connection:
            return await self._deposits.has_news(connection, page, platform=self._watched.platform)

    async def _without_payouts(self, page: TransfersPage) -> TransfersPage:
        """Leave out payouts of our escrows that the books lack.

        Books that were restored to a moment before an escrow existed know its contract only when
        the order is requested again. A step of that order then claims the payout. As a deposit it
        would count twice.
        Raises: ChainUnavailable.
        """
        payers = {t.from_address for t in page.transfers if t.from_address.startswith("C")}
        if not payers:
            return page
        async with self._database.transaction() as tx:
            payees = [t.to_address for t in page.transfers if t.from_address in payers]
            wallets = await self._deposits.wallets_at(tx, payees)
            known = await self._deposits.contracts_among(tx, sorted(payers))
        paying = {t.from_address for t in page.transfers if t.to_address in wallets}
        last = {t.from_address: t.ledger for t in page.transfers}
        unknown = []
        for contract in sorted(payers & paying - known):
            platform = await self._chain.platform_of(contract, since_ledger=last[contract])
            if platform == self._watched.platform:
                log.error("watcher.payout_of_unknown_escrow", contract=contract)
                unknown.append(contract)
        kept = tuple(t for t in page.transfers if t.from_address not in unknown)
        return replace(page, transfers=kept)

    async def _taken(self, page: TransfersPage | None, *, old: str, new: str) -> bool:
        """Record a page and move the cursor; False: another watcher or an operator has moved it.

        page None: there is nothing to record.
        """
        move = {"asset_contract": self._watched.asset_contract, "old": old, "new": new}
        if page is None:
            async with self._database.statement() as connection:
                return await self._deposits.move_cursor(connection, **move)
        async with self._database.transaction() as tx:
            is_ours = await self._deposits.move_cursor(tx, **move)
            if is_ours:
                await self._tell(tx, page)
        return is_ours

    async def _tell(self, tx: Transaction, page: TransfersPage) -> None:
        await self._foreign.report(tx, page)
        for unreadable in page.unreadable:
            await self._put_aside(tx, unreadable, wallet=None)
        wallets = await self._deposits.wallets_at(tx, [t.to_address for t in page.transfers])
        arrived = [t for t in page.transfers if t.to_address in wallets and t.amount > 0]
        if not arrived:
            return
        for transfer in await self._from_outside(tx, arrived):
            try:
                async with apart(tx):
                    await self._tell_one(tx, transfer, wallets)
            except NotRecordable as error:
                # A transfer that cannot be recorded does not delay the others.
                wallet = wallets[transfer.to_address]
                await self._put_aside(tx, unrecorded(transfer, why=str(error)), wallet=wallet)

    async def _tell_one(
        self, tx: Transaction, transfer: ReceivedTransfer, wallets: Mapping[str, Wallet]
    ) -> None:
        deposit = self._deposit(transfer, wallets)
        if not await self._deposits.add_deposit(tx, deposit):
            return
        # A deposit has no request: its trace begins here, and the ledger continues it.
        with tracing.span("deposit"):
            await Outbox().append(tx, [_event(deposit)])
        log.info(
            "escrow.deposit_confirmed",
            transaction=transfer.transaction_hash,
            minor_units=transfer.amount,
        )

    async def _put_aside(
        self, tx: Transaction, transfer: UnreadableTransfer, *, wallet: Wallet | None
    ) -> None:
        """Set a transfer aside for an operator: the money arrived, but its record is refused."""
        owner = None if wallet is None else wallet.marketplace_id
        try:
            async with apart(tx):
                await self._deposits.put_aside(tx, transfer, marketplace_id=owner)
        except NotRecordable as error:
            # Only the log keeps this transfer; the other transfers continue.
            log.error("watcher.transfer_not_kept", event=transfer.event, why=str(error)[:200])  # noqa: TRY400 - no traceback
        log.error(
            "watcher.transfer_put_aside",
            transaction=transfer.transaction_hash,
            event_id=transfer.event_id,
            address=transfer.to_address,
            why=transfer.why[:200],
        )

    async def _from_outside(
        self, tx: Transaction, arrived: Sequence[ReceivedTransfer]
    ) -> list[ReceivedTransfer]:
        """Leave out our own payments: those of contracts, of the platform, and of any step."""
        contracts = await self._deposits.contracts_among(tx, [t.from_address for t in arrived])
        ours = await self._deposits.our_transactions_among(
            tx, [t.transaction_hash for t in arrived]
        )
        return [
            t
            for t in arrived
            if t.from_address not in contracts
            and t.from_address != self._watched.platform
            and t.transaction_hash not in ours
        ]

    def _deposit(self, transfer: ReceivedTransfer, wallets: Mapping[str, Wallet]) -> Deposit:
        passphrase = self._watched.passphrase
        return Deposit(
            id=derived_id("deposit", passphrase, transfer.transaction_hash, transfer.event_id),
            wallet=wallets[transfer.to_address],
            event_id=transfer.event_id,
            transaction_hash=transfer.transaction_hash,
            ledger=transfer.ledger,
            from_address=transfer.from_address,
            memo=transfer.memo,
            minor_units=transfer.amount,
            created_at=self._clock.now(),
        )


def _event(deposit: Deposit) -> Event:
    wallet = deposit.wallet
    payload: dict[str, object] = {
        "depositId": str(deposit.id),
        "userUuid": str(wallet.user_id),
        "userId": wallet.user_public_id,
        "address": wallet.address,
        "asset": USDC,
        "amount": to_chain_text(deposit.minor_units),
        "minorUnits": str(deposit.minor_units),
        "transactionHash": deposit.transaction_hash,
        "ledger": deposit.ledger,
        "fromAddress": deposit.from_address,
        "memo": deposit.memo,
    }
    return Event(
        event_type="escrow.deposit_confirmed",
        aggregate_type="Deposit",
        aggregate_id=to_public("dep", deposit.id),
        version=1,
        marketplace_id=wallet.marketplace_id,
        occurred_at=deposit.created_at,
        payload=payload,
        user_id=wallet.user_public_id,
    )
