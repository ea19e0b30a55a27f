"""Closed ledgers as a whole: headers that name their ledgers, pages, and who may read them.

Sources: stellar-rpc, methods/get_ledgers.go, get_latest_ledger.go and jsonrpc.go; CAP-63.
"""

import hashlib
from itertools import pairwise
from typing import Any

import pytest
from stellar_sdk import xdr

from devnet.chain.addresses import present
from tests.unit.devnet.test_nodes import IDENTITY, Chain, chain

__all__ = ["chain"]


async def test_a_ledger_is_named_by_the_hash_of_its_header(chain: Chain) -> None:
    await chain.pay()
    await chain.close(2)

    latest = await chain.ask("getLatestLedger")

    header = xdr.LedgerHeader.from_xdr(latest["headerXdr"])
    assert hashlib.sha256(header.to_xdr_bytes()).hexdigest() == latest["id"]
    assert header.ledger_seq.uint32 == latest["sequence"] == 3
    assert header.scp_value.close_time.time_point.uint64 == int(latest["closeTime"])
    content = present(xdr.LedgerCloseMeta.from_xdr(latest["metadataXdr"]).v2)
    assert content.ledger_header.header == header
    assert header.ledger_version.uint32 == latest["protocolVersion"] == 28


async def test_ledgers_are_chained_and_hold_their_transactions(chain: Chain) -> None:
    tx_hash = await chain.pay()
    await chain.close()
    frozen = await chain.post("/issuer", {"action": "freeze", "address": IDENTITY.factory})
    await chain.close()

    ledgers = (await chain.ask("getLedgers", startLedger=1))["ledgers"]

    entries = [xdr.LedgerHeaderHistoryEntry.from_xdr(item["headerXdr"]) for item in ledgers]
    for before, after in pairwise(entries):
        assert after.header.previous_ledger_hash == before.hash
        assert hashlib.sha256(after.header.to_xdr_bytes()).digest() == after.hash.hash
    contents = [present(xdr.LedgerCloseMeta.from_xdr(item["metadataXdr"]).v2) for item in ledgers]
    hashes = [
        [one.result.transaction_hash.hash.hex() for one in content.tx_processing]
        for content in contents
    ]
    assert hashes[1] == [tx_hash]
    assert [frozen.json()["hash"]] in hashes
    phases = [present(content.tx_set.v1_tx_set).phases for content in contents]
    assert len(present(phases[1][0].v0_components)) == 1
    number = hashes.index([frozen.json()["hash"]])
    assert len(present(phases[number][1].parallel_txs_component).execution_stages) == 1


async def test_ledgers_come_in_pages(chain: Chain) -> None:
    await chain.close(4)

    first = await chain.ask("getLedgers", startLedger=2, pagination={"limit": 3})
    second = await chain.ask("getLedgers", pagination={"cursor": first["cursor"], "limit": 3})
    third = await chain.ask("getLedgers", pagination={"cursor": second["cursor"]})

    assert [item["sequence"] for item in first["ledgers"]] == [2, 3, 4]
    assert [item["sequence"] for item in second["ledgers"]] == [5]
    assert (third["ledgers"], third["cursor"]) == ([], second["cursor"])
    assert (first["oldestLedger"], first["latestLedger"]) == (1, 5)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"startLedger": 9},
        {"startLedger": 1, "pagination": {"cursor": "1"}},
        {"pagination": {"cursor": "x"}},
        {"startLedger": 1, "pagination": {"limit": 201}},
    ],
)
async def test_wrong_pages_are_refused(chain: Chain, params: dict[str, Any]) -> None:
    assert "error" in await chain.ask("getLedgers", **params)


async def test_a_lagging_node_shows_no_later_ledger(chain: Chain) -> None:
    await chain.ask("getHealth", node="/nodes/behind-2/rpc")
    await chain.close(5)

    page = await chain.ask("getLedgers", node="/nodes/behind-2/rpc", startLedger=1)

    assert [item["sequence"] for item in page["ledgers"]] == [1, 2, 3, 4]


async def test_pages_of_any_origin_may_ask(chain: Chain) -> None:
    headers = {"origin": "https://example.com", "access-control-request-method": "POST"}

    asked = await chain.http.options("/rpc", headers=headers)
    answered = await chain.http.post("/rpc", headers={"origin": "https://example.com"}, json={})

    assert asked.headers["access-control-allow-origin"] == "*"
    assert answered.headers["access-control-allow-origin"] == "*"
