"""Two nodes, the first of which lags or lacks events: orders and deposits still succeed."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from structlog.testing import capture_logs

from services.escrow.domain import CommandKind
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.conftest import running
from tests.integration.escrow.world import AMOUNT, World

ORDERS = 3
MANY, AT_ONCE = 200, 8


@pytest.fixture(scope="module")
async def lagging(
    make_database: Callable[[], TestDatabase],
    devnet: RunningDevnet,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """A house whose first node is five ledgers behind the second."""
    settings = {
        "stellar_rpc_url": f"{devnet.url}/nodes/behind-5/rpc",
        "stellar_rpc_spare_urls": str(devnet.info["rpcUrl"]),
        "channel_accounts": 16,
    }
    folder = tmp_path_factory.mktemp("escrow")
    async with running(make_database(), devnet, folder, **settings) as made:
        yield made


async def test_orders_are_paid_once_where_the_first_node_lags(lagging: World) -> None:
    with capture_logs() as logs:
        for _ in range(ORDERS):
            order = await lagging.funded()
            await lagging.do(CommandKind.RELEASE, order)
            assert await lagging.balance(order.seller.address) == AMOUNT

    assert [line for line in logs if line["log_level"] in {"error", "critical"}] == []
    async with lagging.house.database.transaction() as tx:
        quarantined = await tx.fetchval("select count(*) from commands where state = 'QUARANTINED'")
    assert quarantined == 0


@pytest.mark.slow
async def test_two_hundred_orders_are_paid_once_where_the_first_node_lags(lagging: World) -> None:
    waiting = iter(range(MANY))

    async def carry() -> None:
        for _ in waiting:
            order = await lagging.funded()
            await lagging.do(CommandKind.RELEASE, order)
            assert await lagging.balance(order.seller.address) == AMOUNT

    with capture_logs() as logs:
        await asyncio.gather(*(carry() for _ in range(AT_ONCE)))

    assert [line for line in logs if line["log_level"] in {"error", "critical"}] == []
    assert [line for line in logs if line.get("exc_info")] == []
    async with lagging.house.database.transaction() as tx:
        ended = await tx.fetch("select kind, state, count(*) from commands group by kind, state")
        told = await tx.fetch(
            "select event_id, count(*) from deposits group by event_id having count(*) > 1"
        )
    counts = {(row[0], row[1]): row[2] for row in ended}
    assert {state for _, state in counts} == {"SUCCEEDED"}
    assert counts[("RELEASE", "SUCCEEDED")] >= MANY
    assert told == []
