"""Idempotency keys over REST: one change per key, and the same response while it is stored."""

import asyncio
import uuid
from typing import Any

import httpx
import pytest

from deploy.operator.client import Operator
from tests.books import Books, assert_sound
from tests.e2e.frozen import killed
from tests.running_stack import RunningStack
from tests.shop import PRICE, Pair, Shop, data_of, error_of, nothing_is_sent, until

REPLAYED = "Idempotent-Replayed"


@pytest.fixture(scope="module")
async def pair(shop: Shop) -> Pair:
    return await shop.pair(amount="10000.00")


def fresh_key() -> str:
    return str(uuid.uuid4())


def create_body(pair: Pair) -> dict[str, str]:
    return {"buyerId": pair.buyer, "sellerId": pair.seller, "amount": PRICE, "title": "Logo"}


def assert_replay(again: httpx.Response, first: httpx.Response) -> None:
    """Check that a replayed response has the first one's status and bytes, and is marked."""
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers[REPLAYED] == "true"
    assert REPLAYED not in first.headers


async def test_every_response_of_a_purchase_is_replayed_byte_for_byte_later(
    shop: Shop, pair: Pair, books: Books
) -> None:
    key = fresh_key()
    created = await shop.post("/orders", create_body(pair), key=f"{key}-create")
    order_id = data_of(created, status=201)["id"]
    commands = ("reserve", "escrow", "fund", "dispute")
    first = [await shop.act(order_id, command, key=f"{key}-{command}") for command in commands]
    dispute_id = data_of(first[-1])["dispute"]["id"]
    amounts = {"releaseAmount": "30.00", "refundAmount": "50.00"}
    resolved = await shop.resolve(dispute_id, "SPLIT", key=f"{key}-resolve", **amounts)
    assert data_of(resolved, status=200)["order"]["status"] == "CLOSED"
    before = books.all_about(order_id)

    assert_replay(await shop.post("/orders", create_body(pair), key=f"{key}-create"), created)
    for command, answer in zip(commands, first, strict=True):
        assert_replay(await shop.act(order_id, command, key=f"{key}-{command}"), answer)
    again = await shop.resolve(dispute_id, "SPLIT", key=f"{key}-resolve", **amounts)
    assert_replay(again, resolved)

    assert books.all_about(order_id) == before


async def test_other_changes_than_orders_are_replayed_too(shop: Shop, pair: Pair) -> None:
    order_id = await shop.order_in("DISPUTED", pair)
    dispute_id = (await shop.get(f"/orders/{order_id}"))["dispute"]["id"]
    requests: list[tuple[str, dict[str, Any]]] = [
        ("/users", {"externalUserId": fresh_key()}),
        (f"/disputes/{dispute_id}/evidence", {"evidence": ["https://example.org/one.png"]}),
        (f"/disputes/{dispute_id}/assign", {"agentId": "agent-7"}),
    ]
    for path, body in requests:
        key = fresh_key()
        first = await shop.post(path, body, key=key)
        assert first.is_success, first.text
        assert_replay(await shop.post(path, body, key=key), first)


async def test_key_reused_for_another_body_or_path_is_refused_without_effect(
    shop: Shop, pair: Pair, books: Books
) -> None:
    order_id, other_id = await shop.order(pair), await shop.order(pair)
    key = fresh_key()
    data_of(await shop.post(f"/orders/{order_id}/reserve", {"amount": PRICE}, key=key))
    before = [books.all_about(each) for each in (order_id, other_id)]
    tries = [
        (f"/orders/{order_id}/reserve", {"amount": "80.01"}),
        (f"/orders/{order_id}/reserve", None),
        (f"/orders/{other_id}/reserve", {"amount": PRICE}),
        (f"/orders/{order_id}/cancel", None),
        (f"/orders/{order_id}/escrow", None),
        ("/orders", create_body(pair)),
    ]

    for path, body in tries:
        error = error_of(await shop.post(path, body, key=key), status=409)
        assert error["code"] == "IDEMPOTENCY_KEY_REUSED", path

    assert [books.all_about(each) for each in (order_id, other_id)] == before


async def test_repetition_in_progress_is_refused_with_retry_after_and_succeeds_later(
    shop: Shop, pair: Pair
) -> None:
    order_id, key = await shop.order_in("ESCROW_CREATING", pair), fresh_key()
    async with nothing_is_sent(shop.stack):
        first = asyncio.create_task(shop.act(order_id, "fund", key=key))
        await until(lambda: is_in(shop, order_id, "ESCROW_FUNDING"), what="the funding")

        again = await shop.act(order_id, "fund", key=key)

        assert error_of(again, status=409)["code"] == "IDEMPOTENCY_KEY_IN_PROGRESS"
        assert int(again.headers["Retry-After"]) > 0
        assert REPLAYED not in again.headers
    answered = await first
    assert data_of(answered, status=200)["status"] == "IN_PROGRESS"
    assert_replay(await shop.act(order_id, "fund", key=key), answered)


async def is_in(shop: Shop, order_id: str, status: str) -> bool:
    return bool((await shop.get(f"/orders/{order_id}"))["status"] == status)


async def test_202_response_is_followed_by_the_final_response(shop: Shop, pair: Pair) -> None:
    order_id, key = await shop.order_in("IN_PROGRESS", pair), fresh_key()
    async with nothing_is_sent(shop.stack):
        early = await shop.act(order_id, "release", key=key, Prefer="respond-async")
    assert data_of(early, status=202)["status"] == "RELEASE_REQUESTED"
    await shop.quiet(order_id)

    last = await shop.act(order_id, "release", key=key)

    assert data_of(last, status=200)["finalStatus"] == "RELEASED"
    assert last.headers[REPLAYED] == "true"


async def test_business_refusal_is_replayed_although_the_facts_have_changed(
    shop: Shop,
) -> None:
    pair = await shop.pair()
    order_id, key = await shop.order(pair), fresh_key()
    poor = await shop.act(order_id, "reserve", key=key)
    assert error_of(poor, status=422)["code"] == "INSUFFICIENT_FUNDS"
    early_key = fresh_key()
    early = await shop.act(order_id, "release", key=early_key)
    assert error_of(early, status=409)["code"] == "INVALID_STATE"
    unknown_key, nowhere = fresh_key(), f"/orders/ord_{'0' * 21}1/reserve"
    unknown = await shop.post(nowhere, key=unknown_key)
    assert error_of(unknown, status=404)["code"] == "ORDER_NOT_FOUND"
    await shop.give(pair.buyer, PRICE)

    assert_replay(await shop.act(order_id, "reserve", key=key), poor)
    assert data_of(await shop.act(order_id, "reserve"))["status"] == "FUNDS_RESERVED"
    assert_replay(await shop.act(order_id, "reserve", key=key), poor)
    assert_replay(await shop.act(order_id, "release", key=early_key), early)
    assert_replay(await shop.post(nowhere, key=unknown_key), unknown)


async def test_request_that_never_began_leaves_its_key_free(shop: Shop, pair: Pair) -> None:
    order_id, key = await shop.order(pair), fresh_key()
    path = f"/orders/{order_id}/reserve"
    invalid = await shop.post(path, {"amount": "eighty"}, key=key)
    assert error_of(invalid, status=400)["code"] == "INVALID_AMOUNT_FORMAT"
    stranger = await shop.client.post(
        path, headers={"Authorization": "Bearer ohk_live_nobody", "Idempotency-Key": key}
    )
    assert error_of(stranger, status=401)["code"] == "INVALID_API_KEY"

    reserved = await shop.post(path, {"amount": PRICE}, key=key)

    assert data_of(reserved, status=200)["status"] == "FUNDS_RESERVED"
    assert REPLAYED not in reserved.headers


async def test_chain_failure_is_not_stored_as_the_response(
    shop: Shop, pair: Pair, stack: RunningStack
) -> None:
    order_id, key = await shop.order_in("ESCROW_CREATING", pair), fresh_key()
    fault = {"kind": "fail_at_apply", "function": "fund_escrow", "count": 3}
    faults = f"{stack.document['devnetUrl']}/faults"
    (await shop.client.post(faults, json=fault)).raise_for_status()
    failed = await shop.act(order_id, "fund", key=key)
    assert error_of(failed, status=502)["code"] == "PROVIDER_ERROR"
    order = await shop.get(f"/orders/{order_id}")
    assert (order["status"], order["escrow"]["status"]) == ("FUNDS_RESERVED", "FAILED")
    assert order["escrow"]["lastError"]

    again = await shop.act(order_id, "fund", key=key)

    # It was tried again, and met the state that the failure left.
    assert error_of(again, status=409)["details"]["currentState"] == "FUNDS_RESERVED"
    for command in ("escrow", "fund"):
        data_of(await shop.act(order_id, command), status=200)
    assert await is_in(shop, order_id, "IN_PROGRESS")


async def test_service_outage_is_not_stored_and_the_retry_succeeds_afterwards(
    shop: Shop, pair: Pair, stack: RunningStack
) -> None:
    order_id, key = await shop.order(pair), fresh_key()
    with killed(stack, "ledger"):
        away = await shop.act(order_id, "reserve", key=key)

    assert error_of(away, status=503)["code"] == "PROVIDER_UNAVAILABLE"
    assert int(away.headers["Retry-After"]) > 0
    await shop.quiet(order_id)
    answered = await shop.act(order_id, "reserve", key=key)
    assert data_of(answered, status=200)["status"] == "FUNDS_RESERVED"


@pytest.mark.parametrize("command", ["fund", "release"])
async def test_retry_after_a_gateway_is_killed_gets_the_response(
    shop: Shop, pair: Pair, stack: RunningStack, operator: Operator, command: str
) -> None:
    before, during, after = {
        "fund": ("ESCROW_CREATING", "ESCROW_FUNDING", "IN_PROGRESS"),
        "release": ("IN_PROGRESS", "RELEASE_REQUESTED", "CLOSED"),
    }[command]
    order_id, key = await shop.order_in(before, pair), fresh_key()
    logged = len(stack.process.log())
    async with nothing_is_sent(stack):
        asked = asyncio.create_task(shop.act(order_id, command, key=key))
        await until(lambda: is_in(shop, order_id, during), what="the operation did not begin")
        stack.kill("gateway")
        with pytest.raises(httpx.HTTPError):
            await asked
        await asyncio.to_thread(stack.wait_until_back, "gateway", since=logged)

        soon = await shop.act(order_id, command, key=key)

        assert error_of(soon, status=409)["code"] == "IDEMPOTENCY_KEY_IN_PROGRESS"
    await shop.quiet(order_id)
    answered = await shop.act(order_id, command, key=key)

    assert data_of(answered, status=200)["status"] == after
    await assert_sound(operator)
