"""The deposit watcher publishes every deposit once, and never our own payments."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from stellar_sdk import Asset, scval

from kernel.ids import derived_id, to_public
from services.escrow.contracts.evidence import TransfersPage
from services.escrow.deposits.watcher import Watcher
from services.escrow.domain import CommandKind, CommandState, Wallet
from services.escrow.ports import HistoryUnavailable
from services.escrow.sending.bootstrap import start_of
from tests.integration.escrow import outsiders
from tests.integration.escrow.strangers import Stranger, muxed
from tests.integration.escrow.world import World, succeeded, usdc
from tests.patience import PATIENCE_SECONDS, until

UNIT = 10_000_000
DEPOSITS = """
select body::jsonb from outbox
where event_type = 'escrow.deposit_confirmed' and body::jsonb->'payload'->>'address' = %(address)s
order by id
"""


@pytest.fixture(scope="module")
async def stranger(world: World) -> Stranger:
    """A third party that pays deposits."""
    made = Stranger(world.devnet.info)
    await made.come(amount="1000.00")
    return made


async def told(world: World, wallet: Wallet, *, count: int) -> list[dict[str, Any]]:
    """Wait until `count` deposits to a wallet have been published, and return their events."""
    found: list[dict[str, Any]] = []

    async def are_told() -> bool:
        async with world.house.database.transaction() as tx:
            rows = await tx.fetch(DEPOSITS, {"address": wallet.address})
            found[:] = [row[0] for row in rows]
        return len(found) >= count

    await until(are_told)
    return found


async def watched_to_the_end(world: World) -> None:
    """Wait until the watcher has read up to the newest ledger of now."""
    ledger = (await world.house.chain.latest_ledger()).sequence

    async def is_there() -> bool:
        async with world.house.database.transaction() as tx:
            cursor = await world.house.deposits.cursor(tx, world.house.asset_contract)
        return cursor is not None and cursor >= start_of(ledger)

    await until(is_there)


async def make_watcher(world: World) -> Watcher:
    """Return another watcher."""
    return world.house.watcher(platform=(await world.house.keyring.platform()).address)


async def test_deposit_event_names_its_wallet_and_user(world: World, stranger: Stranger) -> None:
    wallet = await world.wallet()

    name = await stranger.send(stranger.payment(wallet.address, "12.3456789"))

    [event] = await told(world, wallet, count=1)
    payload = event["payload"]
    assert {key: payload[key] for key in payload if key not in {"ledger", "depositId"}} == {
        "userUuid": str(wallet.user_id),
        "userId": wallet.user_public_id,
        "address": wallet.address,
        "asset": "USDC",
        "amount": "12.3456789",
        "minorUnits": "123456789",
        "transactionHash": name,
        "fromAddress": stranger.address,
        "memo": "",
    }
    assert event["version"] == 1
    assert event["aggregateType"] == "Deposit"
    assert event["metadata"]["marketplaceId"] == str(world.marketplace_id)


@pytest.mark.slow
async def test_two_payments_in_one_transaction_are_two_deposits(
    world: World, stranger: Stranger
) -> None:
    wallet = await world.wallet()

    await stranger.send(
        stranger.payment(wallet.address, "1.00"), stranger.payment(wallet.address, "1.00")
    )

    events = await told(world, wallet, count=2)
    await watched_to_the_end(world)
    assert len(await told(world, wallet, count=2)) == 2
    assert len({event["payload"]["depositId"] for event in events}) == 2
    assert len({event["payload"]["transactionHash"] for event in events}) == 1


async def test_deposit_to_a_muxed_address_keeps_its_id(world: World, stranger: Stranger) -> None:
    wallet = await world.wallet()

    await stranger.send(stranger.payment(muxed(wallet.address, 4711), "2.00"))

    [event] = await told(world, wallet, count=1)
    assert event["payload"]["memo"] == "4711"


@pytest.mark.parametrize("memo", ["a\x00b", "two\nlines", "\u202egnihton"])
async def test_memo_that_cannot_be_stored_as_text_does_not_block_the_watcher(
    world: World, stranger: Stranger, memo: str
) -> None:
    wallet, other = await world.wallet(), await world.wallet()

    await stranger.send(stranger.payment(wallet.address, "0.0000001"), memo=memo)
    await stranger.send(stranger.payment(other.address, "50.00"), memo="zł ✓")

    [event] = await told(world, wallet, count=1)
    assert event["payload"]["memo"] == memo.encode().hex()
    [event] = await told(world, other, count=1)
    assert event["payload"]["memo"] == "zł ✓"


async def test_transfer_that_cannot_be_recorded_is_set_aside(
    world: World, stranger: Stranger
) -> None:
    wallet, other = await world.wallet(), await world.wallet()
    real = world.house.chain.transfers_since

    async def as_a_node_might(cursor: str | None, *, limit: int) -> TransfersPage:
        page = await real(cursor, limit=limit)
        spoilt = [
            replace(t, memo="\x00") if t.to_address == wallet.address else t for t in page.transfers
        ]
        return replace(page, transfers=tuple(spoilt))

    world.house.chain.transfers_since = as_a_node_might  # type: ignore[method-assign] # spoilt
    try:
        name = await stranger.send(
            stranger.payment(wallet.address, "1.00"), stranger.payment(other.address, "2.00")
        )
        await told(world, other, count=1)
    finally:
        world.house.chain.transfers_since = real  # type: ignore[method-assign] # back again

    assert await told(world, wallet, count=0) == []
    async with world.house.database.transaction() as tx:
        [aside] = await tx.fetch(
            "select transaction_hash, marketplace_id, why from unreadable_transfers"
            " where to_address = %(address)s",
            {"address": wallet.address},
        )
    assert (aside.transaction_hash, aside.marketplace_id) == (name, world.marketplace_id)
    assert "NUL" in aside.why


async def test_unreadable_event_is_set_aside(world: World, stranger: Stranger) -> None:
    wallet = await world.wallet()
    rpc = world.house.chain._rpc  # type: ignore[attr-defined] # what a node's answers come from
    real = rpc.events
    seen: list[str] = []

    async def spoilt(**asked: Any) -> Any:
        answer = await real(**asked)
        if seen or not answer.events:
            return answer
        [first, *others] = answer.events
        seen.append(first["id"])
        return replace(answer, events=[{**first, "value": scval.to_void().to_xdr()}, *others])

    rpc.events = spoilt
    try:
        await stranger.send(
            stranger.payment(stranger.address, "1.00"), stranger.payment(wallet.address, "2.00")
        )
        await told(world, wallet, count=1)
    finally:
        rpc.events = real

    async with world.house.database.transaction() as tx:
        [aside] = await tx.fetch(
            "select why from unreadable_transfers where event_id = %(id)s", {"id": seen[0]}
        )
    assert "ValueError" in aside.why


@pytest.mark.slow
async def test_payment_of_lumens_is_not_a_deposit(world: World, stranger: Stranger) -> None:
    wallet = await world.wallet()

    await stranger.send(stranger.payment(wallet.address, "5.00", asset=Asset.native()))

    await watched_to_the_end(world)
    assert await told(world, wallet, count=0) == []


async def test_own_payments_are_not_deposits(world: World) -> None:
    order = await world.funded()
    await world.do(CommandKind.RELEASE, order)
    credit = await world.house.wallets().credit(
        world.asked(CommandKind.CREDIT_WALLET), user_id=order.seller.user_id, amount=usdc(5 * UNIT)
    )
    succeeded(await world.ended(credit))

    await watched_to_the_end(world)

    assert await world.balance(order.seller.address) == 85 * UNIT
    assert await told(world, order.seller, count=0) == []


async def test_unknown_payment_of_the_platform_is_not_a_deposit(world: World) -> None:
    wallet = await world.wallet()

    await outsiders.pay(world, to=wallet.address, amount=UNIT)

    await watched_to_the_end(world)
    assert await told(world, wallet, count=0) == []


async def test_unknown_payout_of_an_order_contract_is_not_a_deposit(world: World) -> None:
    order = await world.funded()

    await outsiders.release(world, order)

    await watched_to_the_end(world)
    assert await world.balance(order.seller.address) == 797_600_000
    assert await told(world, order.seller, count=0) == []


async def test_command_payment_of_a_former_platform_is_not_a_deposit(world: World) -> None:
    wallet = await world.wallet()
    await world.pause_watcher()
    credit = await world.house.wallets().credit(
        world.asked(CommandKind.CREDIT_WALLET), user_id=wallet.user_id, amount=usdc(5 * UNIT)
    )
    succeeded(await world.ended(credit))
    ledger = (await world.house.chain.latest_ledger()).sequence
    later = world.house.watcher(platform=wallet.address)

    async with asyncio.timeout(PATIENCE_SECONDS):
        async with world.house.database.transaction() as tx:
            cursor = await world.house.deposits.cursor(tx, world.house.asset_contract)
        while cursor is None or cursor < start_of(ledger):
            await later.look()
            async with world.house.database.transaction() as tx:
                cursor = await world.house.deposits.cursor(tx, world.house.asset_contract)

    await world.resume_watcher()
    assert await told(world, wallet, count=0) == []


@pytest.mark.slow
async def test_deposits_during_a_watcher_outage_are_published_later(
    world: World, stranger: Stranger
) -> None:
    wallet = await world.wallet()
    await watched_to_the_end(world)
    await world.pause_watcher()
    await stranger.send(stranger.payment(wallet.address, "3.00"))
    await stranger.send(stranger.payment(wallet.address, "4.00"))

    await world.resume_watcher()

    events = await told(world, wallet, count=2)
    assert [event["payload"]["amount"] for event in events] == ["3.0000000", "4.0000000"]


async def test_concurrent_watchers_publish_a_deposit_once(world: World, stranger: Stranger) -> None:
    wallet = await world.wallet()
    others = [await make_watcher(world) for _ in range(3)]

    await stranger.send(stranger.payment(wallet.address, "6.00"))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await told(world, wallet, count=0):
            await asyncio.gather(*(watcher.look() for watcher in others))

    assert len(await told(world, wallet, count=1)) == 1


async def test_page_read_again_publishes_nothing_new(world: World, stranger: Stranger) -> None:
    wallet = await world.wallet()
    before = (await world.house.chain.latest_ledger()).sequence
    await stranger.send(stranger.payment(wallet.address, "7.00"))
    await told(world, wallet, count=1)
    await world.pause_watcher()
    await set_cursor(world, start_of(before))

    await world.resume_watcher()

    await watched_to_the_end(world)
    assert len(await told(world, wallet, count=1)) == 1


@pytest.mark.slow
async def test_running_watcher_rereads_from_a_reset_cursor(
    world: World, stranger: Stranger
) -> None:
    wallet = await world.wallet()
    before = (await world.house.chain.latest_ledger()).sequence
    await stranger.send(stranger.payment(wallet.address, "7.50"))
    await told(world, wallet, count=1)

    await set_cursor(world, start_of(before))

    await watched_to_the_end(world)
    assert len(await told(world, wallet, count=1)) == 1


async def test_deposit_id_is_derived_from_the_chain(world: World, stranger: Stranger) -> None:
    wallet = await world.wallet()
    name = await stranger.send(stranger.payment(wallet.address, "8.00"))
    [event] = await told(world, wallet, count=1)

    async with world.house.database.transaction() as tx:
        kept = "select event_id from deposits where transaction_hash = %(hash)s"
        event_id = await tx.fetchval(kept, {"hash": name})

    passphrase = world.house.settings.stellar_network_passphrase
    expected = derived_id("deposit", passphrase, name, event_id)
    assert event["payload"]["depositId"] == str(expected)
    assert event["aggregateId"] == to_public("dep", expected)


async def test_watcher_does_not_skip_a_gap_in_the_nodes_history(world: World) -> None:
    watcher, real = await make_watcher(world), world.house.chain.transfers_since
    async with world.house.database.transaction() as tx:
        before = await world.house.deposits.cursor(tx, world.house.asset_contract)
    await world.pause_watcher()

    async def forgotten(cursor: str | None, *, limit: int) -> Any:
        raise HistoryUnavailable(f"no ledgers at {cursor}, {limit}")

    world.house.chain.transfers_since = forgotten  # type: ignore[method-assign] # a node that forgot
    try:
        with pytest.raises(HistoryUnavailable):
            await watcher.look()
    finally:
        world.house.chain.transfers_since = real  # type: ignore[method-assign] # back again
        await world.resume_watcher()

    async with world.house.database.transaction() as tx:
        after = await world.house.deposits.cursor(tx, world.house.asset_contract)
    assert before is not None
    assert after is not None
    assert after >= before


async def test_second_credit_beyond_the_platforms_balance_is_refused(world: World) -> None:
    wallet = await world.wallet()
    held = await world.balance((await world.house.keyring.platform()).address)
    most = usdc(held * 6 // 10)
    await world.pause_worker()
    answers = [
        await world.house.wallets().credit(
            world.asked(CommandKind.CREDIT_WALLET), user_id=wallet.user_id, amount=most
        )
        for _ in range(2)
    ]

    await world.resume_worker()

    commands = [await world.ended(answer) for answer in answers]
    assert {(c.state, c.error_reason) for c in commands} == {
        (CommandState.SUCCEEDED, ""),
        (CommandState.FAILED, "CHAIN_REFUSED"),
    }
    assert await world.balance(wallet.address) == most.minor_units


async def set_cursor(world: World, position: str) -> None:
    """Set the watcher's stored cursor."""
    async with world.house.database.transaction() as tx:
        await tx.execute("update cursors set position = %(at)s", {"at": position})
