"""Concurrent reads of orders share a call, and each reader gets their own answer."""

import asyncio
import contextvars
import uuid
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest
from orchestrator.orders.v1 import orders_pb2

from chassis import identity
from chassis.identity import ROLE_MARKETPLACE, Identity
from chassis.status import Internal
from gateway.errors import OrderNotFound
from gateway.order_reads import ORDERS_MAX, OrderReads
from kernel.errors import DomainError, Unavailable
from tests.patience import PATIENCE_SECONDS

FIRST, SECOND = (
    Identity(
        caller="gateway", marketplace_id=uuid.uuid4(), principal="key:1", role=ROLE_MARKETPLACE
    )
    for _ in range(2)
)


class Service:
    """Answers as orders does. calls: the ids of each call, and for whom it was made."""

    def __init__(self, *, missing: str = "", failure: DomainError | None = None) -> None:
        self.calls: list[tuple[Identity, list[str]]] = []
        self.missing = missing
        self.failure = failure
        self.called = asyncio.Event()
        self.reads = OrderReads(self.one, self.several)

    async def one(self, order_id: str) -> orders_pb2.Order:
        self.calls.append((identity.current(), [order_id]))
        await asyncio.sleep(0)
        if order_id == self.missing:
            raise OrderNotFound("Order not found")
        return orders_pb2.Order(id=order_id)

    async def several(self, order_ids: Sequence[str]) -> Sequence[orders_pb2.Order]:
        self.calls.append((identity.current(), list(order_ids)))
        self.called.set()
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        # In another sequence than asked for.
        return [orders_pb2.Order(id=one) for one in sorted(order_ids) if one != self.missing]


def acting(who: Identity, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    """Run work as a request of this identity."""
    context = contextvars.copy_context()
    context.run(identity.bind, who)
    return asyncio.get_running_loop().create_task(work, context=context)


async def read(service: Service, *order_ids: str, who: Identity = FIRST) -> list[Any]:
    """Read orders in one turn, each as its own request; return ids and errors."""
    tasks = [acting(who, service.reads.read(one)) for one in order_ids]
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    return [one.id if isinstance(one, orders_pb2.Order) else one for one in answers]


async def test_reads_of_one_turn_share_a_call_and_each_gets_its_order() -> None:
    service = Service()

    assert await read(service, "c", "a", "b", "a") == ["c", "a", "b", "a"]

    assert service.calls == [(FIRST, ["c", "a", "b"])]


async def test_a_read_that_is_alone_is_an_ordinary_call() -> None:
    service = Service()

    assert await read(service, "a") == ["a"]
    assert await read(service, "b") == ["b"]

    assert service.calls == [(FIRST, ["a"]), (FIRST, ["b"])]


async def test_reads_of_two_identities_never_share_a_call() -> None:
    service = Service()

    first, second = await asyncio.gather(
        read(service, "a", "b", who=FIRST), read(service, "a", "c", who=SECOND)
    )

    assert (first, second) == (["a", "b"], ["a", "c"])

    assert service.calls == [(FIRST, ["a", "b"]), (SECOND, ["a", "c"])]


async def test_an_order_that_is_not_found_is_refused_to_its_own_reader_only() -> None:
    first, missing, last = await read(Service(missing="b"), "a", "b", "c")

    assert (first, last) == ("a", "c")
    assert isinstance(missing, OrderNotFound)


async def test_an_outage_is_told_to_every_reader() -> None:
    service = Service(failure=Unavailable("away"))

    answers = await read(service, "a", "b")

    assert [type(one) for one in answers] == [Unavailable, Unavailable]
    assert len(service.calls) == 1


async def test_after_a_fault_of_the_call_each_order_is_read_alone() -> None:
    service = Service(missing="b", failure=Internal("a fault"))

    first, missing = await read(service, "a", "b")

    assert first == "a"
    assert isinstance(missing, OrderNotFound)


async def test_a_call_has_a_limited_number_of_orders() -> None:
    service = Service()
    wanted = [f"{number:03}" for number in range(ORDERS_MAX + 2)]

    assert await read(service, *wanted) == wanted

    assert [len(order_ids) for _, order_ids in service.calls] == [ORDERS_MAX, 2]


async def test_a_reader_who_leaves_cancels_no_other() -> None:
    service = Service()
    leaving = acting(FIRST, service.reads.read("a"))
    staying = acting(FIRST, service.reads.read("b"))
    await service.called.wait()
    leaving.cancel()

    async with asyncio.timeout(PATIENCE_SECONDS):
        assert (await staying).id == "b"
    with pytest.raises(asyncio.CancelledError):
        await leaving
