"""Operations that a test begins and advances by hand, through the groups of a process."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.orders.v1 import orders_pb2

from chassis.grouped import Grouped
from chassis.idempotency import RequestKey
from kernel.ids import new_id
from services.orders.operations import hot, lines
from services.orders.operations.operation import Operation
from services.orders.order import domain
from services.orders.order.domain import Delivery, EscrowInfo, Order, State
from services.orders.order.store import with_version
from services.orders.order.use_cases import AtOnce, Kind, Work
from tests.integration.orders.conftest import Shop
from tests.integration.orders.test_leases import written
from tests.patience import PATIENCE_SECONDS

AUDITED = "audit where target_id = '{}'"
RESERVE = AtOnce(trigger=domain.Trigger.RESERVE, work=Work(kind=Kind.RESERVE))


@dataclass(frozen=True, slots=True)
class Held:
    """An operation that this process holds, and what it is about to write."""

    operation: Operation
    before: Order
    after: Order
    facts: Sequence[domain.Fact]


def operation_on(shop: Shop, order: Order, key: RequestKey) -> Operation:
    return Operation(
        id=new_id(),
        marketplace_id=shop.marketplace_id,
        order_id=order.id,
        kind=Kind.RESERVE,
        scope=key.scope,
        key=key.key,
        fingerprint=key.fingerprint,
        context={"by": "BUYER"},
        actor="key:test",
        request_id=f"request of {key.key}",
        epoch=1,
        started_at=shop.clock.now(),
    )


async def begin(
    shop: Shop,
    order: Order,
    *,
    key: str = "",
    amount: int | None = None,
    states: Sequence[str] = (State.ORDER_CREATED.value,),
    grouped: Grouped | None = None,
) -> Operation | None:
    """Begin to reserve the money of an order; None: a condition does not hold."""
    operation = operation_on(shop, order, shop.key(key))
    found = await hot.begin(
        grouped or shop.saga.grouped,
        operation=operation,
        change=lines.accepted_at_once(order.id, RESERVE, {}),
        states=states,
        amount=amount,
    )
    assert found is None or found.id == order.id
    return operation if found else None


async def advance(
    grouped: Grouped, held: Held, *, body: bytes | None = b"answer", ends: bool = True
) -> None:
    await hot.advance(
        grouped,
        operation=held.operation,
        before=held.before,
        after=held.after,
        facts=held.facts,
        body=body,
        ends=ends,
    )


async def all_of(*calls: Awaitable[Any]) -> list[Any]:
    """Run calls at once; returns their results and errors."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await asyncio.gather(*calls, return_exceptions=True)


async def orders_of(shop: Shop, count: int) -> list[tuple[orders_pb2.Order, Order]]:
    """Create orders; returns each as it was answered and as it is read."""
    await shop.user("usr_buyer")
    await shop.user("usr_seller")
    made = [await shop.order() for _ in range(count)]
    return [(one, await shop.read(one)) for one in made]


def reserving(shop: Shop, operation: Operation, before: Order) -> Held:
    """Prepare to write an order that has changed in many columns, with two events."""
    at = shop.clock.now()
    after, facts = domain.reserved(before, reserved_balance=before.amount, at=at)
    after = replace(
        after,
        escrow=EscrowInfo(
            id=new_id(), contract_id=f"C{before.id}", status="CREATED", funded_at=None
        ),
        delivery=Delivery(notes=f"ü {before.id}", url="", delivered_at=at),
        provider_fee=operation.id.int % 1000,
    )
    return Held(operation, before, with_version(after, [*facts, *facts]), [*facts, *facts])


async def held_of(shop: Shop, count: int) -> list[tuple[orders_pb2.Order, Held]]:
    """Create orders, and begin an operation on each."""
    orders = await orders_of(shop, count)
    found = []
    for order, before in orders:
        operation = await begin(shop, before)
        assert operation is not None
        found.append((order, reserving(shop, operation, before)))
    return found


async def read_again(shop: Shop, order: Order) -> Order:
    found, _ = await shop.queries.get_order(marketplace_id=shop.marketplace_id, order_id=order.id)
    return found


def next_of(shop: Shop, operation: Operation, before: Order) -> Held:
    """Prepare to write a further version of an order, whatever its state."""
    at = shop.clock.now()
    created = replace(before, state=State.ORDER_CREATED)
    reserved, facts = domain.reserved(created, reserved_balance=before.amount, at=at)
    return Held(operation, before, with_version(reserved, facts), facts)


async def state_of(shop: Shop, operation: Operation) -> str:
    async with shop.database.transaction() as tx:
        state: str = await tx.fetchval(
            "select state from operations where id = %s", (operation.id,)
        )
    return state


async def rows(shop: Shop, statement: str, *values: object) -> list[tuple[Any, ...]]:
    async with shop.database.transaction() as tx:
        return [tuple(row) for row in await tx.fetch(statement, values)]


async def of_order(shop: Shop, order: orders_pb2.Order) -> tuple[list[Any], int]:
    """Read what is written of one order: its rows, its operations and its audit lines."""
    own = [row for row in await written(shop, order) if order.id in str(row)]
    public_id = (await shop.read(order)).public_id
    return own, await shop.count(AUDITED.format(public_id))
