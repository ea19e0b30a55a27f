"""The time left for the current request.

Each hop keeps a part of it, to report a timeout itself.
"""

import contextvars
import time

# The time that a hop keeps for itself. Source: letsencrypt/boulder's interceptors do the same.
SHAVED_SECONDS = 0.02

_ends_at: contextvars.ContextVar[float | None] = contextvars.ContextVar("deadline", default=None)


def start(seconds: float | None) -> None:
    """Set the time limit of this task from now on; None: no limit."""
    _ends_at.set(None if seconds is None else time.monotonic() + seconds)


def remaining(*, at_most: float) -> float:
    """Return the time limit of an outgoing call: the time left minus the shave, or `at_most`."""
    ends_at = _ends_at.get()
    if ends_at is None:
        return at_most
    return max(0.0, min(at_most, ends_at - time.monotonic() - SHAVED_SECONDS))
