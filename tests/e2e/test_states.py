"""Every action in every state, over REST, as the guide allows it.

An allowed action moves the order. Every other one is refused with the state, and changes nothing:
not the order, its dispute, its escrow or its events, and not the ledger.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from deploy.operator.client import Operator
from kernel.ids import from_public, new_id, to_public
from tests.books import PARTS, Books, assert_sound
from tests.shop import COMMANDS, Pair, Shop, data_of, error_of, nothing_is_sent
from tests.tables import Record, add

STATES = (
    "ORDER_CREATED",
    "FUNDS_RESERVED",
    "ESCROW_CREATING",
    "ESCROW_FUNDING",
    "ESCROW_FUNDED",
    "IN_PROGRESS",
    "RELEASE_REQUESTED",
    "RELEASED",
    "REFUND_REQUESTED",
    "REFUNDED",
    "DISPUTED",
    "CLOSED",
)
RESOLVE = "resolve"
TABLE = "what each command does in each state"
TRIED = (*COMMANDS, RESOLVE)
# "State Transition Rules" of the guide, as its requests reach them: the state in which a caller
# finds the order when the command has been carried out.
ALLOWED = {
    ("ORDER_CREATED", "reserve"): "FUNDS_RESERVED",
    ("ORDER_CREATED", "cancel"): "CLOSED CANCELED",
    ("FUNDS_RESERVED", "escrow"): "ESCROW_CREATING",
    ("FUNDS_RESERVED", "cancel"): "CLOSED CANCELED",
    ("ESCROW_CREATING", "fund"): "IN_PROGRESS",
    ("IN_PROGRESS", "release"): "CLOSED RELEASED",
    ("IN_PROGRESS", "refund"): "CLOSED REFUNDED",
    ("IN_PROGRESS", "dispute"): "DISPUTED",
    ("DISPUTED", RESOLVE): "CLOSED RELEASED",
}
# An escrow exists from its creation until the order is closed.
WITH_ESCROW = STATES[2:11]
# Codes that say more than INVALID_STATE (reference §4).
SPECIFIC = {
    **{(state, "escrow"): "ESCROW_ALREADY_EXISTS" for state in WITH_ESCROW},
    ("DISPUTED", "dispute"): "DISPUTE_ALREADY_OPEN",
}
# States that an order rests in, where it was brought by commands; the others are held still.
RESTING = ("ORDER_CREATED", "FUNDS_RESERVED", "ESCROW_CREATING", "IN_PROGRESS", "DISPUTED")
# States that last as long as the chain takes: what must be asked for, and from where.
MOVING = {
    "ESCROW_FUNDING": ("ESCROW_CREATING", "fund"),
    "RELEASE_REQUESTED": ("IN_PROGRESS", "release"),
    "REFUND_REQUESTED": ("IN_PROGRESS", "refund"),
}
# States inside one transaction, which nobody sees from outside, and whence they are reached.
PASSING = {
    "ESCROW_FUNDED": ("IN_PROGRESS",),
    "RELEASED": ("IN_PROGRESS", "DISPUTED"),
    "REFUNDED": ("IN_PROGRESS", "DISPUTED"),
}
# How an order is closed, and from which state.
ENDINGS = {
    "cancel": "FUNDS_RESERVED",
    "release": "IN_PROGRESS",
    "refund": "IN_PROGRESS",
    RESOLVE: "DISPUTED",
}


@pytest.fixture(scope="module")
async def pair(shop: Shop) -> Pair:
    return await shop.pair(amount="10000.00")


@contextlib.asynccontextmanager
async def held(shop: Shop, pair: Pair, books: Books, state: str) -> AsyncIterator[list[str]]:
    """Keep orders in a state for the block; CLOSED with each final status."""
    if state in RESTING:
        yield [await shop.order_in(state, pair)]
    elif state in MOVING:
        async with moving(shop, pair, books, state) as order_id:
            yield [order_id]
    elif state in PASSING:
        places = PASSING[state]
        orders = await asyncio.gather(*(shop.order_in(place, pair) for place in places))
        for order_id in orders:
            books.put_into(order_id, state)
        yield orders
        for order_id, place in zip(orders, places, strict=True):
            books.put_into(order_id, place)
    else:
        yield await asyncio.gather(*(closed(shop, pair, ending) for ending in ENDINGS))


@contextlib.asynccontextmanager
async def moving(shop: Shop, pair: Pair, books: Books, state: str) -> AsyncIterator[str]:
    before, command = MOVING[state]
    order_id = await shop.order_in(before, pair)
    async with nothing_is_sent(shop.stack):
        answer = await shop.act(order_id, command, Prefer="respond-async")
        assert answer.status_code == 202, answer.text
        assert data_of(answer)["status"] == state
        await books.until_in_motion(order_id)
        yield order_id
        assert (await shop.get(f"/orders/{order_id}"))["status"] == state
    await shop.quiet(order_id)


async def closed(shop: Shop, pair: Pair, ending: str) -> str:
    order_id = await shop.order_in(ENDINGS[ending], pair)
    data_of(await tried(shop, order_id, ending))
    return order_id


async def tried(shop: Shop, order_id: str, command: str) -> httpx.Response:
    if command != RESOLVE:
        return await shop.act(order_id, command)
    dispute = (await shop.get(f"/orders/{order_id}"))["dispute"]
    dispute_id = dispute["id"] if dispute else to_public("dsp", new_id())
    return await shop.resolve(dispute_id, "FULL_RELEASE")


def refusal(answer: httpx.Response, *, state: str, command: str, books: dict[str, Any]) -> str:
    """Compare a refusal with the guide; returns its code. books: everything about the order."""
    if command == RESOLVE and books["orders.orders"][0]["dispute_id"] is None:
        # Where there is no dispute, there is nothing that could be in a wrong state.
        assert error_of(answer, status=404)["code"] == "DISPUTE_NOT_FOUND"
        return "DISPUTE_NOT_FOUND"
    error = error_of(answer, status=409)
    assert error["code"] == SPECIFIC.get((state, command), "INVALID_STATE")
    assert error["details"]["currentState"] == state
    if error["code"] == "INVALID_STATE":
        allowed = {place for place, what in ALLOWED if what == command}
        assert set(error["details"]["allowedStates"]) == allowed
    assert from_public("ord", error["details"]["orderId"]) == uuid.UUID(
        books["orders.orders"][0]["id"]
    )
    return str(error["code"])


def in_words(order: dict[str, object]) -> str:
    return f"{order['status']} {order['finalStatus'] or ''}".strip()


@pytest.mark.parametrize("state", STATES)
async def test_each_state_allows_only_the_documented_actions(
    shop: Shop, pair: Pair, books: Books, record_property: Record, state: str
) -> None:
    results: dict[str, str] = {}
    async with held(shop, pair, books, state) as orders:
        for command in (command for command in TRIED if (state, command) not in ALLOWED):
            for order_id in orders:
                before = books.all_about(order_id)
                answer = await tried(shop, order_id, command)
                code = refusal(answer, state=state, command=command, books=before)
                results[command] = code
                assert books.all_about(order_id) == before, command

    for command in (command for command in TRIED if (state, command) in ALLOWED):
        order_id = await shop.order_in(state, pair)
        data_of(await tried(shop, order_id, command), status=200)
        results[command] = in_words(await shop.quiet(order_id))
        assert results[command] == ALLOWED[state, command]

    assert set(results) == set(TRIED)
    row = [state, *(results[command] for command in TRIED)]
    add(record_property, title=TABLE, rows=[["", *TRIED], row])


async def test_escrow_can_be_funded_only_after_its_deployment(
    shop: Shop, pair: Pair, books: Books
) -> None:
    order_id = await shop.order_in("FUNDS_RESERVED", pair)
    async with nothing_is_sent(shop.stack):
        creating = data_of(await shop.act(order_id, "escrow"), status=200)
        before = books.all_about(order_id)

        error = error_of(await shop.act(order_id, "fund", Prefer="wait=1"), status=409)

        assert books.all_about(order_id) == before
    assert (error["code"], error["details"]["currentState"]) == (
        "ESCROW_NOT_READY",
        "ESCROW_CREATING",
    )
    # One that waits, as every caller does who says nothing, gets what it asked for.
    funded = data_of(await shop.act(order_id, "fund"), status=200)
    assert (funded["status"], funded["escrow"]["id"]) == ("IN_PROGRESS", creating["escrow"]["id"])


async def test_comparison_covers_every_field_of_an_order(
    shop: Shop, pair: Pair, books: Books
) -> None:
    before = books.all_about(await shop.order(pair))
    ended = books.all_about(await closed(shop, pair, RESOLVE))

    assert books.tables_about_orders() == set(PARTS) - {"ledger.accounts"}
    assert {name for name, rows in before.items() if rows} == {
        "orders.orders",
        "orders.outbox",
        "ledger.accounts",
    }
    # Only the hold of an order that was canceled before it was reserved is barred. Nobody has made
    # an offer, or written about the dispute.
    assert {name for name, rows in ended.items() if not rows} == {
        "ledger.barred_holds",
        "orders.offers",
        "disputes.messages",
        "disputes.notes",
    }


async def test_books_are_sound_after_all_tests(operator: Operator) -> None:
    await assert_sound(operator)
