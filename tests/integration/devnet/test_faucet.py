"""Friendbot and faucet: real payments, and clear refusals."""

import asyncio
from typing import Any

import pytest
from stellar_sdk import CreateAccount, Keypair

from tests.integration.devnet.chain import UNIT, Chain


async def test_the_answer_contains_hash_ledger_and_amount(chain: Chain) -> None:
    receiver = await chain.holder()

    paid = await chain.faucet({"address": receiver.public_key, "amount": "100.00"})

    done = await chain.landed(paid["hash"])
    assert paid == {"hash": paid["hash"], "ledger": done.answer.ledger, "amount": "100.00"}
    assert await chain.usdc_of(receiver.public_key) == 100 * UNIT


async def test_the_smallest_amount_is_exact(chain: Chain) -> None:
    receiver = await chain.holder()

    await chain.faucet({"address": receiver.public_key, "amount": "90071992.5474099"})
    await chain.faucet({"address": receiver.public_key, "amount": "0.0000001"})

    assert await chain.usdc_of(receiver.public_key) == 900_719_925_474_100


async def test_thirty_payments_at_once_are_all_paid(chain: Chain) -> None:
    receiver = await chain.holder()
    body = {"address": receiver.public_key, "amount": "1"}

    answers = await asyncio.gather(*(chain.faucet(body) for _ in range(30)))

    assert await chain.usdc_of(receiver.public_key) == 30 * UNIT
    assert len({answer["hash"] for answer in answers}) == 30
    assert len({answer["ledger"] for answer in answers}) < 15


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"amount": "0.00000001"}, "at most 7 decimals"),
        ({"amount": "0"}, "greater than zero"),
        ({"amount": "-1"}, "decimal string"),
        ({"amount": "1e3"}, "decimal string"),
        ({"amount": "1."}, "decimal string"),
        ({"amount": " 1"}, "decimal string"),
        ({"amount": "\u0661"}, "decimal string"),
        ({"amount": "922337203685.4775808"}, "more than a ledger can hold"),
        ({"amount": "922337203685.4775807"}, "UNDERFUNDED"),
        ({"amount": 1}, "decimal string"),
        ({"amount": None}, "decimal string"),
        ({"address": "GABC"}, "address must be"),
        ({"address": None}, "address must be"),
        ({"asset": "DOGE"}, "asset must be"),
        ({"asset": ["USDC"]}, "asset must be"),
        ({"memo": "x" * 29}, "memo must be"),
        ({"memo": -1}, "memo must be"),
        ({"reason": "please"}, "unknown field reason"),
        ({"payments": []}, "either payments or"),
    ],
)
async def test_a_wrong_request_is_refused(
    chain: Chain, change: dict[str, Any], problem: str
) -> None:
    receiver = await chain.holder()
    body = {"address": receiver.public_key, "amount": "1"} | change

    answer = await chain.faucet(body, status=400)

    assert problem in answer["detail"]


@pytest.mark.parametrize("payments", [[], "all", [1], [{"address": "GABC", "amount": "1"}]])
async def test_a_wrong_list_of_payments_is_refused(chain: Chain, payments: Any) -> None:
    await chain.faucet({"payments": payments}, status=400)


async def test_an_unknown_account_is_refused(chain: Chain) -> None:
    body = {"address": Keypair.random().public_key, "amount": "1"}

    assert "does not exist" in (await chain.faucet(body, status=400))["detail"]


async def test_an_account_without_trustline_is_refused(chain: Chain) -> None:
    stranger = await chain.funded()

    answer = await chain.faucet({"address": stranger.public_key, "amount": "1"}, status=400)

    assert "does not trust USDC:" in answer["detail"]


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"amount": NaN}'])
async def test_a_body_that_is_not_an_object_is_refused(chain: Chain, raw: bytes) -> None:
    async with chain.http.post(f"{chain.url}/faucet", data=raw) as answer:
        assert answer.status == 400


async def test_friendbot_gives_once(chain: Chain) -> None:
    account = await chain.funded()

    async with chain.http.get(f"{chain.url}/friendbot?addr={account.public_key}") as answer:
        assert answer.status == 400
        assert "already funded" in (await answer.json())["detail"]


async def test_friendbot_fills_up_a_poor_account(chain: Chain) -> None:
    donor, poor = await chain.funded(), Keypair.random()
    await chain.classic(donor, [CreateAccount(poor.public_key, "5")])

    async with chain.http.get(f"{chain.url}/friendbot?addr={poor.public_key}") as answer:
        assert answer.status == 200

    assert (await chain.account(poor.public_key)).balance.int64 == 10_005 * UNIT


async def test_friendbot_needs_an_address(chain: Chain) -> None:
    for query in ("", "?addr=", "?addr=GABC"):
        async with chain.http.get(f"{chain.url}/friendbot{query}") as answer:
            assert answer.status == 400
