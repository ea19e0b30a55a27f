"""Channel accounts are given in the order in which commands began, as far as shares allow."""

import datetime as dt
import uuid
from collections import Counter

from chassis.leases import Lease
from services.escrow.contracts.steps import Step, StepName, StepState
from services.escrow.sending.channels import Waiter, served

MINE, OTHERS = uuid.uuid4(), uuid.uuid4()
SINCE = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


async def waiter(owner: uuid.UUID) -> Waiter:
    step = Step(id=uuid.uuid4(), position=0, name=StepName.FUND, terms={}, state=StepState.PLANNED)
    lease = Lease(marketplace_id=owner, id=uuid.uuid4(), epoch=1)
    return Waiter(lease=lease, step=step, since=SINCE)


async def test_waiters_are_served_in_their_order() -> None:
    waiting = [await waiter(MINE) for _ in range(9)]

    assert served(waiting, {}, free=8) == waiting[:6]


async def test_marketplace_that_holds_its_share_waits_and_others_are_served() -> None:
    waiting = [await waiter(MINE), await waiter(OTHERS), await waiter(OTHERS)]

    chosen = served(waiting, {MINE: 6}, free=2)

    assert chosen == [waiting[1]]


async def test_nobody_is_served_if_no_channel_is_free() -> None:
    assert served([await waiter(MINE)], Counter(), free=0) == []


async def test_serving_does_not_change_the_given_counts() -> None:
    held = Counter({MINE: 1})

    served([await waiter(MINE)], held, free=8)

    assert held == {MINE: 1}
