"""People's own money in the party API: paid in, seen, and withdrawn to an account outside."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator

import httpx
import pytest

from deploy.local.demo.chain import Chain
from deploy.local.devnet import network_info
from deploy.operator.client import Operator
from kernel.ids import to_public
from kernel.money import UNIT
from tests.books import assert_sound
from tests.e2e.tenants import a_withdrawal, key_store, tenant
from tests.integration.escrow.strangers import Stranger
from tests.people import Person, answer_of, meet, pair, refusal_of
from tests.running_stack import RunningStack
from tests.shop import Shop, data_of, error_of, until

WITHDRAWALS = "/me/withdrawals"


@pytest.fixture(scope="module")
async def people(shop: Shop) -> AsyncIterator[tuple[Person, Person]]:
    """Two people; the first has 100.00."""
    async with contextlib.AsyncExitStack() as opened:
        yield await pair(opened, shop, amount="100.00")


@pytest.fixture
async def outside(stack: RunningStack) -> Stranger:
    """A new account outside, with 1.00."""
    found = Stranger(network_info(stack.document["devnetUrl"]))
    await found.come(amount="1.0000000")
    return found


async def balance(person: Person) -> tuple[float, float]:
    found = answer_of(await person.client.get("/me/balance"))
    return found["available"], found["reserved"]


async def test_person_pays_in_where_they_are_told_and_withdraws_what_they_have(
    shop: Shop, stack: RunningStack, operator: Operator, outside: Stranger
) -> None:
    async with Person.of(stack) as person, Chain.of(stack.document) as chain:
        await meet(person)
        place = answer_of(await person.client.get("/me/wallet/deposit"))
        info = network_info(stack.document["devnetUrl"])
        assert place["asset"] == {"code": "USDC", "issuer": info["usdcIssuer"]}
        assert place["memo"] == "none"
        seen_by_key = await shop.get(f"/users/{person.id}/wallet/deposit")
        assert seen_by_key["address"] == place["address"]

        await outside.send(outside.payment(place["address"], "0.75"))

        async def has_come() -> bool:
            return await balance(person) == (0.75, 0)

        await until(has_come, what="the deposit was not credited")
        body = {"amount": 0.5, "destination": outside.address, "commit": True}
        paid = answer_of(await person.client.post(WITHDRAWALS, json=body), status=201)

        assert paid["status"] == "completed"
        assert await balance(person) == (0.25, 0)
        assert await chain.account_balance(outside.address) == UNIT * 3 // 4
        statement = answer_of(await person.client.get("/me/balance/entries"))
        lines = [(one["code"], one["available_change"]) for one in statement["items"]]
        assert lines == [("withdrawal", 0), ("withdrawal", -0.5), ("deposit", 0.75)]
        assert {one["withdrawal_id"] for one in statement["items"][:2]} == {paid["id"]}
        assert statement["items"][0]["transaction_hash"] == paid["transaction_hash"]
        assert answer_of(await person.client.get(f"{WITHDRAWALS}/{paid['id']}")) == paid
        same = await shop.get(f"/withdrawals/{to_public('wd', uuid.UUID(paid['id']))}")
        assert (same["status"], same["transactionHash"]) == ("COMPLETED", paid["transaction_hash"])
    await assert_sound(operator)


async def test_lists_of_money_are_read_page_by_page(
    people: tuple[Person, Person], outside: Stranger
) -> None:
    person, _ = people
    made = []
    for number in range(3):
        body = {"amount": 1, "destination": outside.address, "reference": f"page-{number}"}
        made.append(answer_of(await person.client.post(WITHDRAWALS, json=body), status=201)["id"])

    first = answer_of(await person.client.get(WITHDRAWALS, params={"limit": "2"}))
    after = {"limit": "2", "cursor": first["next_cursor"]}
    second = answer_of(await person.client.get(WITHDRAWALS, params=after))
    named = answer_of(await person.client.get(WITHDRAWALS, params={"reference": "page-1"}))
    canceled = answer_of(await person.client.post(f"{WITHDRAWALS}/{made[0]}/cancel"))
    listed = answer_of(await person.client.get(WITHDRAWALS, params={"status": "cancelled"}))

    pages = [*first["items"], *second["items"]]
    assert [one["id"] for one in pages][:3] == made[::-1]
    assert [one["id"] for one in named["items"]] == [made[1]]
    assert canceled["status"] == "cancelled"
    assert listed["items"] == [canceled]
    wrong = await person.client.get(WITHDRAWALS, params={"cursor": "x"})
    assert [one["field"] for one in wrong.json()["errors"]] == ["cursor"]


async def every_way(person: Person, withdrawal: str) -> list[httpx.Response]:
    """Ask for a withdrawal by each of its routes."""
    path = f"{WITHDRAWALS}/{withdrawal}"
    return [
        await person.client.get(path),
        await person.client.post(f"{path}/commit"),
        await person.client.post(f"{path}/cancel"),
    ]


async def test_withdrawals_of_others_cannot_be_found_or_moved(
    people: tuple[Person, Person], stack: RunningStack, shop: Shop, outside: Stranger
) -> None:
    rich, other = people
    body = {"amount": 1, "destination": outside.address}
    theirs = answer_of(await rich.client.post(WITHDRAWALS, json=body), status=201)["id"]
    async with key_store(stack) as store:
        elsewhere = await tenant(stack, store)
        async with elsewhere.shop() as other_shop:
            foreign = await a_withdrawal(other_shop, await other_shop.user())
    async with Person.of(stack, role="admin") as admin:
        await meet(admin)
        for who, name in ((other, theirs), (admin, theirs), (rich, foreign), (other, foreign)):
            for spelling in (name, to_public("wd", uuid.UUID(name)) if "-" in name else name):
                for answer in await every_way(who, spelling):
                    assert refusal_of(answer) == (404, "withdrawal_not_found")
        for who in (other, admin):
            assert answer_of(await who.client.get(WITHDRAWALS))["items"] == []
            assert await balance(who) == (0, 0)

    assert answer_of(await rich.client.get(f"{WITHDRAWALS}/{theirs}"))["status"] == "created"
    assert (await shop.get(f"/withdrawals/{to_public('wd', uuid.UUID(theirs))}"))["userId"]


async def test_key_of_two_people_is_two_requests(
    people: tuple[Person, Person], outside: Stranger
) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"amount": 1, "destination": outside.address}

    made = [
        answer_of(await one.client.post(WITHDRAWALS, json=body, headers=key), status=201)["id"]
        for one in (people[0], people[1], people[0])
    ]

    assert made[0] == made[2] != made[1]


async def test_too_little_money_says_what_is_missing_and_where_the_payer_pays_in(
    people: tuple[Person, Person], shop: Shop, outside: Stranger
) -> None:
    _, poor = people
    place = answer_of(await poor.client.get("/me/wallet/deposit"))
    expected = {name: place[name] for name in ("address", "asset", "network")}
    order = await poor.order(people[0], amount="80.00")
    unpaid = await poor.act(order, "pay")
    body = {"amount": 5, "destination": outside.address, "commit": True}
    held = await poor.client.post(WITHDRAWALS, json=body)
    committed = await poor.client.post(
        f"{WITHDRAWALS}/{held.json()['detail']['withdrawal_id']}/commit"
    )
    named = {"userId": str(poor.id), "amount": "5.00", "destination": outside.address}
    by_key = await shop.post("/withdrawals", {**named, "commit": True})

    for answer, missing in ((unpaid, "80.00"), (held, "5.00"), (committed, "5.00")):
        assert refusal_of(answer) == (422, "insufficient_funds")
        detail = answer.json()["detail"]
        assert (detail["missing"], detail["deposit"]) == (missing, expected)
    details = error_of(by_key, status=422)["details"]
    assert (details["missing"], details["deposit"]) == ("5.00", expected)


async def test_one_of_two_withdrawals_of_the_same_money_is_paid(
    stack: RunningStack, shop: Shop, operator: Operator, outside: Stranger
) -> None:
    async with Person.of(stack) as person:
        await meet(person)
        await shop.give(str(person.id), "10.00")
        body = {"amount": 10, "destination": outside.address, "commit": True}

        said = await asyncio.gather(*(person.client.post(WITHDRAWALS, json=body) for _ in range(4)))

        assert sorted(one.status_code for one in said) == [201, 422, 422, 422]
        assert await balance(person) == (0, 0)
    await assert_sound(operator)


async def test_no_token_and_no_person_reach_no_money(stack: RunningStack, shop: Shop) -> None:
    async with httpx.AsyncClient(base_url=f"{stack.url}/api/v1") as nobody:
        for path in ("/me/balance", "/me/balance/entries", "/me/wallet/deposit", WITHDRAWALS):
            assert (await nobody.get(path)).status_code == 401
            # A marketplace's key names no person.
            assert error_of(await shop.client.get(path), status=404)["code"] == "NOT_FOUND"
    assert data_of(await shop.client.get("/me"))
