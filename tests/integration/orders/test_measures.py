"""Gauges of orders: what runs, and for how long."""

import datetime as dt

from services.orders.measures import MEASURES
from tests.integration.orders.conftest import Shop, oid
from tests.integration.orders.withdrawing import commit, held_and_free, made
from tests.patience import until

RUNNING, OLDEST = MEASURES[:2]


async def measured(shop: Shop, sql: str) -> dict[str, float]:
    async with shop.database.statement() as connection:
        rows = [tuple(row) for row in await connection.fetch(sql)]
    return {str(kind): float(value) for kind, value in rows}


async def test_metrics_count_a_waiting_withdrawal_with_its_age(rich: Shop) -> None:
    assert await measured(rich, RUNNING.sql) == {}
    rich.peers.escrow.gate.clear()
    withdrawal = await made(rich)
    assert await measured(rich, OLDEST.sql) == {}

    await commit(rich, withdrawal, wait=0)
    async with rich.database.transaction() as tx:
        aged = "update withdrawals set committed_at = committed_at - %s"
        await tx.execute(aged, (dt.timedelta(hours=1),))

    assert await measured(rich, RUNNING.sql) == {"WITHDRAWAL": 1}
    assert 3600 <= (await measured(rich, OLDEST.sql))["WITHDRAWAL"] < 4000
    rich.peers.escrow.gate.set()

    async def is_over() -> bool:
        return await measured(rich, RUNNING.sql) == {}

    await until(is_over)
    assert held_and_free(rich) == (0, 0)


async def test_metrics_count_operations_separately_from_withdrawals(rich: Shop) -> None:
    rich.peers.escrow.gate.clear()
    await commit(rich, await made(rich), wait=0)
    order = await rich.reserved_order()

    await rich.service.create_escrow(rich.ask(wait=0), order_id=oid(order))

    assert await measured(rich, RUNNING.sql) == {"WITHDRAWAL": 1, "CREATE_ESCROW": 1}
    rich.peers.escrow.gate.set()
