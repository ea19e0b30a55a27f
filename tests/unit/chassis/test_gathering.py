"""Concurrent callers share a group, and each gets their own answer."""

import asyncio
import uuid
from collections.abc import Sequence

import pytest

from chassis import gathering, identity
from chassis.gathering import SPLIT_MAX, Gathering, OneOfThemError
from kernel.errors import Unavailable
from tests.patience import PATIENCE_SECONDS
from tests.serving import identity_of


class Work:
    """Doubles numbers. groups: what was done together. A group with 13 fails."""

    def __init__(self, *, lanes: int = 1, size_max: int = 100) -> None:
        self.groups: list[list[int]] = []
        self.may_end = asyncio.Event()
        self.begun = asyncio.Event()
        self.failure: Exception | None = None
        self.now = self.most = 0
        self.doing: Gathering[int, int] = Gathering(
            self._together,
            name="doubling",
            size=lambda number: 5 if number >= 1000 else 1,
            size_max=size_max,
            lanes=lanes,
        )

    async def _together(self, numbers: Sequence[int]) -> list[int | Exception]:
        self.groups.append(list(numbers))
        self.begun.set()
        self.now += 1
        self.most = max(self.most, self.now)
        await self.may_end.wait()
        await asyncio.sleep(0)
        self.now -= 1
        if self.failure is not None:
            raise self.failure
        if 13 in numbers:
            raise OneOfThemError(ValueError("13"))
        return [KeyError(number) if number < 0 else 2 * number for number in numbers]

    def start(self, *numbers: int) -> "list[asyncio.Task[int]]":
        return [asyncio.create_task(self.doing.do(number)) for number in numbers]


async def all_of(tasks: "Sequence[asyncio.Task[int]]") -> list[int | BaseException]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await asyncio.gather(*tasks, return_exceptions=True)


async def test_callers_that_come_during_a_group_are_the_next_group() -> None:
    work = Work()
    first = work.start(1)
    await asyncio.wait_for(work.begun.wait(), PATIENCE_SECONDS)
    others = work.start(2, 3, 4)
    await asyncio.sleep(0)
    work.may_end.set()

    assert await all_of([*first, *others]) == [2, 4, 6, 8]
    assert work.groups == [[1], [2, 3, 4]]


async def test_an_error_is_the_answer_of_its_own_item_only() -> None:
    work = Work()
    work.may_end.set()

    one, bad, other = await all_of(work.start(1, -1, 2))

    assert (one, other) == (2, 4)
    assert isinstance(bad, KeyError)


async def test_after_a_failure_of_one_each_item_is_done_alone() -> None:
    work = Work()
    work.may_end.set()

    answers = await all_of(work.start(*range(10, 17)))

    assert [answer for answer in answers if not isinstance(answer, ValueError)] == [
        2 * number for number in range(10, 17) if number != 13
    ]
    assert isinstance(answers[3], ValueError)
    assert work.groups[0] == list(range(10, 17))
    assert sorted(work.groups[1:]) == [[number] for number in range(10, 17)]
    assert work.most == SPLIT_MAX


async def test_any_other_failure_is_the_answer_to_all_and_not_the_end() -> None:
    work = Work()
    work.may_end.set()
    work.failure = Unavailable("away")

    assert await all_of(work.start(1, 2)) == [work.failure] * 2

    work.failure = None
    assert await all_of(work.start(3)) == [6]


async def test_a_caller_who_leaves_does_not_take_the_others_with_them() -> None:
    work = Work()
    leaving, staying = work.start(1, 2)
    await asyncio.wait_for(work.begun.wait(), PATIENCE_SECONDS)
    leaving.cancel()
    work.may_end.set()

    assert await all_of([staying]) == [4]


async def test_a_group_has_a_limit_and_a_larger_item_is_alone() -> None:
    work = Work(size_max=3)
    work.may_end.set()

    await all_of(work.start(1, 2, 3, 4, 1000, 5))

    assert work.groups == [[1, 2, 3], [4], [1000], [5]]


async def test_another_lane_begins_while_the_first_is_stuck(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work = Work(lanes=2)
    work.start(1)
    await asyncio.wait_for(work.begun.wait(), PATIENCE_SECONDS)
    work.begun.clear()
    monkeypatch.setattr(gathering, "STUCK_SECONDS", -1.0)
    work.start(2)

    await asyncio.wait_for(work.begun.wait(), PATIENCE_SECONDS)

    assert work.groups == [[1], [2]]
    work.may_end.set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await work.doing.close()
    assert work.now == 0


async def test_a_group_acts_for_nobody() -> None:
    seen: list[object] = []

    async def look(items: Sequence[int]) -> list[int]:
        seen.append(identity.current_or_none())
        return list(items)

    doing: Gathering[int, int] = Gathering(look, name="looking", size_max=10)
    identity.bind(identity_of("orders", marketplace_id=uuid.UUID(int=7)))
    await doing.do(1)
    identity.bind(None)

    assert seen == [None]
