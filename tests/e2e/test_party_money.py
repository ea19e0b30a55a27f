"""Random orders on running stacks: receipt, ledger and chain agree to the stroop.

The tests run once with absorbed provider fees and once with PROVIDER_FEES=net.
"""

import contextlib
import decimal
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import example, given, settings

from deploy.local.demo.chain import Chain
from deploy.local.devnet import network_info
from tests.books import assert_sound, operator_of
from tests.e2e.order_ends import CASES, REFUNDS, Case, ended, wealth
from tests.people import Person, pair
from tests.running_stack import RunningStack
from tests.shop import Shop

pytestmark = pytest.mark.slow

# Each random example is a whole order on chain; the pure arithmetic is tried on many more.
EXAMPLES = 6
# 10 % of these is no whole cent. The contract's rate for the first two is above the agreed one; of
# the others, 0.01 of 0.05 and 8.00 of 79.95, the contract takes less by itself.
ROUNDED = (
    Case(amount=165, end="confirm"),
    Case(amount=5, end="FULL_RELEASE"),
    Case(amount=200, end="SPLIT", part=5),
    Case(amount=8000, end="SPLIT", part=7995),
)
CENT = Decimal("0.01")
STROOP = Decimal("0.0000001")
RATE = Decimal("0.10")
PROVIDER_RATE = Decimal("0.003")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A stack with two people on it: a personal user with money, and a business."""

    shop: Shop
    chain: Chain
    people: tuple[Person, Person]
    provider: str

    async def figures(self) -> tuple[Decimal, Decimal, Decimal]:
        """Return the balances of both sides, equal on ledger and chain, and of the provider."""
        buyer, business = [await wealth(self.shop, person) for person in self.people]
        kept = await self.chain.account_balance(self.provider)
        return buyer, business, kept * STROOP


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The effect of an order's end: the buyer's cost, the business's income, the provider's fee."""

    released: Decimal
    cost: Decimal
    income: Decimal
    kept: Decimal
    receipt: httpx.Response


async def watched(place: Place, case: Case) -> End:
    """End an order as the case says, and read all balances before and after."""
    before = await place.figures()
    order_id = await ended(place.shop, place.people, case)
    after = await place.figures()
    return End(
        released=case.released * CENT,
        cost=before[0] - after[0],
        income=after[1] - before[1],
        kept=after[2] - before[2],
        receipt=await place.people[1].act(order_id, "receipt"),
    )


@contextlib.asynccontextmanager
async def place(stack: RunningStack) -> AsyncIterator[Place]:
    async with contextlib.AsyncExitStack() as opened:
        shop = await opened.enter_async_context(Shop.of(stack))
        yield Place(
            shop=shop,
            chain=await opened.enter_async_context(Chain.of(stack.document)),
            people=await pair(opened, shop, amount="20000.00"),
            provider=network_info(stack.document["devnetUrl"])["feeAddress"],
        )


@pytest.fixture(scope="module")
async def absorbing(stack: RunningStack) -> AsyncIterator[Place]:
    async with place(stack) as opened:
        yield opened


@pytest.fixture(scope="module")
async def leaving(net_stack: RunningStack) -> AsyncIterator[Place]:
    async with place(net_stack) as opened:
        yield opened


def of(answer: httpx.Response) -> dict[str, Any]:
    """Read a receipt with its numbers as decimals."""
    document: dict[str, Any] = json.loads(answer.text, parse_float=Decimal, parse_int=Decimal)
    return document


def provider_fee(amount: Decimal) -> Decimal:
    """Return the provider fee of a payout, rounded down to the stroop."""
    return (amount * PROVIDER_RATE).quantize(STROOP, rounding=decimal.ROUND_DOWN)


def agreed_fee(released: Decimal) -> Decimal:
    """Return the documented platform fee: rounded half up to whole cents."""
    return (released * RATE).quantize(CENT, rounding=decimal.ROUND_HALF_UP)


def rounded(test: Any) -> Any:
    """Run a test with each of ROUNDED too."""
    for case in ROUNDED:
        test = example(case=case)(test)
    return test


@rounded
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(case=CASES)
async def test_absorbed_provider_fees_leave_amounts_that_add_up(
    absorbing: Place, case: Case
) -> None:
    end = await watched(absorbing, case)

    # The buyer is out of pocket by what was released, and by nothing else.
    assert end.cost == end.released
    assert end.kept == provider_fee(case.amount * CENT)
    if case.end in REFUNDS:
        assert_refunded(end)
        return
    assert end.income == end.released - agreed_fee(end.released)
    assert_printed(end)
    assert "provider_fee" not in of(end.receipt)["cost_breakdown"]


@rounded
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(case=CASES)
async def test_unabsorbed_provider_fees_leave_amounts_that_add_up(
    leaving: Place, case: Case
) -> None:
    end = await watched(leaving, case)

    # Of what comes back, the provider keeps its fee and the platform nothing.
    assert end.cost == end.released + provider_fee(case.amount * CENT - end.released)
    assert end.kept == provider_fee(case.amount * CENT)
    if case.end in REFUNDS:
        assert_refunded(end)
        return
    borne = provider_fee(end.released)
    assert end.income == end.released - agreed_fee(end.released) - borne
    assert_printed(end)
    assert of(end.receipt)["cost_breakdown"]["provider_fee"] == borne


def assert_printed(end: End) -> None:
    """Compare a receipt with the balances on ledger and chain, and with the agreed fee."""
    printed = of(end.receipt)
    assert (printed["amount"], printed["business_income"]) == (end.released, end.income)
    assert printed["platform_fee"] == agreed_fee(end.released)
    assert printed["cost_breakdown"]["platform_fee"] == printed["platform_fee"]
    assert printed["cost_breakdown"]["business_payout"] == end.income


def assert_refunded(end: End) -> None:
    """Check a refund: nothing for the business, and no receipt."""
    assert end.income == 0
    assert end.receipt.status_code == 404


async def test_books_are_sound_after_all_tests(absorbing: Place, leaving: Place) -> None:
    for found in (absorbing, leaving):
        async with operator_of(found.shop.stack) as operator:
            await assert_sound(operator)
