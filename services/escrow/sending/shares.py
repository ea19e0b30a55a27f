"""Fair shares: how much of a common resource one marketplace may hold. Pure.

Nothing is taken back from its holder, so something must be left for newcomers: the more a
marketplace holds, the more must stay free. A single marketplace may hold three quarters; if several
share, a part stays free for a newcomer. A marketplace that holds nothing always gets one.
Source: Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches",
1998.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# A marketplace may hold at most this many times what would then still be free.
MOST_OF_FREE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How many places a marketplace wants, and how many it holds."""

    marketplace_id: uuid.UUID
    wants: int
    holds: int


def may_take(*, holds: int, free: int) -> bool:
    """Tell whether a marketplace that holds this many may take one more of the free ones."""
    return free > 0 and (holds == 0 or holds + 1 <= MOST_OF_FREE * (free - 1))


def divided(wanted: Sequence[Wanted], *, free: int) -> Mapping[uuid.UUID, int]:
    """Divide what is free, one at a time, to the one that then holds least; ties by order."""
    given = {each.marketplace_id: 0 for each in wanted}
    while True:
        waiting = [each for each in wanted if given[each.marketplace_id] < each.wants]
        if not waiting:
            return given
        next_one = min(waiting, key=lambda each: each.holds + given[each.marketplace_id])
        held = next_one.holds + given[next_one.marketplace_id]
        if not may_take(holds=held, free=free):
            return given
        given[next_one.marketplace_id] += 1
        free -= 1
