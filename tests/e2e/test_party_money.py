"""Random orders on a running stack: receipt, ledger and chain say the same to the stroop."""

import contextlib
import decimal
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.local.operator import Operator
from tests.books import assert_sound
from tests.people import Person, answer_of, pair, resolved
from tests.shop import Shop, data_of, until

Decimal = decimal.Decimal
# Each example is a whole order on chain; the pure arithmetic is tried on many more.
EXAMPLES = 6
CENT = Decimal("0.01")
RATE = Decimal("0.10")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An order and its end; cents. released: of a split, what the business is to have."""

    amount: int
    end: str
    released: int = 0


def splits(amount: int) -> st.SearchStrategy[Case]:
    """Return cases in which support divides an amount."""
    parts = st.integers(1, amount - 1)
    return parts.map(lambda part: Case(amount=amount, end="SPLIT", released=part))


ENDS = st.sampled_from(["confirm", "refund", "FULL_RELEASE", "FULL_REFUND"])
CASES = st.builds(Case, amount=st.integers(1, 20_000), end=ENDS) | st.integers(2, 20_000).flatmap(
    splits
)


@pytest.fixture(scope="module")
async def people(shop: Shop) -> AsyncIterator[tuple[Person, Person]]:
    """A personal user with money, and a business."""
    async with contextlib.AsyncExitStack() as opened:
        yield await pair(opened, shop, amount="20000.00")


def spelled(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


async def wealth(shop: Shop, person: Person) -> Decimal:
    """Return what somebody has: the same on the ledger and on the chain."""
    found: list[Decimal] = []

    async def agreed() -> bool:
        wallet = await shop.get(f"/users/{person.id}/wallet")
        (held,) = (one["balance"] for one in wallet["balances"] if one["asset"] == "USDC")
        available, reserved = await shop.balance(str(person.id))
        found[:] = [Decimal(available), Decimal(held)]
        return found[0] == found[1] and Decimal(reserved) == 0

    await until(agreed, what="ledger and chain did not agree")
    return found[0]


async def ended(shop: Shop, people: tuple[Person, Person], case: Case) -> str:
    """Make an order, pay it, and end it as the case says; returns its id."""
    buyer, business = people
    order_id = await buyer.order(business, amount=spelled(case.amount))
    answer_of(await buyer.act(order_id, "pay"))
    if case.end == "confirm":
        answer_of(await buyer.act(order_id, "confirm"))
    elif case.end == "refund":
        data_of(await shop.act(order_id, "refund"))
    else:
        answer_of(await business.act(order_id, "dispute"), status=201)
        amounts = {"releaseAmount": spelled(case.released)}
        amounts["refundAmount"] = spelled(case.amount - case.released)
        await resolved(shop, order_id, case.end, **amounts if case.end == "SPLIT" else {})
    await shop.quiet(order_id)
    return order_id


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(case=CASES)
async def test_an_order_adds_up_on_receipt_ledger_and_chain(
    shop: Shop, people: tuple[Person, Person], case: Case
) -> None:
    before = [await wealth(shop, person) for person in people]

    order_id = await ended(shop, people, case)

    after = [await wealth(shop, person) for person in people]
    cost, income = before[0] - after[0], after[1] - before[1]
    receipt = await people[1].act(order_id, "receipt")
    if case.end in {"refund", "FULL_REFUND"}:
        assert cost == income == 0
        assert receipt.status_code == 404
        return
    released = Decimal(case.released if case.end == "SPLIT" else case.amount) * CENT
    assert cost == released
    printed = json.loads(receipt.text, parse_float=Decimal, parse_int=Decimal)
    assert printed["amount"] == released
    assert printed["business_income"] == income
    assert printed["business_income"] + printed["platform_fee"] == released
    agreed = (released * RATE).quantize(CENT, rounding=decimal.ROUND_HALF_UP)
    assert abs(printed["platform_fee"] - agreed) < CENT
    assert printed["cost_breakdown"]["business_payout"] == income


async def test_afterwards_the_books_are_sound(operator: Operator) -> None:
    await assert_sound(operator)
