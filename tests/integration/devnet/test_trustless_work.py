"""Trustless Work's REST API V1: an escrow's life, documented answers, a dishonest answer."""

from pathlib import Path
from typing import Any

import pytest
from stellar_sdk import Keypair, TransactionEnvelope, scval, xdr

from tests.integration.devnet import escrows
from tests.integration.devnet.chain import UNIT, Chain, connect
from tests.integration.devnet.conftest import start
from tests.integration.devnet.escrows import Cast

KEY = {"x-api-key": "devnet-key"}
SINGLE = "/escrow/single-release"
MISSING = "CAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAD2KM"


async def rest(
    chain: Chain, path: str, body: Any = None, *, status: int, key: dict[str, str] = KEY
) -> Any:
    method = "GET" if body is None else "POST"
    url = f"{chain.url}{path}"
    async with chain.http.request(method, url, json=body, headers=key) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


def order(chain: Chain, cast: Cast) -> dict[str, Any]:
    """The body of a deployment."""
    return {
        "signer": cast.platform.public_key,
        "engagementId": "ord_1",
        "title": "Logo",
        "description": "Logo design",
        "roles": {
            "approver": cast.buyer.public_key,
            "serviceProvider": cast.seller.public_key,
            "platformAddress": cast.platform.public_key,
            "releaseSigner": cast.buyer.public_key,
            "disputeResolver": cast.platform.public_key,
            "receiver": cast.seller.public_key,
        },
        "amount": 80.5,
        "platformFee": 1.25,
        "milestones": [{"description": "work"}],
        "trustline": {"address": chain.info["usdcIssuer"], "symbol": "USDC"},
    }


async def build(chain: Chain, path: str, body: Any) -> TransactionEnvelope:
    answer = await rest(chain, path, body, status=201)
    assert answer["status"] == "SUCCESS"
    return TransactionEnvelope.from_xdr(answer["unsignedTransaction"], chain.passphrase)


async def do(chain: Chain, path: str, body: Any, signer: Keypair) -> Any:
    envelope = await build(chain, path, body)
    envelope.sign(signer)
    sent = {"signedXdr": envelope.to_xdr()}
    return await rest(chain, "/helper/send-transaction", sent, status=200)


async def deployed(chain: Chain, cast: Cast) -> str:
    answer = await do(chain, "/deployer/single-release", order(chain, cast), cast.platform)
    contract: str = answer["contractId"]
    return contract


async def fund(chain: Chain, cast: Cast, contract: str) -> None:
    body = {"contractId": contract, "signer": cast.buyer.public_key, "amount": 80.5}
    await do(chain, f"{SINGLE}/fund-escrow", body, cast.buyer)


async def test_a_purchase_over_rest(chain: Chain) -> None:
    cast = await escrows.assemble(chain)
    contract = await deployed(chain, cast)
    await fund(chain, cast, contract)
    status = {
        "contractId": contract,
        "milestoneIndex": "0",
        "newStatus": "Completed",
        "newEvidence": "https://example.org",
        "serviceProvider": cast.seller.public_key,
    }
    await do(chain, f"{SINGLE}/change-milestone-status", status, cast.seller)
    approval = {
        "contractId": contract,
        "milestoneIndex": "0",
        "approver": cast.buyer.public_key,
    }
    await do(chain, f"{SINGLE}/approve-milestone", approval, cast.buyer)
    release = {"contractId": contract, "releaseSigner": cast.buyer.public_key}

    answer = await do(chain, f"{SINGLE}/release-funds", release, cast.buyer)

    assert answer["status"] == "SUCCESS"
    expected = 805_000_000 - 2_415_000 - 10_062_500
    assert await chain.usdc_of(cast.seller.public_key) == expected
    assert await chain.usdc_of(cast.platform.public_key) == 10_062_500


async def test_a_dispute_over_rest(chain: Chain) -> None:
    cast = await escrows.assemble(chain)
    contract = await deployed(chain, cast)
    await fund(chain, cast, contract)
    opened = {"contractId": contract, "signer": cast.buyer.public_key}
    await do(chain, f"{SINGLE}/dispute-escrow", opened, cast.buyer)
    shares = [
        {"address": cast.buyer.public_key, "amount": 40.25},
        {"address": cast.seller.public_key, "amount": 40.25},
    ]
    decided = {
        "contractId": contract,
        "disputeResolver": cast.platform.public_key,
        "distributions": shares,
    }

    await do(chain, f"{SINGLE}/resolve-dispute", decided, cast.platform)

    assert await chain.usdc_of(contract) == 0
    assert await chain.usdc_of(cast.seller.public_key) == 402_500_000 - 1_207_500 - 5_031_250


async def test_the_index_describes_an_escrow(chain: Chain) -> None:
    cast = await escrows.assemble(chain)
    contract = await deployed(chain, cast)
    await fund(chain, cast, contract)
    query = f"?contractIds[]={contract}&validateOnChain=true"

    (found,) = await rest(chain, f"/helper/get-escrow-by-contract-ids{query}", status=200)
    balances = await rest(
        chain, f"/helper/get-multiple-escrow-balance?addresses[]={contract}", status=200
    )

    assert found["amount"] == 80.5
    assert found["balance"] == 80.5
    assert found["platformFee"] == 1.25
    assert found["roles"] == order(chain, cast)["roles"]
    assert found["flags"] == {"disputed": False, "released": False, "resolved": False}
    assert found["milestones"][0]["status"] == "pending"
    assert found["trustline"]["address"] == chain.info["usdcIssuer"]
    assert found["createdAt"]["_seconds"] > 0
    assert balances == [{"address": contract, "balance": 80.5}]


async def test_an_own_transaction_is_indexed(chain: Chain) -> None:
    paid = await chain.faucet({"address": (await chain.holder()).public_key, "amount": "1"})

    known = {"txHash": paid["hash"]}
    unknown = {"txHash": "0" * 64}

    assert (await rest(chain, "/indexer/update-from-txHash", known, status=200))["status"]
    await rest(chain, "/indexer/update-from-txHash", unknown, status=500)


async def test_a_contracts_refusal_is_a_failure_with_its_text(chain: Chain) -> None:
    cast = await escrows.assemble(chain)
    contract = await deployed(chain, cast)
    body = {"contractId": contract, "releaseSigner": cast.seller.public_key}

    answer = await rest(chain, f"{SINGLE}/release-funds", body, status=500)

    assert answer == {"status": "FAILED", "message": "Only release signer"}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"amount": "80"}, "amount must be a number"),
        ({"amount": 0.00000001}, "at most 7 decimals"),
        ({"amount": 0}, "positive number"),
        ({"platformFee": 0.001}, "platformFee must be"),
        ({"milestones": []}, "milestones must be a non-empty array"),
        ({"signer": "GABC"}, "signer must be a valid Stellar address"),
        ({"roles": {}}, "roles.approver must be"),
        ({"title": ""}, "title must be"),
        ({"title": "\ud800"}, "title must be"),
        ({"trustline": {"address": "GABC", "symbol": "U$"}}, "trustline.symbol must be"),
        ({"trustline": "USDC"}, "trustline must be an object"),
    ],
)
async def test_a_wrong_deployment_is_refused(
    chain: Chain, change: dict[str, Any], problem: str
) -> None:
    someone = Keypair.random()
    cast = Cast(buyer=someone, seller=someone, platform=someone, channel=someone)

    answer = await rest(chain, "/deployer/single-release", order(chain, cast) | change, status=400)

    assert answer["statusCode"] == 400
    assert answer["error"] == "Bad Request"
    assert any(problem in text for text in answer["message"])


async def test_an_unknown_escrow_and_an_unknown_signer_fail(chain: Chain) -> None:
    stranger = Keypair.random().public_key
    body = {"contractId": MISSING, "signer": stranger, "amount": 1}

    await rest(chain, f"{SINGLE}/fund-escrow", body, status=500)
    await rest(chain, f"{SINGLE}/dispute-escrow", body, status=500)


@pytest.mark.parametrize("query", ["", "?addresses[]=C", "?addresses[]="])
async def test_a_wrong_list_of_contracts_is_refused(chain: Chain, query: str) -> None:
    await rest(chain, f"/helper/get-multiple-escrow-balance{query}", status=400)


async def test_an_address_named_twice_is_refused(chain: Chain) -> None:
    cast = await escrows.assemble(chain)
    contract = await deployed(chain, cast)
    share = {"address": cast.buyer.public_key, "amount": 1}
    body = {
        "contractId": contract,
        "disputeResolver": cast.platform.public_key,
        "distributions": [share, share],
    }

    await rest(chain, f"{SINGLE}/resolve-dispute", body, status=400)


@pytest.mark.parametrize("key", [{}, {"x-api-key": "wrong"}])
async def test_every_call_needs_the_key(chain: Chain, key: dict[str, str]) -> None:
    path = f"/helper/get-multiple-escrow-balance?addresses[]={MISSING}"

    answer = await rest(chain, path, status=401, key=key)

    assert answer["statusCode"] == 401


async def test_more_requests_than_allowed_are_throttled(tmp_path: Path) -> None:
    running = start(tmp_path, DEVNET_TW_RATE_LIMIT="2")
    path = f"/helper/get-multiple-escrow-balance?addresses[]={MISSING}"
    try:
        async with connect(running.url) as chain:
            for _ in range(2):
                await rest(chain, path, status=200)
            answer = await rest(chain, path, status=429)
    finally:
        running.stop()

    assert answer == {"statusCode": 429, "message": "ThrottlerException: Too Many Requests"}


def called(envelope: TransactionEnvelope) -> xdr.InvokeContractArgs | None:
    operation: Any = envelope.transaction.operations[0]
    function = getattr(operation, "host_function", None)
    return None if function is None else function.invoke_contract


async def test_an_evil_api_asks_for_more(chain: Chain) -> None:
    cast = await escrows.assemble(chain)
    contract = await deployed(chain, cast)
    await chain.arm("evil_rest", function="fund_escrow", mode="amount")
    body = {"contractId": contract, "signer": cast.buyer.public_key, "amount": 80}

    call = called(await build(chain, f"{SINGLE}/fund-escrow", body))

    assert call is not None
    assert scval.from_int128(call.args[2]) == 80 * UNIT + 1


async def test_an_evil_api_names_another_receiver(chain: Chain) -> None:
    cast = await escrows.assemble(chain)
    await chain.arm("evil_rest", mode="receiver")

    call = called(await build(chain, "/deployer/single-release", order(chain, cast)))

    assert call is not None
    escrow = scval.from_struct(scval.from_vec(call.args[4])[0])
    receiver = scval.from_struct(escrow["roles"])["receiver"]
    assert scval.from_address(receiver).address != cast.seller.public_key


@pytest.mark.parametrize("mode", ["payment", "amount"])
async def test_an_evil_api_builds_a_plain_payment(chain: Chain, mode: str) -> None:
    cast = await escrows.assemble(chain)
    contract = await deployed(chain, cast)
    await chain.arm("evil_rest", mode=mode)
    body = {"contractId": contract, "releaseSigner": cast.buyer.public_key}

    envelope = await build(chain, f"{SINGLE}/release-funds", body)

    assert called(envelope) is None
    assert type(envelope.transaction.operations[0]).__name__ == "Payment"
