"""Details of an order: reasons, refusals, milestones and metadata."""

import json
import uuid
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest

from tests.e2e.streams import Reader, reading
from tests.shop import Shop, data_of, error_of


async def entries(shop: Shop, order_id: str, kind: str) -> list[dict[str, Any]]:
    """Read the entries of one kind in an order's timeline."""
    timeline = await shop.get(f"/orders/{order_id}/timeline")
    found: list[dict[str, Any]] = timeline["entries"]
    return [entry for entry in found if entry["kind"] == kind]


async def statement(shop: Shop, user: str) -> list[dict[str, Any]]:
    """Read a user's statement, newest first."""
    answer = await shop.client.get(f"/users/{user}/balance/entries")
    lines: list[dict[str, Any]] = answer.json()["data"]
    return lines


async def test_refund_reason_is_in_statement_and_timeline(shop: Shop) -> None:
    pair = await shop.pair(amount="100.00")
    order_id = await shop.order_in("IN_PROGRESS", pair)
    body = {"requestedBy": "SELLER", "reason": "Sold out"}

    data_of(await shop.post(f"/orders/{order_id}/resolution/refund", body))

    paid, *_ = await statement(shop, pair.buyer)
    assert (paid["code"], paid["reason"]) == ("REFUND", "Sold out")
    assert (paid["availableChange"], paid["available"]) == ("80.00", "100.00")
    refunded, made_good = paid["postings"]
    assert (refunded["availableChange"], refunded["reason"]) == ("79.76", "Sold out")
    assert (made_good["availableChange"], made_good["reason"]) == ("0.24", "fee made good")
    assert [line["code"] for line in await statement(shop, pair.buyer)].count("REFUND") == 1
    transfers = await entries(shop, order_id, "TRANSFER")
    assert "Sold out" in {entry["details"]["reason"] for entry in transfers}


async def test_timeline_uses_public_ids(shop: Shop) -> None:
    pair = await shop.pair(amount="100.00")
    order_id = await shop.order_in("IN_PROGRESS", pair)
    data_of(await shop.act(order_id, "release"))

    transfers = await entries(shop, order_id, "TRANSFER")

    sides = {entry["details"][side] for entry in transfers for side in ("debit", "credit")}
    named = {f"user:{pair.buyer}", f"user:{pair.seller}", f"escrow:{order_id}"}
    assert sides == {*named, "fees:provider", "fees:absorbed"}


async def test_refusal_after_202_is_in_the_timeline(shop: Shop) -> None:
    order_id = await shop.order(await shop.pair())

    accepted = await shop.act(order_id, "reserve", Prefer="respond-async")

    assert accepted.status_code == 202
    operation = data_of(accepted)["operation"]
    assert (operation["kind"], operation["state"]) == ("RESERVE", "RUNNING")
    assert operation["startedAt"]
    await shop.quiet(order_id)
    [failed] = await entries(shop, order_id, "OPERATION")
    assert (failed["name"], failed["details"]["error"]) == ("RESERVE", "INSUFFICIENT_FUNDS")
    assert failed["details"]["operationId"] == operation["id"]


async def test_every_payout_credit_has_a_documented_source(shop: Shop) -> None:
    pair = await shop.pair(amount="300.00")
    released, refunded, divided = [await shop.order_in("IN_PROGRESS", pair) for _ in range(3)]
    ends = {
        released: {"escrow_release": "80.00"},
        refunded: {"escrow_refund": "80.00"},
        divided: {"dispute_resolution": "80.00"},
    }

    async with reading(shop.client, types="balance.credited,order.closed") as reader:
        data_of(await shop.act(released, "release"))
        data_of(await shop.act(refunded, "refund"))
        dispute = data_of(await shop.act(divided, "dispute"))["dispute"]["id"]
        data_of(await shop.resolve(dispute, "SPLIT", releaseAmount="50.00", refundAmount="30.00"))
        await reader.until(
            lambda found: len(ended(found, ends)) == len(ends), what="no end was told"
        )
        await reader.until(lambda found: credited(found, ends) == ends, what="credits are missing")

    assert credited(reader, ends) == ends


def ended(reader: Reader, orders: Iterable[str]) -> set[str]:
    """Return the orders that have an order.closed event."""
    closed = {told.body["aggregateId"] for told in reader.told if told.type == "order.closed"}
    return closed & set(orders)


def credited(reader: Reader, orders: Iterable[str]) -> dict[str, dict[str, str]]:
    """Sum the credits of each order by source."""
    found: dict[str, dict[str, Decimal]] = {order_id: {} for order_id in orders}
    for told in reader.told:
        payload = told.body["payload"]
        if told.type == "balance.credited" and payload.get("orderId") in found:
            sums = found[payload["orderId"]]
            source = payload["source"]
            sums[source] = sums.get(source, Decimal(0)) + Decimal(payload["amount"])
    return {name: {s: f"{a:.2f}" for s, a in sums.items()} for name, sums in found.items()}


PARTS = [
    {"ref": "m1", "title": "Sketch", "description": "On paper", "amount": "30.00"},
    {"ref": "m2", "description": "In colour", "amount": "50.00"},
]


async def test_milestones_are_returned_as_they_were_given(shop: Shop) -> None:
    pair = await shop.pair()
    body = {
        "buyerId": pair.buyer,
        "sellerId": pair.seller,
        "amount": "80.00",
        "title": "Logo design",
        "milestones": PARTS,
    }

    created = data_of(await shop.post("/orders", body), status=201)

    first, second = (await shop.get(f"/orders/{created['id']}"))["milestones"]
    assert created["milestones"] == [first, second]
    assert first == {**PARTS[0], "status": "PENDING", "completedAt": None}
    assert (second["title"], second["description"]) == ("In colour", "In colour")


# Numbers that a float, a 64-bit integer or a shorter spelling would change.
DIGITS = (
    '{"a":[1.10,1e2,1E+2,0.1234567890123456789,12345678901234567.89,-0,-0.0,0e-400],'
    '"b":{"n":18446744073709551616,"m":-9223372036854775809,"k":9223372036854775807},'
    '"c":1.7976931348623157e308,"d":2.5e-308,"e":0.10000000000000000000000000000000000000001}'
)


async def test_numbers_in_metadata_keep_their_digits_everywhere(
    shop: Shop,
) -> None:
    pair = await shop.pair()
    names = {"buyerId": pair.buyer, "sellerId": pair.seller}
    head = json.dumps({**names, "amount": "80.00", "title": "Logo"})
    headers = {"Idempotency-Key": uuid.uuid4().hex, "Content-Type": "application/json"}
    content = f'{head[:-1]}, "metadata": {DIGITS}}}'

    answers = [await shop.client.post("/orders", content=content, headers=headers)]
    order_id = data_of(answers[0])["id"]
    answers.append(await shop.client.post("/orders", content=content, headers=headers))
    answers.append(await shop.client.get(f"/orders/{order_id}"))
    answers.append(await shop.client.get(f"/orders?buyerId={pair.buyer}"))
    answers.append(await shop.act(order_id, "reserve"))
    answers.append(await shop.client.get(f"/orders/{order_id}"))

    kept = f'"metadata":{DIGITS}'
    assert [kept in answer.text for answer in answers[:4]] == [True] * 4
    assert kept in answers[5].text
    assert answers[1].headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("number", ["1e-400", "1e400", "9" * 400, "1e99999999999999999999"])
async def test_unrepresentable_number_in_metadata_is_named(shop: Shop, number: str) -> None:
    content = f'{{"buyerId": "a", "metadata": {{"n": {number}}}}}'

    answer = await shop.client.post(
        "/orders", content=content, headers={"Content-Type": "application/json"}
    )

    error = error_of(answer, status=400)
    assert error["code"] == "VALIDATION_ERROR"
    assert number[:40] in error["message"]
