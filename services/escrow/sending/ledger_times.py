"""Estimates when the next ledger closes, so that escrow asks for its transactions just then.

A transaction's outcome changes only when a ledger closes. To ask long before costs requests, and to
ask long after delays the step that follows.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from statistics import median

from services.escrow.contracts.evidence import TransactionOutcome

# The longest pause between two looks about the time of a close.
NEAR_SECONDS = 0.25
# A longer time between two ledgers comes from a node that stood still. Source: Stellar closes a
# ledger about every five seconds.
LEDGER_SECONDS_MAX = 10.0
MEASURES, MEASURES_LEAST = 5, 3
# Once a ledger is late by another one, the pauses are this share of how late it is.
LATE_SHARE, PAUSE_SECONDS_MAX = 0.1, 2.0


class LedgerTimes:
    """When ledgers were first seen."""

    def __init__(self, *, poll_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """poll_seconds: the pause between two looks while the time of closes is unknown."""
        self._clock = clock
        self._poll = poll_seconds
        self._near = min(poll_seconds, NEAR_SECONDS)
        self._newest = 0
        self._seen_at = self._looked_at = self._due = 0.0
        self._measures = deque[float](maxlen=MEASURES)

    def saw(self, sequence: int) -> None:
        """Take in the newest ledger that an answer shows. An answer of a node behind says nothing.

        The ledger closed between the last look without it and this one. If it was expected now,
        it closed just now; after a time without looks, it may have closed a whole ledger ago.
        """
        now = self._clock()
        if sequence > self._newest:
            if self._newest:
                passed = (now - self._seen_at) / (sequence - self._newest)
                self._measures.append(min(passed, LEDGER_SECONDS_MAX))
            is_expected = now <= self._due + 2 * self._near
            since = now - (2 * self._near if is_expected else self._seconds)
            self._due = max(since, self._looked_at) + self._seconds
            self._newest, self._seen_at = sequence, now
        if sequence == self._newest:
            self._looked_at = now

    def pause(self, *, seen: int) -> float:
        """Return after how many seconds to look for a transaction that has been sent.

        seen: the newest ledger in the last answer about it; 0: there was none yet.
        """
        now, seconds = self._clock(), self._seconds
        if not seconds:
            return self._poll
        if 0 < seen < self._newest:
            # The node that answered lags behind another one: the next may have the transaction.
            return max(self._near, _share_of(now - self._seen_at))
        # A ledger is late only while somebody looks for it.
        return max(self._due - now, self._near, _share_of(self._looked_at - self._due - seconds))

    async def wait(self, outcome: TransactionOutcome | None, *, until: float) -> None:
        """Wait as long as `pause` says, at most until a time of the clock.

        outcome: the last answer about the transaction.
        """
        seen = 0 if outcome is None else outcome.latest_ledger
        await asyncio.sleep(max(0.0, min(self.pause(seen=seen), until - self._clock())))

    @property
    def _seconds(self) -> float:
        """The least time between two of the last ledgers; 0 while it is unknown.

        Two nodes that show two ledgers at once say nothing about the time between them.
        """
        if len(self._measures) < MEASURES_LEAST:
            return 0.0
        usual = median(self._measures)
        return min(each for each in self._measures if 2 * each >= usual)


def _share_of(late: float) -> float:
    return min(late * LATE_SHARE, PAUSE_SECONDS_MAX)
