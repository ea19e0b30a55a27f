"""A commit that landed, and whose answer the process never got: nothing is driven after its end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from orchestrator.orders.v1 import orders_pb2

from chassis.database import Connection, Database, Transaction
from chassis.grouped import Grouped
from chassis.idempotency import Answer
from kernel.errors import FailedPrecondition, Unavailable
from services.orders.order.domain import Party, State
from tests.integration.orders.conftest import Shop, oid
from tests.integration.orders.test_leases import EXPIRE, execute
from tests.patience import PATIENCE_SECONDS

Begin = Callable[[Shop, orders_pb2.Order], Awaitable[Answer]]
RUNNING = "select count(*) from operations where state = 'running'"


class LossyDatabase(Database):
    """The saga's database, whose connection is lost after the commit that ends an operation."""

    def __init__(self, real: Database, shop: Shop) -> None:
        self._real = real
        self.short_from = real.short_from
        self._shop = shop
        self.lost = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commit, and lose the answer where the commit ended the operation."""
        async with self._real.transaction() as tx:
            yield tx
        await self._lose()

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[Connection]:
        """As transaction."""
        async with self._real.statement() as connection:
            yield connection
        await self._lose()

    async def _lose(self) -> None:
        if self.lost == 0 and await _running(self._shop) == 0:
            self.lost += 1
            raise Unavailable("the connection was lost")


def lose_commits(shop: Shop) -> LossyDatabase:
    """Give the saga a database whose commits lose their answers."""
    lossy = LossyDatabase(shop.database, shop)
    shop.saga.database, shop.saga.grouped = lossy, Grouped(lossy, name="lossy")
    return lossy


async def _running(shop: Shop) -> int:
    async with shop.database.statement() as connection:
        cursor = await connection.execute(RUNNING)
        row = await cursor.fetchone()
    return int(str(row[0])) if row else 0


async def reserve(shop: Shop, order: orders_pb2.Order) -> Answer:
    return await shop.service.reserve_funds(shop.ask("one"), order_id=oid(order))


async def cancel(shop: Shop, order: orders_pb2.Order) -> Answer:
    return await shop.service.cancel(
        shop.ask("one"), order_id=oid(order), by=Party.BUYER, reason="", user_id=None
    )


async def fund(shop: Shop, order: orders_pb2.Order) -> Answer:
    return await shop.service.fund_escrow(shop.ask("one"), order_id=oid(order))


async def release(shop: Shop, order: orders_pb2.Order) -> Answer:
    return await shop.service.release_funds(shop.ask("one"), order_id=oid(order), by=Party.BUYER)


@pytest.mark.parametrize(
    ("begin", "ends"),
    [
        (reserve, State.FUNDS_RESERVED),
        (cancel, State.CLOSED),
        (fund, State.IN_PROGRESS),
        (release, State.CLOSED),
    ],
)
async def test_an_operation_that_has_ended_is_not_carried_out_again(
    shop: Shop, begin: Begin, ends: State
) -> None:
    order = await _order_for(shop, begin)
    await _quiet(shop)
    lossy = lose_commits(shop)

    answer = await begin(shop, order)

    await _quiet(shop)
    assert lossy.lost == 1
    assert (await shop.read(order)).state is ends
    assert not orders_pb2.Order.FromString(answer.body).HasField("operation")
    again = await begin(shop, order)
    assert again.replayed
    assert again.body == answer.body


async def test_stored_refusal_is_returned_although_its_commit_was_not_acknowledged(
    shop: Shop,
) -> None:
    order = await shop.rich_order()
    shop.peers.ledger.available[f"user:{order.buyer.id}"] = 0
    lossy = lose_commits(shop)

    with pytest.raises(FailedPrecondition) as refused:
        await reserve(shop, order)

    assert (refused.value.reason, refused.value.replayed) == ("INSUFFICIENT_FUNDS", False)

    await _quiet(shop)
    assert lossy.lost == 1


async def test_end_of_an_older_run_does_not_remove_the_newer_run(shop: Shop) -> None:
    order = await shop.reserved_order()
    shop.peers.escrow.gate.clear()
    await shop.service.create_escrow(shop.ask(wait=0), order_id=oid(order))
    ((older, _),), (driving,) = shop.saga._runs.items(), shop.saga._tasks
    await execute(shop, EXPIRE)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (newer := shop.saga._runs.keys() - {older}):  # noqa: ASYNC110 - a loop acts
            await asyncio.sleep(0.01)

    driving.cancel()
    await asyncio.gather(driving, return_exceptions=True)

    assert {(one.id, one.epoch) for one in newer} == {(older.id, older.epoch + 1)}
    assert shop.saga._runs.keys() == newer
    shop.peers.escrow.gate.set()
    await _quiet(shop)


async def _order_for(shop: Shop, begin: Begin) -> orders_pb2.Order:
    if begin is reserve:
        return await shop.rich_order()
    if begin is release:
        return await shop.running_order()
    order = await shop.reserved_order()
    if begin is fund:
        await shop.service.create_escrow(shop.ask(), order_id=oid(order))
    return order


async def _quiet(shop: Shop) -> None:
    """Wait until this process drives nothing."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while shop.saga._tasks or shop.saga._runs:  # noqa: ASYNC110 - tasks end on their own
            await asyncio.sleep(0.01)
