"""Files that are reloaded when they change, so new keys and certificates need no restart."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from chassis.telemetry import logger

T = TypeVar("T")
# Files are checked at most once in this time, however often their value is used.
LOOK_SECONDS = 1.0
_Mark = tuple[tuple[int, int, int], ...]
log = logger()


class Watched(Generic[T]):
    """The value of some files, at most a second old.

    If a file is missing, half-written or wrong, the last value stays. The fault is logged once per
    change of the files.
    """

    def __init__(self, paths: Sequence[Path], read: Callable[[Sequence[bytes]], T]) -> None:
        """Read the files. Raises: OSError: one is missing; whatever `read` raises."""
        self._paths = tuple(paths)
        self._read = read
        self._seen = self._mark()
        self._value = read([path.read_bytes() for path in self._paths])
        self._look_at = time.monotonic() + LOOK_SECONDS

    def current(self) -> T:
        """Return the value of the files. The object is the same while they are unchanged."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            self._look()
        return self._value

    def _look(self) -> None:
        try:
            mark = self._mark()
            if mark == self._seen:
                return
            self._seen = mark
            self._value = self._read([path.read_bytes() for path in self._paths])
        except (OSError, ValueError) as error:
            # The message of the error is not logged: it may quote a key.
            log.error("file.not_read", files=self._names(), error=type(error).__name__)  # noqa: TRY400
        else:
            log.info("file.read_again", files=self._names())

    def _mark(self) -> _Mark:
        stats = (path.stat() for path in self._paths)
        return tuple((stat.st_mtime_ns, stat.st_ino, stat.st_size) for stat in stats)

    def _names(self) -> list[str]:
        return [str(path) for path in self._paths]
