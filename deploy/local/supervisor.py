"""Keeps parts running: restarts each part that ended, after a growing pause."""

import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from deploy.local.process import Process, wait_for_an_end
from deploy.local.settings import DEFAULT_LOG_MEGABYTES, DEFAULT_RESTART_PAUSE, MEGABYTE

FIRST_PAUSE_SECONDS = 0.2
# After this time a part counts as healthy, and its next pause is the shortest one again.
HEALTHY_SECONDS = 30.0
# Pauses between looks: while all parts run, and while one must be restarted or become ready.
QUIET_SECONDS, BUSY_SECONDS = 5.0, 0.5


class Part(Protocol):
    """One process of the stack."""

    @property
    def process(self) -> Process:
        """The running process."""

    def start(self) -> None:
        """Start or restart the process."""

    def is_ready(self) -> bool:
        """Return whether the part can serve now."""


@dataclass(slots=True)
class _Watch:
    name: str
    part: Part
    pause_seconds: float = FIRST_PAUSE_SECONDS
    started_at: float = field(default_factory=time.monotonic)
    start_at: float | None = None
    is_down: bool = False


class Supervisor:
    """Watches running parts. say: prints a line. changed: called when a process was replaced.

    last_pause_seconds: the longest pause before a restart. log_bytes: larger logs are rotated.
    """

    def __init__(
        self,
        *,
        say: Callable[[str], None],
        changed: Callable[[], None],
        last_pause_seconds: float = float(DEFAULT_RESTART_PAUSE),
        log_bytes: int = int(DEFAULT_LOG_MEGABYTES) * MEGABYTE,
    ) -> None:
        self._say = say
        self._changed = changed
        self._last_pause_seconds = last_pause_seconds
        self._log_bytes = log_bytes
        self._watches: list[_Watch] = []

    def add(self, name: str, part: Part) -> None:
        """Watch a part from now on."""
        self._watches.append(_Watch(name, part))

    def pids(self) -> dict[str, int]:
        """Return the process id of every part."""
        return {watch.name: watch.part.process.pid for watch in self._watches}

    def look(self) -> None:
        """Check every part once: notice ended parts, restart them when due, rotate large logs."""
        for watch in self._watches:
            watch.part.process.rotate_log(above_bytes=self._log_bytes)
            code = watch.part.process.exit_code()
            if code is None:
                self._notice_return(watch)
            elif watch.start_at is None:
                self._plan(watch, code)
            elif time.monotonic() >= watch.start_at:
                self._start(watch)

    def wait(self) -> None:
        """Wait until the next look is due: at once when a part ends, otherwise after a pause."""
        if any(watch.is_down for watch in self._watches):
            time.sleep(BUSY_SECONDS)
            return
        try:
            running = [watch.part.process for watch in self._watches]
            wait_for_an_end(running, seconds=QUIET_SECONDS)
        except OSError:
            # A part has just ended, or this kernel cannot watch processes.
            time.sleep(BUSY_SECONDS)

    def stop(self, groups: Iterable[Iterable[str]]) -> dict[str, int]:
        """Stop the groups one after another; returns the exit code of each part."""
        known = {watch.name: watch for watch in self._watches}
        codes: dict[str, int] = {}
        for group in groups:
            watches = [known[name] for name in group if name in known]
            for watch in watches:
                watch.part.process.request_stop()
            for watch in watches:
                codes[watch.name] = watch.part.process.stop()
        return codes

    def _plan(self, watch: _Watch, code: int) -> None:
        if time.monotonic() - watch.started_at > HEALTHY_SECONDS:
            watch.pause_seconds = FIRST_PAUSE_SECONDS
        pause = min(watch.pause_seconds, self._last_pause_seconds)
        watch.start_at = time.monotonic() + pause
        watch.is_down = True
        self._say(f"{watch.name} exited with {describe(code)}; restarting in {pause:.1f} s")
        watch.pause_seconds = min(pause * 2, self._last_pause_seconds)

    def _start(self, watch: _Watch) -> None:
        watch.part.start()
        watch.start_at = None
        watch.started_at = time.monotonic()
        self._changed()

    def _notice_return(self, watch: _Watch) -> None:
        # Probed only after a restart: probing every part at each look would cost too much.
        if watch.is_down and watch.part.is_ready():
            watch.is_down = False
            self._say(f"{watch.name} is back")


def describe(code: int) -> str:
    """Describe how a process ended: `exit code 1` or `SIGKILL`."""
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
