"""The drill: a database is restored under load, clients ask again, an operator settles the rest."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import LiteralString

from tests.prove.asking import Asked, Asker, History, is_lost
from tests.prove.checking import read
from tests.prove.deployment import Deployment
from tests.prove.disturbing import Director
from tests.prove.restoring import Window, copy, make, put_back

POLL_SECONDS = 1.0
# How long an operator waits for steps to claim what the chain has.
STABLE_SECONDS, PATIENCE_SECONDS = 10.0, 180.0
AT_ONCE = 16
_HELD: LiteralString = "select count(*) as n from escrow.chain_holds where confirmed_at is null"
_UNCLAIMED: LiteralString = """
select f.hash from escrow.findings f
where not exists (select 1 from escrow.attempts a where a.hash = f.hash)
"""


@dataclass(slots=True, kw_only=True)
class Drill:
    """Restores the database of a running deployment, as often as it is called.

    unclaimed: transactions without a claim until an operator confirmed.
    """

    running: Deployment
    director: Director
    history: History
    window: Window
    askers: Mapping[str, Asker]
    unclaimed: list[str] = field(default_factory=list)

    async def __call__(self, age_seconds: float) -> None:
        """Copy the database, restore the copy later, and settle the consequences."""
        since, say = time.time(), self.running.say
        folder = self.running.folder / f"copy-{len(self.window.spans)}"
        self.window.is_open = True
        await copy(self.running, folder)
        say(f"the database is copied, and will be put back in {age_seconds:.0f} s")
        await asyncio.sleep(age_seconds)
        async with self.director.calm():
            span = (since, await put_back(self.running, folder))
            say("the database is what it was; the chain is not")
            told = [found for found in self.history.asked if found.answer.is_success]
            lost = [found for found in told if is_lost(found, [span])]
            again = asyncio.create_task(self._ask_again(lost))
            await self._settle()
            await again
            say(f"{len(lost)} forgotten requests were asked again")
        await self.window.close(span)

    async def _ask_again(self, lost: Iterable[Asked]) -> None:
        """Repeat all requests whose effect was lost; those about one order in turn."""
        turns: dict[str, list[Asked]] = defaultdict(list)
        for found in lost:
            turns[found.order or found.key].append(found)
        places = asyncio.Semaphore(AT_ONCE)

        async def ask(turn: Iterable[Asked]) -> None:
            for found in turn:
                async with places:
                    answer = await self.askers[found.who].again(await self._today(found))
                if not answer.is_definite:
                    self.history.given_up.append(f"again: {found.op} {found.path} {found.key}")

        await asyncio.gather(*(ask(turn) for turn in turns.values()))

    async def _today(self, found: Asked) -> Asked:
        """Return a request with today's name of what it is about: a case that was lost is new."""
        if found.op != "resolve":
            return found
        order = await self.askers[found.who].look(f"/orders/{found.order}")
        if order is None or order["dispute"] is None:
            return found
        return replace(found, path=f"/disputes/{order['dispute']['id']}/resolve")

    async def _settle(self) -> None:
        """Wait until steps have claimed their transactions, and confirm as an operator does."""
        url = self.running.stack.document["databaseUrl"]
        began = changed = time.monotonic()
        before: list[str] = []
        while time.monotonic() - changed < STABLE_SECONDS:
            await asyncio.sleep(POLL_SECONDS)
            left = [row["hash"] for row in read(url, _UNCLAIMED)]
            if left != before and time.monotonic() - began < PATIENCE_SECONDS:
                self.running.say(f"{len(left)} transactions are not in the books")
                before, changed = left, time.monotonic()
        if read(url, _HELD)[0]["n"]:
            self.unclaimed += before
            await make(self.running, "confirm-chain", WHY="the clients have asked again")
