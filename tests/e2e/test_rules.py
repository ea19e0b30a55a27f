"""Settings of a marketplace on a running stack: deadlines, its clock, and platform fees.

The stack polls every second; the tests move timestamps in its database.
"""

import asyncio
import contextlib
import itertools
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg
import pytest

from deploy.local.process import Command, python_module, run
from deploy.local.settings import ROOT, child_environment
from kernel.ids import from_public, to_public
from tests.books import Books, assert_sound, operator_of
from tests.e2e.routes import AS_LIST
from tests.e2e.tenants import client_of
from tests.people import Person, answer_of, pair, settled
from tests.running_stack import RunningStack, running_stack
from tests.shop import Shop, data_of, error_of, until

BACK_DATE = """
update orders.orders set rests_since = now() - make_interval(days => %s) where id = %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """The demo marketplace of a separate stack, two people in it, and access to its books."""

    shop: Shop
    buyer: Person
    business: Person
    books: Books

    async def choose(self, **rules: int) -> None:
        """Change settings as an operator does, with the options of `make marketplace`."""
        options = [(f"--{name.replace('_', '-')}", str(value)) for name, value in rules.items()]
        command = Command(
            name="marketplace",
            argv=python_module("deploy.operator", "choose", *itertools.chain(*options)),
            environment=child_environment(RUN_DIR=str(self.shop.stack.run_dir)),
            folder=ROOT,
        )
        await asyncio.to_thread(run, command, log_path=self.shop.stack.run_dir / "chosen.log")

    async def delivered(self) -> str:
        """Create an order, pay it and deliver it; returns its id."""
        order_id = await self.buyer.order(self.business, amount="10.00")
        answer_of(await self.buyer.act(order_id, "pay"))
        answer_of(await self.business.act(order_id, "deliver"))
        await self.shop.quiet(order_id)
        return order_id

    async def is_served(self, order_id: str) -> None:
        """Wait until the gateway reaches orders again."""

        async def served() -> bool:
            return (await self.buyer.act(order_id, "get")).is_success

        await until(served, what="orders is not reached")

    def back_date(self, order_id: str, *, days: int) -> None:
        """Move a delivery so many days into the past."""
        with psycopg.connect(str(self.shop.stack.document["databaseUrl"])) as connection:
            assert connection.execute(BACK_DATE, (days, order_id)).rowcount == 1

    def all_about(self, order_id: str) -> dict[str, Any]:
        """Read everything about an order except its parties' accounts, which have other orders."""
        found = self.books.all_about(to_public("ord", uuid.UUID(order_id)))
        return {name: rows for name, rows in found.items() if name != "ledger.accounts"}


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with running_stack(tmp_path_factory.mktemp("rules"), AUTO_CONFIRM_POLL_SECONDS="1") as opened:
        yield opened


@pytest.fixture(scope="module")
async def market(own_stack: RunningStack) -> AsyncIterator[Market]:
    async with contextlib.AsyncExitStack() as opened:
        shop = await opened.enter_async_context(Shop.of(own_stack))
        buyer, business = await pair(opened, shop, amount="2000.00")
        yield Market(shop=shop, buyer=buyer, business=business, books=Books(own_stack))


async def test_unanswered_delivery_is_accepted_although_orders_was_killed(
    market: Market,
) -> None:
    order_id, disputed = await asyncio.gather(market.delivered(), market.delivered())
    answer_of(await market.buyer.act(disputed, "dispute"), status=201)
    await market.shop.quiet(disputed)
    stack = market.shop.stack
    logged = len(stack.process.log())
    stack.kill("orders")
    market.back_date(order_id, days=7)
    # Overdue for longer, so that it would come first.
    market.back_date(disputed, days=10)
    before = market.all_about(disputed)
    await asyncio.to_thread(stack.wait_until_back, "orders", since=logged)
    await market.is_served(order_id)

    await settled(market.buyer, order_id, "completed")

    order = await market.shop.quiet(order_id)
    assert (order["status"], order["finalStatus"]) == ("CLOSED", "RELEASED")
    receipt = answer_of(await market.business.act(order_id, "receipt"))
    assert receipt["personal_signal"] == "neutral"
    assert receipt == answer_of(await market.buyer.act(order_id, "receipt"))
    assert market.all_about(disputed) == before
    assert await market.buyer.status(disputed) == "disputed"


async def test_delivery_by_a_marketplaces_key_is_accepted_automatically(market: Market) -> None:
    shop = market.shop
    order_id = await shop.order_in("IN_PROGRESS", await shop.pair(amount="80.00"))
    path, body = f"/orders/{order_id}/deliver", {"notes": "All files"}
    first = await shop.post(path, body, key=f"deliver {order_id}")
    again = await shop.post(path, body, key=f"deliver {order_id}")
    refused = await shop.post(path, body)

    market.back_date(str(from_public("ord", order_id)), days=7)

    async def accepted() -> bool:
        return bool((await shop.get(f"/orders/{order_id}"))["status"] == "CLOSED")

    await until(accepted, what="the delivery was not accepted")
    assert data_of(first, status=200)["delivery"]["notes"] == "All files"
    assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
    assert error_of(refused, status=409)["code"] == "INVALID_STATE"
    assert (await shop.quiet(order_id))["finalStatus"] == "RELEASED"


async def test_auto_confirm_waits_the_configured_number_of_days(market: Market) -> None:
    await market.choose(auto_confirm_days=2, warning_hours=1)
    early, due, later = await asyncio.gather(*(market.delivered() for _ in range(3)))
    market.back_date(early, days=1)
    before = market.all_about(early)
    # Of two, one after the other: between them the younger delivery was looked at.
    for order_id in (due, later):
        market.back_date(order_id, days=2)
        await settled(market.business, order_id, "completed")

    assert market.all_about(early) == before
    assert await market.business.status(early) == "delivered"
    await market.choose(auto_confirm_days=1)
    await settled(market.business, early, "completed")


@pytest.fixture
async def test_shop(own_stack: RunningStack) -> AsyncIterator[Shop]:
    """A client of the demo marketplace's test environment."""
    async with client_of(own_stack, str(own_stack.document["testKey"])) as client:
        yield Shop(client, own_stack)


async def _deadlines_told(shop: Shop, order_id: str) -> list[str]:
    entries = (await shop.get(f"/orders/{order_id}/timeline"))["entries"]
    return [entry["name"] for entry in entries if "deadline" in entry["name"]]


async def test_a_reservation_lapses_when_the_test_clock_is_moved(
    market: Market, test_shop: Shop
) -> None:
    pair = await test_shop.pair(amount="100.00")
    live = await market.shop.order_in("FUNDS_RESERVED", await market.shop.pair(amount="100.00"))
    order_id = await test_shop.order_in("FUNDS_RESERVED", pair)
    deployed = await test_shop.order_in("ESCROW_CREATING", await test_shop.pair(amount="100.00"))
    before = await test_shop.get("/marketplace")

    moved = data_of(await test_shop.post("/test/clock", {"advance": "8d"}, key="a week"))
    again = data_of(await test_shop.post("/test/clock", {"advance": "8d"}, key="a week"))

    assert moved == again
    assert moved["clockOffsetSeconds"] == before["clockOffsetSeconds"] + 8 * 86400
    assert moved["deadlines"][0] == {
        "name": "reservation",
        "status": "FUNDS_RESERVED",
        "delivered": None,
        "days": 7,
        "action": "CANCEL",
    }

    async def is_canceled() -> bool:
        found = [await test_shop.get(f"/orders/{one}") for one in (order_id, deployed)]
        return {one["finalStatus"] for one in found} == {"CANCELED"}

    await until(is_canceled, what="the reservation did not lapse")
    for one in (order_id, deployed):
        assert await _deadlines_told(test_shop, one) == ["order.deadline_warning"]
    assert await test_shop.balance(pair.buyer) == ("100.00", "0.00")
    assert (await market.shop.get(f"/orders/{live}"))["status"] == "FUNDS_RESERVED"
    assert await _deadlines_told(market.shop, live) == []


async def test_a_dispute_that_waits_too_long_is_told_once_when_the_test_clock_is_moved(
    test_shop: Shop,
) -> None:
    rules = await test_shop.get("/marketplace")
    order_id = await test_shop.order_in("DISPUTED", await test_shop.pair(amount="100.00"))
    case = (await test_shop.get(f"/orders/{order_id}"))["dispute"]["id"]
    opened = await test_shop.get(f"/disputes/{case}")

    async def told() -> list[dict[str, Any]]:
        query = {"aggregateId": case, "types": "dispute.overdue"}
        answer = await test_shop.client.get("/events", params=query, headers=AS_LIST)
        return [one["payload"] for one in answer.json()["data"]][::-1]

    async def overdue() -> list[str]:
        answer = await test_shop.client.get("/disputes", params={"overdue": "true"})
        return [one["id"] for one in answer.json()["data"]]

    async def is_told(count: int) -> bool:
        return len(await told()) == count

    data_of(await test_shop.post("/test/clock", {"advance": "25h"}))
    await until(partial(is_told, 1), what="nobody was told of the missing answer")
    late = await overdue()
    await test_shop.post(f"/disputes/{case}/messages", {"text": "We look at it"})
    answered = await overdue()
    data_of(await test_shop.post("/test/clock", {"advance": "7d"}))
    await until(partial(is_told, 2), what="nobody was told of the missing decision")
    later = await test_shop.get(f"/disputes/{case}")
    data_of(await test_shop.resolve(case, "FULL_REFUND"))
    await test_shop.quiet(order_id)

    assert (rules["disputeAnswerHours"], rules["disputeDecisionHours"]) == (24, 168)
    assert (opened["overdue"], opened["firstAnsweredAt"]) == (False, None)
    ids = {"disputeId": case, "orderId": order_id, "assignedTo": ""}
    assert await told() == [
        {**ids, "waitsFor": "FIRST_ANSWER", "dueAt": opened["firstAnswerDueAt"]},
        {**ids, "waitsFor": "DECISION", "dueAt": opened["decisionDueAt"]},
    ]
    assert (case in late, case in answered) == (True, False)
    assert later["overdue"]
    assert later["firstAnsweredAt"] > later["firstAnswerDueAt"]
    assert not (await test_shop.get(f"/disputes/{case}"))["overdue"]


async def test_the_clock_of_a_live_marketplace_cannot_be_moved(market: Market) -> None:
    answer = await market.shop.post("/test/clock", {"advance": "1d"})

    assert error_of(answer, status=409)["code"] == "LIVE_MARKETPLACE"
    assert (await market.shop.get("/marketplace"))["clockOffsetSeconds"] == 0


@dataclass(slots=True, kw_only=True)
class Rates:
    """Orders created under the current rates; the last two: by key, by token."""

    market: Market
    made: tuple[dict[str, Any], dict[str, Any]] = ({}, {})

    async def are(self, *, by_key: int, by_token: float) -> None:
        """Create orders until both rates are in effect: services cache rules for seconds."""

        async def are_in_force() -> bool:
            self.made = await self._make()
            seen = (self.made[0]["platformFeeBps"], self.made[1]["platform_fee"])
            return seen == (by_key, by_token)

        await until(are_in_force, what="the rates did not come into force")

    async def _make(self) -> tuple[dict[str, Any], dict[str, Any]]:
        market = self.market
        body = {
            "buyerId": str(market.buyer.id),
            "sellerId": str(market.business.id),
            "amount": "80.00",
            "title": "Logo design",
        }
        made = data_of(await market.shop.post("/orders", body), status=201)
        asked = {"business_id": str(market.business.id), "amount": 150}
        party = answer_of(await market.buyer.client.post("/orders/", json=asked), status=201)
        return await market.shop.get(f"/orders/{made['id']}"), party


async def test_order_keeps_the_fee_rate_of_its_creation(market: Market) -> None:
    buyer, business, shop = market.buyer, market.business, market.shop
    rates = Rates(market=market)
    await market.choose(fee_bps=250, party_fee_bps=1250)
    await rates.are(by_key=250, by_token=18.75)
    by_key, by_token = rates.made
    for order_id in (by_key["id"], by_token["id"]):
        answer_of(await buyer.act(order_id, "pay"))
    await market.choose(fee_bps=9900, party_fee_bps=0)
    await rates.are(by_key=9900, by_token=0)
    before = await shop.balance(str(business.id))

    data_of(await shop.act(by_key["id"], "release"))
    released = await shop.quiet(by_key["id"])
    between = await shop.balance(str(business.id))
    answer_of(await buyer.act(by_token["id"], "confirm"))
    await shop.quiet(by_token["id"])
    after = await shop.balance(str(business.id))

    assert (by_key["platformFee"], by_key["platformFeeBps"]) == ("2.00", 250)
    assert (released["platformFee"], released["platformFeeBps"]) == ("2.00", 250)
    assert cents(between) - cents(before) == 78_00
    receipt = answer_of(await business.act(by_token["id"], "receipt"))
    assert (receipt["platform_fee"], receipt["business_income"]) == (18.75, 131.25)
    assert cents(after) - cents(between) == 131_25


def cents(balance: tuple[str, str]) -> int:
    """Return the available balance, in cents."""
    return int(balance[0].replace(".", ""))


async def test_books_are_sound_after_all_tests(own_stack: RunningStack) -> None:
    async with operator_of(own_stack) as operator:
        await assert_sound(operator)
