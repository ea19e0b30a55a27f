"""The clients' requests for an order, from its creation to its end.

A client looks at the order, and asks for what comes next on the way that it wishes to go. Where
somebody else was quicker, or the order is back where it was before, it looks again.
"""

import asyncio
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kernel.ids import from_public, to_public
from tests.prove.asking import Answer, Asker, Body
from tests.prove.disturbing import Progress
from tests.prove.market import MORE, Market, pay
from tests.prove.restoring import Window

# How often a client reads an order before it gives up.
LOOKS = 24
# How long it waits for an operation on an order.
WAIT_SECONDS = 120.0
POLL_SECONDS = 0.3
PEOPLES_SHARE, PAYMENTS_SHARE, CREDITS_SHARE = 0.25, 0.03, 0.03
CENTS_MAX = 4000

# How an order is to end, and how often.
WISHES: Mapping[str, int] = {
    "cancel at once": 6,
    "reserve or cancel": 4,
    "cancel when reserved": 8,
    "release": 32,
    "refund": 16,
    "anything": 10,
    "dispute": 24,
}
RELEASE: tuple[str, Body] = ("resolution/release", {"requestedBy": "BUYER"})
REFUND: tuple[str, Body] = ("resolution/refund", {"requestedBy": "SELLER", "reason": "no"})
DISPUTE: tuple[str, Body] = (
    "resolution/dispute",
    {"openedBy": "BUYER", "reason": "QUALITY_ISSUE", "evidence": ["https://cdn.example/a"]},
)
CANCEL: tuple[str, Body] = ("cancel", {"canceledBy": "BUYER", "reason": "Changed my mind"})
# Reserved, then deployed: commands that may be repeated without risk.
ONWARD: Mapping[str, tuple[str, Body]] = {
    "FUNDS_RESERVED": ("escrow", None),
    "ESCROW_CREATING": ("escrow/fund", None),
}


@dataclass(slots=True, kw_only=True)
class Flow:
    """One order of one client. number: of the run; everything drawn follows from it and the seed.

    buyer, seller: who act for themselves in the party's view; None where the backend acts.
    is_young: the order may be one that a restored database forgets whole.
    """

    market: Market
    window: Window
    number: int
    seed: int
    rnd: random.Random
    buyer: Asker | None = None
    seller: Asker | None = None
    order: str = ""
    cents: int = 0
    wish: str = ""
    is_young: bool = False
    is_delivered: bool = False
    # What was asked at once, by the order's status; what was carried out of it, as soon as known.
    # A client keeps to it when a restored database has lost it: the chain has not.
    chosen: dict[str, Sequence[tuple[str, Body]]] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        """What tells this order from all others, in the order itself."""
        return f"proof {self.seed} {self.number}"

    async def run(self) -> None:
        """Carry out the order, as far as it goes."""
        self.wish = self.rnd.choices(list(WISHES), list(WISHES.values()))[0]
        self.cents = self.rnd.randint(1, CENTS_MAX)
        if not await self._create():
            return
        self.is_young = self.window.is_open
        for _ in range(LOOKS):
            order = await self._quiet()
            if order is None or order["status"] == "CLOSED":
                return
            await self._next(order)

    async def _create(self) -> bool:
        amount = f"{self.cents // 100}.{self.cents % 100:02d}"
        if self.buyer is not None and self.seller is not None:
            body: dict[str, Any] = {"business_id": self.seller.name, "amount": float(amount)}
            body["contract_terms"] = {"mark": self.mark}
            answer = await self.buyer.change(
                "create", "/orders/", body, rnd=self.rnd, may_wait=False
            )
            if answer.is_success:
                self.order = to_public("ord", uuid.UUID(answer.data["id"]))
            return answer.is_success
        buyer, seller = self.rnd.sample(list(self.market.users), 2)
        body = {"buyerId": buyer, "sellerId": seller, "amount": amount, "title": self.mark}
        answer = await self.market.backend.change(
            "create", "/orders", body, rnd=self.rnd, may_wait=False
        )
        if answer.is_success:
            self.order = answer.data["id"]
        return answer.is_success

    async def _quiet(self) -> dict[str, Any] | None:
        """Return the order once no operation is in progress; None if that takes too long."""
        until = time.monotonic() + WAIT_SECONDS
        while True:
            order = await self.market.backend.look(f"/orders/{self.order}")
            if order is None or order["operation"] is None:
                return order
            if time.monotonic() > until:
                return None
            await asyncio.sleep(POLL_SECONDS)

    async def _next(self, order: Mapping[str, Any]) -> None:
        """Request the next step."""
        match order["status"]:
            case "ORDER_CREATED":
                await self._from_created()
            case "FUNDS_RESERVED" if self.wish == "cancel when reserved":
                await self._ask(CANCEL)
            case "FUNDS_RESERVED" | "ESCROW_CREATING":
                await self._before_the_chain()
                await self._ask(ONWARD[order["status"]])
            case "IN_PROGRESS":
                await self._from_progress()
            case "DISPUTED":
                await self._resolve(order["dispute"]["id"])
            case _:
                await asyncio.sleep(POLL_SECONDS)

    async def _from_created(self) -> None:
        if self.wish == "cancel at once":
            await self._ask(CANCEL)
        elif self.wish == "reserve or cancel":
            await self._choose("ORDER_CREATED", ("reserve", {}), CANCEL)
        elif self.buyer is not None:
            await self._before_the_chain()
            await self._party(self.buyer, "pay")
        else:
            await self._ask(("reserve", {}))
        order = await self._quiet()
        if order is not None and order["status"] == "ORDER_CREATED":
            # The buyer cannot pay.
            await self._ask(CANCEL)

    async def _before_the_chain(self) -> None:
        """Wait while a restore could lose the order, because its contract would then be unknown."""
        if self.is_young:
            await self.window.closed()

    async def _from_progress(self) -> None:
        if self.buyer is not None and self.seller is not None:
            await self._people_proceed(self.buyer, self.seller)
        elif self.wish == "anything":
            await self._choose("IN_PROGRESS", RELEASE, REFUND, DISPUTE)
        else:
            await self._ask({"refund": REFUND, "dispute": DISPUTE}.get(self.wish, RELEASE))

    async def _people_proceed(self, buyer: Asker, seller: Asker) -> None:
        if not self.is_delivered:
            await self._party(seller, "deliver", {"delivery_notes": "Done"})
            self.is_delivered = True
        elif self.wish == "refund":
            await self._ask(REFUND)
        elif self.wish in {"dispute", "anything"}:
            who = self.rnd.choice((buyer, seller))
            await self._party(who, "dispute", {"reason": "It is not what was ordered"})
        else:
            await self._party(buyer, "confirm")

    async def _resolve(self, dispute: str) -> None:
        decisions: list[dict[str, str]] = [
            {"decision": "FULL_RELEASE"},
            {"decision": "FULL_REFUND"},
        ]
        if self.cents > 1:
            release = self.rnd.randrange(1, self.cents)
            parts = (release, self.cents - release)
            texts = [f"{part // 100}.{part % 100:02d}" for part in parts]
            split = {"releaseAmount": texts[0], "refundAmount": texts[1]}
            decisions.append({"decision": "SPLIT", **split})
        self.rnd.shuffle(decisions)
        agents = 2 if self.rnd.random() < 0.2 else 1
        path = f"/disputes/{dispute}/resolve"
        drawn = [(path, decision) for decision in decisions[:agents]]
        before = self.chosen.get("DISPUTED", drawn)
        # A dispute that a restored database has forgotten is another one now.
        await self._at_once("DISPUTED", *((path, body) for _, body in before))

    async def _ask(self, command: tuple[str, Body]) -> Answer:
        path, body = command
        return await self.market.backend.change(
            path.rpartition("/")[2],
            path if path.startswith("/") else f"/orders/{self.order}/{path}",
            body,
            rnd=self._own_rnd(),
            order=self.order,
            may_wait=path not in {"cancel", "resolution/dispute"},
        )

    async def _choose(self, status: str, *commands: tuple[str, Body]) -> None:
        await self._at_once(status, *self.chosen.get(status, commands))

    async def _at_once(self, status: str, *commands: tuple[str, Body]) -> None:
        """Ask for several at once, and remember which was carried out, or which may be asked again.

        What an operator has ended is not asked again: the chain has another decision.
        """
        answers = await asyncio.gather(*(self._ask(command) for command in commands))
        asked = list(zip(commands, answers, strict=True))
        done = [command for command, answer in asked if answer.is_success]
        left = [command for command, answer in asked if not answer.is_abandoned]
        self.chosen[status] = done or left or commands

    async def _party(self, person: Asker, action: str, body: Body = None) -> None:
        path = f"/orders/{self._uuid()}/{action}"
        await person.change(action, path, body, rnd=self._own_rnd(), order=self.order)

    def _uuid(self) -> uuid.UUID:
        found = from_public("ord", self.order)
        assert found is not None, self.order
        return found

    def _own_rnd(self) -> random.Random:
        """Return what is drawn from by one of several that ask at once."""
        return random.Random(self.rnd.random())


def flow_of(markets: Sequence[Market], *, window: Window, seed: int, number: int) -> Flow:
    """Draw a run's order of that number: whose it is, and who acts."""
    rnd = random.Random(f"order {seed} {number}")
    market = rnd.choice(list(markets))
    flow = Flow(market=market, window=window, number=number, seed=seed, rnd=rnd)
    if market.people and rnd.random() < PEOPLES_SHARE * len(markets):
        flow.buyer, flow.seller = rnd.sample(list(market.people), 2)
    return flow


async def beside(flow: Flow) -> None:
    """Pay a user of the flow's marketplace from time to time: from outside, or by the platform."""
    rnd = random.Random(f"beside {flow.seed} {flow.number}")
    user, drawn = rnd.choice(list(flow.market.users)), rnd.random()
    if drawn < PAYMENTS_SHARE:
        await pay(flow.market, user, MORE)
    elif drawn < PAYMENTS_SHARE + CREDITS_SHARE:
        body = {"amount": "1.00", "reference": flow.mark}
        path = f"/users/{user}/balance/credit"
        await flow.market.backend.change("credit", path, body, rnd=rnd)


@dataclass(slots=True, kw_only=True)
class Load:
    """Clients at work on a run's orders."""

    markets: Sequence[Market]
    window: Window
    seed: int
    orders: int
    progress: Progress
    say: Callable[[str], None]
    begun: int = 0

    async def run(self, clients: int) -> None:
        """Process all orders with this many clients."""
        await asyncio.gather(*(self._client() for _ in range(clients)))

    async def _client(self) -> None:
        while self.begun < self.orders:
            self.begun += 1
            flow = flow_of(self.markets, window=self.window, seed=self.seed, number=self.begun)
            await asyncio.gather(flow.run(), beside(flow))
            ended = await self.progress.end()
            if ended % max(1, self.orders // 100) == 0:
                self.say(f"{ended} of {self.orders} orders")
