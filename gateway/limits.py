"""Limits: requests per minute of a credential, concurrent requests, open event streams.

The counters are in the memory of this process. Each gateway process counts on its own.
"""

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.errors import Overloaded
from kernel.errors import ResourceExhausted

WINDOW_SECONDS = 60
ACCOUNTS_MAX = 10_000
# The Retry-After for a client with too many open streams.
STREAMS_RETRY_SECONDS = 5


class TooManyRequests(ResourceExhausted):
    """The credential has used its requests of this minute, or has too many open streams."""

    reason = "RATE_LIMITED"


class Place:
    """One of a limited number of places. A second call of `free` does nothing."""

    def __init__(self, free: Callable[[], None]) -> None:
        self._free: Callable[[], None] | None = free

    def free(self) -> None:
        """Give the place back."""
        if self._free is not None:
            free, self._free = self._free, None
            free()


class Places:
    """Places for concurrent requests."""

    def __init__(self, maximum: int) -> None:
        self._free = maximum

    def take(self) -> Place:
        """Take a place; the caller frees it. Raises: Overloaded: no place is left."""
        if self._free <= 0:
            raise Overloaded("Too many requests are being served")
        self._free -= 1
        return Place(self._give_back)

    def _give_back(self) -> None:
        self._free += 1


class StreamPlaces:
    """Places for long answers, with one limit per account and one for all accounts.

    what: the name of the answers in messages.
    """

    def __init__(
        self, *, per_account: int, in_all: int, what: str = "event streams are open"
    ) -> None:
        self._what = f"Too many {what}"
        self._per_account = per_account
        self._in_all = in_all
        self._open: Counter[str] = Counter()

    def take(self, account: str) -> Place:
        """Take a place for an account; the caller frees it.

        Raises: TooManyRequests: the account is at its limit (`window` 0: the limit of concurrent
            answers);
            Overloaded: the gateway is at its limit.
        """
        if self._open[account] >= self._per_account:
            raise TooManyRequests(
                self._what,
                details={
                    "retryAfter": STREAMS_RETRY_SECONDS,
                    "limit": self._per_account,
                    "window": 0,
                },
            )
        if self._open.total() >= self._in_all:
            raise Overloaded(self._what)
        self._open[account] += 1
        return Place(lambda: self._give_back(account))

    def _give_back(self, account: str) -> None:
        self._open[account] -= 1
        if not self._open[account]:
            del self._open[account]


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimiter:
    """Token buckets per account: `per_minute` requests, refilled evenly."""

    def __init__(self, *, per_minute: int) -> None:
        self.limit = per_minute
        self._per_second = per_minute / WINDOW_SECONDS
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, account: str) -> int:
        """Count one request; returns how many are left.

        Raises: TooManyRequests: details has the seconds until a retry may succeed (`retryAfter`).
        """
        now = time.monotonic()
        bucket = self._buckets.get(account)
        if bucket is None:
            bucket = self._open(account, now)
        self._buckets.move_to_end(account)
        tokens = bucket.tokens + (now - bucket.filled_at) * self._per_second
        bucket.tokens = min(tokens, float(self.limit))
        bucket.filled_at = now
        if bucket.tokens < 1:
            # Rounded first, so that a wait of 20.000000001 s becomes 20 s.
            wait = math.ceil(round((1 - bucket.tokens) / self._per_second, 6))
            raise TooManyRequests(
                "Too many requests",
                details={"retryAfter": wait, "limit": self.limit, "window": WINDOW_SECONDS},
            )
        bucket.tokens -= 1
        return int(bucket.tokens)

    def _open(self, account: str, now: float) -> _Bucket:
        if len(self._buckets) >= ACCOUNTS_MAX:
            # Drop the account that has been quiet for longest; its bucket is full or nearly full.
            self._buckets.popitem(last=False)
        return self._buckets.setdefault(account, _Bucket(float(self.limit), now))
