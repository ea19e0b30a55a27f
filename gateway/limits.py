"""How many requests one credential may make: a bucket each, filled evenly over the minute."""

import math
import time
from dataclasses import dataclass

from kernel.errors import ResourceExhausted

WINDOW_SECONDS = 60
ACCOUNTS_MAX = 10_000


class TooManyRequests(ResourceExhausted):
    """The credential's bucket is empty."""

    reason = "RATE_LIMITED"


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimiter:
    """Buckets in this process's memory; each gateway counts for itself."""

    def __init__(self, *, per_minute: int) -> None:
        self.limit = per_minute
        self._per_second = per_minute / WINDOW_SECONDS
        self._buckets: dict[str, _Bucket] = {}

    def take(self, account: str) -> int:
        """Count one request; returns how many are left.

        Raises: TooManyRequests: details say when to come back (`retryAfter`, seconds).
        """
        now = time.monotonic()
        bucket = self._buckets.get(account)
        if bucket is None:
            bucket = self._open(account, now)
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
            self._drop_full(now)
        return self._buckets.setdefault(account, _Bucket(float(self.limit), now))

    def _drop_full(self, now: float) -> None:
        """Forget the buckets that would be full by now: a new one is the same."""
        for account, bucket in list(self._buckets.items()):
            missing = self.limit - bucket.tokens
            if (now - bucket.filled_at) * self._per_second >= missing:
                del self._buckets[account]
