"""Fair shares: how much of what all marketplaces use together one of them may hold. Pure.

Nothing is taken back from who has it, so something must be left for who comes next: the more one
holds, the more must stay free. One alone may hold three quarters; several share, and a part stays
free for a newcomer. One that holds nothing always gets one. Source: Choudhury and Hahne, "Dynamic
queue length thresholds for shared-memory packet switches", 1998.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# How much one may hold of what would then still be free.
MOST_OF_FREE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How many places a marketplace wants, and how many it holds."""

    marketplace_id: uuid.UUID
    wants: int
    holds: int


def may_take(*, holds: int, free: int) -> bool:
    """Tell whether who holds so many may take one more of those that are free."""
    return free > 0 and (holds == 0 or holds + 1 <= MOST_OF_FREE * (free - 1))


def divided(wanted: Sequence[Wanted], *, free: int) -> Mapping[uuid.UUID, int]:
    """Divide what is free, one at a time, to who then holds least; among equals in their order."""
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
