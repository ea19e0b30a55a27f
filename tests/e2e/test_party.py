"""One order in both APIs, and how people with tokens are identified, on a running stack."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator

import httpx
import pytest

from kernel.ids import to_public
from tests.e2e.snapshots import settled
from tests.people import ACTIONS, JSON, Person, answer_of, meet, pair, refusal_of, resolved
from tests.shop import Shop, data_of

# Reference §3, for states that an order rests in.
WORDS = {
    "ORDER_CREATED": "pending_payment",
    "FUNDS_RESERVED": "pending_payment",
    "ESCROW_CREATING": "pending_payment",
    "IN_PROGRESS": "paid",
    "IN_PROGRESS delivered": "delivered",
    "DISPUTED": "disputed",
    "CLOSED RELEASED": "completed",
    "CLOSED REFUNDED": "refunded",
    "CLOSED CANCELED": "cancelled",
}


@pytest.fixture(scope="module")
async def people(shop: Shop) -> AsyncIterator[tuple[Person, Person]]:
    """A personal user with money, and a business."""
    async with contextlib.AsyncExitStack() as opened:
        yield await pair(opened, shop, amount="2000.00")


async def both_views(shop: Shop, people: tuple[Person, Person], order_id: str) -> tuple[str, str]:
    """Return an order's state in both APIs, and check that they agree."""
    await shop.quiet(order_id)
    order = await shop.get(f"/orders/{order_id}")
    said = [await person.status(order_id) for person in people]
    assert said[0] == said[1]
    parts = [order["status"], order["finalStatus"] or ""]
    is_delivered = order["delivery"] is not None and order["status"] == "IN_PROGRESS"
    return " ".join([*filter(None, parts), *(["delivered"] if is_delivered else [])]), said[0]


async def test_order_runs_through_both_apis(shop: Shop, people: tuple[Person, Person]) -> None:
    buyer, business = people
    seen = []
    order_id = await buyer.order(business)

    async def look() -> None:
        seen.append(await both_views(shop, people, order_id))

    await look()
    for command in ("reserve", "escrow", "fund"):
        data_of(await shop.act(order_id, command))
        await look()
    answer_of(await business.act(order_id, "deliver"))
    await look()
    answer_of(await buyer.act(order_id, "confirm"))
    await look()

    assert seen == [
        (state, WORDS[state])
        for state in (
            "ORDER_CREATED",
            "FUNDS_RESERVED",
            "ESCROW_CREATING",
            "IN_PROGRESS",
            "IN_PROGRESS delivered",
            "CLOSED RELEASED",
        )
    ]


async def test_order_is_paid_in_one_step_and_its_dispute_is_split(
    shop: Shop, people: tuple[Person, Person]
) -> None:
    buyer, business = people
    order_id = await buyer.order(business)
    paid = answer_of(await buyer.act(order_id, "pay"))
    assert (paid["status"], paid["platform_fee"]) == ("paid", 15.0)
    assert await both_views(shop, people, order_id) == ("IN_PROGRESS", "paid")

    opened = answer_of(await business.act(order_id, "dispute"), status=201)
    assert opened["initiated_by"] == str(business.id)
    assert await both_views(shop, people, order_id) == ("DISPUTED", "disputed")
    read = [answer_of(await one.act(order_id, "get_dispute")) for one in people]
    assert read == [opened, opened]
    seen_by_support = await shop.get(f"/disputes/{opened['id']}")
    assert (seen_by_support["openedBy"], seen_by_support["reason"]) == ("SELLER", "OTHER")
    assert seen_by_support["description"] == opened["reason"]

    more = answer_of(await buyer.act(order_id, "evidence"))
    assert more["evidence"] == [*opened["evidence"], "https://cdn.example/b"]
    await resolved(shop, order_id, "SPLIT", releaseAmount="100.00", refundAmount="50.00")

    assert await both_views(shop, people, order_id) == ("CLOSED RELEASED", "completed")
    ended = answer_of(await buyer.act(order_id, "get_dispute"))
    assert (ended["status"], ended["resolution"]) == ("resolved", "split")
    receipt = answer_of(await business.act(order_id, "receipt"))
    assert (receipt["amount"], receipt["platform_fee"], receipt["business_income"]) == (100, 10, 90)
    assert receipt["personal_signal"] == "dissatisfied"


@pytest.mark.parametrize(
    ("end", "state"),
    [("cancel", "CLOSED CANCELED"), ("refund", "CLOSED REFUNDED")],
)
async def test_order_ended_by_the_marketplace_has_ended_for_its_parties(
    shop: Shop, people: tuple[Person, Person], end: str, state: str
) -> None:
    order_id = await people[0].order(people[1])
    if end == "refund":
        answer_of(await people[0].act(order_id, "pay"))

    data_of(await shop.act(order_id, end))

    assert await both_views(shop, people, order_id) == (state, WORDS[state])


async def test_order_created_by_the_marketplace_is_visible_to_its_parties(
    shop: Shop, people: tuple[Person, Person]
) -> None:
    buyer, business = people
    body = {
        "buyerId": str(buyer.id),
        "sellerId": str(business.id),
        "amount": "80.00",
        "title": "Logo design",
        "milestones": [{"ref": "m1", "title": "Draft", "amount": "80.00"}],
    }
    made = data_of(await shop.post("/orders", body), status=201)

    order = answer_of(await buyer.act(made["id"], "get"))

    assert to_public("ord", uuid.UUID(order["id"])) == made["id"]
    assert (order["amount"], order["platform_fee"], order["currency"]) == (80, 0, "USDC")
    assert order["milestones"] == [
        {"ref": "m1", "title": "Draft", "amount": 80, "completed_at": None}
    ]
    assert (order["personal_id"], order["business_id"]) == (str(buyer.id), str(business.id))


@pytest.mark.parametrize(
    "link",
    [
        "http://cdn.example/report.pdf",
        "https://somebody@cdn.example/report.pdf",
        "https://somebody:secret@cdn.example/report.pdf",
        "https://cdn.example/" + "a" * 2029,
        "https://cdn.example/the report.pdf",
        " https://cdn.example/report.pdf",
        "https://cdn.example/report.pdf ",
    ],
    ids=["http", "user", "user and password", "2049", "space", "space before", "space after"],
)
async def test_invalid_deliverable_link_is_refused_without_effect(
    shop: Shop, people: tuple[Person, Person], link: str
) -> None:
    buyer, business = people
    order_id = await buyer.order(business, amount="1.00")
    answer_of(await buyer.act(order_id, "pay"))
    await shop.quiet(order_id)
    before = await settled(shop.stack, but_for=uuid.UUID(int=0))
    headers = {"Idempotency-Key": str(uuid.uuid4())}

    async def deliver(url: str) -> httpx.Response:
        body = {"delivery_notes": "Done", "deliverable_url": url}
        path = f"/orders/{order_id}/deliver"
        return await business.client.post(path, json=body, headers=headers)

    refused = await deliver(link)

    assert refusal_of(refused)[0] == 422
    assert [one["field"] for one in refused.json()["errors"]] == ["deliverable_url"]
    assert await settled(shop.stack, but_for=uuid.UUID(int=0)) == before
    # What is wrong with a request is not kept: the key is free, for the longest link there may be.
    longest = "https://cdn.example/" + "a" * 2028
    assert answer_of(await deliver(longest))["deliverable_url"] == longest


async def test_unknown_person_is_registered_once_on_first_use(shop: Shop) -> None:
    async with Person.of(shop.stack) as person:
        answers = await asyncio.gather(*(person.client.get("/me") for _ in range(10)))

        found = [answer_of(answer) for answer in answers]

        assert all(one == found[0] for one in found)
        assert found[0]["id"] == str(person.id)
        user = await shop.get(f"/users/{person.id}")
        assert (user["id"], user["externalUserId"]) == (found[0]["public_id"], str(person.id))
        assert user["type"] == "BOTH"
        assert await shop.balance(str(person.id)) == ("0.00", "0.00")
        assert (await shop.get(f"/users/{person.id}/wallet"))["status"] == "ACTIVE"


async def test_token_can_name_a_user_registered_by_the_marketplace(shop: Shop) -> None:
    external = str(uuid.uuid4())
    body = {"externalUserId": external.upper(), "type": "SELLER"}
    public_id = data_of(await shop.post("/users", body), status=201)["id"]

    async with contextlib.AsyncExitStack() as opened:
        by_their_name = await opened.enter_async_context(
            Person.of(shop.stack, subject=uuid.UUID(external))
        )
        found = await meet(by_their_name)
        by_our_name = await opened.enter_async_context(
            Person.of(shop.stack, subject=uuid.UUID(found["id"]))
        )

        assert found["public_id"] == public_id
        buyer = await opened.enter_async_context(Person.of(shop.stack))
        ordered = {"business_id": external.upper(), "amount": 1}
        made = answer_of(await buyer.client.post("/orders/", json=ordered), status=201)
        assert made["business_id"] == found["id"]
        assert await meet(by_our_name) == found
        assert await meet(by_their_name) == found


async def test_every_registered_user_has_a_uuid_for_tokens(shop: Shop) -> None:
    body = {"externalUserId": f"alice-{uuid.uuid4()}", "id": f"usr_{uuid.uuid4().hex}"}
    made = data_of(await shop.post("/users", body), status=201)

    async with Person.of(shop.stack, subject=uuid.UUID(made["uuid"])) as person:
        found = answer_of(await person.client.get("/me"))

    assert (found["id"], found["public_id"]) == (made["uuid"], body["id"])
    assert (await shop.get(f"/users/{body['id']}"))["uuid"] == made["uuid"]


async def test_repeated_request_gets_the_first_response_for_the_same_person_only(
    people: tuple[Person, Person],
) -> None:
    buyer, business = people
    order_id = await buyer.order(business)
    first = await buyer.act(order_id, "cancel", key="the same key")
    again = await buyer.act(order_id, "cancel", key="the same key")
    other = await buyer.act(order_id, "pay", key="the same key")
    stranger = await business.act(order_id, "deliver", key="the same key")

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert refusal_of(other) == (409, "idempotency_key_reused")
    # The key is the user's own: the business's request was looked at for itself.
    assert refusal_of(stranger) == (409, "invalid_status_transition")


@pytest.mark.parametrize("action", ["dispute", "evidence"])
async def test_repeated_dispute_gets_the_first_response_after_the_order_changed(
    shop: Shop, people: tuple[Person, Person], action: str
) -> None:
    buyer, business = people
    order_id = await buyer.order(business)
    answer_of(await buyer.act(order_id, "pay"))
    if action == "evidence":
        answer_of(await business.act(order_id, "dispute"), status=201)
    first = await business.act(order_id, action, key="dispute once")
    answer_of(await buyer.act(order_id, "evidence"))
    await resolved(shop, order_id, "FULL_REFUND")

    again = await business.act(order_id, action, key="dispute once")

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotent-replayed"] == "true"


async def test_dispute_keeps_the_contract_terms_of_its_opening(
    people: tuple[Person, Person],
) -> None:
    buyer, business = people
    terms = '{"delivery_days":3,"rate":1.10,"note":"é"}'
    body = f'{{"business_id": "{business.id}", "amount": 1.00, "contract_terms": {terms}}}'
    made = await buyer.client.post("/orders/", content=body, headers=JSON)
    order_id = answer_of(made, status=201)["id"]
    answer_of(await buyer.act(order_id, "pay"))

    opened = await buyer.act(order_id, "dispute")

    assert f'"contract_terms":{terms}' in made.text
    assert f'"contract_snapshot":{terms}' in opened.text
    assert f'"contract_snapshot":{terms}' in (await business.act(order_id, "get_dispute")).text


async def test_list_shows_one_side_and_the_total_for_the_filter(
    people: tuple[Person, Person], shop: Shop
) -> None:
    async with contextlib.AsyncExitStack() as opened:
        buyer, business = await pair(opened, shop)
        orders = [await buyer.order(business, amount="1.00") for _ in range(5)]
        answer_of(await buyer.act(orders[0], "cancel"))

        async def listed(who: Person, query: str) -> tuple[list[str], int]:
            found = answer_of(await who.client.get(f"/orders/?{query}"))
            return [item["id"] for item in found["items"]], found["total"]

        newest_first = orders[::-1]
        assert await listed(business, "") == (newest_first, 5)
        assert await listed(business, "role=personal") == ([], 0)
        assert await listed(buyer, "") == ([], 0)
        assert await listed(buyer, "role=personal&offset=1&limit=2") == (newest_first[1:3], 5)
        assert await listed(buyer, "role=personal&status_filter=cancelled") == (orders[:1], 1)
        waiting = "role=business&status_filter=pending_payment&limit=1"
        assert await listed(business, waiting) == (newest_first[:1], 4)
        assert await listed(people[0], "role=personal&offset=1000000") == (
            [],
            (await listed(people[0], "role=personal"))[1],
        )


async def test_both_id_forms_and_trailing_slashes_are_accepted(
    people: tuple[Person, Person],
) -> None:
    buyer, business = people
    order_id = await buyer.order(business, amount="1.00")
    public_id = to_public("ord", uuid.UUID(order_id))
    expected = answer_of(await buyer.act(order_id, "get"))

    for path in (f"/orders/{public_id}", f"/orders/{order_id}/", f"/orders/{order_id.upper()}"):
        assert answer_of(await buyer.client.get(path)) == expected
    body = {"business_id": str(business.id), "amount": 1}
    for path in ("/orders", "/orders/"):
        made = await buyer.client.post(path, json=body)
        assert answer_of(made, status=201)["personal_id"] == str(buyer.id)


async def test_unknown_order_is_404_on_every_route(
    people: tuple[Person, Person],
) -> None:
    codes = {"get_dispute": "dispute_not_found", "receipt": "receipt_not_found"}
    for order_id in (str(uuid.uuid4()), "no-id-at-all", "ord_0000000000000000000000"):
        for action in ACTIONS:
            found = refusal_of(await people[0].act(order_id, action))
            assert found == (404, codes.get(action, "order_not_found")), action
