"""Watch: checks that the database is available and writable, and that its clock and ours agree.

Leases, stored answers and timers use the database's clock. A process with a wrong clock would sign
tokens, envelopes and events with wrong times. It therefore serves no calls until its clock is
right.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from chassis.database import Database
from chassis.telemetry import logger
from kernel.clock import Clock, SystemClock

DIFFERENCE_MAX_SECONDS = 60.0
# The pause between looks while all is well. A request that fails causes an earlier look.
LOOK_SECONDS = 5.0
# The pause while the database is unavailable: short, so that a start is not delayed.
IMPATIENT_SECONDS = 0.1
log = logger()


class Watch:
    """The state of the database and of the clock. Changes are logged once.

    is_writable: the database is available and accepts writes. is_clock_right: at the last look.
    """

    def __init__(self, database: Database, *, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()
        self._condition = asyncio.Condition()
        self._is_known = False
        self.is_writable = False
        self.is_clock_right = True

    async def look(self) -> None:
        """Check database and clock once."""
        self._database.troubled.clear()
        asked, started = self._clock.now(), time.monotonic()
        try:
            health = await self._database.health()
        except TimeoutError:
            return  # every connection is in use, so the database is available
        took = time.monotonic() - started
        is_writable = health is not None and health.is_writable
        if is_writable != self.is_writable or not self._is_known:
            write = log.info if is_writable else log.warning
            write("database.state", reachable=health is not None, writable=is_writable)
        is_clock_right = self.is_clock_right
        if health is not None:
            difference = (asked - health.now).total_seconds() + took / 2
            # The answer's moment is known only to within the duration of the query.
            is_clock_right = abs(difference) - took / 2 <= DIFFERENCE_MAX_SECONDS
            if is_clock_right != self.is_clock_right:
                write = log.info if is_clock_right else log.error
                write("clock.right" if is_clock_right else "clock.wrong", seconds=difference)
        async with self._condition:
            self._is_known = self._is_known or health is not None
            self.is_writable, self.is_clock_right = is_writable, is_clock_right
            self._condition.notify_all()

    async def keep_looking(self, then: Callable[[], Awaitable[None]] | None = None) -> None:
        """Look repeatedly until cancelled. `then` runs after each look."""
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("watch.failed")
            if then is not None:
                await then()
            looked_at = time.monotonic()
            if self.is_writable:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._database.troubled.wait()
            await asyncio.sleep(looked_at + IMPATIENT_SECONDS - time.monotonic())

    async def while_clock_right(self, loop: Callable[[], Awaitable[None]]) -> None:
        """Wait until the clock is known to be right, then run a loop until the clock is wrong.

        Raises: what the loop raises.
        """
        await self._until(lambda: self._is_known and self.is_clock_right)
        running = asyncio.ensure_future(loop())
        wrong = asyncio.ensure_future(self._until(lambda: not self.is_clock_right))
        try:
            await asyncio.wait({running, wrong}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (running, wrong):
                task.cancel()
            await asyncio.gather(running, wrong, return_exceptions=True)
        if not running.cancelled():
            running.result()

    async def _until(self, is_so: Callable[[], bool]) -> None:
        async with self._condition:
            await self._condition.wait_for(is_so)
