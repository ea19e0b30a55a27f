"""getEvents: asset events of payments, pages by cursor, filters by contract and topic."""

from typing import Any

import pytest
from stellar_sdk import ChangeTrust, Keypair, MuxedAccount, Payment, TextMemo, scval, xdr
from stellar_sdk.exceptions import SorobanRpcErrorResponse
from stellar_sdk.soroban_rpc import EventFilter, EventFilterType, EventInfo

from tests.integration.devnet.chain import UNIT, Chain, Done, address_value

TRANSFER = scval.to_symbol("transfer").to_xdr()


def to_account(chain: Chain, receiver: Keypair, *, contract: str | None = None) -> EventFilter:
    """Transfers of USDC to one account, from any sender."""
    return EventFilter(
        type=EventFilterType.CONTRACT,
        contractIds=[contract or chain.info["assetContractId"]],
        topics=[[TRANSFER, "*", address_value(receiver).to_xdr(), "**"]],
    )


async def received(chain: Chain, receiver: Keypair, since: int) -> list[EventInfo]:
    answer = await chain.rpc.get_events(start_ledger=since, filters=[to_account(chain, receiver)])
    return answer.events


def amount_of(event: EventInfo) -> Any:
    return scval.to_native(event.value)


async def test_a_faucet_payment_is_a_transfer_event(chain: Chain) -> None:
    receiver = await chain.holder()
    paid = await chain.faucet({"address": receiver.public_key, "amount": "12.5"})

    (event,) = await received(chain, receiver, paid["ledger"])

    assert event.ledger == paid["ledger"]
    assert event.transaction_hash == paid["hash"]
    assert event.contract_id == chain.info["assetContractId"]
    names = [scval.to_native(topic) for topic in event.topic]
    assert names[0] == "transfer"
    assert names[3] == f"USDC:{chain.info['usdcIssuer']}"
    assert scval.from_address(event.topic[1]).address == chain.info["distributorAddress"]
    assert amount_of(event) == 125_000_000


async def test_several_payments_of_a_transaction_are_several_events(chain: Chain) -> None:
    receiver = await chain.holder()
    payments = [{"address": receiver.public_key, "amount": amount} for amount in ("1", "2", "3")]
    paid = await chain.faucet({"payments": payments})

    events = await received(chain, receiver, paid["ledger"])

    assert [event.operation_index for event in events] == [0, 1, 2]
    assert [amount_of(event) for event in events] == [UNIT, 2 * UNIT, 3 * UNIT]
    assert len({event.id for event in events}) == 3
    assert events[0].id < events[1].id < events[2].id


async def test_a_muxed_receiver_shows_in_the_event(chain: Chain) -> None:
    receiver = await chain.holder()
    muxed = MuxedAccount(receiver.public_key, 77).account_muxed
    paid = await chain.faucet({"address": muxed, "amount": "1"})

    (event,) = await received(chain, receiver, paid["ledger"])

    assert amount_of(event) == {"amount": UNIT, "to_muxed_id": 77}


@pytest.mark.parametrize(("memo", "shown"), [("order 7", "order 7"), (42, 42)])
async def test_a_memo_shows_in_the_event(chain: Chain, memo: object, shown: object) -> None:
    receiver = await chain.holder()
    paid = await chain.faucet({"address": receiver.public_key, "amount": "1", "memo": memo})

    (event,) = await received(chain, receiver, paid["ledger"])

    shape = amount_of(event)
    found = shape["to_muxed_id"]
    assert (found.decode() if isinstance(found, bytes) else found) == shown


async def test_a_muxed_receiver_goes_before_the_memo(chain: Chain) -> None:
    payer, receiver = await chain.holder("5"), await chain.holder()
    muxed = MuxedAccount(receiver.public_key, 5).account_muxed
    payment = Payment(str(muxed), chain.usdc, "1")

    done = await chain.classic(payer, [payment], memo=TextMemo("not this"))

    (event,) = await received(chain, receiver, done.answer.ledger or 0)
    assert amount_of(event) == {"amount": UNIT, "to_muxed_id": 5}


async def test_another_asset_has_another_contract(chain: Chain) -> None:
    receiver = await chain.holder()
    assert (await chain.classic(receiver, [ChangeTrust(chain.other)])).ok
    body = {"address": receiver.public_key, "amount": "9", "asset": "EURC"}
    paid = await chain.faucet(body)

    assert await received(chain, receiver, paid["ledger"]) == []
    contract = chain.other.contract_id(chain.passphrase)
    answer = await chain.rpc.get_events(
        start_ledger=paid["ledger"], filters=[to_account(chain, receiver, contract=contract)]
    )
    assert [amount_of(event) for event in answer.events] == [9 * UNIT]


def first_topic(done: Done) -> str:
    body = done.meta.operations[0].events[0].body.v0
    assert body is not None
    return scval.from_symbol(body.topics[0])


async def test_paying_the_issuer_burns(chain: Chain) -> None:
    holder = await chain.holder("5")

    done = await chain.classic(holder, [Payment(chain.info["usdcIssuer"], chain.usdc, "1")])

    assert first_topic(done) == "burn"
    assert await chain.usdc_of(holder.public_key) == 4 * UNIT


async def test_reading_page_by_page_misses_and_repeats_nothing(chain: Chain) -> None:
    receiver = await chain.holder()
    start = (await chain.rpc.get_latest_ledger()).sequence
    for group in (("1", "2", "3"), ("4", "5"), ("6", "7")):
        payments = [{"address": receiver.public_key, "amount": amount} for amount in group]
        await chain.faucet({"payments": payments})
    filters = [to_account(chain, receiver)]

    page = await chain.rpc.get_events(start_ledger=start, filters=filters, limit=2)
    amounts = [amount_of(event) for event in page.events]
    while page.events:
        page = await chain.rpc.get_events(cursor=page.cursor, filters=filters, limit=2)
        amounts += [amount_of(event) for event in page.events]

    assert amounts == [number * UNIT for number in range(1, 8)]


async def test_a_cursor_at_the_end_finds_what_comes_later(chain: Chain) -> None:
    receiver = await chain.holder()
    filters = [to_account(chain, receiver)]
    start = (await chain.rpc.get_latest_ledger()).sequence
    empty = await chain.rpc.get_events(start_ledger=start, filters=filters)
    assert empty.events == []

    await chain.faucet({"address": receiver.public_key, "amount": "3"})

    later = await chain.rpc.get_events(cursor=empty.cursor, filters=filters)
    assert [amount_of(event) for event in later.events] == [3 * UNIT]


async def test_the_end_of_a_range_is_exclusive(chain: Chain) -> None:
    receiver = await chain.holder()
    paid = await chain.faucet({"address": receiver.public_key, "amount": "1"})
    filters = [to_account(chain, receiver)]
    await chain.ledgers_pass()

    before = await chain.rpc.get_events(
        start_ledger=paid["ledger"] - 1, end_ledger=paid["ledger"], filters=filters
    )
    until = await chain.rpc.get_events(
        start_ledger=paid["ledger"] - 1, end_ledger=paid["ledger"] + 1, filters=filters
    )

    assert (len(before.events), len(until.events)) == (0, 1)
    assert before.cursor.endswith("-4294967295")


async def test_fees_are_events_before_all_transactions(chain: Chain) -> None:
    payer = await chain.funded()
    done = await chain.classic(payer, [ChangeTrust(chain.usdc)])
    topics = [[scval.to_symbol("fee").to_xdr(), address_value(payer).to_xdr()]]

    answer = await chain.rpc.get_events(
        start_ledger=done.answer.ledger or 0, filters=[EventFilter(topics=topics)]
    )

    (event,) = answer.events
    assert (event.transaction_index, amount_of(event)) == (0, 100)


@pytest.mark.parametrize("start", [0, 2**31])
async def test_a_start_outside_the_range_is_refused(chain: Chain, start: int) -> None:
    with pytest.raises(SorobanRpcErrorResponse, match="startLedger must be within") as raised:
        await chain.rpc.get_events(start_ledger=start)

    assert raised.value.code == -32600


async def test_a_range_that_ends_before_it_starts_is_refused(chain: Chain) -> None:
    start = (await chain.rpc.get_latest_ledger()).sequence

    with pytest.raises(SorobanRpcErrorResponse, match="endLedger must be after"):
        await chain.rpc.get_events(start_ledger=start, end_ledger=start)


async def test_a_wrong_cursor_is_refused(chain: Chain) -> None:
    with pytest.raises(SorobanRpcErrorResponse, match="invalid cursor"):
        await chain.rpc.get_events(cursor="yesterday")


async def test_transactions_are_listed_in_order(chain: Chain) -> None:
    payer = await chain.funded()
    first = await chain.classic(payer, [ChangeTrust(chain.usdc)])
    second = await chain.classic(payer, [ChangeTrust(chain.other)])

    page = await chain.rpc.get_transactions(start_ledger=first.answer.ledger or 0, limit=1)
    hashes = [item.transaction_hash for item in page.transactions]
    while page.transactions:
        page = await chain.rpc.get_transactions(cursor=page.cursor, limit=1)
        hashes += [item.transaction_hash for item in page.transactions]

    assert hashes == [first.answer.transaction_hash, second.answer.transaction_hash]
    assert xdr.TransactionResult.from_xdr(first.answer.result_xdr or "").fee_charged.int64 == 100
