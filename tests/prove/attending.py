"""What an operator does: set going what has stopped, at once and when all is over."""

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field

import psycopg

from tests.prove.check_books import quarantined, under_way
from tests.prove.checking import Check, check
from tests.prove.deployment import Deployment
from tests.prove.restoring import make

QUIET_SECONDS = 600.0
POLL_SECONDS = 2.0
LOOK_SECONDS = 10.0
# The runbook: a cause that is still there quarantines a command again, and trying costs nothing.
TRIES = 5


@dataclass(slots=True)
class Attendance:
    """An operator. requeued: how often each command was set going."""

    running: Deployment
    requeued: Counter[str] = field(default_factory=Counter)

    async def keep(self) -> None:
        """Requeue what is quarantined, while everything goes on; until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            # A part is away, or the database is: the next look will do.
            with contextlib.suppress(AssertionError, psycopg.Error):
                url = str(self.running.stack.document["databaseUrl"])
                await self._requeue(url)

    async def quiet(self) -> Check:
        """Wait until nothing is under way, and requeue what is quarantined meanwhile."""
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
        """Requeue what is quarantined. before: no more than TRIES times since those counts."""
        for command in quarantined(url):
            name = str(command["id"])
            if before is None or self.requeued[name] - before[name] < TRIES:
                self.requeued[name] += 1
                self.running.say(f"requeued: {command}")
                await make(self.running, "requeue", COMMAND=name)
