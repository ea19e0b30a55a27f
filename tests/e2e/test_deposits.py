"""Deposits over REST: each is credited once, and only genuine deposits are credited."""

import asyncio
import signal
import uuid
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from deploy.local.devnet import network_info
from gateway.keys import KeyStore
from tests.books import assert_sound
from tests.e2e.snapshots import settled
from tests.e2e.streams import reading
from tests.e2e.tenants import Tenant, key_store, tenant
from tests.e2e.test_previews import NOBODY, foretold, preview
from tests.integration.escrow.strangers import Stranger, muxed
from tests.running_stack import RunningStack
from tests.shop import Shop, data_of, error_of, until


@pytest.fixture(scope="module")
async def store(stack: RunningStack) -> AsyncIterator[KeyStore]:
    async with key_store(stack) as opened:
        yield opened


@pytest.fixture(scope="module")
async def own(stack: RunningStack, store: KeyStore) -> Tenant:
    """A marketplace of these tests alone."""
    return await tenant(stack, store)


@pytest.fixture(scope="module")
async def shop(own: Tenant) -> AsyncIterator[Shop]:
    async with own.shop() as opened:
        yield opened


@pytest.fixture(scope="module")
async def stranger(stack: RunningStack) -> Stranger:
    """An unrelated account on the chain with USDC."""
    found = Stranger(network_info(stack.document["devnetUrl"]))
    await found.come(amount="1000.0000000")
    return found


async def address(shop: Shop, user: str) -> str:
    return str((await shop.get(f"/users/{user}/wallet/deposit"))["address"])


async def until_available(shop: Shop, user: str, amount: str) -> None:
    async def there() -> bool:
        return await shop.balance(user) == (amount, "0.00")

    await until(there, what=f"{user} does not have {amount}")


async def entries(shop: Shop, user: str) -> list[dict[str, Any]]:
    """Read a user's statement, oldest first."""
    answer = await shop.client.get(f"/users/{user}/balance/entries", params={"limit": 100})
    found: list[dict[str, Any]] = answer.json()["data"]
    return found[::-1]


async def test_deposit_address_is_the_users_own_wallet(shop: Shop) -> None:
    user = await shop.user()

    found = await shop.get(f"/users/{user}/wallet/deposit")

    wallet = await shop.get(f"/users/{user}/wallet")
    info = network_info(shop.stack.document["devnetUrl"])
    assert found["address"] == wallet["publicKey"]
    assert found["asset"] == {"code": "USDC", "issuer": info["usdcIssuer"]}
    assert (wallet["type"], wallet["balances"]) == (
        "INVISIBLE",
        [{"asset": "USDC", "balance": "0.0000000"}],
    )


async def test_each_payment_of_one_transaction_is_credited(shop: Shop, stranger: Stranger) -> None:
    one, two = await asyncio.gather(shop.user(), shop.user())
    places = [await address(shop, user) for user in (one, two)]

    async with reading(shop.client, types="balance.credited") as reader:
        paid = await stranger.send(
            stranger.payment(places[0], "10"),
            stranger.payment(places[0], "2.5"),
            stranger.payment(places[1], "0.0100000"),
            stranger.payment(places[0], "10"),
        )
        await until_available(shop, one, "22.50")
        await until_available(shop, two, "0.01")
        await reader.until(lambda found: len(found.told) >= 4, what="too little was told")

    statement = await entries(shop, one)
    assert sorted(entry["availableChange"] for entry in statement) == ["10.00", "10.00", "2.50"]
    assert {(entry["code"], entry["transactionHash"]) for entry in statement} == {("DEPOSIT", paid)}
    told = [event.body["payload"] for event in reader.told]
    assert {(event["source"], event["transactionHash"]) for event in told} == {
        ("stellar_deposit", paid)
    }
    assert [event["newBalance"] for event in told if event["userId"] == one][-1] == "22.50"


async def test_other_assets_are_not_credited(shop: Shop, stranger: Stranger) -> None:
    user = await shop.user()
    place = await address(shop, user)

    await stranger.send(stranger.lumens(place, "50"))
    # What came later has been seen, so what came before was passed over.
    await stranger.send(stranger.payment(place, "1"))
    await until_available(shop, user, "1.00")

    assert [entry["availableChange"] for entry in await entries(shop, user)] == ["1.00"]


async def test_our_own_payments_are_not_credited_as_deposits(
    shop: Shop, stranger: Stranger, own: Tenant
) -> None:
    pair = await shop.pair(amount="240.00")
    orders = [await shop.order_in("IN_PROGRESS", pair) for _ in range(2)]
    data_of(await shop.act(orders[0], "release"))
    data_of(await shop.act(orders[1], "refund"))
    disputed = await shop.order_in("DISPUTED", pair)
    dispute = (await shop.get(f"/orders/{disputed}"))["dispute"]["id"]
    split = {"releaseAmount": "30.00", "refundAmount": "50.00"}
    data_of(await shop.resolve(dispute, "SPLIT", **split))
    # Once the watcher has seen this, it has seen the payouts before it.
    for user in (pair.buyer, pair.seller):
        await stranger.send(stranger.payment(await address(shop, user), "1"))

    await until_available(shop, pair.seller, "111.00")
    await until_available(shop, pair.buyer, "131.00")

    assert seen(shop, pair.seller) == [1]
    assert seen(shop, pair.buyer) == [1, 240]
    async with own.operator() as operator:
        await assert_sound(operator)


def seen(shop: Shop, user: str) -> list[int]:
    """Read the deposits that the watcher has published for a user, in whole units, sorted."""
    statement = """
        select d.minor_units / 10000000 from escrow.deposits d
        join escrow.wallets w on w.id = d.wallet_id where w.user_public_id = %s order by 1
    """
    with psycopg.connect(str(shop.stack.document["databaseUrl"])) as connection:
        return [int(row[0]) for row in connection.execute(statement, (user,)).fetchall()]


async def test_deposit_during_an_escrow_outage_is_credited_once_afterwards(
    shop: Shop, stranger: Stranger
) -> None:
    user = await shop.user()
    place, logged = await address(shop, user), len(shop.stack.process.log())
    # Stopped first, so that nothing of it sees the payments before it is killed.
    shop.stack.signal("escrow", signal.SIGSTOP)
    for amount in ("3", "4"):
        await stranger.send(stranger.payment(place, amount))
    assert await shop.balance(user) == ("0.00", "0.00")

    shop.stack.kill("escrow")
    await asyncio.to_thread(shop.stack.wait_until_back, "escrow", since=logged)
    await stranger.send(stranger.payment(place, "5"))

    await until_available(shop, user, "12.00")
    changes = [entry["availableChange"] for entry in await entries(shop, user)]
    assert changes == ["3.00", "4.00", "5.00"]


@pytest.mark.parametrize("how", ["a muxed address", "a memo"])
async def test_payment_with_a_memo_or_muxed_address_is_credited(
    stack: RunningStack, store: KeyStore, stranger: Stranger, how: str
) -> None:
    other = await tenant(stack, store)
    async with other.shop() as shop:
        user = await shop.user()
        place = await address(shop, user)
        to, memo = (muxed(place, 7), "") if how == "a muxed address" else (place, "order 7")

        await stranger.send(stranger.payment(to, "10"), memo=memo)

        await until_available(shop, user, "10.00")
        assert [entry["availableChange"] for entry in await entries(shop, user)] == ["10.00"]
        wallet = await shop.get(f"/users/{user}/wallet")
    assert wallet["balances"] == [{"asset": "USDC", "balance": "10.0000000"}]


async def test_manual_credit_is_refused_unless_the_marketplace_allows_it(
    stack: RunningStack, store: KeyStore
) -> None:
    other = await tenant(stack, store)
    async with other.shop() as shop:
        user = await shop.user()
        refused = await credit(shop, user, "5.00", reference="gift-1")
        assert error_of(refused, status=409)["code"] == "MANUAL_CREDIT_DISABLED"
        assert await shop.balance(user) == ("0.00", "0.00")

        other.allow_credits()

        data_of(await credit(shop, user, "5.00", reference="gift-1"), status=201)
        assert await shop.balance(user) == ("5.00", "0.00")


async def test_manual_credit_is_paid_on_chain_and_booked_once_per_reference(
    shop: Shop, own: Tenant
) -> None:
    own.allow_credits()
    user, reference = await shop.user(), str(uuid.uuid4())

    async with reading(shop.client, types="balance.credited") as reader:
        first = data_of(await credit(shop, user, "12.34", reference=reference), status=201)
        again = data_of(await credit(shop, user, "12.34", reference=reference), status=201)
        await reader.until(lambda found: bool(found.told), what="the credit was not told")
    other = await credit(shop, user, "1.00", reference=reference)

    assert again == first
    assert (first["status"], first["amount"]) == ("SUCCEEDED", "12.34")
    assert error_of(other, status=409)["code"] == "REFERENCE_TAKEN"
    assert await shop.balance(user) == ("12.34", "0.00")
    wallet = await shop.get(f"/users/{user}/wallet")
    assert wallet["balances"] == [{"asset": "USDC", "balance": "12.3400000"}]
    assert [entry["transactionHash"] for entry in await entries(shop, user)] == [
        first["transactionHash"]
    ]
    payload = reader.told[0].body["payload"]
    assert (payload["source"], payload["amount"]) == ("manual_credit", "12.34")
    async with own.operator() as operator:
        await assert_sound(operator)


async def test_credit_does_what_its_preview_says(shop: Shop, own: Tenant) -> None:
    own.allow_credits()
    user = await shop.user()
    path = f"/users/{user}/balance/credit"
    body = {"amount": "3.00", "reference": str(uuid.uuid4())}
    before = await settled(shop.stack, but_for=NOBODY)

    found = await preview(shop, path, body)
    poor = await shop.post(path, {**body, "amount": "900000000.00"}, Prefer="dry-run")

    assert await settled(shop.stack, but_for=NOBODY) == before
    assert found["credit"] == {
        "id": None,
        "status": "SUCCEEDED",
        "amount": "3.00",
        "reference": body["reference"],
    }
    assert found["order"] is found["withdrawal"] is None
    assert foretold(found, "before") == {user: ("0.00", "0.00")}
    assert found["chainSteps"] == ["payment"]
    assert error_of(poor, status=422)["code"] == "INSUFFICIENT_FUNDS"
    made = data_of(await shop.post(path, body), status=201)
    assert await shop.balance(user) == foretold(found, "after")[user] == ("3.00", "0.00")

    again = await preview(shop, path, body)
    other = await shop.post(path, {**body, "amount": "4.00"}, Prefer="dry-run")

    assert again["credit"]["id"] == made["id"]
    assert again["chainSteps"] == []
    assert foretold(again, "after") == foretold(again, "before") == {user: ("3.00", "0.00")}
    assert error_of(other, status=409)["code"] == "REFERENCE_TAKEN"


async def credit(shop: Shop, user: str, amount: str, *, reference: str) -> Any:
    body = {"amount": amount, "reference": reference, "description": "Welcome"}
    return await shop.post(f"/users/{user}/balance/credit", body)


async def test_credit_beyond_the_platforms_money_is_refused_and_frees_its_reference(
    shop: Shop, own: Tenant
) -> None:
    own.allow_credits()
    user = await shop.user()

    error = error_of(await credit(shop, user, "99999999999.00", reference="big"), status=422)

    assert error["code"] == "INSUFFICIENT_FUNDS"
    assert (error["details"]["requested"], error["details"]["currency"]) == (
        "99999999999.00",
        "USDC",
    )
    data_of(await credit(shop, user, "1.00", reference="big"), status=201)
    assert await shop.balance(user) == ("1.00", "0.00")
