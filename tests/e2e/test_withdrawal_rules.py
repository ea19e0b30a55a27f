"""Rules for withdrawals over REST: chosen by an operator, shown, held to, and off again."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from deploy.local.devnet import network_info
from deploy.local.process import Command, python_module, run
from deploy.local.settings import ROOT, child_environment
from tests.books import assert_sound
from tests.e2e.tenants import Tenant, client_of, key_store, tenant
from tests.integration.escrow.strangers import Stranger
from tests.integration.escrow.world import post
from tests.running_stack import RunningStack
from tests.shop import Shop, data_of, error_of, until

OFF = {
    "least": None,
    "most": None,
    "mostPerDay": None,
    "destinations": None,
    "newDestinationHours": None,
    "approvalAbove": None,
    "approvalHours": 72,
}


@pytest.fixture
async def own(stack: RunningStack) -> AsyncIterator[Tenant]:
    """A test marketplace of one test alone."""
    async with key_store(stack) as store:
        yield await tenant(stack, store, environment="test")


@pytest.fixture
async def shop(own: Tenant) -> AsyncIterator[Shop]:
    async with own.shop() as opened:
        yield opened


@pytest.fixture
async def outside(stack: RunningStack) -> Stranger:
    """A new account outside."""
    found = Stranger(network_info(stack.document["devnetUrl"]))
    await found.come(amount="1.0000000")
    return found


async def choose(own: Tenant, **rules: object) -> None:
    """Change settings as an operator does, with the options of `make marketplace`."""
    options = [(f"--{name.replace('_', '-')}", str(value)) for name, value in rules.items()]
    named = ("--marketplace", f"{own.name}:{own.environment}")
    command = Command(
        name="marketplace",
        argv=python_module("deploy.operator", "choose", *named, *itertools.chain(*options)),
        environment=child_environment(RUN_DIR=str(own.stack.run_dir)),
        folder=ROOT,
    )
    await asyncio.to_thread(run, command, log_path=own.stack.run_dir / "chosen-rules.log")


def refused(answer: httpx.Response, code: str, *, status: int = 422) -> dict[str, Any]:
    """Check a refusal; returns its details."""
    error = error_of(answer, status=status)
    assert error["code"] == code
    details: dict[str, Any] = error["details"]
    return details


async def test_every_rule_is_off_until_an_operator_chooses_it(
    own: Tenant, shop: Shop, outside: Stranger
) -> None:
    before = await shop.get("/marketplace")
    await choose(
        own,
        withdrawal_least="2.00",
        withdrawal_most="50.00",
        withdrawal_most_per_day="60.00",
        withdrawal_destinations=outside.address,
        new_destination_hours=24,
        approval_above="40.00",
        approval_hours=12,
    )
    chosen = await shop.get("/marketplace")
    await choose(
        own,
        withdrawal_least="off",
        withdrawal_most="off",
        withdrawal_most_per_day="off",
        withdrawal_destinations="off",
        new_destination_hours="off",
        approval_above="off",
        approval_hours=72,
    )

    assert before["withdrawals"] == OFF
    assert chosen["withdrawals"] == {
        "least": "2.00",
        "most": "50.00",
        "mostPerDay": "60.00",
        "destinations": [outside.address],
        "newDestinationHours": 24,
        "approvalAbove": "40.00",
        "approvalHours": 12,
    }
    assert (await shop.get("/marketplace"))["withdrawals"] == OFF


async def test_each_rule_refuses_with_its_name_and_its_value(
    own: Tenant, shop: Shop, outside: Stranger
) -> None:
    user = await shop.user()
    await shop.give(user, "100.00")
    body = {"userId": user, "amount": "30.00", "destination": outside.address, "commit": True}

    await choose(own, withdrawal_least="30.01")
    found = refused(await shop.post("/withdrawals", body), "WITHDRAWAL_AMOUNT_NOT_ALLOWED")
    assert found == {"rule": "least", "value": "30.01"}
    await choose(own, withdrawal_least="off", withdrawal_most="29.99")
    found = refused(await shop.post("/withdrawals", body), "WITHDRAWAL_AMOUNT_NOT_ALLOWED")
    assert found == {"rule": "most", "value": "29.99"}
    await choose(own, withdrawal_most="off", withdrawal_destinations="G" + "A" * 55)
    answer = await shop.post("/withdrawals", body)
    found = refused(answer, "WITHDRAWAL_DESTINATION_NOT_LISTED")
    assert (found["rule"], found["value"]) == ("destinations", ["G" + "A" * 55])
    await choose(own, withdrawal_destinations="off", withdrawal_most_per_day="59.99")
    assert data_of(await shop.post("/withdrawals", body), status=201)["status"] == "COMPLETED"
    answer = await shop.post("/withdrawals", body)
    found = refused(answer, "WITHDRAWAL_DAILY_LIMIT_EXCEEDED")
    assert (found["rule"], found["value"], found["counted"]) == ("mostPerDay", "59.99", "30.00")

    data_of(await shop.post("/test/clock", {"advance": "24h"}))
    assert data_of(await shop.post("/withdrawals", body), status=201)["status"] == "COMPLETED"
    assert await shop.balance(user) == ("40.00", "0.00")


async def test_new_destination_is_paid_when_its_hours_have_passed(
    own: Tenant, shop: Shop, outside: Stranger
) -> None:
    user = await shop.user()
    await shop.give(user, "30.00")
    await choose(own, new_destination_hours=48)
    body = {"userId": user, "amount": "30.00", "destination": outside.address}
    made = data_of(await shop.post("/withdrawals", body), status=201)

    answer = await shop.post(f"/withdrawals/{made['id']}/commit")
    found = refused(answer, "WITHDRAWAL_DESTINATION_TOO_NEW")
    assert (found["rule"], found["value"]) == ("newDestinationHours", 48)
    data_of(await shop.post("/test/clock", {"advance": "48h"}))
    paid = data_of(await shop.post(f"/withdrawals/{made['id']}/commit"))

    assert paid["status"] == "COMPLETED"


async def test_second_key_approves_what_the_first_has_committed(
    own: Tenant, shop: Shop, outside: Stranger, stack: RunningStack
) -> None:
    user = await shop.user()
    await shop.give(user, "30.00")
    await choose(own, approval_above="29.99", approval_hours=2)
    body = {"userId": user, "amount": "30.00", "destination": outside.address, "commit": True}

    made = data_of(await shop.post("/withdrawals", body), status=201)
    path = f"/withdrawals/{made['id']}/approve"
    assert (made["status"], made["inProgress"]) == ("AWAITING_APPROVAL", False)
    assert made["approvalEndsAt"] is not None
    assert await shop.balance(user) == ("30.00", "0.00")
    found = refused(await shop.post(path), "WITHDRAWAL_APPROVAL_IS_OWN", status=403)
    assert (found["rule"], found["value"]) == ("approvalAbove", "29.99")
    listed = await shop.client.get("/withdrawals", params={"status": "AWAITING_APPROVAL"})
    assert [one["id"] for one in listed.json()["data"]] == [made["id"]]
    async with client_of(stack, await own.key("read", "write")) as other:
        paid = data_of(await other.post(path))
        again = await other.post(path)

    assert paid["status"] == "COMPLETED"
    assert paid["createdBy"] == paid["committedBy"] != paid["approvedBy"]
    refused(again, "WITHDRAWAL_NOT_APPROVABLE", status=409)
    async with own.operator() as operator:
        await assert_sound(operator)


async def test_marketplace_redirects_a_payout_by_the_rules_for_withdrawals(
    own: Tenant, shop: Shop, outside: Stranger, stack: RunningStack
) -> None:
    pair = await shop.pair(amount="80.00")
    order_id = await shop.order_in("IN_PROGRESS", pair)
    wallet = (await shop.get(f"/users/{pair.seller}/wallet/deposit"))["address"]
    path = f"/orders/{order_id}/redirect-payout"
    body = {"party": "SELLER", "address": outside.address, "reason": "The issuer froze the wallet"}

    assert (await shop.get("/marketplace"))["payoutRedirects"] == "OPERATOR"
    refused(await shop.post(path, body), "PAYOUT_REDIRECT_NOT_ALLOWED", status=403)
    await choose(own, payout_redirects="marketplace", withdrawal_destinations="G" + "A" * 55)
    assert (await shop.get("/marketplace"))["payoutRedirects"] == "MARKETPLACE"
    refused(await shop.post(path, body), "WITHDRAWAL_DESTINATION_NOT_LISTED")
    await choose(own, withdrawal_destinations="off", new_destination_hours=24)
    refused(await shop.post(path, body), "WITHDRAWAL_DESTINATION_TOO_NEW")
    named = {"userId": pair.seller, "amount": "1.00", "destination": outside.address}
    data_of(await shop.post("/withdrawals", named), status=201)
    data_of(await shop.post("/test/clock", {"advance": "24h"}))
    await choose(own, approval_above="79.99")
    refused(await shop.post(path, body), "PAYEE_CAN_RECEIVE", status=409)

    frozen = {"action": "freeze", "address": wallet}
    await asyncio.to_thread(post, f"{stack.document['devnetUrl']}/issuer", frozen)
    release = f"/orders/{order_id}/resolution/release"
    await shop.post(release, {"requestedBy": "BUYER"}, Prefer="respond-async")
    proposed = data_of(await shop.post(path, body))
    again = data_of(await shop.post(path, body))
    approved: list[dict[str, Any]] = []
    async with client_of(stack, await own.key("read", "write")) as other:

        async def is_approved() -> bool:
            # Until then the release is in progress, and not yet known to be refused.
            answer = await other.post(path, json=body)
            approved.extend([data_of(answer)] if answer.is_success else [])
            return answer.is_success

        await until(is_approved, what="the second key could not approve")
    await shop.quiet(order_id)
    data_of(await shop.post(release, {"requestedBy": "BUYER"}))
    await shop.quiet(order_id)

    assert (proposed["status"], again["expiresAt"]) == ("PROPOSED", proposed["expiresAt"])
    assert approved[0]["status"] == "APPROVED"
    assert approved[0]["proposedBy"] == proposed["proposedBy"] != approved[0]["approvedBy"]
    assert (await shop.get(f"/orders/{order_id}"))["status"] == "CLOSED"
    assert await shop.balance(pair.seller) == ("0.00", "0.00")
    async with own.operator() as operator:
        await assert_sound(operator)
