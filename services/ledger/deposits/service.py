"""The use cases of deposits, one transaction each."""

from dataclasses import replace

from chassis import inbox
from chassis.audit import Change, Trail
from chassis.database import Database
from chassis.telemetry import logger
from kernel.ids import MarketplaceId, TransferId
from services.ledger.batch import Batcher
from services.ledger.book import TransferStatus
from services.ledger.deposits.domain import (
    ACCOUNT_PATIENCE,
    SUSPENSE,
    Deposit,
    DepositNotBooked,
    Suspended,
    account_for,
    booking,
    credit_from_suspense,
)
from services.ledger.deposits.store import DepositStore
from services.ledger.domain import TransferNotFound, UserNotFound

CONSUMER = "ledger-deposits"
log = logger()


class Deposits:
    """Books deposits; lists and credits deposits in suspense."""

    def __init__(self, *, database: Database, batcher: Batcher, store: DepositStore) -> None:
        self._database = database
        self._batcher = batcher
        self._store = store
        self._trail = Trail()

    async def book(self, deposit: Deposit) -> None:
        """Book a deposit once: to its user, or to suspense if no user can be credited.

        Raises: DepositNotBooked: the account may still be opened, or the ledger refused the
            transfer; database errors.
        """
        async with self._database.transaction() as tx:
            if not await inbox.is_first_time(tx, consumer=CONSUMER, event_id=deposit.event_id):
                return
            is_open, is_late = await self._store.look_at_account(
                tx,
                marketplace_id=deposit.marketplace_id,
                user_id=deposit.user_id,
                asset=deposit.asset,
                late_after=deposit.at + ACCOUNT_PATIENCE,
            )
            account = account_for(deposit, is_open=is_open, is_late=is_late)
            result = await self._batcher.post_one(
                tx,
                marketplace_id=deposit.marketplace_id,
                transfer=booking(deposit, account=account),
                correlation_id=deposit.correlation_id,
            )
            if result.status is TransferStatus.REFUSED:
                raise DepositNotBooked(f"{deposit.id}: {result.reason}")
            if account == SUSPENSE:
                await self._store.add(
                    tx,
                    marketplace_id=deposit.marketplace_id,
                    transfer_id=deposit.id,
                    user_id=deposit.user_id,
                    memo=deposit.memo,
                )
        if account == SUSPENSE:
            log.warning("ledger.deposit_in_suspense", deposit_id=str(deposit.id), memo=deposit.memo)

    async def list_suspense(
        self, *, marketplace_id: MarketplaceId, only_open: bool, after: int, size: int
    ) -> list[Suspended]:
        """Return a page of deposits in suspense; one deposit more if there is another page."""
        async with self._database.transaction() as tx:
            return await self._store.page(
                tx,
                marketplace_id=marketplace_id,
                only_open=only_open,
                after=after,
                limit=size + 1,
            )

    async def credit_suspense(
        self, *, marketplace_id: MarketplaceId, transfer_id: TransferId, reason: str
    ) -> Suspended:
        """Credit a deposit in suspense, once, to the user whose wallet it reached.

        No other user can get the deposit, because the money is in that wallet.

        Raises: TransferNotFound; UserNotFound.
        """
        async with self._database.transaction() as tx:
            found = await self._store.lock(
                tx, marketplace_id=marketplace_id, transfer_id=transfer_id
            )
            if found is None:
                raise TransferNotFound("There is no such deposit in suspense")
            if found.credited_by is not None:
                return found
            transfer = credit_from_suspense(found, reason=reason)
            result = await self._batcher.post_one(
                tx, marketplace_id=marketplace_id, transfer=transfer
            )
            if result.reason == "ACCOUNT_NOT_FOUND":
                raise UserNotFound("User not found")
            if result.status is TransferStatus.REFUSED:
                raise RuntimeError(f"suspense does not have {transfer_id}: {result.reason}")
            await self._store.credited(
                tx, marketplace_id=marketplace_id, transfer_id=transfer_id, by=transfer.id
            )
            change = Change(
                action="suspense.credit",
                target_type="deposit",
                target_id=str(transfer_id),
                before={"account": SUSPENSE},
                after={"account": transfer.credit, "reason": reason},
            )
            await self._trail.record(tx, change, marketplace_id=marketplace_id)
        log.info("ledger.suspense_credited", deposit_id=str(transfer_id))
        return replace(found, credited_by=transfer.id)
