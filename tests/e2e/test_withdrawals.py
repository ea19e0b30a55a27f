"""Withdrawals over REST: the money is on chain at the address outside, and the books say so."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from orchestrator.escrow.v1.escrow_pb2 import FLOW_PAYMENTS, ResumeFlowRequest, StopFlowRequest
from stellar_sdk import Keypair, TextMemo, TransactionEnvelope
from stellar_sdk.operation import ChangeTrust, ManageData, SetTrustLineFlags
from stellar_sdk.operation.set_trust_line_flags import TrustLineFlags
from stellar_sdk.soroban_server import SorobanServer

from deploy.local.demo.chain import Chain
from deploy.local.devnet import network_info
from deploy.operator.client import Operator
from devnet.network.identity import Identity
from kernel.ids import to_public
from kernel.money import UNIT
from tests.books import assert_sound
from tests.e2e.tenants import Tenant, key_store, tenant
from tests.integration.escrow.strangers import Stranger, muxed
from tests.outboxes import kept
from tests.running_stack import RunningStack
from tests.shop import Shop, data_of, error_of, until

Body = dict[str, Any]


@pytest.fixture(scope="module")
async def own(stack: RunningStack) -> AsyncIterator[Tenant]:
    """A marketplace of these tests alone."""
    async with key_store(stack) as store:
        yield await tenant(stack, store)


@pytest.fixture(scope="module")
async def shop(own: Tenant) -> AsyncIterator[Shop]:
    async with own.shop() as opened:
        yield opened


@pytest.fixture(scope="module")
async def operator(own: Tenant) -> AsyncIterator[Operator]:
    async with own.operator() as opened:
        yield opened


@pytest.fixture(scope="module")
async def chain(stack: RunningStack) -> AsyncIterator[Chain]:
    async with Chain.of(stack.document) as opened:
        yield opened


@pytest.fixture
async def outside(stack: RunningStack) -> Stranger:
    """A new account outside, with 1.00."""
    found = Stranger(network_info(stack.document["devnetUrl"]))
    await found.come(amount="1.0000000")
    return found


async def rich(shop: Shop, amount: str = "100.00") -> str:
    user = await shop.user()
    await shop.give(user, amount)
    return user


def asked(user: str, address: str, **changes: Any) -> Body:
    return {"userId": user, "amount": "30.00", "destination": address, **changes}


async def ended(shop: Shop, withdrawal: str) -> Body:
    """Wait until a withdrawal has ended; returns it."""
    found: Body = {}

    async def is_over() -> bool:
        found.update(await shop.get(f"/withdrawals/{withdrawal}"))
        return found["finishedAt"] is not None

    await until(is_over, what=f"{withdrawal} did not end")
    return found


async def test_committed_withdrawal_is_on_chain_at_the_address_outside(
    shop: Shop, chain: Chain, operator: Operator, outside: Stranger
) -> None:
    user = await rich(shop)

    made = data_of(await shop.post("/withdrawals", asked(user, outside.address)), status=201)
    assert (made["status"], made["inProgress"], made["transactionHash"]) == ("CREATED", False, None)
    assert await shop.balance(user) == ("100.00", "0.00")
    paid = data_of(await shop.post(f"/withdrawals/{made['id']}/commit"), status=200)

    assert (paid["status"], paid["inProgress"]) == ("COMPLETED", False)
    assert len(paid["transactionHash"]) == 64
    assert await shop.balance(user) == ("70.00", "0.00")
    assert await chain.account_balance(outside.address) == 31 * UNIT
    assert await shop.get(f"/withdrawals/{made['id']}") == paid
    await assert_sound(operator)


async def test_withdrawal_is_committed_as_it_is_created_and_named_by_its_memo(
    shop: Shop, stack: RunningStack, chain: Chain, outside: Stranger
) -> None:
    user = await rich(shop)
    body = asked(user, outside.address, memo="account 7", reference="payout-7", commit=True)

    first = await shop.post("/withdrawals", body, key="created-and-committed")
    again = await shop.post("/withdrawals", body, key="created-and-committed")

    paid = data_of(first, status=201)
    assert (paid["status"], paid["memo"], paid["memoType"]) == ("COMPLETED", "account 7", "TEXT")
    assert (again.text, again.headers["Idempotent-Replayed"]) == (first.text, "true")
    assert await chain.account_balance(outside.address) == 31 * UNIT
    with SorobanServer(str(stack.document["rpcUrl"])) as rpc:
        landed = rpc.get_transaction(paid["transactionHash"])
    passphrase = str(stack.document["networkPassphrase"])
    sent = TransactionEnvelope.from_xdr(landed.envelope_xdr or "", passphrase).transaction
    assert sent.memo == TextMemo("account 7")
    found = (await shop.client.get("/withdrawals", params={"reference": "payout-7"})).json()
    assert [one["id"] for one in found["data"]] == [paid["id"]]


async def test_somebody_behind_an_account_is_paid_by_their_muxed_address(
    shop: Shop, chain: Chain, operator: Operator, outside: Stranger
) -> None:
    user = await rich(shop)

    body = asked(user, muxed(outside.address, 7), commit=True)
    paid = data_of(await shop.post("/withdrawals", body), status=201)

    assert (paid["status"], paid["destination"]) == ("COMPLETED", muxed(outside.address, 7))
    assert await chain.account_balance(outside.address) == 31 * UNIT
    await assert_sound(operator)


async def test_events_tell_the_life_of_a_withdrawal(
    shop: Shop, outside: Stranger, stack: RunningStack
) -> None:
    user = await rich(shop)
    made = data_of(await shop.post("/withdrawals", asked(user, outside.address)), status=201)
    paid = data_of(await shop.post(f"/withdrawals/{made['id']}/commit"))
    other = data_of(await shop.post("/withdrawals", asked(user, outside.address)), status=201)
    canceled = data_of(await shop.post(f"/withdrawals/{other['id']}/cancel"))

    assert canceled["status"] == "CANCELED"
    url = str(stack.document["databaseUrl"])
    events = kept(url, "orders", "aggregate_id in (%s, %s)", made["id"], other["id"])
    [debited] = kept(url, "ledger", "event_type = 'balance.debited' and aggregate_id = %s", user)
    kinds = ["created", "pending", "completed", "created", "canceled"]
    assert [event["eventType"] for event in events] == [f"withdrawal.{kind}" for kind in kinds]
    assert events[2]["payload"]["transactionHash"] == paid["transactionHash"]
    assert debited["payload"]["destination"] == "withdrawal"
    assert debited["payload"]["amount"] == "30.00"


async def destinations(stack: RunningStack, shop: Shop, user: str) -> dict[str, str]:
    """Return an address for each reason that needs no account of its own."""
    info = network_info(stack.document["devnetUrl"])
    own = (await shop.get(f"/users/{user}/wallet"))["publicKey"]
    other = (await shop.get(f"/users/{await shop.user()}/wallet"))["publicKey"]
    with psycopg.connect(str(stack.document["databaseUrl"])) as connection:
        [(platform,)] = connection.execute("select address from escrow.platform").fetchall()
        [(channel,), *_] = connection.execute("select address from escrow.channels").fetchall()
    return {
        own: "OWN_ADDRESS",
        muxed(own, 7): "OWN_ADDRESS",
        other: "OUR_WALLET",
        muxed(other, 7): "OUR_WALLET",
        platform: "OUR_PLATFORM",
        channel: "OUR_PLATFORM",
        info["usdcIssuer"]: "ASSET_ISSUER",
        info["assetContractId"]: "CONTRACT",
        info["factoryId"]: "CONTRACT",
        own[:-1]: "MALFORMED",
        "alice": "MALFORMED",
        Keypair.random().secret: "MALFORMED",
        Keypair.random().public_key: "ACCOUNT_MISSING",
        muxed(Keypair.random().public_key, 7): "ACCOUNT_MISSING",
    }


async def test_address_that_is_ours_or_no_account_is_refused_and_nothing_is_held(
    shop: Shop, stack: RunningStack
) -> None:
    user = await rich(shop)
    wrong = await destinations(stack, shop, user)

    for address, why in wrong.items():
        answer = await shop.post("/withdrawals", asked(user, address, commit=True))
        error = error_of(answer, status=422)
        assert error["code"] == "WITHDRAWAL_DESTINATION_INVALID"
        assert error["details"] == {"why": why, "destination": address}

    assert await shop.balance(user) == ("100.00", "0.00")
    found = (await shop.client.get("/withdrawals", params={"userId": user})).json()
    assert found["data"] == []


async def test_account_that_cannot_receive_the_amount_is_refused_and_nothing_is_held(
    shop: Shop, stack: RunningStack, outside: Stranger
) -> None:
    user = await rich(shop)
    info = network_info(stack.document["devnetUrl"])
    bare, full, frozen, strict = (Stranger(info) for _ in range(4))
    await asyncio.gather(*(one.come(amount="1.0000000") for one in (full, frozen, strict)))
    await outside.make_account(bare.address, lumens="10")
    await full.send(ChangeTrust(full.asset, "30.9999999"))
    await issuer_of(info).send(freezing(frozen))
    await strict.send(ManageData("config.memo_required", "1"))
    wrong = {
        bare.address: "NO_TRUSTLINE",
        full.address: "TRUSTLINE_FULL",
        frozen.address: "TRUSTLINE_NOT_AUTHORIZED",
        strict.address: "MEMO_REQUIRED",
    }

    for address, why in wrong.items():
        answer = await shop.post("/withdrawals", asked(user, address, commit=True))
        assert error_of(answer, status=422)["details"]["why"] == why
    both = asked(user, muxed(outside.address, 7), memo="7", commit=True)
    answer = await shop.post("/withdrawals", both)
    assert error_of(answer, status=422)["details"]["why"] == "MUXED_WITH_MEMO"

    assert await shop.balance(user) == ("100.00", "0.00")
    for body in (
        asked(user, full.address, amount="29.99", commit=True),
        asked(user, strict.address, memo="7", commit=True),
        asked(user, muxed(strict.address, 7), amount="1.00", commit=True),
    ):
        paid = data_of(await shop.post("/withdrawals", body), status=201)
        assert paid["status"] == "COMPLETED"


async def test_line_frozen_between_hold_and_signature_fails_the_withdrawal(
    shop: Shop, stack: RunningStack, chain: Chain, operator: Operator, outside: Stranger
) -> None:
    user = await rich(shop)
    info = network_info(stack.document["devnetUrl"])
    why: Body = {"reason": "A test", "flow": FLOW_PAYMENTS}
    await operator.flows(StopFlowRequest(**why))
    body = asked(user, outside.address, commit=True)
    begun = data_of(await shop.post("/withdrawals", body, Prefer="wait=0"), status=202)

    async def is_held() -> bool:
        return await shop.balance(user) == ("70.00", "30.00")

    await until(is_held, what="the amount was not held")
    assert error_of(await shop.post(f"/withdrawals/{begun['id']}/cancel"), status=409)
    await issuer_of(info).send(freezing(outside))
    await operator.flows(ResumeFlowRequest(**why))
    failed = await ended(shop, begun["id"])

    assert failed["status"] == "FAILED"
    assert failed["failure"]["reason"] == "TRUSTLINE_NOT_AUTHORIZED"
    assert await shop.balance(user) == ("100.00", "0.00")
    assert await chain.account_balance(outside.address) == UNIT
    await assert_sound(operator)


async def test_more_than_is_available_is_refused_and_the_withdrawal_stays_created(
    shop: Shop, outside: Stranger
) -> None:
    user = await rich(shop, "20.00")

    answer = await shop.post("/withdrawals", asked(user, outside.address, commit=True))

    error = error_of(answer, status=422)
    assert error["code"] == "INSUFFICIENT_FUNDS"
    details = error["details"]
    assert (details["available"], details["requested"]) == ("20.00", "30.00")
    assert await shop.balance(user) == ("20.00", "0.00")
    await shop.give(user, "20.00")
    paid = data_of(await shop.post(f"/withdrawals/{details['withdrawalId']}/commit"))
    assert (paid["status"], await shop.balance(user)) == ("COMPLETED", ("10.00", "0.00"))


async def test_withdrawal_and_reservation_of_the_same_money_exclude_each_other(
    shop: Shop, operator: Operator, outside: Stranger
) -> None:
    for _ in range(5):
        pair = await shop.pair(amount="80.00")
        order_id = await shop.order(pair)
        body = asked(pair.buyer, outside.address, amount="80.00", commit=True)

        taken, reserved = await asyncio.gather(
            shop.post("/withdrawals", body), shop.act(order_id, "reserve")
        )

        loser = taken if reserved.is_success else reserved
        assert {taken.is_success, reserved.is_success} == {True, False}
        assert error_of(loser, status=422)["code"] == "INSUFFICIENT_FUNDS"
        left = ("0.00", "80.00") if reserved.is_success else ("0.00", "0.00")
        assert await shop.balance(pair.buyer) == left
    await assert_sound(operator)


async def test_wrong_memo_and_wrong_ids_are_refused(shop: Shop, outside: Stranger) -> None:
    user = await rich(shop)
    for kind, memo in (("TEXT", "x" * 29), ("ID", "seven"), ("HASH", "ab")):
        body = asked(user, outside.address, memo=memo, memoType=kind)
        error = error_of(await shop.post("/withdrawals", body), status=400)
        assert [one["field"] for one in error["details"]["fields"]] == ["memo"]
    for path in ("", "/commit", "/cancel"):
        unknown = f"/withdrawals/{to_public('wd', uuid.uuid4())}{path}"
        answer = await (shop.post(unknown) if path else shop.client.get(unknown))
        assert error_of(answer, status=404)["code"] == "WITHDRAWAL_NOT_FOUND"


@pytest.mark.slow
@pytest.mark.parametrize("part", ["orders", "escrow", "ledger"])
async def test_killed_program_pays_a_withdrawal_once(
    shop: Shop,
    stack: RunningStack,
    chain: Chain,
    operator: Operator,
    outside: Stranger,
    part: str,
) -> None:
    user = await rich(shop)
    body = asked(user, outside.address, amount="10.00", commit=True)
    since = len(stack.process.log())

    begun = [
        data_of(await shop.post("/withdrawals", body, Prefer="wait=0"), status=202)
        for _ in range(5)
    ]
    stack.kill(part)
    stack.wait_until_back(part, since=since)

    for one in begun:
        assert (await ended(shop, one["id"]))["status"] == "COMPLETED"
    assert await shop.balance(user) == ("50.00", "0.00")
    assert await chain.account_balance(outside.address) == 51 * UNIT
    await assert_sound(operator)


def issuer_of(info: Body) -> Stranger:
    """Return the asset's issuer, who has their key from the network's passphrase."""
    found = Stranger(info)
    found._key = Identity(info["networkPassphrase"]).keypair("usdc-issuer")
    found.address = found._key.public_key
    return found


def freezing(holder: Stranger) -> SetTrustLineFlags:
    """Return what takes the right to receive the asset from a holder."""
    return SetTrustLineFlags(
        trustor=holder.address,
        asset=holder.asset,
        clear_flags=TrustLineFlags.AUTHORIZED_FLAG,
    )
