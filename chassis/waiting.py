"""Waiting until work on a row has ended, in this process or another one.

An end in this process wakes its waiters at once. An end in another process is found by polling the
database: one query for all waiters, and no query while there are none.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterator
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

LOOK_SECONDS = 0.1
LEAST_SHARE = 0.8
NameT = TypeVar("NameT", bound=Hashable)


class Bell:
    """Wakes a loop that polls for work."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Report that there may be work."""
        self._rung.set()

    def silence(self) -> None:
        """Forget the rings so far. Call it before the query for work, so that no ring is lost."""
        self._rung.clear()

    async def wait(self, *, seconds: float) -> bool:
        """Wait for a ring, at most this long; returns whether there was one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        return self._rung.is_set()


class Ring(asyncio.Event):
    """Is set when work has ended. end: how it did, where this process knows."""

    end: object = None


class Ends(Generic[NameT]):
    """Waits for work to end. A name identifies the work."""

    def __init__(
        self, ended_among: Callable[[Collection[NameT]], Awaitable[Collection[NameT]]]
    ) -> None:
        """Store the query. ended_among: returns which names have ended. Raises: Unavailable."""
        self._ended_among = ended_among
        self._waiters: defaultdict[NameT, set[Ring]] = defaultdict(set)
        # Work that this process carries out. Its end wakes the waiters directly.
        self._here: Counter[NameT] = Counter()
        self._is_waited_for = asyncio.Event()
        # Whether the process is about to stop: then `for_ring` returns at once.
        self.is_over = False

    def ended(self, name: NameT, end: object = None) -> None:
        """Wake the waiters of the named work. end: its stored end; see `Ring`."""
        for event in self._waiters.get(name, ()):
            event.end = event.end or end
            event.set()

    @contextmanager
    def carried_out(self, name: NameT) -> Iterator[None]:
        """Declare that this process carries the work out, so its end is not polled for meanwhile.

        If the block ends before the work has ended, the work is polled for again.
        """
        self._here[name] += 1
        try:
            yield
        finally:
            self._here[name] -= 1
            if not self._here[name]:
                del self._here[name]

    def is_here(self, name: NameT) -> bool:
        """Return whether this process carries the work out now."""
        return name in self._here

    @contextmanager
    def registered(self, name: NameT) -> Iterator[Ring]:
        """Yield an event that is set when the work ends. Read the row afterwards, then wait."""
        event = Ring()
        self._waiters[name].add(event)
        self._is_waited_for.set()
        try:
            yield event
        finally:
            self._waiters[name].discard(event)
            if not self._waiters[name]:
                del self._waiters[name]

    async def for_ring(self, event: asyncio.Event, *, seconds: float) -> None:
        """Wait for an event of `registered`, at most this long."""
        if self.is_over or seconds <= 0:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()

    async def for_end(self, name: NameT, *, seconds: float) -> None:
        """Wait until the named work has ended, at most this long. Raises: Unavailable."""
        if seconds <= 0:
            return
        with self.registered(name) as event:
            await self.look()
            await self.for_ring(event, seconds=seconds)

    async def look(self) -> None:
        """Query once, and wake the waiters whose work has ended. Raises: Unavailable.

        Work that this process carries out is not queried.
        """
        if names := [name for name in self._waiters if name not in self._here]:
            for name in await self._ended_among(names):
                self.ended(name)

    async def watch(self) -> None:
        """Poll while there are waiters, until cancelled. Raises: Unavailable."""
        while True:
            if not self._waiters:
                self._is_waited_for.clear()
                await self._is_waited_for.wait()
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def stop(self) -> None:
        """Wake all waiters: the process is about to stop."""
        self.is_over = True
        for events in self._waiters.values():
            for event in events:
                event.set()


def at_most(seconds: float) -> float:
    """Return the pause in seconds, shortened at random by a fifth at most.

    Otherwise loops of one process with the same pause would query at the same time, and each would
    need a connection.
    """
    return seconds * random.uniform(LEAST_SHARE, 1)  # noqa: S311 - jitter


def end_if_cancelled() -> None:
    """End a cancelled task whose cancellation was lost. Raises: CancelledError.

    The NATS client uses asyncio.wait_for. In Python 3.11 it can lose a cancellation that arrives at
    the moment of the timeout or of the result (CPython issue 86296).
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
