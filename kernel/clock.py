"""Time as an argument: a domain never reads a clock itself."""

import datetime as dt
from typing import Protocol


class Clock(Protocol):
    """A source of the current time. Tests replace it."""

    def now(self) -> dt.datetime:
        """Return the current instant in UTC, with its time zone."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> dt.datetime:
        """Return the current instant in UTC, cut to milliseconds, because the APIs print those."""
        now = dt.datetime.now(dt.UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)


def to_milliseconds_text(at: dt.datetime) -> str:
    """Format an instant as the marketplace API and events do: 2026-02-18T10:00:00.000Z."""
    text = at.astimezone(dt.UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
