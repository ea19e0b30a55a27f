"""The use cases of the ledger. One public method, one transaction; transfers share theirs."""

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from chassis import inbox
from chassis.database import Database, Transaction
from chassis.idempotency import Answer, Idempotency, RequestKey
from chassis.telemetry import logger
from kernel.clock import Clock
from kernel.errors import DomainError
from kernel.ids import MarketplaceId, OrderId, TransferId, UserId, derived_id
from services.ledger.batch import Batcher, Posted, Posting
from services.ledger.book import (
    USER,
    Balance,
    HouseAccount,
    NewTransfer,
    Transfer,
    TransferCode,
    TransferStatus,
    TransferType,
)
from services.ledger.domain import AccountDiffers, TransferNotFound, UserNotFound
from services.ledger.invariants import Invariant, check
from services.ledger.queries import LedgerQueries
from services.ledger.statement import PAYMENT_LINES_MAX, Line
from services.ledger.suspense import Suspended, SuspenseStore

CONSUMER = "ledger-deposits"
SUSPENSE = "suspense"
# How long a deposit waits for its user's account; then it goes to suspense.
ACCOUNT_PATIENCE = dt.timedelta(seconds=60)
log = logger()


class DepositNotBooked(Exception):
    """A deposit cannot be booked now; it must be delivered again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    """Money that arrived from outside. amount: minor units. user_id: None: nobody could be told.

    event_id, at: of the event that tells it. memo: what the sender wrote beside the address.
    """

    id: TransferId
    event_id: uuid.UUID
    at: dt.datetime
    marketplace_id: MarketplaceId
    user_id: UserId | None
    asset: str
    amount: int
    transaction_hash: str
    memo: str = ""
    correlation_id: str = ""


class LedgerService:
    """Accounts, transfers, statements."""

    def __init__(
        self,
        *,
        database: Database,
        batcher: Batcher,
        queries: LedgerQueries,
        idempotency: Idempotency,
        clock: Clock,
        encode: Callable[[Balance], bytes],
    ) -> None:
        self._database = database
        self._batcher = batcher
        self._queries = queries
        self._suspense = SuspenseStore()
        self._idempotency = idempotency
        self._clock = clock
        self._encode = encode

    async def open_account(
        self, *, key: RequestKey, user_id: UserId, public_id: str, asset: str
    ) -> Answer:
        """Open a user's account in an asset; again: the same account.

        Raises: AccountDiffers; IdempotencyKeyReused; IdempotencyKeyInProgress.
        """

        async def work(tx: Transaction) -> bytes:
            account = await self._queries.open_account(
                tx,
                marketplace_id=MarketplaceId(key.marketplace_id),
                user_id=user_id,
                public_id=public_id,
                asset=asset,
                at=self._clock.now(),
            )
            if account is None:
                raise AccountDiffers("This public id names another user's account")
            if account.public_id != public_id:
                raise AccountDiffers("The account is open under another public id")
            return self._encode(account)

        return await self._idempotency.execute(self._database, key, work)

    async def post_transfers(self, posting: Posting) -> Posted:
        """Post transfers, each answered by itself, linked groups all or nothing.

        Raises: IdempotencyKeyReused; Unavailable: the outcome may be unknown; asking again with
            the same ids is safe.
        """
        return await self._batcher.post(posting)

    async def credit_deposit(self, deposit: Deposit) -> None:
        """Book a deposit once: to its user, or to suspense where it is not surely that user's.

        Raises: DepositNotBooked: the account may still be on its way, or the deposit contradicts
            what was booked under its id; database errors.
        """
        async with self._database.transaction() as tx:
            first = await inbox.is_first_time(tx, consumer=CONSUMER, event_id=deposit.event_id)
            if not first:
                return
            name = await self._creditor(tx, deposit)
            [answer] = await self._batcher.apply(tx, [_posting(deposit, name)])
            if isinstance(answer, DomainError):
                raise answer
            [result] = answer.results
            if result.status == TransferStatus.REFUSED:
                raise DepositNotBooked(f"{deposit.id}: {result.reason}")
            if name == SUSPENSE:
                await self._suspense.add(
                    tx,
                    marketplace_id=deposit.marketplace_id,
                    transfer_id=deposit.id,
                    user_id=deposit.user_id,
                    memo=deposit.memo,
                )
        if name == SUSPENSE:
            log.warning("ledger.deposit_in_suspense", deposit_id=str(deposit.id), memo=deposit.memo)

    async def list_suspense(
        self, *, marketplace_id: MarketplaceId, only_open: bool, after: int, size: int
    ) -> list[Suspended]:
        """Return a page of deposits in suspense; one more where there is another page."""
        async with self._database.transaction() as tx:
            return await self._suspense.page(
                tx,
                marketplace_id=marketplace_id,
                only_open=only_open,
                after=after,
                limit=size + 1,
            )

    async def credit_suspense(
        self, *, marketplace_id: MarketplaceId, transfer_id: TransferId, reason: str
    ) -> Suspended:
        """Credit a deposit in suspense to the user whose wallet it reached, once.

        Nobody else: the money is in that wallet. Raises: TransferNotFound; UserNotFound.
        """
        async with self._database.transaction() as tx:
            found = await self._suspense.lock(
                tx, marketplace_id=marketplace_id, transfer_id=transfer_id
            )
            if found is None:
                raise TransferNotFound("There is no such deposit in suspense")
            if found.credited_by is not None:
                return found
            if found.user_id is None:
                raise UserNotFound("The deposit reached no user's wallet")
            await self._require(tx, marketplace_id, found.user_id, found.transfer.asset)
            transfer = _credit_of(found, reason=reason)
            posting = Posting(marketplace_id=marketplace_id, transfers=(transfer,))
            [answer] = await self._batcher.apply(tx, [posting])
            if isinstance(answer, DomainError):
                raise answer
            [result] = answer.results
            if result.status == TransferStatus.REFUSED:
                raise RuntimeError(f"suspense does not have {transfer_id}: {result.reason}")
            await self._suspense.credited(
                tx, marketplace_id=marketplace_id, transfer_id=transfer_id, by=transfer.id
            )
        log.info("ledger.suspense_credited", deposit_id=str(transfer_id))
        return replace(found, credited_by=transfer.id)

    async def get_balance(
        self, *, marketplace_id: MarketplaceId, user_id: UserId, asset: str
    ) -> Balance:
        """Return a user's balance. Raises: UserNotFound."""
        async with self._database.transaction() as tx:
            return await self._require(tx, marketplace_id, user_id, asset)

    async def list_entries(
        self,
        *,
        marketplace_id: MarketplaceId,
        user_id: UserId,
        asset: str,
        before: int | None,
        size: int,
    ) -> list[Line]:
        """Return a page of a statement, newest first, and lines after it that tell its end.

        Raises: UserNotFound.
        """
        async with self._database.transaction() as tx:
            await self._require(tx, marketplace_id, user_id, asset)
            return await self._queries.lines(
                tx,
                marketplace_id=marketplace_id,
                user_id=user_id,
                asset=asset,
                before=before,
                limit=size + PAYMENT_LINES_MAX + 1,
            )

    async def list_transfers(
        self, *, marketplace_id: MarketplaceId, order_id: OrderId
    ) -> list[Transfer]:
        """Return an order's transfers, oldest first; none for an unknown order."""
        async with self._database.transaction() as tx:
            return await self._queries.transfers_of(
                tx, marketplace_id=marketplace_id, order_id=order_id
            )

    async def get_transfer(
        self, *, marketplace_id: MarketplaceId, transfer_id: TransferId
    ) -> Transfer:
        """Return a transfer. Raises: TransferNotFound."""
        async with self._database.transaction() as tx:
            found = await self._queries.transfer(
                tx, marketplace_id=marketplace_id, transfer_id=transfer_id
            )
        if found is None:
            raise TransferNotFound("There is no such transfer")
        return found

    async def list_open_holds(
        self, *, marketplace_id: MarketplaceId, after: int, size: int
    ) -> list[tuple[int, Transfer]]:
        """Return a page of holds that nothing has ended; one more where there is another page."""
        async with self._database.transaction() as tx:
            return await self._queries.open_holds(
                tx, marketplace_id=marketplace_id, after=after, limit=size + 1
            )

    async def list_accounts(
        self, *, marketplace_id: MarketplaceId, only_open: bool, after: int, size: int
    ) -> list[HouseAccount]:
        """Return a page of the accounts that are no user's; one more where there is another."""
        async with self._database.transaction() as tx:
            return await self._queries.house_accounts(
                tx,
                marketplace_id=marketplace_id,
                only_open=only_open,
                after=after,
                limit=size + 1,
            )

    async def named_accounts(
        self, *, marketplace_id: MarketplaceId, names: Sequence[str]
    ) -> list[HouseAccount]:
        """Return accounts of users and escrows by name; one that is not there is left out."""
        async with self._database.transaction() as tx:
            return await self._queries.named_accounts(
                tx, marketplace_id=marketplace_id, names=names
            )

    async def check_invariants(self, *, marketplace_id: MarketplaceId | None) -> list[Invariant]:
        """Check the ledger of one marketplace, or of all (None), in one snapshot."""
        async with self._database.transaction() as tx:
            return await check(tx, marketplace_id=marketplace_id)

    async def _require(
        self, tx: Transaction, marketplace_id: MarketplaceId, user_id: UserId, asset: str
    ) -> Balance:
        found = await self._queries.balance(
            tx, marketplace_id=marketplace_id, user_id=user_id, asset=asset
        )
        if found is None:
            raise UserNotFound("There is no such user")
        return found

    async def _creditor(self, tx: Transaction, deposit: Deposit) -> str:
        # Who sends with a number or a memo means somebody by it, and that is not said by the
        # address: an operator decides.
        if deposit.user_id is None or deposit.memo:
            return SUSPENSE
        found = await self._queries.balance(
            tx,
            marketplace_id=deposit.marketplace_id,
            user_id=deposit.user_id,
            asset=deposit.asset,
        )
        if found is not None:
            return f"{USER}{deposit.user_id}"
        if not await self._queries.is_past(tx, deposit.at + ACCOUNT_PATIENCE):
            raise DepositNotBooked(f"{deposit.id}: the user's account is not open yet")
        return SUSPENSE


def _credit_of(found: Suspended, *, reason: str) -> NewTransfer:
    """Return the transfer that gives a deposit to its user; it is a deposit as any other."""
    return NewTransfer(
        id=TransferId(derived_id(found.transfer.id, "suspense")),
        type=TransferType.SINGLE,
        code=TransferCode.DEPOSIT,
        debit=SUSPENSE,
        credit=f"{USER}{found.user_id}",
        asset=found.transfer.asset,
        amount=found.transfer.amount,
        pending_id=None,
        linked=False,
        order_id=None,
        transaction_hash=found.transfer.transaction_hash,
        reason=reason,
    )


def _posting(deposit: Deposit, name: str) -> Posting:
    transfer = NewTransfer(
        id=deposit.id,
        type=TransferType.SINGLE,
        code=TransferCode.DEPOSIT,
        debit="external:stellar",
        credit=name,
        asset=deposit.asset,
        amount=deposit.amount,
        pending_id=None,
        linked=False,
        order_id=None,
        transaction_hash=deposit.transaction_hash,
        reason="",
    )
    transfers: Sequence[NewTransfer] = (transfer,)
    return Posting(
        marketplace_id=deposit.marketplace_id,
        transfers=transfers,
        correlation_id=deposit.correlation_id,
    )
