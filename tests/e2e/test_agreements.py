"""Milestones and agreements on a running stack: what the chain holds is what the ledger says."""

import contextlib
from typing import Any

import pytest

from tests.books import assert_sound, operator_of
from tests.people import answer_of, pair, refusal_of
from tests.shop import Shop, data_of, error_of

PARTS = {"draft": "30.00", "final": "50.00"}


async def offered(shop: Shop, order_id: str, **body: str) -> str:
    """Make an offer on an order; returns its id."""
    answer = await shop.post(f"/orders/{order_id}/offers", {"refundAmount": "20.00", **body})
    return str(data_of(answer, status=201)["id"])


async def listed(shop: Shop, order_id: str, what: str) -> list[dict[str, Any]]:
    answer = await shop.client.get(f"/orders/{order_id}/{what}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


@pytest.mark.parametrize("state", ["IN_PROGRESS", "DISPUTED"])
async def test_accepted_offer_pays_both_sides_and_closes_order_and_case(
    shop: Shop, state: str
) -> None:
    sides = await shop.pair(amount="100.00")
    order_id = await shop.order_in(state, sides)
    offer = await offered(shop, order_id, requestedBy="SELLER", message="For the missing draft")
    path = f"/orders/{order_id}/offers/{offer}/accept"

    refused = await shop.post(path, {"requestedBy": "SELLER"})
    first = await shop.post(path, {"requestedBy": "BUYER"}, key=offer)
    again = await shop.post(path, {"requestedBy": "BUYER"}, key=offer)

    assert error_of(refused, status=403)["code"] == "OFFER_IS_OWN"
    assert data_of(first, status=200)["finalStatus"] == "RELEASED"
    assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
    assert await shop.balance(sides.buyer) == ("40.00", "0.00")
    assert await shop.balance(sides.seller) == ("60.00", "0.00")
    order = await shop.quiet(order_id)
    assert (order["releasedAmount"], order["refundedAmount"]) == ("60.00", "20.00")
    if state == "DISPUTED":
        case = await shop.get(f"/disputes/{order['dispute']['id']}")
        assert (case["status"], case["decision"]) == ("RESOLVED", "SPLIT")
    (one,) = await listed(shop, order_id, "offers")
    assert (one["status"], one["decidedBy"]) == ("ACCEPTED", "BUYER")
    async with operator_of(shop.stack) as operator:
        await assert_sound(operator)


async def test_release_waits_for_milestones_that_are_completed_on_chain(shop: Shop) -> None:
    sides = await shop.pair(amount="100.00")
    order_id = await shop.order_in("IN_PROGRESS", sides, milestones=PARTS)

    early = await shop.act(order_id, "release")
    for ref in PARTS:
        data_of(await shop.post(f"/orders/{order_id}/milestones/{ref}/complete"), status=200)
    marked = await chain_calls(shop, order_id)
    data_of(await shop.act(order_id, "release"), status=200)

    assert error_of(early, status=409)["code"] == "MILESTONES_INCOMPLETE"
    assert early.json()["error"]["details"]["openMilestones"] == ["draft", "final"]
    parts = await listed(shop, order_id, "milestones")
    assert [(part["ref"], part["status"]) for part in parts] == [
        ("draft", "COMPLETED"),
        ("final", "COMPLETED"),
    ]
    assert (await shop.get(f"/orders/{order_id}"))["milestones"] == parts
    # The release marks nothing again.
    calls = await chain_calls(shop, order_id)
    marks = ("change_milestone_status", "approve_milestone")
    assert [marked.count(mark) for mark in marks] == [2, 2]
    assert [calls.count(mark) for mark in marks] == [2, 2]
    assert await shop.balance(sides.seller) == ("80.00", "0.00")


async def chain_calls(shop: Shop, order_id: str) -> list[str]:
    """Name the chain transactions of an order."""
    timeline = await shop.get(f"/orders/{order_id}/timeline")
    return [entry["name"] for entry in timeline["entries"] if entry["kind"] == "TRANSACTION"]


async def test_people_agree_without_support(shop: Shop) -> None:
    async with contextlib.AsyncExitStack() as opened:
        buyer, business = await pair(opened, shop, amount="100.00")
        order_id = await buyer.order(business, amount="10.00")
        answer_of(await buyer.act(order_id, "pay"))
        offer = await buyer.offer(order_id, refund=0.4)
        accept = f"/orders/{order_id}/offers/{offer['id']}/accept"

        own = await buyer.client.post(accept)
        agreed = answer_of(await business.client.post(accept))
        receipt = answer_of(await buyer.act(order_id, "receipt"))

    assert refusal_of(own) == (403, "offer_is_own")
    assert (agreed["status"], receipt["amount"]) == ("completed", 9.6)
    assert receipt["personal_signal"] == "neutral"
