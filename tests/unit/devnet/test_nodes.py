"""Nodes that lag, have no classic events, are unhealthy or were reset, over their real routes."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from stellar_sdk import Account, Payment, TransactionBuilder

from devnet import app, settings
from devnet.app import Devnet
from devnet.chain import keys
from devnet.chain.addresses import present
from devnet.chain.assets import NATIVE, sdk_asset
from devnet.chain.entries import read_account, read_trustline
from devnet.network.identity import Identity

PASSPHRASE = "tests of nodes"
IDENTITY = Identity(PASSPHRASE)
PAYER = IDENTITY.keypair("till-1")


class Chain:
    """A devnet whose ledgers close only when the test closes them."""

    def __init__(self, devnet: Devnet, http: httpx.AsyncClient) -> None:
        self.ledger = devnet.ledger
        self.http = http

    async def close(self, count: int = 1) -> None:
        for _ in range(count):
            await self.ledger.close()

    async def ask(self, method: str, *, node: str = "/rpc", **params: Any) -> dict[str, Any]:
        """Call a method of Stellar RPC; an error is returned as `{"error": …}`."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = (await self.http.post(node, json=body)).json()
        found: dict[str, Any] = answer.get("result") or {"error": answer["error"]}
        return found

    async def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """POST to a route that answers after the next ledger."""
        asked = asyncio.ensure_future(self.http.post(path, json=body))
        while not asked.done():
            await self.ledger.close()
        return asked.result()

    async def pay(self, *, sequence: int = 0) -> str:
        """Send a payment of XLM and return its hash."""
        builder = TransactionBuilder(Account(PAYER.public_key, sequence), PASSPHRASE, base_fee=100)
        builder.append_operation(Payment(IDENTITY.distributor.public_key, sdk_asset(NATIVE), "1"))
        envelope = builder.add_time_bounds(0, int(time.time()) + 60).build()
        envelope.sign(PAYER)
        answer = await self.ask("sendTransaction", transaction=envelope.to_xdr())
        assert answer["status"] == "PENDING", answer
        return envelope.hash_hex()


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[Chain]:
    chosen = settings.load(
        {"DEVNET_DATA_DIR": str(tmp_path), "STELLAR_NETWORK_PASSPHRASE": PASSPHRASE}
    )
    built = app.build(chosen, base_url="http://devnet")
    transport = httpx.ASGITransport(app=built.web)
    async with httpx.AsyncClient(transport=transport, base_url="http://devnet") as http:
        yield Chain(built, http)
    built.journal.close()


async def test_a_lagging_node_shows_every_ledger_late(chain: Chain) -> None:
    late = "/nodes/behind-2/rpc"
    key = keys.parse(keys.account(PAYER.public_key)).to_xdr()
    await chain.close(3)
    assert (await chain.ask("getLatestLedger", node=late))["sequence"] == 4
    tx_hash = await chain.pay()
    await chain.close()

    lagging = await chain.ask("getTransaction", node=late, hash=tx_hash)
    usual = await chain.ask("getTransaction", hash=tx_hash)
    before = await chain.ask("getLedgerEntries", node=late, keys=[key])
    await chain.close(2)
    after = await chain.ask("getLedgerEntries", node=late, keys=[key])

    assert (lagging["status"], lagging["latestLedger"]) == ("NOT_FOUND", 4)
    assert (usual["status"], usual["latestLedger"]) == ("SUCCESS", 5)
    assert before["entries"][0]["lastModifiedLedgerSeq"] == 1
    assert after["entries"][0]["lastModifiedLedgerSeq"] == 5
    assert (await chain.ask("getTransaction", node=late, hash=tx_hash))["status"] == "SUCCESS"


async def test_a_start_that_a_lagging_node_does_not_have_yet_is_an_error(chain: Chain) -> None:
    """stellar-rpc: -32600, startLedger must be within the ledger range."""
    await chain.ask("getHealth", node="/nodes/behind-3/rpc")
    await chain.close(2)

    answer = await chain.ask("getEvents", node="/nodes/behind-3/rpc", startLedger=3)

    assert answer["error"]["code"] == -32600
    assert answer["error"]["message"] == "startLedger must be within the ledger range: 1 - 1"


async def test_a_quiet_node_has_events_of_contract_calls_only(chain: Chain) -> None:
    """stellar-core, EMIT_CLASSIC_EVENTS = false: neither payments nor fees are events."""
    await chain.pay()
    await chain.close()

    usual = await chain.ask("getEvents", startLedger=1)
    quiet = await chain.ask("getEvents", node="/nodes/quiet/rpc", startLedger=1)
    frozen = await chain.post("/issuer", {"action": "freeze", "address": IDENTITY.factory})
    after = await chain.ask("getEvents", node="/nodes/quiet/rpc", startLedger=1)

    assert len(usual["events"]) == 2
    assert quiet["events"] == []
    assert frozen.json()["successful"]
    assert [event["contractId"] for event in after["events"]] == [IDENTITY.usdc_contract]


@pytest.mark.parametrize("name", ["behind-0", "behind-x", "loud", "behind-10000"])
async def test_other_nodes_do_not_exist(chain: Chain, name: str) -> None:
    assert (await chain.http.post(f"/nodes/{name}/rpc", json={})).status_code == 404


async def test_a_node_whose_last_ledger_is_old_is_not_healthy(chain: Chain) -> None:
    """stellar-rpc, get_health.go: an internal error that names the latency."""
    assert (await chain.ask("getHealth"))["status"] == "healthy"
    await chain.http.post("/faults", json={"kind": "unhealthy"})

    error = (await chain.ask("getHealth"))["error"]

    assert error["code"] == -32603
    assert error["message"] == ("latency (31s) since last known ledger closed is too high (>30s)")
    assert (await chain.ask("getHealth"))["status"] == "healthy"


async def test_lookup_reads_the_transaction_before_the_range_of_ledgers(chain: Chain) -> None:
    """stellar-rpc, get_transaction.go: the transaction first, then the range of ledgers."""
    tx_hash = await chain.pay()
    await chain.close()
    await chain.http.post("/faults", json={"kind": "torn_lookup", "function": "payment"})

    torn = await chain.ask("getTransaction", hash=tx_hash)

    assert torn["status"] == "NOT_FOUND"
    assert int(torn["latestLedgerCloseTime"]) > time.time() + 50
    assert (await chain.ask("getTransaction", hash=tx_hash))["status"] == "SUCCESS"


async def test_a_reset_network_begins_with_its_first_ledger(chain: Chain) -> None:
    tx_hash = await chain.pay()
    await chain.close(5)
    first = await chain.ask("getLatestLedger", node="/nodes/behind-2/rpc")
    await chain.http.post("/reset")

    await chain.close()

    assert first["sequence"] == 6
    assert (await chain.ask("getLatestLedger"))["sequence"] == 2
    assert (await chain.ask("getLatestLedger", node="/nodes/behind-2/rpc"))["sequence"] == 1
    assert (await chain.ask("getTransaction", hash=tx_hash))["status"] == "NOT_FOUND"
    assert present(read_account(chain.ledger.entries, PAYER.public_key)).sequence == 0
    await chain.pay()
    await chain.close()
    events = await chain.ask("getEvents", startLedger=2)
    assert len(events["events"]) == 2


async def test_skipped_ledgers_are_passed_with_the_next_one(chain: Chain) -> None:
    answer = await chain.http.post("/ledgers", json={"skip": 500})
    await chain.close()

    assert answer.json() == {"ledger": 502}
    assert (await chain.ask("getLatestLedger"))["sequence"] == 502
    for wrong in ({}, {"skip": 0}, {"skip": True}, {"skip": 10**8}):
        assert (await chain.http.post("/ledgers", json=wrong)).status_code == 400


async def test_entries_are_archived_by_their_keys(chain: Chain) -> None:
    key = keys.parse(keys.instance(IDENTITY.factory)).to_xdr()
    answer = await chain.http.post("/archive", json={"keys": [key]})
    await chain.close()

    (entry,) = (await chain.ask("getLedgerEntries", keys=[key]))["entries"]

    assert answer.json() == {"entries": 1}
    assert entry["liveUntilLedgerSeq"] == 0
    assert (await chain.http.post("/archive", json={"keys": 1})).status_code == 400
    assert (await chain.http.post("/archive", json={"keys": ["x"]})).status_code == 400


async def test_the_issuer_freezes_unfreezes_and_claws_back(chain: Chain) -> None:
    holder = {"address": IDENTITY.distributor.public_key}

    def authorized() -> bool:
        line = read_trustline(chain.ledger.entries, holder["address"], IDENTITY.usdc)
        return present(line).authorized

    assert (await chain.post("/issuer", {"action": "freeze", **holder})).json()["successful"]
    assert not authorized()
    assert (await chain.post("/issuer", {"action": "unfreeze", **holder})).json()["successful"]
    assert authorized()
    # Nobody may take USDC back, as on the real networks, until the issuer allows it.
    taken = await chain.post("/issuer", {"action": "clawback", "amount": "1", **holder})
    assert not taken.json()["successful"]
    assert (await chain.post("/issuer", {"action": "allow_clawback"})).json()["successful"]
    for wrong in ({}, {"action": "dance", **holder}, {"action": "freeze", "asset": "XLM"}):
        assert (await chain.post("/issuer", wrong)).status_code == 400
