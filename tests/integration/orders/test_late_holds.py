"""A process that was paused in a reservation wakes after the order was canceled by another."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace

import pytest
from orchestrator.orders.v1 import orders_pb2

from chassis.idempotency import Answer
from kernel.ids import new_id
from services.orders.funds.holds import HoldNotVoided, Holds
from services.orders.operations import postings, saga
from services.orders.operations.operation import LEASE_SECONDS
from services.orders.operations.postings import InsufficientFunds
from services.orders.order.domain import FinalStatus, OrderInWrongState, Party, State
from services.orders.peers.ports import Posted as Answered
from services.orders.peers.ports import Transfer
from tests.fakes import FakeLedger
from tests.integration.orders.conftest import Peers, Shop, oid, open_shop
from tests.integration.orders.test_leases import EXPIRE, claim, execute
from tests.lines import actions
from tests.patience import PATIENCE_SECONDS

RICH = 1_000_000_000
Begin = Callable[[Shop, orders_pb2.Order], Awaitable[Answer]]


@pytest.fixture
async def replicas(database_url: Callable[[str], str]) -> AsyncIterator[tuple[Shop, Shop]]:
    """Two processes: the calls of the first to the ledger wait at a gate, the second's do not.

    Both see the same balances.
    """
    url, peers, marketplace_id = database_url("orders"), Peers(), new_id()
    ledger = peers.ledger
    slow = FakeLedger(
        available=ledger.available,
        holds=ledger.holds,
        ended_holds=ledger.ended_holds,
        barred=ledger.barred,
        transfers=ledger.transfers,
    )
    async with (
        open_shop(url, replace(peers, ledger=slow), marketplace_id, takes_over=False) as paused,
        open_shop(url, peers, marketplace_id, takes_over=False) as other,
    ):
        yield paused, other


async def reserve(shop: Shop, order: orders_pb2.Order) -> Answer:
    return await shop.service.reserve_funds(shop.ask(wait=0), order_id=oid(order))


async def pay(shop: Shop, order: orders_pb2.Order) -> Answer:
    return await shop.service.pay(shop.ask(wait=0), order_id=oid(order), user_id=None)


@pytest.mark.parametrize("begin", [reserve, pay])
async def test_a_hold_that_arrives_after_the_cancellation_holds_nothing(
    replicas: tuple[Shop, Shop], begin: Begin
) -> None:
    paused, other = replicas
    buyer, order = await _begun_and_stuck(paused, begin)
    await _taken_over_and_refused(other)
    canceled = await other.service.cancel(
        other.ask(), order_id=oid(order), by=Party.BUYER, reason="no money", user_id=None
    )
    other.peers.ledger.available[buyer] = RICH

    paused.peers.ledger.gate.set()
    await _settled(paused)

    assert orders_pb2.Order.FromString(canceled.body).id == order.id
    assert (await other.read(order)).final_status is FinalStatus.CANCELED
    assert other.peers.ledger.reserved(buyer) == 0
    assert other.peers.ledger.available[buyer] == RICH


async def test_process_that_lost_its_lease_calls_no_peer(
    replicas: tuple[Shop, Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    paused, other = replicas
    asked_to_wait = asyncio.Event()

    async def stopped(self: saga.Run) -> object:
        await asked_to_wait.wait()
        return await order_of(self)

    order_of = saga.Run.order
    monkeypatch.setattr(saga.Run, "order", stopped)
    await paused.user("usr_buyer")
    await paused.user("usr_seller")
    order = await paused.order()
    buyer = f"user:{order.buyer.id}"
    await reserve(paused, order)
    monkeypatch.setattr(saga.Run, "order", order_of)
    await _taken_over_and_refused(other)
    other.peers.ledger.available[buyer] = RICH
    calls = paused.peers.ledger.calls
    paused.peers.ledger.gate.set()
    # As after a pause that was longer than the lease.
    (lease,) = paused.saga._runs
    paused.saga.leases._asked_at[lease] = time.monotonic() - LEASE_SECONDS

    asked_to_wait.set()
    await _settled(paused)

    assert paused.peers.ledger.calls == calls
    assert other.peers.ledger.reserved(buyer) == 0
    assert (await other.read(order)).state is State.ORDER_CREATED


async def test_a_hold_of_a_canceled_order_is_given_back_by_an_operator(shop: Shop) -> None:
    order = await shop.rich_order()
    await shop.service.cancel(
        shop.ask(), order_id=oid(order), by=Party.BUYER, reason="", user_id=None
    )
    buyer = f"user:{order.buyer.id}"
    ledger = shop.peers.ledger
    # As books of before barred nothing: the hold was made after the cancellation.
    ledger.barred.clear()
    ledger.transfers.clear()
    await ledger.post(postings.hold(await shop.read(order)))
    keeper = Holds(database=shop.database, orders=shop.saga.orders, ledger=ledger)
    assert ledger.reserved(buyer) > 0

    for reason in ("a late hold", "a late hold", "the same, said otherwise"):
        await keeper.give_back(
            marketplace_id=shop.marketplace_id, order_id=oid(order), reason=reason
        )

    assert ledger.reserved(buyer) == 0
    told = await actions(shop.database, shop.marketplace_id)
    assert told[-2:] == ["order.cancel", "order.give_back_hold"]


async def test_hold_that_an_order_needs_is_not_given_back(shop: Shop) -> None:
    order = await shop.reserved_order()
    keeper = Holds(database=shop.database, orders=shop.saga.orders, ledger=shop.peers.ledger)

    with pytest.raises(OrderInWrongState):
        await keeper.give_back(marketplace_id=shop.marketplace_id, order_id=oid(order), reason="no")


async def test_a_hold_that_was_posted_is_not_given_back(shop: Shop) -> None:
    order = await shop.rich_order()
    await shop.service.cancel(
        shop.ask(), order_id=oid(order), by=Party.BUYER, reason="", user_id=None
    )

    class Posted(FakeLedger):
        """Refuses the void, as the ledger does for a hold that was posted."""

        async def post(self, transfers: Sequence[Transfer]) -> list[Answered]:
            return [Answered(is_refused=True, reason="PENDING_ALREADY_POSTED") for _ in transfers]

    keeper = Holds(database=shop.database, orders=shop.saga.orders, ledger=Posted())

    with pytest.raises(HoldNotVoided) as refused:
        await keeper.give_back(marketplace_id=shop.marketplace_id, order_id=oid(order), reason="no")

    assert refused.value.details == {"reason": "PENDING_ALREADY_POSTED"}


async def _begun_and_stuck(paused: Shop, begin: Begin) -> tuple[str, orders_pb2.Order]:
    await paused.user("usr_buyer")
    await paused.user("usr_seller")
    order = await paused.order()
    paused.peers.ledger.gate.clear()
    before = paused.peers.ledger.calls
    await begin(paused, order)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while paused.peers.ledger.calls == before:  # noqa: ASYNC110 - another task calls
            await asyncio.sleep(0.01)
    return f"user:{order.buyer.id}", order


async def _taken_over_and_refused(other: Shop) -> None:
    """Let the other process take the reservation over, which the ledger refuses."""
    await execute(other, EXPIRE)
    run = await claim(other)
    with pytest.raises(InsufficientFunds):
        await other.saga.answer(run, timeout_seconds=10)


async def _settled(shop: Shop) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(*shop.saga._tasks)
