"""An event of the asset counts only with consistent evidence; each event is judged alone."""

from collections.abc import Mapping
from typing import Any

import pytest
from stellar_sdk import MuxedAccount, scval

from services.escrow.contracts.evidence import TransfersPage
from services.escrow.ports import (
    ChainBehind,
    ChainRefused,
    ChainUnavailable,
    HistoryUnavailable,
    WrongNetwork,
)
from services.escrow.sending.bootstrap import start_of
from services.escrow.stellar.transfers import Transfers
from tests.unit.escrow.answering import AnsweringHttp, rpc_of
from tests.unit.escrow.stellar_envelopes import (
    ASSET_CONTRACT,
    BUYER,
    ISSUER,
    SELLER,
    contract_of,
)

LEDGER, LATEST = 40, 50
CURSOR = start_of(LEDGER)
NAME = scval.to_string(f"USDC:{ISSUER}")
TOPICS = (scval.to_symbol("transfer"), scval.to_address(BUYER), scval.to_address(SELLER), NAME)


def event(
    *, place: int = 1, ledger: int = LEDGER, topics: Any = TOPICS, value: Any = None, **changed: Any
) -> dict[str, Any]:
    """Return a transfer of 5 from the buyer to the seller, as getEvents prints it."""
    told = {
        "type": "contract",
        "ledger": ledger,
        "ledgerClosedAt": "2026-02-18T10:00:00Z",
        "contractId": ASSET_CONTRACT,
        "id": f"{(ledger << 32) + (place << 12):019d}-0000000000",
        "operationIndex": 0,
        "transactionIndex": place,
        "txHash": f"{place:064x}",
        "inSuccessfulContractCall": True,
        "topic": [topic.to_xdr() for topic in topics],
        "value": (scval.to_int128(5) if value is None else value).to_xdr(),
    }
    return {name: kept for name, kept in {**told, **changed}.items() if kept is not ...}


def page_of(*events: Any, **changed: Any) -> dict[str, Any]:
    document = {
        "events": list(events),
        "cursor": f"{(LATEST << 32) + 0xFFFFFFFF:019d}-4294967295",
        "latestLedger": LATEST,
        "oldestLedger": 2,
        "latestLedgerCloseTime": "1700000050",
        "oldestLedgerCloseTime": "1700000003",
    }
    return {**document, **changed}


def transfers_of(answer: Any, **more: Any) -> Transfers:
    health = {
        "status": "healthy",
        "latestLedger": LATEST,
        "oldestLedger": 2,
        "ledgerRetentionWindow": 100,
    }
    http = AnsweringHttp(getEvents=answer, getHealth=more.get("health", health))
    return Transfers(rpc=rpc_of(http), asset_contract=ASSET_CONTRACT, issuer=ISSUER)


async def read(*events: Any, **changed: Any) -> TransfersPage:
    return await transfers_of(page_of(*events, **changed)).since(CURSOR, limit=100)


def changed_topic(place: int, value: Any) -> tuple[Any, ...]:
    return (*TOPICS[:place], value, *TOPICS[place + 1 :])


MUXED_ADDRESS = scval.to_address(MuxedAccount(SELLER, 7).account_muxed or "")
WITH_MEMO: dict[str, Any] = {"amount": scval.to_int128(5), "to_muxed_id": scval.to_uint64(9)}
# Each event shows by its own fields that it moved none of the asset.
FOREIGN: Mapping[str, dict[str, Any]] = {
    "its call failed": event(inSuccessfulContractCall=False),
    "another contract": event(contractId=contract_of("fake")),
    "a diagnostic event": event(type="diagnostic"),
    "a system event": event(type="system"),
    "before the cursor": event(ledger=LEDGER - 1),
    "the cursor's own": event(id=CURSOR),
}
# Each event may have moved money, but its fields contradict each other or cannot be read.
CONTRADICTING: Mapping[str, Any] = {
    "another asset's name": event(topics=changed_topic(3, scval.to_string(f"EURC:{ISSUER}"))),
    "the asset of another issuer": event(topics=changed_topic(3, scval.to_string(f"USDC:{BUYER}"))),
    "a name that is a symbol": event(topics=changed_topic(3, scval.to_symbol("USDC"))),
    "no name": event(topics=TOPICS[:3]),
    "no recipient": event(topics=(TOPICS[0], TOPICS[1], NAME)),
    "a topic more": event(topics=(*TOPICS, NAME)),
    "no topic": event(topics=()),
    "a burn": event(topics=(scval.to_symbol("burn"), TOPICS[1], TOPICS[2], NAME)),
    "a name that is a string": event(topics=(scval.to_string("transfer"), *TOPICS[1:])),
    "a recipient that is not an address": event(topics=changed_topic(2, scval.to_string(SELLER))),
    "a payer that is not an address": event(topics=changed_topic(1, scval.to_bytes(b"x"))),
    "a topic that is no XDR": event(topic=["AAAA", "x", "y", "z"]),
    "topics that are no list": event(topic="transfer"),
    "an empty map": event(value=scval.to_struct({})),
    "an amount that is a string": event(value=scval.to_string("5")),
    "an amount of 64 bits": event(value=scval.to_uint64(5)),
    "an unsigned amount": event(value=scval.to_uint128(5)),
    "a negative amount": event(value=scval.to_int128(-5)),
    "nothing": event(value=scval.to_void()),
    "a memo of an unknown kind": event(
        value=scval.to_struct({**WITH_MEMO, "to_muxed_id": scval.to_bool(data=True)})
    ),
    "a value that is no XDR": {**event(), "value": "x"},
    "no value": event(value=scval.to_void()) | {"value": None},
    "a ledger that is not its id's": event() | {"ledger": LEDGER + 1},
    "a ledger that is a text": event() | {"ledger": str(LEDGER)},
    "a ledger to come": event(ledger=LATEST + 1),
    "no hash": event(txHash=...),
    "a hash that is none": event(txHash="x" * 64),
    "an id that is none": event(id="first"),
    "an id with NUL": event(id="\x00"),
    "no id": event(id=...),
    "a moment that is none": event(ledgerClosedAt="yesterday"),
    "a flag that is a text": event(inSuccessfulContractCall="false"),
    "a number": 5,
    "a list": [],
    "null": None,
}


@pytest.mark.parametrize("what", FOREIGN)
async def test_event_that_moved_no_asset_is_left_out(what: str) -> None:
    page = await read(FOREIGN[what], event(place=2))

    assert [found.transaction_hash for found in page.transfers] == [f"{2:064x}"]
    assert page.unreadable == ()


@pytest.mark.parametrize("what", CONTRADICTING)
async def test_contradictory_event_is_set_aside_and_other_events_are_read(what: str) -> None:
    page = await read(CONTRADICTING[what], event(place=2))

    assert [found.transaction_hash for found in page.transfers] == [f"{2:064x}"]
    (aside,) = page.unreadable
    assert aside.why
    assert all(text.isprintable() for text in (aside.event_id, aside.transaction_hash, aside.event))


async def test_event_with_a_muxed_address_is_set_aside() -> None:
    page = await read(event(topics=changed_topic(2, MUXED_ADDRESS)))

    assert (page.transfers, len(page.unreadable)) == ((), 1)


@pytest.mark.parametrize(
    "told",
    [
        event(),
        event(inSuccessfulContractCall=...),
        event(inSuccessfulContractCall=None),
        event(operationIndex=..., transactionIndex=..., pagingToken="1"),
        event(value=scval.to_struct(WITH_MEMO)),
    ],
    ids=["whole", "without the flag", "with null", "of another version", "with a memo"],
)
async def test_transfer_is_read_without_the_optional_fields(told: dict[str, Any]) -> None:
    (found,) = (await read(told)).transfers

    assert (found.from_address, found.to_address, found.amount) == (BUYER, SELLER, 5)
    assert (found.ledger, found.event_id) == (LEDGER, told["id"])


@pytest.mark.parametrize("is_older", [False, True], ids=["mint", "mint of older nodes"])
async def test_a_payment_by_the_issuer_is_from_the_issuer(*, is_older: bool) -> None:
    admin = (scval.to_address(ISSUER),) if is_older else ()
    topics = (scval.to_symbol("mint"), *admin, scval.to_address(SELLER), NAME)

    (found,) = (await read(event(topics=topics))).transfers

    assert (found.from_address, found.to_address) == (ISSUER, SELLER)


async def test_repeated_event_counts_once() -> None:
    page = await read(event(), event(), event(place=2))

    assert [found.event_id for found in page.transfers] == [event()["id"], event(place=2)["id"]]
    assert page.unreadable == ()


@pytest.mark.parametrize(
    "other",
    [
        event(value=scval.to_int128(6)),
        event(topics=TOPICS[:3]),
        event(inSuccessfulContractCall=False),
    ],
    ids=["another amount", "unreadable", "its call failed"],
)
@pytest.mark.parametrize("is_first", [False, True], ids=["after it", "before it"])
async def test_different_events_with_the_same_id_are_all_set_aside(
    *, other: dict[str, Any], is_first: bool
) -> None:
    both = [other, event()] if is_first else [event(), other]

    page = await read(*both, event(place=2))

    assert [found.event_id for found in page.transfers] == [event(place=2)["id"]]
    assert [aside.event_id for aside in page.unreadable] == [event()["id"]]


async def test_transfers_are_sorted_oldest_first() -> None:
    page = await read(event(place=9), event(place=2), event(ledger=LEDGER + 1))

    ids = [found.event_id for found in page.transfers]
    assert ids == sorted(ids)
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"cursor": start_of(LEDGER - 1)}, "backwards"),
        ({"cursor": start_of(LATEST + 1)}, "beyond"),
        ({"cursor": ""}, "no cursor"),
        ({"cursor": "now"}, "no cursor"),
        ({"cursor": 5}, "no answer"),
        ({"latestLedger": 0}, "no answer"),
        ({"events": {}}, "no answer"),
    ],
)
async def test_page_with_an_invalid_cursor_is_retried(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(ChainUnavailable, match=why):
        await read(event(), **changed)


AHEAD = {"cursor_ledger": LATEST + 1000, "latest_ledger": LATEST}


async def test_cursor_ahead_of_the_node_is_reported_with_both_ledgers() -> None:
    refusing = transfers_of(RuntimeError("startLedger must be within the ledger range: 2 - 50"))
    accepting = transfers_of(page_of(cursor=start_of(LATEST + 1000)))

    for node in (refusing, accepting):
        with pytest.raises(ChainBehind) as behind:
            await node.since(start_of(LATEST + 1000), limit=100)
        assert behind.value.details == AHEAD


async def test_cursor_older_than_the_nodes_history_has_its_own_error() -> None:
    with pytest.raises(HistoryUnavailable):
        await transfers_of(page_of(oldestLedger=45)).since(CURSOR, limit=100)


async def test_refusal_of_a_node_that_has_caught_up_is_retried() -> None:
    refusing = transfers_of(RuntimeError("startLedger must be within the ledger range: 2 - 39"))

    with pytest.raises(ChainUnavailable, match="ledger range") as caught:
        await refusing.since(CURSOR, limit=100)
    assert not isinstance(caught.value, ChainBehind)


async def test_a_node_of_another_network_is_not_read() -> None:
    network = {"passphrase": "Test SDF Network ; September 2015", "protocolVersion": 26}
    http = AnsweringHttp(getEvents=page_of(event()), getNetwork=network)
    transfers = Transfers(rpc=rpc_of(http), asset_contract=ASSET_CONTRACT, issuer=ISSUER)

    with pytest.raises(WrongNetwork):
        await transfers.since(CURSOR, limit=100)


async def test_network_is_checked_once_and_not_for_every_page() -> None:
    http = AnsweringHttp(getEvents=page_of(event()))
    transfers = Transfers(rpc=rpc_of(http), asset_contract=ASSET_CONTRACT, issuer=ISSUER)

    for _ in range(3):
        await transfers.since(CURSOR, limit=100)

    asked = [one["method"] for one in http.asked]
    assert (asked.count("getNetwork"), asked.count("getEvents")) == (1, 3)


async def test_any_other_refusal_is_raised_as_a_refusal() -> None:
    with pytest.raises(ChainRefused):
        await transfers_of(RuntimeError("no such filter")).since(CURSOR, limit=100)


async def test_paid_amount_counts_only_proven_transfers_between_the_two() -> None:
    other = event(place=3, topics=changed_topic(1, scval.to_address(ISSUER)))
    told = [event(), event(), other, event(place=2, inSuccessfulContractCall=False)]

    paid = await transfers_of(page_of(*told)).paid_between(BUYER, SELLER, since_ledger=LEDGER)

    assert paid == 5


@pytest.mark.parametrize(
    "answer",
    [page_of(event(value=scval.to_void())), page_of(cursor=start_of(LEDGER))],
    ids=["unreadable", "a cursor that stands still"],
)
async def test_paid_amount_is_unknown_if_a_page_cannot_be_read(answer: Any) -> None:
    with pytest.raises(ChainUnavailable):
        await transfers_of(answer).paid_between(BUYER, SELLER, since_ledger=LEDGER)


async def test_ledgers_with_a_gap_do_not_replace_forgotten_events() -> None:
    ledgers = [
        {"sequence": number, "ledgerCloseTime": "1700000000", "metadataXdr": "AAAA"}
        for number in (LEDGER, LEDGER + 2)
    ]
    listed = {"ledgers": ledgers, "latestLedger": LATEST, "oldestLedger": 2}
    http = AnsweringHttp(getEvents=page_of(oldestLedger=45), getLedgers=listed)
    transfers = Transfers(rpc=rpc_of(http), asset_contract=ASSET_CONTRACT, issuer=ISSUER)

    with pytest.raises(ChainUnavailable, match="leaves ledgers out"):
        await transfers.since(CURSOR, limit=100)


def change(name: str = "tw_dispute", **changed: Any) -> dict[str, Any]:
    """Return an event of an escrow contract, as getEvents prints it."""
    told = event(topics=(scval.to_symbol(name),), value=scval.to_void(), place=3)
    return told | {"contractId": contract_of("escrow")} | changed


async def test_changes_of_escrow_contracts_are_read_with_the_transfers() -> None:
    page = await read(event(), change(), change("tw_ttl_extend", id=event(place=4)["id"]))

    assert [(one.contract_id, one.name, one.ledger) for one in page.changes] == [
        (contract_of("escrow"), "tw_dispute", LEDGER)
    ]
    assert len(page.transfers) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"inSuccessfulContractCall": False},
        {"type": "diagnostic"},
        {"contractId": "x"},
        {"txHash": "x"},
        {"ledger": LEDGER + 1},
        {"id": "first"},
        {"id": CURSOR},
    ],
)
async def test_contradictory_change_is_left_out_and_transfers_are_still_read(
    changed: dict[str, Any],
) -> None:
    page = await read(change(**changed), event())

    assert (page.changes, page.unreadable, len(page.transfers)) == ((), (), 1)
