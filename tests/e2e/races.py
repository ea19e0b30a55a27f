"""Races over REST: run rounds in parallel lanes, count their outcomes, write a report.

Each lane has its own buyer and seller and runs its rounds one after another. The effect of a round
on their balances is therefore known to the cent, although other lanes run at the same time.
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
    """Runs one round at a time.

    replica: the API at a second gateway and orders process. deployed, disputed: orders
    that earlier races left.
    """

    shop: Shop
    replica: Shop
    books: Books
    pair: Pair
    deployed: list[str] = field(default_factory=list)
    disputed: list[str] = field(default_factory=list)

    async def order_in(self, state: str) -> str:
        """Return an order in a state: one left over from another race, or a new one."""
        if state == "DISPUTED" and self.disputed:
            return self.disputed.pop()
        if state == "IN_PROGRESS" and self.deployed:
            order_id = self.deployed.pop()
            await self.shop.quiet(order_id)
            data_of(await self.shop.act(order_id, "fund"), status=200)
            return order_id
        return await self.shop.order_in(state, self.pair, amount=AMOUNT)

    async def at_once(self, order_id: str, commands: Sequence[str]) -> list[httpx.Response]:
        """Send commands at the same time, alternating between the two replicas."""
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
        """Wait until no operation is running; returns status and final status."""
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
    """The result of a race. outcomes: how often each occurred; wrong: one line per violation."""

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
    """Summarize a response: its status, and the error code. Raises: AssertionError: a 5xx."""
    assert answer.status_code < 500, f"{answer.request.url}: {answer.text}"
    if answer.is_success:
        return str(answer.status_code)
    return f"{answer.status_code} {answer.json()['error']['code']}"


def only_winner(answers: Sequence[httpx.Response], *, losers: Iterable[str]) -> int:
    """Return the index of the only success; the other responses must be of the given kinds."""
    said = [words(answer) for answer in answers]
    assert said.count("200") == 1, said
    assert {word for word in said if word != "200"} <= set(losers), said
    return said.index("200")
