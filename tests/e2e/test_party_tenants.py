"""Two issuers of two marketplaces name the same subject; the marketplaces share no data.

A second gateway accepts both issuers. A person's orders and money in one marketplace are not
visible or usable in the other, neither by the same subject nor by an order's id.
"""

import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from deploy.local import token
from tests.e2e.snapshots import settled
from tests.e2e.tenants import key_store, tenant
from tests.people import ACTIONS, Person, answer_of, meet, refusal_of
from tests.replica import another_gateway, gateway_environment
from tests.running_stack import RunningStack
from tests.shop import Shop

NOT_FOUND = {"get_dispute": "dispute_not_found", "receipt": "receipt_not_found"}
SECRET = "a secret that only the other issuer has"


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """The same two subjects in two marketplaces; in this one they have money and orders."""

    here: tuple[Person, Person]
    there: tuple[Person, Person]
    shop: Shop
    there_shop: Shop
    there_id: uuid.UUID


@pytest.fixture(scope="module")
async def both(stack: RunningStack) -> AsyncIterator[Both]:
    async with contextlib.AsyncExitStack() as opened:
        store = await opened.enter_async_context(key_store(stack))
        other = await tenant(stack, store)
        issuer = token.issuer(secret=SECRET, marketplace=str(other.id)) | {"issuer": "elsewhere"}
        known = json.loads(gateway_environment(stack)["JWT_ISSUERS"])
        url = opened.enter_context(another_gateway(stack, JWT_ISSUERS=json.dumps([*known, issuer])))
        subjects = (uuid.uuid4(), uuid.uuid4())
        people = [
            [
                await opened.enter_async_context(
                    Person.of(stack, subject=subject, url=url, issuer=of)
                )
                for subject in subjects
            ]
            for of in (None, issuer)
        ]
        for person in (*people[0], *people[1]):
            await meet(person)
        shop = await opened.enter_async_context(Shop.of(stack))
        await shop.give(str(subjects[0]), "100.00")
        yield Both(
            here=(people[0][0], people[0][1]),
            there=(people[1][0], people[1][1]),
            shop=shop,
            there_shop=await opened.enter_async_context(other.shop()),
            there_id=other.id,
        )


async def listed(person: Person, role: str, **query: str) -> tuple[list[str], int]:
    """List a person's orders as one side; returns ids and the total."""
    found = answer_of(await person.client.get("/orders/", params={"role": role, **query}))
    return [order["id"] for order in found["items"]], found["total"]


async def test_one_subject_has_separate_orders_and_money_in_each_marketplace(both: Both) -> None:
    here = await both.here[0].order(both.here[1], amount="1.00")
    answer_of(await both.here[0].act(here, "pay"))
    there = [await both.there[0].order(both.there[1], amount="2.00") for _ in range(2)]

    for person, role in ((0, "personal"), (1, "business")):
        assert await listed(both.here[person], role) == ([here], 1)
        assert await listed(both.there[person], role) == (there[::-1], 2)
        assert await listed(both.there[person], role, status_filter="paid") == ([], 0)
    assert await both.there_shop.balance(str(both.there[0].id)) == ("0.00", "0.00")
    assert await both.shop.balance(str(both.here[0].id)) == ("99.00", "0.00")
    # No money here pays for an order there.
    refused = await both.there[0].act(there[0], "pay")
    assert refusal_of(refused) == (422, "insufficient_funds")


@pytest.mark.parametrize("way", [(), ("pay",), ("pay", "deliver"), ("pay", "dispute")])
async def test_same_subject_of_another_marketplace_cannot_find_the_order(
    both: Both, way: tuple[str, ...]
) -> None:
    order_id = await both.here[0].order(both.here[1], amount="1.00")
    for step in way:
        who = both.here[1] if step == "deliver" else both.here[0]
        answer_of(await who.act(order_id, step), status=201 if step == "dispute" else 200)
    await both.shop.quiet(order_id)
    unknown = str(uuid.uuid4())
    before = await settled(both.shop.stack, but_for=both.there_id)

    for action in ACTIONS:
        for person in both.there:
            theirs = await person.act(order_id, action)
            nobodys = await person.act(unknown, action)
            assert refusal_of(theirs) == (404, NOT_FOUND.get(action, "order_not_found")), action
            assert theirs.text.replace(order_id, unknown) == nobodys.text, action

    assert await settled(both.shop.stack, but_for=both.there_id) == before


async def test_idempotency_key_is_scoped_to_the_marketplace(both: Both) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    made = []
    for people in (both.here, both.there, both.here):
        body = {"business_id": str(people[1].id), "amount": 1}
        answer = await people[0].client.post("/orders/", json=body, headers=key)
        made.append(answer_of(answer, status=201)["id"])

    assert made[0] == made[2] != made[1]
