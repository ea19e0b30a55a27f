"""Faults on demand: each goes wrong as told, then the network works again."""

import time

import pytest
from stellar_sdk import ChangeTrust, Keypair, TransactionEnvelope, xdr
from stellar_sdk.exceptions import ConnectionError  # noqa: A004  the name it has there
from stellar_sdk.soroban_rpc import GetTransactionStatus, SendTransactionStatus

from tests.integration.devnet.chain import Chain, until


async def signed(chain: Chain, source: Keypair, timeout_seconds: int = 60) -> TransactionEnvelope:
    envelope = await chain.build(source, [ChangeTrust(chain.usdc)], timeout_seconds=timeout_seconds)
    envelope.sign(source)
    return envelope


async def test_a_lost_answer_leaves_the_transaction_in_a_ledger(chain: Chain) -> None:
    envelope = await signed(chain, await chain.funded())
    await chain.arm("lost_answer", function="change_trust")

    with pytest.raises(ConnectionError):
        await chain.rpc.send_transaction(envelope)

    assert (await chain.landed(envelope.hash_hex())).ok


async def test_a_lost_answer_can_be_a_gateway_timeout(chain: Chain) -> None:
    envelope = await signed(chain, await chain.funded())
    await chain.arm("lost_answer", mode="504")
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "sendTransaction",
        "params": {"transaction": envelope.to_xdr()},
    }

    async with chain.http.post(f"{chain.url}/rpc", json=body) as answer:
        assert answer.status == 504

    assert (await chain.landed(envelope.hash_hex())).ok


async def test_try_again_later_queues_nothing(chain: Chain) -> None:
    envelope = await signed(chain, await chain.funded())
    await chain.arm("try_again_later", count=2)

    statuses = [(await chain.rpc.send_transaction(envelope)).status for _ in range(3)]

    assert statuses == [
        SendTransactionStatus.TRY_AGAIN_LATER,
        SendTransactionStatus.TRY_AGAIN_LATER,
        SendTransactionStatus.PENDING,
    ]
    await chain.landed(envelope.hash_hex())


async def test_a_stale_sequence_is_the_one_before(chain: Chain) -> None:
    source = await chain.funded()
    true = (await chain.rpc.load_account(source.public_key)).sequence
    await chain.arm("stale_sequence")

    seen = [(await chain.rpc.load_account(source.public_key)).sequence for _ in range(2)]

    assert seen == [true - 1, true]


async def test_a_held_transaction_expires_and_never_happened(chain: Chain) -> None:
    source = await chain.funded()
    await chain.arm("hold")
    envelope = await signed(chain, source, timeout_seconds=1)
    answer = await chain.rpc.send_transaction(envelope)
    expiry = int(time.time()) + 1
    assert answer.status == SendTransactionStatus.PENDING

    async def ledger_after_expiry() -> bool | None:
        return (await chain.rpc.get_latest_ledger()).close_time > expiry or None

    await until(ledger_after_expiry)

    found = await chain.rpc.get_transaction(answer.hash)
    assert found.status == GetTransactionStatus.NOT_FOUND
    assert (await chain.land(await signed(chain, source))).ok


async def test_a_transaction_told_to_fail_fails_in_a_ledger(chain: Chain) -> None:
    source = await chain.funded()
    await chain.arm("fail_at_apply", function="change_trust")

    failed = await chain.land(await signed(chain, source))
    after = await chain.land(await signed(chain, source))

    assert failed.result.result.code == xdr.TransactionResultCode.txFAILED
    assert after.ok


async def test_a_known_transaction_can_be_hidden(chain: Chain) -> None:
    done = await chain.land(await signed(chain, await chain.funded()))
    tx_hash = done.answer.transaction_hash
    await chain.arm("not_found", count=2)

    statuses = [(await chain.rpc.get_transaction(tx_hash)).status for _ in range(3)]

    assert statuses == [
        GetTransactionStatus.NOT_FOUND,
        GetTransactionStatus.NOT_FOUND,
        GetTransactionStatus.SUCCESS,
    ]


async def test_rpc_can_be_down_for_one_method(chain: Chain) -> None:
    await chain.arm("rpc_down", function="getHealth")
    body = {"jsonrpc": "2.0", "id": 1, "method": "getHealth", "params": None}

    await chain.rpc.get_latest_ledger()
    async with chain.http.post(f"{chain.url}/rpc", json=body) as answer:
        assert answer.status == 503

    assert (await chain.rpc.get_health()).status == "healthy"


async def test_armed_faults_are_shown_and_cleared(chain: Chain) -> None:
    await chain.arm("hold", count=3, function="release_funds")

    async with chain.http.get(f"{chain.url}/faults") as answer:
        shown = await answer.json()
    async with chain.http.delete(f"{chain.url}/faults") as answer:
        cleared = await answer.json()

    assert shown == {
        "faults": [{"kind": "hold", "count": 3, "function": "release_funds", "mode": None}]
    }
    assert cleared == {"faults": []}


async def test_an_unknown_fault_is_refused(chain: Chain) -> None:
    answer = await chain.post("/faults", {"kind": "earthquake"}, status=400)

    assert "kind must be one of" in answer["detail"]
