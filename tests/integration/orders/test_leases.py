"""A process that was paused wakes when another has taken its operation over and still drives it.

Whatever it was about to write is undone: the order, its events, the answer and the operation are
the new holder's, and each is written once.
"""

import asyncio
import datetime as dt
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass, replace

import psycopg
import pytest
from orchestrator.orders.v1 import orders_pb2

from chassis.idempotency import Answer, IdempotencyKeyInProgress
from chassis.leases import LeaseLost
from kernel.ids import new_id
from services.orders.operations.operation import LEASE_SECONDS, Operation
from services.orders.operations.operation_store import LEASES, OperationStore, lease_of
from services.orders.operations.saga import Run
from services.orders.order import endings
from services.orders.order.domain import Order, Party, State
from services.orders.order.store import OrderMovedOn
from tests.integration.orders.conftest import Peers, Shop, oid, open_shop, order_of
from tests.patience import PATIENCE_SECONDS, until

EXPIRE = "update operations set lease_until = now() - interval '1 second' where state = 'running'"
Begin = Callable[[Shop, orders_pb2.Order], Awaitable[Answer]]
KEY = "the paused one's"


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """One that will be paused, and its successor: on the same rows, with the same peers.

    Each waits for the chain at a gate of its own.
    """

    paused: Shop
    successor: Shop

    async def take_over(self) -> Operation:
        """Let the successor take over what the paused one drives; returns it, with its epoch."""
        await execute(self.paused, EXPIRE)
        return (await claim(self.successor)).operation

    async def wake(self) -> None:
        """Let the paused one go on, as far as it will."""
        driving = list(self.paused.saga._tasks)
        assert driving, "nothing was paused"
        self.paused.peers.escrow.gate.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*driving)

    async def finish(self, order: orders_pb2.Order) -> Order:
        """Let the successor go on to the end; returns the order as it is then."""
        self.successor.peers.escrow.gate.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*self.successor.saga._tasks)
        return await self.successor.read(order)


@pytest.fixture
async def processes(database_url: Callable[[str], str]) -> AsyncIterator[Processes]:
    """Two processes without the loop that takes operations over."""
    url, peers, marketplace_id = database_url("orders"), Peers(), new_id()
    others = replace(peers, escrow=replace(peers.escrow, gate=asyncio.Event()))
    others.escrow.gate.clear()
    async with (
        open_shop(url, peers, marketplace_id, takes_over=False) as paused,
        open_shop(url, others, marketplace_id, takes_over=False) as successor,
    ):
        yield Processes(paused=paused, successor=successor)


async def claim(shop: Shop) -> Run:
    """Let a process take over the one operation whose lease has run out."""
    asked_at = time.monotonic()
    async with shop.database.transaction() as tx:
        (lease,) = await shop.saga._claim(tx, 2)
        operation = await shop.saga.operations.under(tx, lease)
    assert operation is not None
    return shop.saga.start(operation, asked_at=asked_at)


async def execute(shop: Shop, statement: str, *values: object) -> None:
    async with shop.database.transaction() as tx:
        await tx.execute(statement.encode(), values)


async def written(shop: Shop, order: orders_pb2.Order) -> list[tuple[object, ...]]:
    """Read all that is written of an order: row, events, operations, and the key's answer."""
    found: list[tuple[object, ...]] = []
    async with shop.database.transaction() as tx:
        for statement in (
            "select to_jsonb(o)::text from orders o where id = %s",
            "select to_jsonb(p)::text from operations p where order_id = %s order by id",
        ):
            found += await (await tx.execute(statement, (oid(order),))).fetchall()
        for rows in ("idempotency x", "outbox x"):
            cursor = await tx.execute(
                f"select to_jsonb(x)::text from {rows} order by 1".encode()  # noqa: S608 - constants
            )
            found += await cursor.fetchall()
    return found


async def create(shop: Shop, order: orders_pb2.Order) -> Answer:
    return await shop.service.create_escrow(shop.ask(KEY), order_id=oid(order))


async def pay(shop: Shop, order: orders_pb2.Order) -> Answer:
    answer = await shop.service.pay(shop.ask(KEY, wait=0), order_id=oid(order), user_id=None)
    # Beyond the first write that the contract's address allows.
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (await shop.read(order)).escrow:  # noqa: ASYNC110 - asks Postgres
            await asyncio.sleep(0.01)
    return answer


async def release(shop: Shop, order: orders_pb2.Order) -> Answer:
    return await shop.service.release_funds(
        shop.ask(KEY, wait=0), order_id=oid(order), by=Party.BUYER
    )


@pytest.mark.parametrize(
    ("begin", "stands", "ends", "told"),
    [
        # What the paused one would write: an advance; the operation's end; both with the answer.
        (pay, State.ESCROW_CREATING, State.IN_PROGRESS, "order.in_progress"),
        (create, State.ESCROW_CREATING, State.ESCROW_CREATING, "order.escrow_creating"),
        (release, State.RELEASE_REQUESTED, State.CLOSED, "order.closed"),
    ],
)
async def test_a_process_that_wakes_after_a_take_over_writes_nothing(
    processes: Processes, begin: Begin, stands: State, ends: State, told: str
) -> None:
    paused = processes.paused
    order = await _order_for(paused, begin)
    paused.peers.escrow.gate.clear()
    await begin(paused, order)
    await paused.until(order, stands)
    await _until_asked(paused)
    operation = await processes.take_over()
    await _until_asked(processes.successor)
    before = await written(paused, order)

    await processes.wake()

    assert operation.epoch == 2
    assert await written(paused, order) == before
    assert (await processes.finish(order)).state is ends
    names = [name for name, _ in await paused.events(order)]
    assert names.count(told) == 1
    assert [version for _, version in await paused.events(order)] == [*range(1, len(names) + 1)]


async def test_process_that_wakes_after_a_take_over_stores_no_refusal(processes: Processes) -> None:
    paused = processes.paused
    order = await paused.reserved_order()
    paused.peers.escrow.gate.clear()
    paused.peers.escrow.fails["create"] = "TRUSTLINE_MISSING"
    await create(paused, order)
    await processes.take_over()
    await _until_asked(processes.successor)
    before = await written(paused, order)

    await processes.wake()

    assert await written(paused, order) == before
    assert (await processes.finish(order)).state is State.FUNDS_RESERVED
    names = [name for name, _ in await paused.events(order)]
    assert names.count("order.escrow_failed") == 1


async def test_a_lease_is_renewed_by_its_holder_alone(processes: Processes) -> None:
    paused = processes.paused
    order = await paused.running_order()
    paused.peers.escrow.gate.clear()
    await release(paused, order)
    operation = await processes.take_over()

    async def lease_after_renewing(epoch: int) -> dt.datetime:
        held = replace(lease_of(operation), epoch=epoch)
        async with paused.database.transaction() as tx:
            await LEASES.renew(tx, [held], seconds=LEASE_SECONDS)
            cursor = await tx.execute(
                "select lease_until from operations where id = %s", (operation.id,)
            )
            (lease,) = await cursor.fetchone() or (None,)
        assert isinstance(lease, dt.datetime)
        return lease

    first = await lease_after_renewing(1)
    again = await lease_after_renewing(1)
    renewed = await lease_after_renewing(2)

    assert first == again < renewed


async def test_a_process_without_the_lease_writes_no_note(processes: Processes) -> None:
    paused = processes.paused
    order = await paused.running_order()
    paused.peers.escrow.gate.clear()
    await release(paused, order)
    held = next(iter(paused.saga._runs.values())).operation
    await processes.take_over()
    before = await written(paused, order)

    async with paused.database.transaction() as tx:
        await paused.saga.operations.note(tx, held, error="late")
    with pytest.raises(LeaseLost):
        async with paused.database.transaction() as tx:
            await LEASES.fence(tx, lease_of(held))

    assert await written(paused, order) == before


async def test_a_stale_order_is_not_written(shop: Shop) -> None:
    order = await shop.running_order()
    stale = await shop.read(order)
    await shop.service.deliver(shop.ask(), order_id=oid(order), notes="done", url="", user_id=None)
    before = await written(shop, order)
    late, facts = endings.delivered(stale, notes="late", url="", at=shop.clock.now())

    with pytest.raises(OrderMovedOn):
        async with shop.database.transaction() as tx:
            await shop.saga.orders.save(
                tx, before=stale, after=late, facts=facts, request_id="late"
            )

    assert await written(shop, order) == before


async def test_operation_ends_on_the_current_order_and_not_on_a_stale_read(
    shop: Shop, postgres_admin: str
) -> None:
    order = await shop.running_order()
    shop.peers.escrow.gate.clear()
    await release(shop, order)
    known = await shop.read(order)
    async with await psycopg.AsyncConnection.connect(postgres_admin, autocommit=True) as admin:
        await admin.execute(
            "update orders.orders set version = version + 5, title = 'Renamed' where id = %s",
            (oid(order),),
        )

    shop.peers.escrow.gate.set()
    await shop.until(order, State.CLOSED)

    closed = await shop.read(order)
    assert (closed.title, closed.version) == ("Renamed", known.version + 5 + 2)


async def test_key_of_a_taken_over_operation_is_still_in_progress(processes: Processes) -> None:
    paused = processes.paused
    order = await paused.running_order()
    paused.peers.escrow.gate.clear()
    await release(paused, order)
    await processes.take_over()

    await processes.wake()

    with pytest.raises(IdempotencyKeyInProgress):
        await release(paused, order)
    await processes.finish(order)
    assert (await release(paused, order)).replayed


async def _order_for(shop: Shop, begin: Begin) -> orders_pb2.Order:
    if begin is release:
        return await shop.running_order()
    return await (shop.rich_order() if begin is pay else shop.reserved_order())


async def _until_asked(shop: Shop) -> None:
    """Wait until what a process drives waits for the chain."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not shop.peers.escrow.asked:  # noqa: ASYNC110 - another task asks
            await asyncio.sleep(0.01)


async def test_end_of_an_operation_in_the_same_process_needs_no_database_query(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = list[object]()

    async def looked(_self: object, _tx: object, ids: Collection[uuid.UUID]) -> list[uuid.UUID]:
        looks.append(ids)
        return []

    monkeypatch.setattr(OperationStore, "ended_among", looked)
    order = await shop.reserved_order()
    shop.peers.escrow.gate.clear()
    await shop.service.create_escrow(shop.ask(), order_id=oid(order))
    funding = asyncio.create_task(shop.service.fund_escrow(shop.ask(), order_id=oid(order)))

    async def is_waiting() -> bool:
        return bool(shop.saga._ends._waiters)

    await until(is_waiting)
    shop.peers.escrow.gate.set()

    assert order_of(await funding).escrow.status == "FUNDED"
    assert looks == []
