"""Outages longer than a node keeps events: deposits are published once, resets are reported."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from stellar_sdk import Keypair, scval, xdr
from structlog.testing import capture_logs

from deploy.local.devnet import network_info
from deploy.local.ports import free_port
from deploy.local.settings import child_environment
from services.escrow.contracts.evidence import ReceivedTransfer
from services.escrow.ports import HistoryUnavailable
from services.escrow.sending.bootstrap import start_of
from services.escrow.stellar import changes
from services.escrow.stellar.connect import connect
from services.escrow.stellar.contents import _events
from services.escrow.stellar.events import Position
from services.escrow.stellar.pages import LedgerContent
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.conftest import running
from tests.integration.escrow.stellar_world import options_of
from tests.integration.escrow.strangers import Stranger, muxed
from tests.integration.escrow.test_watcher import make_watcher, set_cursor, told
from tests.integration.escrow.test_watcher import watched_to_the_end as read_to_the_end
from tests.integration.escrow.test_watcher_blind import blindness_of, until_blind
from tests.integration.escrow.world import World, post
from tests.patience import until

KEPT_LEDGERS = 150
UNIT = 10_000_000
_TOLD = "select event_id, transaction_hash from deposits where wallet_id = %(wallet)s"


@pytest.fixture(scope="module")
async def forgetful(
    make_database: Callable[[], TestDatabase],
    devnet: RunningDevnet,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """A house whose node keeps events of a few seconds, and the ledgers of all time."""
    node = f"{devnet.url}/nodes/short-{KEPT_LEDGERS}/rpc"
    folder = tmp_path_factory.mktemp("escrow")
    async with running(make_database(), devnet, folder, stellar_rpc_url=node) as made:
        yield made


async def cursor_of(world: World) -> str:
    async with world.house.database.transaction() as tx:
        found = await world.house.deposits.cursor(tx, world.house.asset_contract)
    assert found is not None
    return found


@pytest.mark.slow
async def test_every_deposit_of_an_outage_is_published_once(forgetful: World) -> None:
    world = forgetful
    stranger = Stranger(world.devnet.info)
    await stranger.come(amount="100.00")
    wallet = await world.wallet()
    await stranger.send(stranger.payment(wallet.address, "1.00"))
    await told(world, wallet, count=1)
    await read_to_the_end(world)
    await world.pause_watcher()
    before = await cursor_of(world)

    await stranger.send(stranger.payment(wallet.address, "2.00"), memo="for the lamp")
    await stranger.send(stranger.payment(muxed(wallet.address, 7), "3.00"))
    await stranger.send(
        stranger.payment(wallet.address, "4.00"), stranger.payment(wallet.address, "4.00")
    )
    await stranger.call(
        world.house.asset_contract,
        "transfer",
        [
            scval.to_address(stranger.address),
            scval.to_address(wallet.address),
            scval.to_int128(5 * UNIT),
        ],
    )
    await until_forgotten(world, Position.of(before).ledger)
    await stranger.send(stranger.payment(wallet.address, "6.00"))

    with capture_logs() as logs:
        await world.resume_watcher()
        events = await told(world, wallet, count=7)
        await read_to_the_end(world)

    amounts = sorted(int(event["payload"]["minorUnits"]) // UNIT for event in events)
    assert amounts == [1, 2, 3, 4, 4, 5, 6]
    memos = {event["payload"]["memo"] for event in events}
    assert memos == {"", "7", "for the lamp"}
    assert [line for line in logs if line["event"] == "chain.ledgers_read"] != []
    assert [line for line in logs if line["log_level"] == "error"] == []
    await is_read_the_same(world, wallet, before)


async def until_forgotten(world: World, ledger: int) -> None:
    """Wait until the node no longer keeps the events of a ledger."""

    async def is_forgotten() -> bool:
        [node] = await world.house.chain.nodes()
        return node.oldest > ledger + 1

    await until(is_forgotten)


async def is_read_the_same(world: World, wallet: Any, before: str) -> None:
    """Read the ledgers again, as events of a node that keeps them: nothing is new."""
    chain, builder = connect(options_of(world.devnet.info))
    try:
        async with world.house.database.transaction() as tx:
            known = {tuple(row) for row in await tx.fetch(_TOLD, {"wallet": wallet.id})}
        seen = [
            each async for each in transfers(chain, before) if each.to_address == wallet.address
        ]
        assert {(each.event_id, each.transaction_hash) for each in seen} < known
        assert len(seen) == len(known) - 1 == 6

        await world.pause_watcher()
        await set_cursor(world, before)
        watcher = await make_watcher(world)
        watcher._chain = chain
        while await cursor_of(world) == before:
            await watcher.look()
        assert len(await told(world, wallet, count=7)) == 7
        await world.resume_watcher()
    finally:
        await builder.close()
        await chain.close()


async def transfers(chain: Any, cursor: str) -> AsyncIterator[ReceivedTransfer]:
    """Yield the transfers after a cursor."""
    page = await chain.transfers_since(cursor, limit=1_000)
    for each in page.transfers:
        yield each


async def test_ledgers_without_classic_events_are_not_read(world: World) -> None:
    wallet = await world.wallet()
    await world.pay_in(wallet, "1.00")
    [event] = await told(world, wallet, count=1)
    rpc = world.house.chain._rpc  # type: ignore[attr-defined] # to see what a node answers
    page = await rpc.ledgers(start_ledger=event["payload"]["ledger"], limit=1)
    content = page.ledgers[0]
    meta = xdr.LedgerCloseMeta.from_xdr(content.content)
    assert meta.v2 is not None
    for processed in meta.v2.tx_processing:
        assert processed.tx_apply_processing.v4 is not None
        processed.tx_apply_processing.v4.events = []
    bare = LedgerContent(
        sequence=content.sequence, ledgerCloseTime=content.closed_at, metadataXdr=meta.to_xdr()
    )
    asset = world.house.asset_contract

    assert len(list(_events(content, contract=asset))) > 0
    with pytest.raises(HistoryUnavailable):
        list(_events(bare, contract=asset))


async def test_ledgers_and_events_report_the_same_contract_changes(world: World) -> None:
    since = start_of((await world.house.chain.latest_ledger()).sequence)
    order = await world.order()
    await world.created(order)
    escrow = await world.queries.escrow(marketplace_id=world.marketplace_id, order_id=order.id)
    told = (await world.house.chain.transfers_since(since, limit=1_000)).changes
    [change] = [each for each in told if each.contract_id == escrow.contract_id]
    rpc = world.house.chain._rpc  # type: ignore[attr-defined] # to see what a node answers

    page = await rpc.ledgers(start_ledger=change.ledger, limit=1)
    found = list(_events(page.ledgers[0], contract=world.house.asset_contract))

    assert change.name == "tw_init"
    assert change in changes.read(found, after=None, latest_ledger=change.ledger)


async def test_reset_network_is_reported(
    make_database: Callable[[], TestDatabase], tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("devnet")
    devnet = RunningDevnet(
        home=home,
        port=free_port(),
        log_folder=home,
        is_forked=True,
        environment=child_environment(DEVNET_LEDGER_SECONDS="0.05"),
        info={},
    )
    devnet.start()
    try:
        devnet.wait_ready()
        devnet.info = network_info(devnet.url)
        # The operator's account; friendbot does not create it again.
        operator = Stranger(devnet.info, secret=Keypair.random().secret)
        await operator.come(amount="1.00")
        await asyncio.to_thread(post, f"{devnet.url}/ledgers", {"skip": 10_000})
        folder = tmp_path_factory.mktemp("escrow")
        given = {"platform_secret": operator.secret, "stellar_friendbot_url": ""}
        async with running(make_database(), devnet, folder, **given) as made:
            await read_to_the_end(made)

            with capture_logs() as logs:
                await asyncio.to_thread(post, f"{devnet.url}/reset", {})
                await until_blind(made)

            blindness = await blindness_of(made)
    finally:
        devnet.stop()

    assert blindness is not None
    assert "begun anew" in blindness.why
    assert {line["event"] for line in logs if line["log_level"] == "error"} == {
        "watcher.network_reset"
    }
