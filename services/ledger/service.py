"""The use cases of the ledger, one transaction each. Transfers of many callers share one."""

from collections.abc import Callable, Sequence

from chassis.database import Database, Transaction
from chassis.idempotency import Answer, Idempotency, RequestKey
from kernel.clock import Clock
from kernel.ids import MarketplaceId, OrderId, TransferId, UserId
from services.ledger.batch import Batcher, Checked, Posted, Posting
from services.ledger.book import (
    Balance,
    HouseAccount,
    Invariant,
    PlatformMoney,
    Transfer,
)
from services.ledger.domain import AccountDiffers, TransferNotFound, UserNotFound
from services.ledger.invariants import check
from services.ledger.queries import NUMBER_MAX, LedgerQueries
from services.ledger.statement import PAYMENT_LINES_MAX, Line


class LedgerService:
    """The use cases of accounts, transfers and statements."""

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
        self._idempotency = idempotency
        self._clock = clock
        self._encode = encode

    async def open_account(
        self, *, key: RequestKey, user_id: UserId, public_id: str, asset: str
    ) -> Answer:
        """Open a user's account in an asset, or return the account if it exists.

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
                raise AccountDiffers("This public id belongs to another user's account")
            if account.public_id != public_id:
                raise AccountDiffers("The account has another public id")
            return self._encode(account)

        return await self._idempotency.execute(self._database, key, work)

    async def post_transfers(self, posting: Posting) -> Posted:
        """Post transfers. Each has its own answer; a linked group is all or nothing.

        Raises: IdempotencyKeyReused; Unavailable: the outcome may be unknown; a retry with the
            same ids is safe.
        """
        return await self._batcher.post(posting)

    async def check_transfers(
        self, posting: Posting, *, asset: str, user_ids: Sequence[UserId]
    ) -> Checked:
        """Answer transfers as `post_transfers` would, without writing.

        user_ids: as in `Batcher.check`.
        """
        async with self._database.snapshot() as tx:
            return await self._batcher.check(tx, posting, asset=asset, user_ids=user_ids)

    async def get_balance(
        self, *, marketplace_id: MarketplaceId, user_id: UserId, asset: str
    ) -> Balance:
        """Return a user's balance. Raises: UserNotFound."""
        async with self._database.statement() as connection:
            return await self._require(connection, marketplace_id, user_id, asset)

    async def list_entries(
        self,
        *,
        marketplace_id: MarketplaceId,
        user_id: UserId,
        asset: str,
        before: int | None,
        size: int,
    ) -> list[Line]:
        """Return a page of a statement, newest first, with the lines that may complete a payment.

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
        """Return an order's transfers, oldest first; an unknown order has none."""
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
            raise TransferNotFound("Transfer not found")
        return found

    async def list_open_holds(
        self, *, marketplace_id: MarketplaceId, after: int, size: int
    ) -> list[tuple[int, Transfer]]:
        """Return a page of open holds; one hold more if there is another page."""
        async with self._database.transaction() as tx:
            return await self._queries.open_holds(
                tx, marketplace_id=marketplace_id, after=after, limit=size + 1
            )

    async def list_accounts(
        self, *, marketplace_id: MarketplaceId, only_open: bool, after: int, size: int
    ) -> list[HouseAccount]:
        """Return a page of house and escrow accounts; one more if there is another page."""
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
        """Return accounts of users and escrows by name; missing accounts are left out."""
        async with self._database.transaction() as tx:
            return await self._queries.named_accounts(
                tx, marketplace_id=marketplace_id, names=names
            )

    async def platform_money(self, *, marketplace_id: MarketplaceId, asset: str) -> PlatformMoney:
        """Return the platform's own money in a marketplace."""
        async with self._database.transaction() as tx:
            return await self._queries.platform_money(
                tx, marketplace_id=marketplace_id, asset=asset
            )

    async def platform_transfers(
        self, *, marketplace_id: MarketplaceId, asset: str, before: int | None, size: int
    ) -> list[tuple[int, Transfer]]:
        """Return a page of transfers of the platform's own money, newest first.

        The result has one transfer more if there is another page.
        """
        async with self._database.transaction() as tx:
            return await self._queries.platform_transfers(
                tx,
                marketplace_id=marketplace_id,
                asset=asset,
                before=NUMBER_MAX if before is None else before,
                limit=size + 1,
            )

    async def check_invariants(self, *, marketplace_id: MarketplaceId | None) -> list[Invariant]:
        """Check the ledger of one marketplace in one snapshot; None: of all marketplaces."""
        async with self._database.transaction() as tx:
            return await check(tx, marketplace_id=marketplace_id)

    async def _require(
        self, tx: Transaction, marketplace_id: MarketplaceId, user_id: UserId, asset: str
    ) -> Balance:
        found = await self._queries.balance(
            tx, marketplace_id=marketplace_id, user_id=user_id, asset=asset
        )
        if found is None:
            raise UserNotFound("User not found")
        return found
