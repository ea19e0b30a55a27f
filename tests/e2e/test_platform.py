"""The platform's own money over REST: seen and withdrawn by an admin key alone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from deploy.local.demo.chain import Chain
from deploy.local.devnet import network_info
from deploy.operator.client import Operator
from kernel.money import CENT, UNIT
from tests.books import assert_sound
from tests.e2e.tenants import Tenant, a_withdrawal, client_of, earn, key_store, tenant
from tests.integration.escrow.strangers import Stranger
from tests.people import answer_of, pair
from tests.running_stack import RunningStack
from tests.shop import Shop, data_of, error_of

PATH = "/platform/withdrawals"


@pytest.fixture(scope="module")
async def own(stack: RunningStack) -> AsyncIterator[Tenant]:
    """A marketplace of these tests alone."""
    async with key_store(stack) as store:
        yield await tenant(stack, store)


@pytest.fixture(scope="module")
async def market(own: Tenant) -> AsyncIterator[Shop]:
    """Its backend, with every scope."""
    async with own.shop() as opened:
        yield opened


@pytest.fixture
async def outside(stack: RunningStack) -> Stranger:
    """A new account outside, with 1.00."""
    found = Stranger(network_info(stack.document["devnetUrl"]))
    await found.come(amount="1.0000000")
    return found


def asked(outside: Stranger, **changes: Any) -> dict[str, Any]:
    return {"amount": "5.00", "destination": outside.address, "commit": True, **changes}


async def test_fee_of_an_order_is_earned_seen_and_withdrawn(
    shop: Shop, stack: RunningStack, operator: Operator, outside: Stranger
) -> None:
    before = await shop.get("/platform/balance")
    async with contextlib.AsyncExitStack() as opened:
        chain = await opened.enter_async_context(Chain.of(stack.document))
        buyer, business = await pair(opened, shop, amount="150.00")
        order = await buyer.order(business)
        answer_of(await buyer.act(order, "pay"))
        answer_of(await buyer.act(order, "confirm"))
        await shop.quiet(order)
        earned = await shop.get("/platform/balance")
        lines = (await shop.client.get("/platform/entries", params={"limit": 2})).json()

        paid = data_of(await shop.post(PATH, asked(outside)), status=201)

        after = await shop.get("/platform/balance")
        assert moved(before, earned) == ("15.00", "0.45", "0.00")
        assert [(one["account"], one["change"]) for one in lines["data"]] == [
            ("FEES_BORNE", "-0.45"),
            ("FEES_EARNED", "15.00"),
        ]
        assert (paid["status"], "userId" in paid) == ("COMPLETED", False)
        assert moved(earned, after) == ("0.00", "0.00", "5.00")
        assert await chain.account_balance(outside.address) == 6 * UNIT
        newest = (await shop.client.get("/platform/entries", params={"limit": 1})).json()["data"]
        assert [(one["code"], one["change"]) for one in newest] == [("WITHDRAWAL", "-5.00")]
        assert newest[0]["transactionHash"] == paid["transactionHash"]
        assert newest[0]["reason"] == paid["id"]
    await assert_sound(operator)


def moved(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, ...]:
    """Return what was earned, borne and withdrawn meanwhile."""
    names = ("feesEarned", "feesBorne", "feesWithdrawn")
    return tuple(f"{Decimal(after[name]) - Decimal(before[name]):.2f}" for name in names)


async def test_no_more_than_the_fees_is_withdrawn_and_users_money_stays(
    market: Shop, own: Tenant, outside: Stranger
) -> None:
    user = await market.user()
    await market.give(user, "100.00")
    await earn(market, minor_units=300 * CENT)

    refusal = await market.post(PATH, asked(outside))

    error = error_of(refusal, status=422)
    assert error["code"] == "INSUFFICIENT_FUNDS"
    details = error["details"]
    assert (details["available"], details["requested"]) == ("3.00", "5.00")
    assert "deposit" not in details
    found = await market.get(f"{PATH}/{details['withdrawalId']}")
    assert (found["status"], found["inProgress"]) == ("CREATED", False)
    assert await market.balance(user) == ("100.00", "0.00")
    await earn(market, minor_units=200 * CENT)
    paid = data_of(await market.post(f"{PATH}/{found['id']}/commit"))
    assert paid["status"] == "COMPLETED"
    async with own.operator() as operator:
        await assert_sound(operator)


async def test_preview_of_a_withdrawal_of_fees_changes_nothing(
    market: Shop, outside: Stranger
) -> None:
    await earn(market, minor_units=500 * CENT)
    before = await market.get("/platform/balance")
    listed = await market.get(PATH)

    found = data_of(await market.post(PATH, asked(outside), Prefer="dry-run"), status=200)
    more = {"amount": str(Decimal(before["available"]) + 1)}
    refusal = await market.post(PATH, asked(outside, **more), Prefer="dry-run")

    assert (found["dryRun"], found["balances"]) == (True, [])
    assert (found["withdrawal"]["id"], found["withdrawal"]["status"]) == (None, "COMPLETED")
    assert found["chainSteps"]
    assert error_of(refusal, status=422)["code"] == "INSUFFICIENT_FUNDS"
    assert await market.get("/platform/balance") == before
    assert await market.get(PATH) == listed
    paid = data_of(await market.post(PATH, asked(outside)), status=201)
    assert paid["status"] == found["withdrawal"]["status"]


async def test_one_of_many_withdrawals_of_all_fees_at_once_is_paid(
    market: Shop, own: Tenant, stack: RunningStack, outside: Stranger
) -> None:
    for _ in range(3):
        await earn(market, minor_units=500 * CENT)

        answers = await asyncio.gather(*(market.post(PATH, asked(outside)) for _ in range(4)))

        assert sorted(one.status_code for one in answers) == [201, 422, 422, 422]
    async with Chain.of(stack.document) as chain:
        assert await chain.account_balance(outside.address) == 16 * UNIT
    async with own.operator() as operator:
        await assert_sound(operator)


async def test_keys_without_the_admin_scope_reach_nothing_of_it(
    market: Shop, own: Tenant, outside: Stranger
) -> None:
    made = data_of(await market.post(PATH, asked(outside, commit=False)), status=201)
    one = f"{PATH}/{made['id']}"
    async with client_of(own.stack, await own.key("read", "write", "support")) as lesser:
        for path in ("/platform/balance", "/platform/entries", PATH, one):
            assert error_of(await lesser.get(path), status=403)["code"] == "INSUFFICIENT_SCOPE"
        for path in (PATH, f"{one}/commit", f"{one}/approve", f"{one}/cancel"):
            answer = await lesser.post(path, json=asked(outside) if path == PATH else None)
            assert error_of(answer, status=403)["code"] == "INSUFFICIENT_SCOPE"
        # The routes of users' withdrawals do not know it.
        plain = f"/withdrawals/{made['id']}"
        for answer in (
            await lesser.get(plain),
            await lesser.post(f"{plain}/commit"),
            await lesser.post(f"{plain}/approve"),
            await lesser.post(f"{plain}/cancel"),
        ):
            assert error_of(answer, status=404)["code"] == "WITHDRAWAL_NOT_FOUND"
        listed = (await lesser.get("/withdrawals", params={"limit": 100})).json()["data"]
        assert made["id"] not in {found["id"] for found in listed}

    users = await a_withdrawal(market, await market.user())
    assert error_of(await market.client.get(f"{PATH}/{users}"), status=404)
    assert (await market.get(one))["status"] == "CREATED"
    assert data_of(await market.post(f"{one}/cancel"))["status"] == "CANCELED"
