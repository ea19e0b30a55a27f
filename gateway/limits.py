"""How much is served: requests a minute of one credential, requests at once, streams at once.

Everything is counted in this process's memory; each gateway counts for itself.
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
# When one who has too many streams open may try again.
STREAMS_RETRY_SECONDS = 5


class TooManyRequests(ResourceExhausted):
    """The credential's bucket is empty, or it has as many streams open as it may."""

    reason = "RATE_LIMITED"


class Place:
    """One of a limited number; given back once, however often `free` is called."""

    def __init__(self, free: Callable[[], None]) -> None:
        self._free: Callable[[], None] | None = free

    def free(self) -> None:
        """Give the place back."""
        if self._free is not None:
            free, self._free = self._free, None
            free()


class Places:
    """Places for requests that are served at once."""

    def __init__(self, maximum: int) -> None:
        self._free = maximum

    def take(self) -> Place:
        """Take a place, to be freed. Raises: Overloaded: there is none."""
        if self._free <= 0:
            raise Overloaded("Too many requests are being served")
        self._free -= 1
        return Place(self._give_back)

    def _give_back(self) -> None:
        self._free += 1


class StreamPlaces:
    """Places for streams of events: so many an account, so many in all."""

    def __init__(self, *, per_account: int, in_all: int) -> None:
        self._per_account = per_account
        self._in_all = in_all
        self._open: Counter[str] = Counter()

    def take(self, account: str) -> Place:
        """Take a place for an account's stream, to be freed.

        Raises: TooManyRequests: the account has none left (`window` 0: at any one time);
            Overloaded: nobody has.
        """
        if self._open[account] >= self._per_account:
            raise TooManyRequests(
                "Too many streams of events are open",
                details={
                    "retryAfter": STREAMS_RETRY_SECONDS,
                    "limit": self._per_account,
                    "window": 0,
                },
            )
        if self._open.total() >= self._in_all:
            raise Overloaded("Too many streams of events are open")
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
    """Buckets in this process's memory; each gateway counts for itself."""

    def __init__(self, *, per_minute: int) -> None:
        self.limit = per_minute
        self._per_second = per_minute / WINDOW_SECONDS
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, account: str) -> int:
        """Count one request; returns how many are left.

        Raises: TooManyRequests: details say when to come back (`retryAfter`, seconds).
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
            # Rounded first: a wait of 20.000000001 s is one of 20.
            wait = math.ceil(round((1 - bucket.tokens) / self._per_second, 6))
            raise TooManyRequests(
                "Too many requests",
                details={"retryAfter": wait, "limit": self.limit, "window": WINDOW_SECONDS},
            )
        bucket.tokens -= 1
        return int(bucket.tokens)

    def _open(self, account: str, now: float) -> _Bucket:
        if len(self._buckets) >= ACCOUNTS_MAX:
            # Who asked least lately: the bucket is full again, or nearly, or there are too many.
            self._buckets.popitem(last=False)
        return self._buckets.setdefault(account, _Bucket(float(self.limit), now))
