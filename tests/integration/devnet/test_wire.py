"""The wire of Stellar RPC: response shapes, JSON-RPC errors, and what the devnet says it is."""

from typing import Any

import pytest
from stellar_sdk import Keypair, SorobanDataBuilder, TransactionBuilder, scval, xdr
from stellar_sdk.exceptions import AccountNotFoundException, SorobanRpcErrorResponse

from tests.integration.devnet.chain import Chain


async def rpc(chain: Chain, body: Any, *, path: str = "/rpc") -> dict[str, Any]:
    return await chain.post(path, body)


async def test_health_network_ledger_fees_and_version_are_answered(chain: Chain) -> None:
    health = await chain.rpc.get_health()
    network = await chain.rpc.get_network()
    latest = await chain.rpc.get_latest_ledger()
    fees = await chain.rpc.get_fee_stats()
    version = await chain.rpc.get_version_info()

    assert (health.status, health.oldest_ledger) == ("healthy", 1)
    assert health.latest_ledger <= latest.sequence
    assert network.passphrase == chain.passphrase
    assert network.friendbot_url == f"{chain.url}/friendbot"
    # A window without a transaction has no fees.
    assert fees.inclusion_fee.min == (100 if int(fees.inclusion_fee.transaction_count) else 0)
    assert version.version == "devnet"
    assert len(bytes.fromhex(latest.id)) == 32


async def test_ledgers_close_without_transactions(chain: Chain) -> None:
    await chain.ledgers_pass(3)


async def test_the_root_answers_rpc_and_says_that_it_runs_no_wasm(chain: Chain) -> None:
    body = {"jsonrpc": "2.0", "id": "a", "method": "getHealth", "params": None}
    answer = await rpc(chain, body, path="/")
    async with chain.http.get(chain.url) as page:
        about = await page.json()

    assert answer["result"]["status"] == "healthy"
    assert answer["id"] == "a"
    assert about["runsWasm"] is False
    assert "No wasm runs" in about["about"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"jsonrpc": "2.0", "id": 1, "method": "getNothing"}, -32601),
        ({"jsonrpc": "1.0", "id": 1, "method": "getHealth"}, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": 7}, -32600),
        ([], -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": "getHealth", "params": []}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "getTransaction", "params": {}}, -32602),
        (
            {"jsonrpc": "2.0", "id": 1, "method": "getTransaction", "params": {"hash": "x"}},
            -32602,
        ),
        (
            {"jsonrpc": "2.0", "id": 1, "method": "sendTransaction", "params": {"transaction": 1}},
            -32602,
        ),
        (
            {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "getEvents",
                "params": {"startLedger": 1, "pagination": {"limit": 10_001}},
            },
            -32602,
        ),
    ],
)
async def test_a_wrong_request_is_an_error(chain: Chain, body: Any, code: int) -> None:
    assert (await rpc(chain, body))["error"]["code"] == code


async def test_invalid_json_is_a_parse_error(chain: Chain) -> None:
    async with chain.http.post(f"{chain.url}/rpc", data=b"{") as answer:
        assert (await answer.json())["error"]["code"] == -32700


@pytest.mark.parametrize("text", ["", "AAAA", "not base64!", "AAAAAgAAAAA=", "A" * 40_000])
async def test_a_garbled_envelope_is_invalid_xdr(chain: Chain, text: str) -> None:
    for method in ("sendTransaction", "simulateTransaction"):
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"transaction": text}}
        error = (await rpc(chain, body))["error"]
        assert (error["code"], error["message"]) == (-32602, "invalid_xdr")


async def test_a_cursor_and_a_range_exclude_each_other(chain: Chain) -> None:
    paging = {"cursor": "0000000257698041856-0000000002"}
    params = {"startLedger": 1, "pagination": paging}
    body = {"jsonrpc": "2.0", "id": 1, "method": "getEvents", "params": params}

    assert (await rpc(chain, body))["error"]["code"] == -32602


async def test_unknown_parameters_are_ignored(chain: Chain) -> None:
    params = {"keys": [], "xdrFormat": "base64", "useUpgradedAuth": True}
    body = {"jsonrpc": "2.0", "id": 1, "method": "getLedgerEntries", "params": params}

    assert (await rpc(chain, body))["result"]["entries"] == []


async def test_a_missing_account_is_reported(chain: Chain) -> None:
    with pytest.raises(AccountNotFoundException):
        await chain.rpc.load_account(Keypair.random().public_key)


@pytest.mark.parametrize("keys", [["AAAA"], "AAAA", [7], [None], ["x"]])
async def test_wrong_keys_are_refused(chain: Chain, keys: Any) -> None:
    params = {"keys": keys}
    body = {"jsonrpc": "2.0", "id": 1, "method": "getLedgerEntries", "params": params}

    assert (await rpc(chain, body))["error"]["code"] == -32602


async def test_too_many_keys_are_refused(chain: Chain) -> None:
    key = chain.line_key(chain.info["distributorAddress"])

    with pytest.raises(SorobanRpcErrorResponse, match="exceeds maximum supported"):
        await chain.rpc.get_ledger_entries([key] * 201)


async def test_the_escrow_code_can_be_fetched_and_has_its_hash(chain: Chain) -> None:
    wasm_hash = bytes.fromhex(chain.info["wasmHash"])
    key = xdr.LedgerKeyContractCode(xdr.Hash(wasm_hash))
    ledger_key = xdr.LedgerKey(xdr.LedgerEntryType.CONTRACT_CODE, contract_code=key)

    found = (await chain.rpc.get_ledger_entries([ledger_key])).entries

    assert found
    code = xdr.LedgerEntryData.from_xdr(found[0].xdr).contract_code
    assert code is not None
    assert code.code.startswith(b"\x00asm")
    assert b"no wasm runs here" in code.code


async def test_the_factory_is_an_instance_of_the_escrow_code(chain: Chain) -> None:
    marker = xdr.SCVal(xdr.SCValType.SCV_LEDGER_KEY_CONTRACT_INSTANCE)

    entry = await chain.rpc.get_contract_data(chain.info["factoryId"], marker)

    assert entry is not None
    assert entry.live_until_ledger
    data = xdr.LedgerEntryData.from_xdr(entry.xdr).contract_data
    assert data is not None
    assert data.val.instance is not None
    executable = data.val.instance.executable
    assert executable.wasm_hash == xdr.Hash(bytes.fromhex(chain.info["wasmHash"]))


async def test_a_classic_transaction_cannot_be_simulated(chain: Chain) -> None:
    envelope = await chain.build(await chain.funded(), [])

    answer = await chain.rpc.simulate_transaction(envelope)

    assert answer.error is not None


async def test_a_missing_contract_is_named(chain: Chain) -> None:
    missing = "CAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAD2KM"

    refusal = await chain.refusal(await chain.funded(), missing, "get_escrow", [scval.to_void()])

    assert refusal == "HostError: Error(Storage, MissingValue)"


async def test_lives_can_be_extended(chain: Chain) -> None:
    source = await chain.funded()
    instance = xdr.LedgerKey(
        xdr.LedgerEntryType.CONTRACT_DATA,
        contract_data=xdr.LedgerKeyContractData(
            scval.to_address(chain.info["assetContractId"]).address,  # type: ignore[arg-type]  # an address
            xdr.SCVal(xdr.SCValType.SCV_LEDGER_KEY_CONTRACT_INSTANCE),
            xdr.ContractDataDurability.PERSISTENT,
        ),
    )
    before = (await chain.rpc.get_ledger_entries([instance])).entries

    envelope = await extension(chain, source, instance)
    assert (await chain.land(envelope)).ok

    after = (await chain.rpc.get_ledger_entries([instance])).entries
    assert before
    assert after
    assert (after[0].live_until_ledger or 0) > (before[0].live_until_ledger or 0)


async def extension(chain: Chain, source: Keypair, key: xdr.LedgerKey) -> Any:
    account = await chain.rpc.load_account(source.public_key)
    data: Any = SorobanDataBuilder  # the class has no annotations
    builder = TransactionBuilder(account, chain.passphrase, base_fee=100)
    builder.append_extend_footprint_ttl_op(3_000_000)
    builder.set_soroban_data(data().set_read_only([key]).build()).set_timeout(60)
    envelope = await chain.rpc.prepare_transaction(builder.build())
    envelope.sign(source)
    return envelope
