"""Acts as an operator: ends or requeues stopped commands during the run and after it."""

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field

import psycopg

from tests.prove.check_books import quarantined, under_way
from tests.prove.checking import Check, check
from tests.prove.deciding import PAID_OUT, Decider
from tests.prove.deployment import Deployment
from tests.prove.restoring import make

QUIET_SECONDS = 600.0
POLL_SECONDS = 2.0
LOOK_SECONDS = 10.0
# As in the runbook: a command whose cause persists is quarantined again, so a retry does no harm.
TRIES = 5


@dataclass(slots=True)
class Attendance:
    """An operator. requeued: how often each command was requeued."""

    running: Deployment
    decider: Decider
    requeued: Counter[str] = field(default_factory=Counter)

    async def keep(self) -> None:
        """Requeue quarantined commands during the run, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            # A part or the database is unavailable; the next round tries again.
            with contextlib.suppress(AssertionError, psycopg.Error):
                url = str(self.running.stack.document["databaseUrl"])
                await self._requeue(url)

    async def quiet(self) -> Check:
        """Wait until nothing is in progress, and requeue quarantined commands meanwhile."""
        url = str(self.running.stack.document["databaseUrl"])
        until, before = time.monotonic() + QUIET_SECONDS, Counter(self.requeued)
        while time.monotonic() < until:
            await self._requeue(url, before)
            left = under_way(url)
            if not left:
                break
            self.running.say("waiting for " + ", ".join(left))
            await asyncio.sleep(POLL_SECONDS)
        return check("everything comes to its end", 4, under_way(url))

    async def _requeue(self, url: str, before: Counter[str] | None = None) -> None:
        """Requeue or end what is quarantined. before: requeue at most TRIES times since then."""
        for command in quarantined(url):
            name = str(command["id"])
            is_paid_out = command["error_message"] == PAID_OUT and self.requeued[name] > 0
            # What the chain has may have been decided in a time that a restored database lost.
            if is_paid_out and await self.decider.end(command):
                continue
            if before is None or self.requeued[name] - before[name] < TRIES:
                self.requeued[name] += 1
                self.running.say(f"requeued: {command}")
                await make(self.running, "requeue", COMMAND=name)
