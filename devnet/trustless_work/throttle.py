"""The API's request limit, per key and minute; further requests are refused."""

import time
from collections import deque
from collections.abc import Callable

WINDOW_SECONDS = 60


class Throttle:
    """Counts requests per key over a sliding minute. limit: 0 for no limit."""

    def __init__(self, *, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._seen: dict[str, deque[float]] = {}

    def admit(self, key: str) -> bool:
        """Count a request of the key; return False if it exceeds the limit."""
        if self._limit == 0:
            return True
        now = self._clock()
        seen = self._seen.setdefault(key, deque())
        while seen and seen[0] <= now - WINDOW_SECONDS:
            seen.popleft()
        if len(seen) >= self._limit:
            return False
        seen.append(now)
        return True
