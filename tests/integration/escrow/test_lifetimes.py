"""The keeper extends the code, the factory and orders' entries before the network archives them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from deploy.local.devnet import network_info
from deploy.local.ports import free_port
from deploy.local.settings import child_environment
from services.escrow.domain import CommandKind
from services.escrow.sending.lifetimes import LEDGERS_A_DAY
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.conftest import running
from tests.integration.escrow.world import AMOUNT, World
from tests.patience import until

DAYS = 30


@pytest.fixture(scope="module")
async def kept(
    make_database: Callable[[], TestDatabase], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A house on a network whose entries live for seven days, as on the test network."""
    home = tmp_path_factory.mktemp("devnet")
    devnet = RunningDevnet(
        home=home,
        port=free_port(),
        log_folder=home,
        is_forked=True,
        environment=child_environment(DEVNET_LEDGER_SECONDS="0.05", DEVNET_TTL="test"),
        info={},
    )
    devnet.start()
    try:
        devnet.wait_ready()
        devnet.info = network_info(devnet.url)
        folder = tmp_path_factory.mktemp("escrow")
        async with running(make_database(), devnet, folder, escrow_keep_days=DAYS) as made:
            yield made
    finally:
        devnet.stop()


async def days_left(world: World, contract: str) -> int:
    """Return for how many days the entries of an order's contract and its code live at least."""
    chain, settings = world.house.chain, world.house.settings
    found = [
        *await chain.lifetimes(escrows=[contract], factories=settings.factories),
        *await chain.lifetimes(code=settings.escrow_wasm_hash),
    ]
    assert len(found) == 5
    return min(each.ledgers_left for each in found) // LEDGERS_A_DAY


async def test_entries_close_to_their_expiry_are_extended_once(kept: World) -> None:
    order = await kept.funded()
    escrow = await kept.queries.escrow(marketplace_id=kept.marketplace_id, order_id=order.id)
    assert await days_left(kept, escrow.contract_id) < 7
    keeper = kept.house.keeper()

    extended = await keeper.look()

    assert extended >= 2
    assert await days_left(kept, escrow.contract_id) == DAYS - 1
    assert await keeper.look() == 0
    told = REGISTRY.get_sample_value
    assert (told("orchestrator_escrow_lifetime_days", {"what": "order"}) or 0) > DAYS - 1
    fees = {"step": "extend_lifetimes"}
    assert (told("orchestrator_escrow_fee_lumens_total", fees) or 0) > 0


async def test_entries_are_extended_while_the_service_runs(kept: World) -> None:
    order = await kept.funded()
    escrow = await kept.queries.escrow(marketplace_id=kept.marketplace_id, order_id=order.id)
    assert await days_left(kept, escrow.contract_id) < 7
    bootstrap = kept.house.bootstrap()
    bootstrap._plan = replace(bootstrap._plan, renew_seconds=0)

    async def is_extended() -> bool:
        return await days_left(kept, escrow.contract_id) == DAYS - 1

    keeping = asyncio.create_task(bootstrap.keep())
    await until(is_extended)

    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def test_contract_of_an_ended_order_is_not_extended(kept: World) -> None:
    order = await kept.funded()
    await kept.do(CommandKind.RELEASE, order)
    escrow = await kept.queries.escrow(marketplace_id=kept.marketplace_id, order_id=order.id)

    await kept.house.keeper().look()

    assert await days_left(kept, escrow.contract_id) < 7
    assert await kept.balance(order.seller.address) == AMOUNT
