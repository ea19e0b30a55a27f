"""How long a test waits for what it expects, and how often it looks.

Long: a machine that is busy with other things is slow, and a wait ends with its condition. Where a
time is what a test is about, the test says so itself. A look costs the machine work that the tests
beside this one wait for, so looks get rarer the longer a wait lasts.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator

PATIENCE_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 0.02
_GROWTH = 1.3
_LAST_PAUSE_SECONDS = 0.25


def pauses() -> Iterator[float]:
    """Yield the seconds between two looks: a moment at first, then about a quarter of the wait."""
    grown = (_FIRST_PAUSE_SECONDS * _GROWTH**number for number in itertools.count())
    yield from itertools.takewhile(lambda pause: pause < _LAST_PAUSE_SECONDS, grown)
    yield from itertools.repeat(_LAST_PAUSE_SECONDS)


async def until(holds: Callable[[], Awaitable[bool]], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until something holds. Raises: TimeoutError."""
    async with asyncio.timeout(seconds):
        for pause in pauses():
            if await holds():
                return
            await asyncio.sleep(pause)
