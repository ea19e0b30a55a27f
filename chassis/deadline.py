"""The time left for the current request. Each hop keeps a little of it to report a timeout."""

import contextvars
import time

# The time that a hop keeps for itself. Source: the habit of letsencrypt/boulder's interceptors.
SHAVED_SECONDS = 0.02

_ends_at: contextvars.ContextVar[float | None] = contextvars.ContextVar("deadline", default=None)


def start(seconds: float | None) -> None:
    """Set the time that this task has; None: no limit."""
    _ends_at.set(None if seconds is None else time.monotonic() + seconds)


def remaining(*, at_most: float) -> float:
    """Return the seconds a call out may take: the time left less the shave, at most `at_most`."""
    ends_at = _ends_at.get()
    if ends_at is None:
        return at_most
    return max(0.0, min(at_most, ends_at - time.monotonic() - SHAVED_SECONDS))
