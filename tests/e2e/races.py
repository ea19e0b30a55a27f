"""Races over REST: rounds in parallel lanes, what came of each counted, and written down.

A lane has a buyer and a seller of its own and runs its rounds one after the other, so that what a
round did to their balances can be told to the cent while other lanes run beside it.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import httpx

from tests.books import Books
from tests.shop import Pair, Shop, data_of

AMOUNT = "8.00"


@dataclass(slots=True, kw_only=True)
class Lane:
    """Where one round runs at a time.

    replica: the API at another gateway and another orders process. deployed, disputed: orders
    that earlier races left.
    """

    shop: Shop
    replica: Shop
    books: Books
    pair: Pair
    deployed: list[str] = field(default_factory=list)
    disputed: list[str] = field(default_factory=list)

    async def order_in(self, state: str) -> str:
        """Return an order in a state: one that another race left, or a new one."""
        if state == "DISPUTED" and self.disputed:
            return self.disputed.pop()
        if state == "IN_PROGRESS" and self.deployed:
            order_id = self.deployed.pop()
            await self.shop.quiet(order_id)
            data_of(await self.shop.act(order_id, "fund"), status=200)
            return order_id
        return await self.shop.order_in(state, self.pair, amount=AMOUNT)

    async def at_once(self, order_id: str, commands: Sequence[str]) -> list[httpx.Response]:
        """Send commands together, by turns to the one and the other replica."""
        shops = itertools.cycle((self.shop, self.replica))
        return await asyncio.gather(
            *(shop.act(order_id, command) for shop, command in zip(shops, commands, strict=False))
        )

    async def money(self) -> "Money":
        """Return what the lane's users have now."""
        buyer = await self.shop.balance(self.pair.buyer)
        seller = await self.shop.balance(self.pair.seller)
        return Money(Decimal(buyer[0]), Decimal(buyer[1]), Decimal(seller[0]))

    async def ending(self, order_id: str) -> str:
        """Wait until nothing is in motion; returns status and final status."""
        order = await self.shop.quiet(order_id)
        return f"{order['status']} {order['finalStatus'] or ''}".strip()


@dataclass(frozen=True, slots=True)
class Money:
    """Available and reserved of a buyer, available of a seller."""

    available: Decimal
    reserved: Decimal
    seller: Decimal

    def since(self, before: "Money") -> tuple[int, int, int]:
        """Return the changes, in prices of an order."""
        changes = (
            self.available - before.available,
            self.reserved - before.reserved,
            self.seller - before.seller,
        )
        assert all(change % Decimal(AMOUNT) == 0 for change in changes), changes
        available, reserved, seller = (int(change / Decimal(AMOUNT)) for change in changes)
        return available, reserved, seller


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What came of a race. outcomes: how often each; wrong: what must not be, a line each."""

    name: str
    rounds: int
    seconds: float
    outcomes: Counter[str]
    wrong: Sequence[str]


# A round returns what came of it in words; what is wrong it raises.
Round = Callable[[Lane, int], Awaitable[str]]


async def run(name: str, play: Round, *, lanes: Sequence[Lane], rounds: int) -> Tally:
    """Run rounds in all lanes at once; a round that is wrong does not end the race."""
    started = time.monotonic()
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    numbers = iter(range(rounds))

    async def one_lane(lane: Lane) -> None:
        for number in numbers:
            try:
                outcomes[await play(lane, number)] += 1
            except AssertionError as error:
                wrong.append(f"round {number}: {error}")

    await asyncio.gather(*(one_lane(lane) for lane in lanes))
    return Tally(
        name=name,
        rounds=rounds,
        seconds=time.monotonic() - started,
        outcomes=outcomes,
        wrong=wrong,
    )


def words(answer: httpx.Response) -> str:
    """Say an answer in a word: its status, and the code of a refusal. Raises: a 5xx."""
    assert answer.status_code < 500, f"{answer.request.url}: {answer.text}"
    if answer.is_success:
        return str(answer.status_code)
    return f"{answer.status_code} {answer.json()['error']['code']}"


def only_winner(answers: Sequence[httpx.Response], *, losers: Iterable[str]) -> int:
    """Return which answer is the only success; the others must be of the kinds named."""
    said = [words(answer) for answer in answers]
    assert said.count("200") == 1, said
    assert {word for word in said if word != "200"} <= set(losers), said
    return said.index("200")
