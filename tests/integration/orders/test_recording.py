"""A command is decided on an order as it was read, and recorded only if that is so still."""

from collections.abc import Awaitable, Callable

import psycopg
import pytest
from orchestrator.orders.v1 import orders_pb2

from chassis.idempotency import Idempotency, IdempotencyKeyReused
from kernel.ids import new_id
from services.orders.operations import hot, lines
from services.orders.operations.operation import Operation
from services.orders.order import use_cases
from services.orders.order.domain import Order, State
from services.orders.order.store import with_version
from tests.integration.orders.conftest import Shop, an_order, oid

Change = Callable[[Shop, orders_pb2.Order, str], Awaitable[None]]
KEY = "the one"
WRITTEN = ("operations", "idempotency", "outbox", "audit")
OTHER_ADDRESS = """
update orders.orders set escrow_contract_id = 'C', updated_at = now() where id = %s
"""
OTHER_VERSION = "update orders.orders set version = version + 1 where id = %s"
ANOTHER_RUNS = """
insert into orders.operations (id, marketplace_id, order_id, kind, state, scope, key, fingerprint,
                               context, actor, request_id, lease_until, lease_epoch)
select gen_random_uuid(), marketplace_id, order_id, kind, 'running', scope, key, fingerprint,
       context, actor, request_id, now() + interval '1 hour', 1
from orders.operations where order_id = %s
"""


def by(statement: str) -> Change:
    """Make a change that one statement makes."""

    async def change(_: Shop, order: orders_pb2.Order, admin: str) -> None:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(statement.encode(), (oid(order),))

    return change


async def key_used(shop: Shop, _order: orders_pb2.Order, _admin: str) -> None:
    await shop.queries.create_order(shop.key(KEY), an_order())


@pytest.mark.parametrize(
    "change", [by(OTHER_ADDRESS), by(OTHER_VERSION), by(ANOTHER_RUNS), key_used]
)
async def test_command_is_not_recorded_if_the_order_has_changed_since_the_read(
    shop: Shop, postgres_admin: str, change: Change
) -> None:
    order = await shop.reserved_order()
    before = await shop.read(order)
    await change(shop, order, postgres_admin)
    after = await shop.read(order)
    counted = [await shop.count(table) for table in WRITTEN]

    assert not await record(shop, before)

    assert [await shop.count(table) for table in WRITTEN] == counted
    assert await shop.read(order) == after


async def test_order_event_operation_and_audit_line_are_written_together(shop: Shop) -> None:
    order = await shop.reserved_order()
    counted = [await shop.count(table) for table in WRITTEN]

    assert await record(shop, await shop.read(order))

    assert [await shop.count(table) for table in WRITTEN] == [count + 1 for count in counted]
    assert (await shop.read(order)).state is State.ESCROW_CREATING


async def test_idempotency_key_is_checked_before_waiting_for_a_running_operation(
    shop: Shop,
) -> None:
    order = await shop.reserved_order()
    shop.peers.escrow.gate.clear()
    await shop.service.create_escrow(shop.ask(KEY, wait=0), order_id=oid(order))

    with pytest.raises(IdempotencyKeyReused):
        await shop.service.fund_escrow(
            shop.ask(KEY, wait=0, fingerprint=b"other"), order_id=oid(order)
        )

    shop.peers.escrow.gate.set()


async def record(shop: Shop, before: Order) -> bool:
    """Record that the escrow of an order is created, as it is decided on `before`."""
    accepted = use_cases.create_escrow(before, at=shop.clock.now())
    assert accepted.work is not None
    key = shop.key(KEY)
    operation = Operation(
        id=new_id(),
        marketplace_id=shop.marketplace_id,
        order_id=before.id,
        kind=accepted.work.kind,
        scope=key.scope,
        key=key.key,
        fingerprint=key.fingerprint,
        context={},
        actor="key:test",
        request_id="",
        epoch=1,
        started_at=shop.clock.now(),
    )
    async with shop.database.statement() as connection:
        return await hot.record(
            connection,
            operation=operation,
            before=before,
            after=with_version(accepted.order, accepted.facts),
            facts=accepted.facts,
            answer=Idempotency().values(key),
            change=lines.accepted(before, accepted.order, accepted.work, {}),
        )
