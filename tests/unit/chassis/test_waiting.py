"""Waiting for work to end: ends in this process wake at once, others by one shared query."""

import asyncio
from collections.abc import Collection

from chassis.waiting import Bell, Ends
from tests.patience import PATIENCE_SECONDS


class Elsewhere:
    """The work that other processes have ended. looks: the names of each query."""

    def __init__(self) -> None:
        self.ended: set[int] = set()
        self.looks: list[Collection[int]] = []

    async def among(self, names: Collection[int]) -> Collection[int]:
        self.looks.append(names)
        return self.ended & set(names)


async def test_end_in_this_process_wakes_its_waiter_at_once() -> None:
    ends = Ends(Elsewhere().among)
    with ends.registered(1) as event, ends.registered(2) as other:
        ends.ended(1)
        await ends.for_ring(event, seconds=PATIENCE_SECONDS)

        assert event.is_set()
        assert not other.is_set()


async def test_end_before_the_wait_is_found_by_a_query() -> None:
    elsewhere = Elsewhere()
    elsewhere.ended = {1}

    await asyncio.wait_for(Ends(elsewhere.among).for_end(1, seconds=60), PATIENCE_SECONDS)


async def test_one_query_serves_all_waiters() -> None:
    elsewhere = Elsewhere()
    ends = Ends(elsewhere.among)
    watch = asyncio.create_task(ends.watch())
    waiting = [asyncio.create_task(ends.for_end(name, seconds=60)) for name in range(5)]
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not any(len(names) == 5 for names in elsewhere.looks):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        elsewhere.ended = set(range(5))
        await asyncio.gather(*waiting)
    watch.cancel()


async def test_no_query_runs_without_waiters() -> None:
    elsewhere = Elsewhere()
    ends = Ends(elsewhere.among)
    watch = asyncio.create_task(ends.watch())
    for _ in range(5):
        await asyncio.sleep(0)

    assert elsewhere.looks == []
    watch.cancel()


async def test_work_of_this_process_is_not_queried() -> None:
    elsewhere = Elsewhere()
    ends = Ends(elsewhere.among)
    with ends.registered(1) as event, ends.registered(2):
        with ends.carried_out(1):
            assert (ends.is_here(1), ends.is_here(2)) == (True, False)
            await ends.look()
            ends.ended(1)
            assert event.is_set()
        await ends.look()

    assert [sorted(names) for names in elsewhere.looks] == [[2], [1, 2]]


async def test_wait_ends_after_its_time_limit() -> None:
    ends = Ends(Elsewhere().among)

    await asyncio.wait_for(ends.for_end(1, seconds=0.01), PATIENCE_SECONDS)
    await asyncio.wait_for(ends.for_end(1, seconds=0), PATIENCE_SECONDS)


async def test_stop_ends_current_and_later_waits() -> None:
    ends = Ends(Elsewhere().among)
    waiting = asyncio.create_task(ends.for_end(1, seconds=60))
    await asyncio.sleep(0)
    await ends.stop()

    await asyncio.wait_for(waiting, PATIENCE_SECONDS)
    await asyncio.wait_for(ends.for_end(2, seconds=60), PATIENCE_SECONDS)


async def test_a_ring_before_the_wait_is_not_lost() -> None:
    bell = Bell()
    bell.silence()
    bell.ring()

    await asyncio.wait_for(bell.wait(seconds=60), PATIENCE_SECONDS)
    bell.silence()
    await asyncio.wait_for(bell.wait(seconds=0.01), PATIENCE_SECONDS)
