"""A cache in which concurrent callers share one lookup of a key."""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")


class SingleFlight(Generic[KeyT, ValueT]):
    """A cache of values by key. Above its maximum, the least recently used values are dropped.

    A lookup continues if its caller is cancelled, because others may wait for it.
    """

    def __init__(self, *, maximum: int) -> None:
        self._maximum = maximum
        self._known: OrderedDict[KeyT, tuple[float, ValueT]] = OrderedDict()
        self._running: dict[KeyT, asyncio.Task[ValueT | None]] = {}

    async def get(
        self,
        key: KeyT,
        look_up: Callable[[], Coroutine[Any, Any, ValueT | None]],
        *,
        seconds: float = math.inf,
    ) -> ValueT | None:
        """Return a value that is at most `seconds` old; looked up if necessary. None is not cached.

        Raises: as `look_up`; every caller that waits for the lookup gets the error.
        """
        known = self.recent(key, seconds=seconds)
        if known is not None:
            return known
        running = self._running.get(key)
        if running is None:
            running = asyncio.create_task(look_up())
            self._running[key] = running
            running.add_done_callback(lambda task: self._finish(key, task))
        return await asyncio.shield(running)

    def recent(self, key: KeyT, *, seconds: float = math.inf) -> ValueT | None:
        """Return the cached value if it is at most `seconds` old."""
        known = self._known.get(key)
        if known is None or known[0] + seconds <= time.monotonic():
            return None
        self._known.move_to_end(key)
        return known[1]

    def put(self, key: KeyT, value: ValueT) -> None:
        """Cache a value that was obtained in another way."""
        self._known[key] = (time.monotonic(), value)
        self._known.move_to_end(key)
        if len(self._known) > self._maximum:
            self._known.popitem(last=False)

    def drop(self, key: KeyT) -> None:
        """Drop the value of a key."""
        self._known.pop(key, None)

    def drop_all(self, is_dropped: Callable[[ValueT], bool]) -> None:
        """Drop all values for which a function returns True."""
        for key in [key for key, (_, value) in self._known.items() if is_dropped(value)]:
            del self._known[key]

    def disown(self) -> None:
        """Neither cache nor share the running lookups, because they may have read old data."""
        self._running.clear()

    def _finish(self, key: KeyT, task: asyncio.Task[ValueT | None]) -> None:
        is_disowned = self._running.get(key) is not task
        if not is_disowned:
            del self._running[key]
        if task.cancelled() or task.exception() is not None or is_disowned:
            return
        value = task.result()
        if value is not None:
            self.put(key, value)
