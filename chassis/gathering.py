"""Gathers the work of concurrent callers and does it together; each caller gets their own answer.

While one group is at work, the next one gathers. A single caller therefore does not wait, and a
hundred callers share a transaction. If a group fails because of one of its items, each item is done
alone, so that a bad item fails only for its own caller.
"""

import asyncio
import contextvars
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from chassis.outages import is_of_one
from chassis.telemetry import logger
from kernel.errors import Unavailable

# The most items that are done at the same time when a group is split. Others need connections, too.
SPLIT_MAX = 4
# A group that takes longer is assumed to wait for a lock.
STUCK_SECONDS = 0.05
LINGER_SECONDS = 0.001
log = logger()

ItemT = TypeVar("ItemT")
AnswerT = TypeVar("AnswerT")


class OneOfThemError(Exception):
    """One unknown item of a group fails, or waits for a lock. cause: the error."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(repr(cause))
        self.cause = cause


@asynccontextmanager
async def apart() -> AsyncIterator[None]:
    """Have each item of a group done alone if the block fails because of one of them.

    Raises: Unavailable: the database is unavailable to all, and the outcome is unknown.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, Unavailable) and not is_of_one(error.__cause__):
            raise
        raise OneOfThemError(error) from error


@dataclass(frozen=True, slots=True)
class _Caller(Generic[ItemT, AnswerT]):
    item: ItemT
    size: int
    answer: "asyncio.Future[AnswerT]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Gathering(Generic[ItemT, AnswerT]):
    """Gathers items and does them in groups. Each lane does one group at a time."""

    def __init__(
        self,
        together: Callable[[Sequence[ItemT]], Awaitable[Sequence[AnswerT | Exception]]],
        *,
        name: str,
        size_max: int,
        size: Callable[[ItemT], int] = lambda _: 1,
        lanes: int = 2,
        linger_seconds: float = LINGER_SECONDS,
    ) -> None:
        """Take the parts.

        together: does a group, and returns an answer or an error for each item. It may raise
        OneOfThemError: nothing was done, and each item is to be done alone; any other error is the
        answer to all. It runs in an empty context. name: for the log. size_max: the most that a
        group may have, by `size`; a larger item is done alone.
        """
        self._together = together
        self._name = name
        self._size = size
        self._size_max = size_max
        self._lanes_max = lanes
        self._linger_seconds = linger_seconds
        self._waiting: deque[_Caller[ItemT, AnswerT]] = deque()
        self._lanes: set[asyncio.Task[None]] = set()
        self._serving = 0
        # When a lane last began a group, by the loop's clock.
        self._began = 0.0
        # The number of callers of recent groups, and whether as many wait.
        self._usual = 0
        self._are_as_usual = asyncio.Event()
        # The size of all items that wait for a lane.
        self.waiting_size = 0

    async def do(self, item: ItemT) -> AnswerT:
        """Do an item together with those of other callers. Raises: the item's error."""
        caller: _Caller[ItemT, AnswerT] = _Caller(item, self._size(item))
        self._waiting.append(caller)
        self.waiting_size += caller.size
        if len(self._waiting) >= self._usual:
            self._are_as_usual.set()
        if self._needs_lane():
            self._serving += 1
            # The lane gets an empty context, because it serves many callers.
            lane = asyncio.create_task(self._serve(), context=contextvars.Context())
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        return await caller.answer

    async def close(self) -> None:
        """Wait for the groups at work."""
        while self._lanes:
            await asyncio.wait(self._lanes)

    async def _serve(self) -> None:
        try:
            while self._waiting:
                await self._linger()
                callers = self._take()
                self._began = asyncio.get_running_loop().time()
                self._usual = max(len(callers), self._usual * 3 // 4)
                if callers:
                    await self._settle(callers)
        finally:
            # Counted here, because a caller that arrives before the task is reaped needs a lane.
            self._serving -= 1

    async def _linger(self) -> None:
        """Wait shortly for as many callers as usual.

        Callers that were just answered often call again, and larger groups cost less.
        """
        if len(self._waiting) < self._usual:
            self._are_as_usual.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._linger_seconds):
                    await self._are_as_usual.wait()

    def _needs_lane(self) -> bool:
        """Tell whether another lane is needed beside the running ones.

        One lane is enough while it keeps up: callers that arrive meanwhile share the next commit.
        Another lane is started when much is waiting, and while a lane waits for a lock.
        """
        if self._serving == 0:
            return True
        is_long = self.waiting_size >= self._size_max // 4
        is_stuck = asyncio.get_running_loop().time() - self._began > STUCK_SECONDS
        return self._serving < self._lanes_max and (is_long or is_stuck)

    def _take(self) -> list[_Caller[ItemT, AnswerT]]:
        callers: list[_Caller[ItemT, AnswerT]] = []
        room = self._size_max
        while self._waiting and (not callers or self._waiting[0].size <= room):
            callers.append(self._waiting.popleft())
            room -= callers[-1].size
        self.waiting_size -= self._size_max - room
        return callers

    async def _settle(self, callers: Sequence[_Caller[ItemT, AnswerT]]) -> None:
        """Do the items of these callers, and answer every caller."""
        answers: Sequence[AnswerT | Exception]
        try:
            answers = await self._together([caller.item for caller in callers])
        except OneOfThemError as error:
            if len(callers) > 1:
                log.warning(
                    "gathering.split", work=self._name, callers=len(callers), error=str(error)
                )
                await self._settle_apart(callers)
                return
            answers = [error.cause]
        except Exception as error:  # noqa: BLE001 - every caller gets it
            answers = [error] * len(callers)
        for caller, answer in zip(callers, answers, strict=True):
            if caller.answer.done():
                continue
            if isinstance(answer, Exception):
                caller.answer.set_exception(answer)
            else:
                caller.answer.set_result(answer)

    async def _settle_apart(self, callers: Sequence[_Caller[ItemT, AnswerT]]) -> None:
        """Answer each caller alone: one has a fault, or waits for a lock."""
        room = asyncio.Semaphore(SPLIT_MAX)

        async def settle(caller: _Caller[ItemT, AnswerT]) -> None:
            async with room:
                await self._settle([caller])

        await asyncio.gather(*map(settle, callers))
