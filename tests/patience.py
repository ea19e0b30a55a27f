"""How long a test waits for a condition, and how often the test checks it.

The limit is long, because a busy machine is slow and a wait ends as soon as its condition holds. A
test of a duration has its own limits. Checks get rarer the longer a wait lasts, because each check
takes CPU time from the tests that run beside it.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator

PATIENCE_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 0.02
_GROWTH = 1.3
_LAST_PAUSE_SECONDS = 0.25


def pauses() -> Iterator[float]:
    """Yield the seconds between two checks: short at first, growing to a quarter of a second."""
    grown = (_FIRST_PAUSE_SECONDS * _GROWTH**number for number in itertools.count())
    yield from itertools.takewhile(lambda pause: pause < _LAST_PAUSE_SECONDS, grown)
    yield from itertools.repeat(_LAST_PAUSE_SECONDS)


async def until(holds: Callable[[], Awaitable[bool]], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until the condition holds. Raises: TimeoutError."""
    async with asyncio.timeout(seconds):
        for pause in pauses():
            if await holds():
                return
            await asyncio.sleep(pause)
