"""What the orders guide says in words beside its examples: values, limits, idempotency."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from tests.conformance import walks
from tests.conformance.replay import Replay
from tests.shop import Pair, Shop, data_of, error_of, nothing_is_sent

Data = Mapping[str, Any]


@pytest.fixture(scope="module")
async def pair(shop: Shop) -> Pair:
    return await shop.pair(amount="1000.00")


@pytest.fixture(scope="module")
def examples(data: Data) -> dict[str, Any]:
    """The guide's examples by title."""
    return {example["title"]: example for example in data["examples"]}


def replay(shop: Shop, order_id: str = "") -> Replay:
    document = shop.stack.document
    return Replay(
        client=shop.client, url=document["url"], key=document["apiKey"], order_id=order_id
    )


def changed(example: Data, **fields: str) -> dict[str, Any]:
    """Return an example with other values in its request's body."""
    copied = copy.deepcopy(dict(example))
    copied["request"]["body"] |= fields
    return copied


async def test_a_reserve_beyond_the_available_balance_is_refused(
    shop: Shop, examples: Data
) -> None:
    pair = await shop.pair()
    order_id = await shop.order(pair)

    answer = await replay(shop, order_id).play(examples[walks.RESERVE])

    error = error_of(answer, status=422)
    assert error["code"] == "INSUFFICIENT_FUNDS"
    assert error["details"] == {"available": "0.00", "requested": "80.00", "currency": "USDC"}
    assert (await shop.get(f"/orders/{order_id}"))["status"] == "ORDER_CREATED"
    assert await shop.balance(pair.buyer) == ("0.00", "0.00")


async def test_a_dispute_takes_the_listed_values_and_no_other(
    shop: Shop, pair: Pair, examples: Data, data: Data
) -> None:
    order_id = await shop.order_in("IN_PROGRESS", pair)
    dispute = examples[walks.DISPUTE]
    for name in data["values"]:
        answer = await replay(shop, order_id).play(changed(dispute, **{name: "SOMETHING_ELSE"}))
        error = error_of(answer, status=400)
        assert error["code"] == "VALIDATION_ERROR"
        assert [field["field"] for field in error["details"]["fields"]] == [name]
    assert (await shop.get(f"/orders/{order_id}"))["status"] == "IN_PROGRESS"

    orders = [order_id, *[await shop.order_in("IN_PROGRESS", pair) for _ in range(2)]]
    asked = [
        {"reason": reason, "openedBy": data["values"]["openedBy"][number % 2]}
        for number, reason in enumerate(data["values"]["reason"])
    ]
    for each, fields in zip(orders, asked, strict=True):
        opened = data_of(await replay(shop, each).play(changed(dispute, **fields)), status=200)
        assert {name: opened["dispute"][name] for name in fields} == fields


async def test_the_same_key_and_body_get_the_same_response_and_another_body_is_refused(
    shop: Shop, pair: Pair, examples: Data, data: Data
) -> None:
    (header,) = data["headers"]
    key = header["Idempotency-Key"]
    create = changed(examples[walks.CREATE], buyerId=pair.buyer, sellerId=pair.seller)
    other = changed(create, amount="80.01")

    first = await replay(shop).play(create, Idempotency_Key=key)
    again = await replay(shop).play(create, Idempotency_Key=key)
    refused = await replay(shop).play(other, Idempotency_Key=key)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert error_of(refused, status=409)["code"] == "IDEMPOTENCY_KEY_REUSED"


async def test_a_repeat_while_the_first_request_is_processed_says_so_and_then_answers(
    shop: Shop, pair: Pair, examples: Data, data: Data
) -> None:
    order_id = await shop.order_in("ESCROW_CREATING", pair)
    way, fund = replay(shop, order_id), examples[walks.FUND]
    key = f"{data['headers'][0]['Idempotency-Key']}-fund"
    async with nothing_is_sent(shop.stack):
        first = await way.play(fund, Idempotency_Key=key, Prefer="respond-async")
        again = await way.play(fund, Idempotency_Key=key)
        # "Poll the order status and retry."
        assert data_of(first, status=202)["status"] == "ESCROW_FUNDING"
        assert error_of(again, status=409)["code"] == "IDEMPOTENCY_KEY_IN_PROGRESS"
        assert int(again.headers["Retry-After"]) > 0
    await shop.quiet(order_id)

    last = await way.play(fund, Idempotency_Key=key)

    assert data_of(last, status=200)["status"] == "IN_PROGRESS"
