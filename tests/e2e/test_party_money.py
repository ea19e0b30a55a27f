"""Random orders on running stacks: receipt, ledger and chain say the same to the stroop.

Once where the platform's wallet makes the provider's fee good, once where it does not.
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
from hypothesis import given, settings

from deploy.local.demo.chain import Chain
from deploy.local.devnet import network_info
from tests.books import assert_sound, operator_of
from tests.e2e.order_ends import CASES, REFUNDS, Case, ended, wealth
from tests.people import Person, pair
from tests.running_stack import RunningStack
from tests.shop import Shop

# Each example is a whole order on chain; the pure arithmetic is tried on many more.
EXAMPLES = 6
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
        """Return what the two have, on ledger and chain alike, and what the provider has."""
        buyer, business = [await wealth(self.shop, person) for person in self.people]
        kept = await self.chain.account_balance(self.provider)
        return buyer, business, kept * STROOP


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
    """Read a receipt with its numbers as they are printed."""
    document: dict[str, Any] = json.loads(answer.text, parse_float=Decimal, parse_int=Decimal)
    return document


def provider_fee(amount: Decimal) -> Decimal:
    """Return what the contract keeps of a payout for its maker: rounded down to the stroop."""
    return (amount * PROVIDER_RATE).quantize(STROOP, rounding=decimal.ROUND_DOWN)


def agreed_fee(released: Decimal) -> Decimal:
    """Return the platform's fee as the documents have it: half up to whole cents."""
    return (released * RATE).quantize(CENT, rounding=decimal.ROUND_HALF_UP)


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(case=CASES)
async def test_with_fees_made_good_an_order_adds_up(absorbing: Place, case: Case) -> None:
    before = await absorbing.figures()

    order_id = await ended(absorbing.shop, absorbing.people, case)

    after = await absorbing.figures()
    cost, income, kept = before[0] - after[0], after[1] - before[1], after[2] - before[2]
    released = case.released * CENT
    assert cost == released
    assert abs(kept - provider_fee(case.amount * CENT)) <= STROOP
    receipt = await absorbing.people[1].act(order_id, "receipt")
    if case.end in REFUNDS:
        assert income == 0
        assert receipt.status_code == 404
        return
    printed = of(receipt)
    assert (printed["amount"], printed["business_income"]) == (released, income)
    borne = printed["cost_breakdown"].get("provider_fee", 0)
    assert income + printed["platform_fee"] + borne == released
    assert abs(printed["platform_fee"] - agreed_fee(released)) < CENT
    assert printed["cost_breakdown"]["business_payout"] == income


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(case=CASES)
async def test_with_fees_left_an_order_adds_up(leaving: Place, case: Case) -> None:
    before = await leaving.figures()

    order_id = await ended(leaving.shop, leaving.people, case)

    after = await leaving.figures()
    cost, income, kept = before[0] - after[0], after[1] - before[1], after[2] - before[2]
    released, refunded = case.released * CENT, (case.amount - case.released) * CENT
    # Of what comes back, the provider keeps its fee and the platform nothing.
    assert cost == released + provider_fee(refunded)
    assert abs(kept - provider_fee(case.amount * CENT)) <= STROOP
    receipt = await leaving.people[1].act(order_id, "receipt")
    if case.end in REFUNDS:
        assert income == 0
        assert receipt.status_code == 404
        return
    printed = of(receipt)
    assert (printed["amount"], printed["business_income"]) == (released, income)
    borne = printed["cost_breakdown"].get("provider_fee", 0)
    assert income + printed["platform_fee"] + borne == released
    assert abs(borne - provider_fee(released)) <= STROOP
    assert abs(printed["platform_fee"] - agreed_fee(released)) < CENT
    assert printed["cost_breakdown"]["business_payout"] == income


async def test_afterwards_the_books_are_sound(absorbing: Place, leaving: Place) -> None:
    for found in (absorbing, leaving):
        async with operator_of(found.shop.stack) as operator:
            await assert_sound(operator)
