"""Transfers since a cursor: every deposit is read exactly once."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from stellar_sdk import MuxedAccount

from kernel.money import UNIT
from services.escrow.contracts.evidence import ReceivedTransfer
from services.escrow.contracts.intents import PayAsset, TrustAsset
from services.escrow.ports import ChainRefused, HistoryUnavailable
from services.escrow.stellar.connect import connect
from tests.integration.escrow.stellar_world import World, open_world, options_of, until


@pytest.fixture(scope="module", name="devnet")
def of_these_tests_alone(own_devnet: Any) -> Any:
    """A devnet of its own: these tests read every transfer from the first ledger on."""
    return own_devnet


@pytest.fixture(scope="module")
async def world(devnet: Any) -> AsyncIterator[World]:
    opened = await open_world(options_of(devnet.info))
    yield opened
    await opened.close()


async def all_since(world: World, cursor: str | None, *, limit: int) -> list[ReceivedTransfer]:
    """Read page after page up to the newest ledger."""
    newest = (await world.chain.latest_ledger()).sequence
    found: list[ReceivedTransfer] = []
    while True:
        page = await world.chain.transfers_since(cursor, limit=limit)
        found += page.transfers
        cursor = page.next_cursor
        if not page.transfers and page.latest_ledger >= newest:
            return found


async def give(devnet: Any, **body: Any) -> str:
    async with (
        aiohttp.ClientSession() as session,
        session.post(devnet.info["faucetUrl"], json=body) as answer,
    ):
        assert answer.status == 200, await answer.text()
        document = await answer.json()
        return str(document["hash"])


async def test_every_transfer_is_read_once_with_any_page_size(world: World) -> None:
    pay = PayAsset(from_address=world.platform, to_address=world.seller, amount=1)
    hashes = [(await world.perform(pay)).hash for _ in range(3)]

    by_one = await all_since(world, None, limit=1)
    at_once = await all_since(world, None, limit=1_000)

    ids = [transfer.event_id for transfer in by_one]
    assert [t.event_id for t in at_once][: len(ids)] == ids
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
    assert [t.transaction_hash for t in by_one if t.transaction_hash in hashes] == hashes


async def test_reading_continues_at_a_stored_cursor(world: World) -> None:
    before = await world.chain.transfers_since(None, limit=1_000)

    pay = PayAsset(from_address=world.platform, to_address=world.buyer, amount=77)
    outcome = await world.perform(pay)
    after = await all_since(world, before.next_cursor, limit=10)

    (seen,) = [transfer for transfer in after if transfer.transaction_hash == outcome.hash]
    assert (seen.from_address, seen.to_address) == (world.platform, world.buyer)
    assert (seen.amount, seen.ledger, seen.memo) == (77, outcome.ledger, "")
    assert seen.closed_at == outcome.close_time


async def test_two_deposits_in_one_transaction_are_both_read(world: World, devnet: Any) -> None:
    start = (await world.chain.transfers_since(None, limit=10_000)).next_cursor
    payments = [{"address": world.buyer, "amount": "1.5"}, {"address": world.buyer, "amount": "2"}]

    transaction = await give(devnet, payments=payments)
    seen = await until(lambda: deposits(world, start, transaction))

    assert [transfer.amount for transfer in seen] == [15_000_000, 20_000_000]
    assert len({transfer.event_id for transfer in seen}) == 2


async def deposits(world: World, cursor: str, transaction: str) -> list[ReceivedTransfer] | None:
    page = await world.chain.transfers_since(cursor, limit=1_000)
    return [t for t in page.transfers if t.transaction_hash == transaction] or None


@pytest.mark.parametrize(("memo", "expected"), [("invoice 7", "invoice 7"), (42, "42")])
async def test_memo_is_read_with_the_deposit(
    world: World, devnet: Any, memo: str | int, expected: str
) -> None:
    start = (await world.chain.transfers_since(None, limit=10_000)).next_cursor

    transaction = await give(devnet, address=world.buyer, amount="3", memo=memo)
    (seen,) = await until(lambda: deposits(world, start, transaction))

    assert (seen.to_address, seen.memo, seen.amount) == (world.buyer, expected, 3 * UNIT)


async def test_muxed_recipient_is_read_as_account_and_id(world: World, devnet: Any) -> None:
    start = (await world.chain.transfers_since(None, limit=10_000)).next_cursor
    muxed = MuxedAccount(world.buyer, 9_001).account_muxed

    transaction = await give(devnet, address=muxed, amount="4")
    (seen,) = await until(lambda: deposits(world, start, transaction))

    assert (seen.to_address, seen.memo) == (world.buyer, "9001")


async def test_transfer_of_another_asset_is_not_read(world: World, devnet: Any) -> None:
    foreign = {
        "asset_code": devnet.info["otherAssetCode"],
        "asset_issuer": devnet.info["otherAssetIssuer"],
    }
    other, builder = connect(options_of(devnet.info, **foreign))
    abroad = replace(world, chain=other, builder=builder)
    await abroad.perform(TrustAsset(account=world.platform))
    start = (await world.chain.transfers_since(None, limit=10_000)).next_cursor

    body = {"address": world.platform, "amount": "5", "asset": foreign["asset_code"]}
    transaction = await give(devnet, **body)
    (seen,) = await until(lambda: deposits(abroad, start, transaction))

    assert seen.amount == 5 * UNIT
    assert await deposits(world, start, transaction) is None
    await abroad.close()


async def test_cursor_older_than_the_nodes_history_is_reported(world: World) -> None:
    with pytest.raises(HistoryUnavailable) as missing:
        await world.chain.transfers_since("0000000000000000000-0000000000", limit=10)

    assert missing.value.details["oldest_ledger"] != 0


@pytest.mark.parametrize("cursor", ["now", "-", "99999999999999999999999-1"])
async def test_invalid_cursor_is_refused(world: World, cursor: str) -> None:
    with pytest.raises(ChainRefused):
        await world.chain.transfers_since(cursor, limit=10)
