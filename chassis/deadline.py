"""The time left for the request being served; each hop keeps a little to report a timeout."""

import contextvars
import time

# What a hop keeps for itself. Source: the habit of letsencrypt/boulder's interceptors.
SHAVED_SECONDS = 0.02

_ends_at: contextvars.ContextVar[float | None] = contextvars.ContextVar("deadline", default=None)


def start(seconds: float | None) -> None:
    """Begin the budget of this task; None: no limit is known."""
    _ends_at.set(None if seconds is None else time.monotonic() + seconds)


def remaining(*, at_most: float) -> float:
    """Return the seconds a call out may take: what is left less the shave, at most `at_most`."""
    ends_at = _ends_at.get()
    if ends_at is None:
        return at_most
    return max(0.0, min(at_most, ends_at - time.monotonic() - SHAVED_SECONDS))
