"""Puts a user's money into suspense in a running ledger's database, with the ledger's code.

A real deposit goes there only if its user's account was not open for a minute. Tests do not wait.
"""

import uuid

import httpx

from chassis.database import Database
from chassis.outbox import Outbox
from kernel.clock import SystemClock
from kernel.ids import MarketplaceId, TransferId, UserId
from kernel.money import USDC, parse_amount
from services.ledger.batch import Batcher
from services.ledger.book import NewTransfer, TransferCode, TransferType
from services.ledger.deposits.domain import SUSPENSE
from services.ledger.deposits.store import DepositStore
from services.ledger.store import LedgerStore
from tests.shop import Shop


async def suspended(shop: Shop, user: str, amount: str, *, memo: str) -> str:
    """Move a shop user's available money to suspense; returns the transfer's id."""
    url = httpx.URL(str(shop.stack.document["databaseUrl"])).copy_with(username="ledger")
    transfer = await suspend(
        str(url),
        marketplace=uuid.UUID((await shop.get("/marketplace"))["id"]),
        user=uuid.UUID((await shop.get(f"/users/{user}"))["uuid"]),
        minor_units=parse_amount(amount),
        memo=memo,
    )
    return str(transfer)


async def suspend(
    url: str, *, marketplace: uuid.UUID, user: uuid.UUID, minor_units: int, memo: str
) -> TransferId:
    """Move a user's money to suspense, as a deposit to their wallet; returns the transfer's id."""
    marketplace_id, transfer_id = MarketplaceId(marketplace), TransferId(uuid.uuid4())
    database = Database.open(url=url, schema="ledger", pool_size=2)
    batcher = Batcher(database=database, store=LedgerStore(outbox=Outbox()), clock=SystemClock())
    transfer = NewTransfer(
        id=transfer_id,
        type=TransferType.SINGLE,
        code=TransferCode.CORRECTION,
        debit=f"user:{user}",
        credit=SUSPENSE,
        asset=USDC,
        amount=minor_units,
        pending_id=None,
        linked=False,
        order_id=None,
        transaction_hash="",
        reason="Booked to suspense",
    )
    try:
        async with database.transaction() as tx:
            result = await batcher.post_one(tx, marketplace_id=marketplace_id, transfer=transfer)
            assert result.reason == ""
            await DepositStore().add(
                tx,
                marketplace_id=marketplace_id,
                transfer_id=transfer_id,
                user_id=UserId(user),
                memo=memo,
            )
    finally:
        await batcher.close()
        await database.close()
    return transfer_id
