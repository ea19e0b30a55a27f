"""Races over REST with real concurrency: one request wins, money moves once, there is no 5xx.

RACE_ROUNDS is the number of rounds; `make prove` runs the long version and writes a report.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from deploy.local.demo.chain import Chain
from deploy.local.devnet import network_info
from deploy.operator.client import Operator
from tests import settings
from tests.books import Books, assert_sound
from tests.e2e import withdrawal_races
from tests.e2e.races import AMOUNT, Lane, Round, Tally, only_winner, run, words
from tests.e2e.withdrawal_races import Payer
from tests.integration.escrow.strangers import Stranger
from tests.replica import replica
from tests.report import write_races
from tests.running_stack import RunningStack
from tests.shop import Pair, Shop, data_of

LANES = 6
MONEY = "10000.00"
LOST = ("409 INVALID_STATE",)
# One buyer, twenty orders, and money for twelve of them; two such buyers at a time.
MANY, PAYABLE, ENOUGH, CROWDS = 20, 12, "96.00", 2


@pytest.fixture(scope="module")
async def second(stack: RunningStack) -> AsyncIterator[Shop]:
    """A client of the same marketplace at a second replica."""
    with replica(stack) as url:
        async with Shop.of(stack, url=url) as opened:
            yield opened


@pytest.fixture(scope="module")
async def lanes(shop: Shop, second: Shop, stack: RunningStack) -> list[Lane]:
    """Lanes whose buyers have money."""

    async def lane() -> Lane:
        pair = await shop.pair(amount=MONEY)
        return Lane(shop=shop, replica=second, books=Books(stack), pair=pair)

    return await asyncio.gather(*(lane() for _ in range(LANES)))


@pytest.fixture(scope="module")
def tallies() -> list[Tally]:
    """The results of the races so far."""
    return []


async def three_reserves(lane: Lane, _number: int) -> str:
    """Three identical reserves: one of them holds the money."""
    order_id, before = await lane.order_in("ORDER_CREATED"), await lane.money()

    answers = await lane.at_once(order_id, ["reserve"] * 3)

    only_winner(answers, losers=LOST)
    assert (await lane.money()).since(before) == (-1, 1, 0)
    assert lane.books.transfers(order_id) == 1
    data_of(await lane.shop.act(order_id, "cancel"), status=200)
    assert (await lane.money()).since(before) == (0, 0, 0)
    return "one reserved"


async def three_cancels(lane: Lane, _number: int) -> str:
    """Three cancels of one of three holds: that hold is released once, and no other."""
    before = await lane.money()
    orders = [await lane.order_in("FUNDS_RESERVED") for _ in range(3)]

    answers = await lane.at_once(orders[0], ["cancel"] * 3)

    only_winner(answers, losers=LOST)
    assert (await lane.money()).since(before) == (-2, 2, 0)
    for order_id in orders[1:]:
        data_of(await lane.shop.act(order_id, "cancel"), status=200)
    assert (await lane.money()).since(before) == (0, 0, 0)
    return "one cancelled"


async def three_escrows(lane: Lane, _number: int) -> str:
    """Three creations of an escrow: one contract."""
    order_id = await lane.order_in("FUNDS_RESERVED")

    answers = await lane.at_once(order_id, ["escrow"] * 3)

    only_winner(answers, losers=("409 ESCROW_ALREADY_EXISTS",))
    assert lane.books.escrows(order_id) == (1, 1)
    assert await lane.ending(order_id) == "ESCROW_CREATING"
    lane.deployed.append(order_id)
    return "one created"


async def cancel_or_escrow(lane: Lane, number: int) -> str:
    """A cancel and an escrow: either the money is available again, or a contract gets it."""
    order_id, before = await lane.order_in("FUNDS_RESERVED"), await lane.money()
    asked = ("cancel", "escrow") if number % 2 else ("escrow", "cancel")

    answers = await lane.at_once(order_id, asked)

    winner = asked[only_winner(answers, losers=LOST)]
    is_free = winner == "cancel"
    ending = await lane.ending(order_id)
    assert ending == ("CLOSED CANCELED" if is_free else "ESCROW_CREATING")
    assert (await lane.money()).since(before) == ((1, -1, 0) if is_free else (0, 0, 0))
    assert lane.books.escrows(order_id) == ((0, 0) if is_free else (1, 1))
    if not is_free:
        lane.deployed.append(order_id)
    return f"{winner} won"


async def three_endings(lane: Lane, number: int) -> str:
    """Release, refund and dispute: one of them, and the money goes one way."""
    order_id, before = await lane.order_in("IN_PROGRESS"), await lane.money()
    commands = ("release", "refund", "dispute")
    asked = [commands[(number + shift) % 3] for shift in range(3)]

    answers = await lane.at_once(order_id, asked)

    winner = asked[only_winner(answers, losers=LOST)]
    expected = {
        "release": ("CLOSED RELEASED", (0, 0, 1)),
        "refund": ("CLOSED REFUNDED", (1, 0, 0)),
        "dispute": ("DISPUTED", (0, 0, 0)),
    }[winner]
    assert (await lane.ending(order_id), (await lane.money()).since(before)) == expected
    if winner == "dispute":
        lane.disputed.append(order_id)
    return f"{winner} won"


async def two_agents(lane: Lane, number: int) -> str:
    """Two agents decide differently: one decision is paid out."""
    order_id, before = await lane.order_in("DISPUTED"), await lane.money()
    dispute_id = (await lane.shop.get(f"/orders/{order_id}"))["dispute"]["id"]
    asked = ["FULL_RELEASE", "FULL_REFUND"]
    asked = asked if number % 2 else asked[::-1]

    answers = await asyncio.gather(
        lane.shop.resolve(dispute_id, asked[0]), lane.replica.resolve(dispute_id, asked[1])
    )

    decision = asked[only_winner(answers, losers=LOST)]
    expected = {
        "FULL_RELEASE": ("CLOSED RELEASED", (0, 0, 1)),
        "FULL_REFUND": ("CLOSED REFUNDED", (1, 0, 0)),
    }[decision]
    assert (await lane.ending(order_id), (await lane.money()).since(before)) == expected
    dispute = await lane.shop.get(f"/disputes/{dispute_id}")
    assert (dispute["status"], dispute["decision"]) == ("RESOLVED", decision)
    return f"{decision} won"


RACES: dict[str, Round] = {
    "three identical reserves": three_reserves,
    "three cancels of one of three holds": three_cancels,
    "three escrow creations": three_escrows,
    "cancel and escrow": cancel_or_escrow,
    "release, refund and dispute": three_endings,
    "two agents resolving differently": two_agents,
}


# Races that each of those who race may win; the others count what there is one of.
CONTESTED = frozenset(
    {"cancel and escrow", "release, refund and dispute", "two agents resolving differently"}
)
ENOUGH_ROUNDS = 20


def finished(tallies: list[Tally], tally: Tally) -> None:
    """Add a race to the report, and fail if a round was wrong."""
    tallies.append(tally)
    assert tally.wrong == []
    assert sum(tally.outcomes.values()) == tally.rounds


@pytest.mark.parametrize("name", RACES)
async def test_one_of_the_racing_actions_wins_and_money_moves_once(
    lanes: list[Lane], tallies: list[Tally], name: str
) -> None:
    tally = await run(name, RACES[name], lanes=lanes, rounds=settings.race_rounds())

    finished(tallies, tally)
    if name in CONTESTED and tally.rounds >= ENOUGH_ROUNDS:
        # Who comes first by a fixed order did not race.
        assert len(tally.outcomes) >= 2, tally.outcomes


async def test_same_key_at_two_gateways_acts_once_and_gets_one_response(
    lanes: list[Lane], tallies: list[Tally]
) -> None:
    async def play(lane: Lane, _number: int) -> str:
        title, key = uuid.uuid4().hex, str(uuid.uuid4())
        users = {"buyerId": lane.pair.buyer, "sellerId": lane.pair.seller}
        body = {**users, "amount": AMOUNT, "title": title}

        created = await one_answer((lane.shop, lane.replica), "/orders", body, key)
        order_id = created["id"]
        path = f"/orders/{order_id}/reserve"
        reserved = await one_answer(
            (lane.shop, lane.replica), path, {"amount": AMOUNT}, f"{key}-reserve"
        )

        assert reserved["status"] == "FUNDS_RESERVED"
        assert lane.books.orders_titled(title) == 1
        assert lane.books.transfers(order_id) == 1
        data_of(await lane.shop.act(order_id, "cancel"), status=200)
        return "one answer"

    tally = await run(
        "the same idempotency key at two gateways",
        play,
        lanes=lanes,
        rounds=settings.race_rounds(),
    )
    finished(tallies, tally)


@pytest.fixture(scope="module")
async def payers(lanes: list[Lane], stack: RunningStack) -> AsyncIterator[dict[int, Payer]]:
    """The user of each lane who withdraws."""
    info = network_info(stack.document["devnetUrl"])
    async with Chain.of(stack.document) as chain:
        made = [await Payer.of(lane, chain, Stranger(info)) for lane in lanes]
        yield {id(payer.lane): payer for payer in made}


@pytest.mark.parametrize("name", withdrawal_races.RACES)
async def test_money_that_is_withdrawn_is_held_once_and_paid_once(
    lanes: list[Lane], payers: dict[int, Payer], tallies: list[Tally], name: str
) -> None:
    play = withdrawal_races.played(name, payers)

    tally = await run(name, play, lanes=lanes, rounds=settings.race_rounds())

    finished(tallies, tally)
    if name in withdrawal_races.CONTESTED and tally.rounds >= ENOUGH_ROUNDS:
        assert len(tally.outcomes) >= 2, tally.outcomes


async def one_answer(
    shops: tuple[Shop, Shop], path: str, body: dict[str, str], key: str
) -> dict[str, str]:
    """Send at both gateways at once, then again at both; returns the common response."""
    first = await asyncio.gather(*(shop.post(path, body, key=key) for shop in shops))
    said = [words(answer) for answer in first]
    assert set(said) <= {"200", "201", "409 IDEMPOTENCY_KEY_IN_PROGRESS"}, said
    answered = [answer for answer in first if answer.is_success]
    assert answered, said
    again = await asyncio.gather(*(shop.post(path, body, key=key) for shop in shops))
    assert len({answer.content for answer in (*answered, *again)}) == 1
    assert all(answer.headers.get("Idempotent-Replayed") == "true" for answer in again)
    return data_of(again[0])


async def test_twenty_concurrent_reserves_take_only_the_available_money(
    lanes: list[Lane], tallies: list[Tally]
) -> None:
    first = lanes[0]
    pairs = await asyncio.gather(*(first.shop.pair(amount=ENOUGH) for _ in range(CROWDS)))
    waiting: dict[Pair, list[str]] = {pair: [] for pair in pairs}

    async def play(lane: Lane, _number: int) -> str:
        orders = waiting[lane.pair]
        missing = range(MANY - len(orders))
        orders += await asyncio.gather(
            *(lane.shop.order(lane.pair, amount=AMOUNT) for _ in missing)
        )

        answers = await asyncio.gather(
            *(
                (lane.shop, lane.replica)[n % 2].act(order, "reserve")
                for n, order in enumerate(orders)
            )
        )

        said = [words(answer) for answer in answers]
        assert said.count("200") == PAYABLE, said
        assert said.count("422 INSUFFICIENT_FUNDS") == MANY - PAYABLE, said
        assert await lane.shop.balance(lane.pair.buyer) == ("0.00", ENOUGH)
        held = [order for order, word in zip(orders, said, strict=True) if word == "200"]
        for cancelled in await asyncio.gather(*(lane.shop.act(each, "cancel") for each in held)):
            data_of(cancelled, status=200)
        waiting[lane.pair] = [order for order in orders if order not in held]
        return f"{PAYABLE} reserved, {MANY - PAYABLE} refused"

    tally = await run(
        f"{MANY} reserves of one buyer on {MANY} orders, with money for {PAYABLE}",
        play,
        lanes=[replace(first, pair=pair) for pair in pairs],
        rounds=settings.race_rounds(),
    )
    finished(tallies, tally)


async def test_books_are_sound_after_all_races(
    operator: Operator, stack: RunningStack, tallies: list[Tally]
) -> None:
    await assert_sound(operator)
    assert Books(stack).below_zero() == 0

    folder = settings.reports_folder()
    if folder is not None:
        assert len(tallies) == len(RACES) + len(withdrawal_races.RACES) + 2
        assert all(not tally.wrong for tally in tallies)
        write_races(folder / "races.md", tallies=tallies, holdings=len(await operator.holdings()))
