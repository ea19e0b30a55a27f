"""A quota of requests per minute, kept on our side so that the provider never has to refuse."""

import asyncio
from collections import deque

WINDOW_SECONDS = 60


class QuotaExhausted(Exception):
    """No request became free within the time that a caller may wait."""


class Quota:
    """At most `limit` requests in any 60 s; callers wait their turn in order.

    It is a sliding window and not a bucket: a full bucket plus its refill could be twice the limit.
    """

    def __init__(self, *, limit: int, wait_seconds: int) -> None:
        self._limit = limit
        self._wait_seconds = wait_seconds
        self._taken: deque[float] = deque()
        self._turn = asyncio.Lock()

    async def take(self) -> None:
        """Wait until a request is free, and take it. Raises: QuotaExhausted."""
        try:
            async with asyncio.timeout(self._wait_seconds), self._turn:
                while not self.take_now():
                    now = asyncio.get_running_loop().time()
                    await asyncio.sleep(self._taken[0] + WINDOW_SECONDS - now)
        except TimeoutError:
            raise QuotaExhausted from None

    def take_now(self) -> bool:
        """Take a request if one is free; return whether one was."""
        now = asyncio.get_running_loop().time()
        while self._taken and self._taken[0] <= now - WINDOW_SECONDS:
            self._taken.popleft()
        if len(self._taken) >= self._limit:
            return False
        self._taken.append(now)
        return True
