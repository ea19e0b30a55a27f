"""Two nodes of which the first lags or lacks events: orders and deposits go their way."""

from collections.abc import AsyncIterator, Callable

import pytest
from structlog.testing import capture_logs

from services.escrow.domain import CommandKind
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.conftest import running
from tests.integration.escrow.world import AMOUNT, World

ORDERS = 3


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
