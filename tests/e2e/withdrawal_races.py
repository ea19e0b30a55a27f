"""Races of withdrawals over REST: the same money is held once, and paid once on chain.

Each lane has a user of its own with the price of one order, and an account outside of its own. A
commit asks the chain about its destination before it holds the money. So its rival begins a little
later in each round, to let both come first in some of them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal

import httpx

from deploy.local.demo.chain import Chain
from kernel.money import UNIT
from tests.e2e.races import AMOUNT, Lane, Round, only_winner
from tests.integration.escrow.strangers import Stranger
from tests.shop import Pair, Shop, data_of

MINOR_UNITS = int(Decimal(AMOUNT)) * UNIT
# A rival begins after so many looks at a balance, at most.
LOOKS = 8
NOT_COMMITTABLE = "409 WITHDRAWAL_NOT_COMMITTABLE"
TOO_LITTLE = ("422 INSUFFICIENT_FUNDS",)
CREATED, PENDING, COMPLETED, CANCELED = (
    f"withdrawal.{name}" for name in ("created", "pending", "completed", "canceled")
)
Request = Callable[[Shop], Awaitable[httpx.Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Payer:
    """A lane's user who withdraws, the account outside that is paid, and the chain."""

    lane: Lane
    user: str
    outside: Stranger
    chain: Chain

    @classmethod
    async def of(cls, lane: Lane, chain: Chain, outside: Stranger) -> "Payer":
        """Make a user, and an account outside that can hold the asset."""
        user, _ = await asyncio.gather(lane.shop.user(), outside.come(amount="1.0000000"))
        return cls(lane=lane, user=user, outside=outside, chain=chain)

    async def filled(self) -> int:
        """Give the user the price of one order; returns what the account outside has."""
        if await self.balance() == ("0.00", "0.00"):
            await self.lane.shop.give(self.user, AMOUNT)
        assert await self.balance() == (AMOUNT, "0.00")
        return await self.held_outside()

    async def balance(self) -> tuple[str, str]:
        """Return what the user has available and reserved."""
        return await self.lane.shop.balance(self.user)

    async def held_outside(self) -> int:
        """Return what the account outside holds on chain, in minor units."""
        return await self.chain.account_balance(self.outside.address)

    async def withdrawal(self) -> str:
        """Create a withdrawal of all that the user has; returns its id."""
        body = {"userId": self.user, "amount": AMOUNT, "destination": self.outside.address}
        return str(data_of(await self.lane.shop.post("/withdrawals", body), status=201)["id"])

    async def raced(self, first: Request, second: Request, number: int) -> list[httpx.Response]:
        """Send two requests to two replicas, the second a little later than the first."""
        shops = (self.lane.shop, self.lane.replica)
        one, other = shops if number % 2 else shops[::-1]

        async def later() -> httpx.Response:
            for _ in range(number % (LOOKS + 1)):
                await self.lane.shop.balance(self.user)
            return await second(other)

        return list(await asyncio.gather(first(one), later()))

    async def assert_paid(self, withdrawal: str, *, before: int) -> None:
        """Check that one withdrawal was paid once: state, balances, chain, events, commands."""
        found = await self.lane.shop.get(f"/withdrawals/{withdrawal}")
        assert (found["status"], found["inProgress"]) == ("COMPLETED", False)
        assert await self.balance() == ("0.00", "0.00")
        assert await self.held_outside() - before == MINOR_UNITS
        books = self.lane.books
        assert books.told(withdrawal) == [CREATED, PENDING, COMPLETED]
        assert books.payments_out(withdrawal) == (1, found["transactionHash"])

    async def assert_untouched(self, withdrawal: str, status: str) -> None:
        """Check that nothing was held or paid for a withdrawal."""
        found = await self.lane.shop.get(f"/withdrawals/{withdrawal}")
        assert (found["status"], found["inProgress"]) == (status, False)
        events = [CREATED] if status == "CREATED" else [CREATED, CANCELED]
        assert self.lane.books.told(withdrawal) == events
        assert self.lane.books.payments_out(withdrawal) == (0, "")


def committing(withdrawal: str) -> Request:
    return lambda shop: shop.post(f"/withdrawals/{withdrawal}/commit")


def canceling(withdrawal: str) -> Request:
    return lambda shop: shop.post(f"/withdrawals/{withdrawal}/cancel")


async def withdraw_or_reserve(payer: Payer, number: int) -> str:
    """A withdrawal and a reservation of the same money: one of them gets it."""
    before, withdrawal = await payer.filled(), await payer.withdrawal()
    shop = payer.lane.shop
    order = await shop.order(Pair(buyer=payer.user, seller=payer.lane.pair.seller), amount=AMOUNT)

    answers = await payer.raced(
        committing(withdrawal), lambda chosen: chosen.act(order, "reserve"), number
    )

    is_paid = only_winner(answers, losers=TOO_LITTLE) == 0
    if is_paid:
        await payer.assert_paid(withdrawal, before=before)
        assert payer.lane.books.transfers(order) == 0
        assert (await shop.get(f"/orders/{order}"))["status"] == "ORDER_CREATED"
    else:
        await payer.assert_untouched(withdrawal, "CREATED")
        assert await payer.balance() == ("0.00", AMOUNT)
        assert await payer.held_outside() == before
    for answer in (
        await shop.act(order, "cancel"),
        *([] if is_paid else [await shop.post(f"/withdrawals/{withdrawal}/cancel")]),
    ):
        data_of(answer, status=200)
    return "the withdrawal won" if is_paid else "the reservation won"


async def two_withdrawals(payer: Payer, number: int) -> str:
    """Two withdrawals of the same money: one is paid, the other stays created."""
    before = await payer.filled()
    withdrawals = [await payer.withdrawal() for _ in range(2)]

    first, second = map(committing, withdrawals)
    answers = await payer.raced(first, second, number % 2)

    winner = only_winner(answers, losers=TOO_LITTLE)
    await payer.assert_paid(withdrawals[winner], before=before)
    await payer.assert_untouched(withdrawals[1 - winner], "CREATED")
    canceled = await payer.lane.shop.post(f"/withdrawals/{withdrawals[1 - winner]}/cancel")
    assert data_of(canceled)["status"] == "CANCELED"
    return "one paid"


async def two_commits(payer: Payer, number: int) -> str:
    """Two commits of one withdrawal: it is paid once."""
    before, withdrawal = await payer.filled(), await payer.withdrawal()

    answers = await payer.raced(committing(withdrawal), committing(withdrawal), number % 2)

    only_winner(answers, losers=(NOT_COMMITTABLE,))
    await payer.assert_paid(withdrawal, before=before)
    return "one paid"


async def cancel_or_commit(payer: Payer, number: int) -> str:
    """A cancel and a commit: either the money is paid, or it is as before."""
    before, withdrawal = await payer.filled(), await payer.withdrawal()

    answers = await payer.raced(committing(withdrawal), canceling(withdrawal), number)

    if only_winner(answers, losers=(NOT_COMMITTABLE, "409 INVALID_STATE")) == 0:
        await payer.assert_paid(withdrawal, before=before)
        return "commit won"
    await payer.assert_untouched(withdrawal, "CANCELED")
    assert await payer.balance() == (AMOUNT, "0.00")
    assert await payer.held_outside() == before
    return "cancel won"


CONTESTED = {
    "withdrawal and reservation of the same money": withdraw_or_reserve,
    "cancel and commit of a withdrawal": cancel_or_commit,
}
RACES = {
    **CONTESTED,
    "two withdrawals of the same money": two_withdrawals,
    "two commits of a withdrawal": two_commits,
}


def played(name: str, payers: dict[int, Payer]) -> Round:
    """Return a race as rounds of lanes. payers: of each lane, by its identity."""

    async def play(lane: Lane, number: int) -> str:
        return await RACES[name](payers[id(lane)], number)

    return play
