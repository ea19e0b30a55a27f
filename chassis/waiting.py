"""Waiting for a row to change, in this process or another one.

What happens here rings at once. What another process does is seen by a look at the database: one
look for everybody who waits, and none while nobody does.
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
    """Wakes a loop that looks for work."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Say that there may be work."""
        self._rung.set()

    def silence(self) -> None:
        """Forget the rings so far; call it before looking, so that none is lost."""
        self._rung.clear()

    async def wait(self, *, seconds: float) -> bool:
        """Wait for a ring, at most so long; returns whether there was one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        return self._rung.is_set()


class Ends(Generic[NameT]):
    """Waits for work to end. A name says which work."""

    def __init__(
        self, ended_among: Callable[[Collection[NameT]], Awaitable[Collection[NameT]]]
    ) -> None:
        """ended_among: asks the database which of some names have ended. Raises: Unavailable."""
        self._ended_among = ended_among
        self._waiters: defaultdict[NameT, set[asyncio.Event]] = defaultdict(set)
        # Work of this process, whose end rings here.
        self._here: Counter[NameT] = Counter()
        self._is_waited_for = asyncio.Event()
        # The process is about to stop: nobody waits any more.
        self.is_over = False

    def ended(self, name: NameT) -> None:
        """Wake those who wait for a name."""
        for event in self._waiters.get(name, ()):
            event.set()

    @contextmanager
    def carried_out(self, name: NameT) -> Iterator[None]:
        """Say that work is carried out here: the database is not asked for its end meanwhile.

        Where the block ends without the end of the work, the database is asked again.
        """
        self._here[name] += 1
        try:
            yield
        finally:
            self._here[name] -= 1
            if not self._here[name]:
                del self._here[name]

    def is_here(self, name: NameT) -> bool:
        """Tell whether work is carried out here now."""
        return name in self._here

    @contextmanager
    def registered(self, name: NameT) -> Iterator[asyncio.Event]:
        """Give an event that is set when the name ends; read the row after, and then wait."""
        event = asyncio.Event()
        self._waiters[name].add(event)
        self._is_waited_for.set()
        try:
            yield event
        finally:
            self._waiters[name].discard(event)
            if not self._waiters[name]:
                del self._waiters[name]

    async def for_ring(self, event: asyncio.Event, *, seconds: float) -> None:
        """Wait for an event of `registered`, at most so long."""
        if self.is_over or seconds <= 0:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()

    async def for_end(self, name: NameT, *, seconds: float) -> None:
        """Wait until a name has ended, at most so long. Raises: Unavailable."""
        if seconds <= 0:
            return
        with self.registered(name) as event:
            await self.look()
            await self.for_ring(event, seconds=seconds)

    async def look(self) -> None:
        """Wake those whose name has ended, wherever it did. Raises: Unavailable."""
        if names := [name for name in self._waiters if name not in self._here]:
            for name in await self._ended_among(names):
                self.ended(name)

    async def watch(self) -> None:
        """Look from time to time while somebody waits, until cancelled. Raises: Unavailable."""
        while True:
            if not self._waiters:
                self._is_waited_for.clear()
                await self._is_waited_for.wait()
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def stop(self) -> None:
        """Wake everybody: the process is about to stop."""
        self.is_over = True
        for events in self._waiters.values():
            for event in events:
                event.set()


def at_most(seconds: float) -> float:
    """Return a pause that is a little shorter, by chance.

    Loops of one process that look equally often then do not look at once, on a connection each.
    """
    return seconds * random.uniform(LEAST_SHARE, 1)  # noqa: S311 - jitter


def end_if_cancelled() -> None:
    """End a cancelled task whose cancellation was lost. Raises: CancelledError.

    The client of NATS waits with asyncio.wait_for, which in Python 3.11 can lose a cancellation
    that comes as the time runs out, or with the result (CPython issue 86296).
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
