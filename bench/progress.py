"""Progress of a measurement: which part runs, how far it is, how long the rest takes."""

import sys
import time
from collections.abc import Mapping
from typing import TextIO


class Progress:
    """Knows the parts that will run, and about how many seconds each takes."""

    def __init__(self, seconds: Mapping[str, float], *, to: TextIO = sys.stderr) -> None:
        """seconds: by part, in the order in which they run."""
        self._seconds = dict(seconds)
        self._to = to
        self._started = time.monotonic()
        self._part = ""
        self._part_started = self._started

    def begin(self, part: str) -> None:
        """Report that a part begins."""
        self._part, self._part_started = part, time.monotonic()
        self.say("begins")

    def say(self, what: str) -> None:
        """Report what the part does now."""
        now = time.monotonic()
        names = list(self._seconds)
        number = names.index(self._part)
        here = max(0.0, self._seconds[self._part] - (now - self._part_started))
        left = here + sum(self._seconds[name] for name in names[number + 1 :])
        self._to.write(
            f"[{clock(now - self._started)}, about {clock(left)} left]"
            f" {number + 1}/{len(names)} {self._part}: {what}\n"
        )
        self._to.flush()


def clock(seconds: float) -> str:
    """Return seconds as minutes and seconds: 1:05."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"
