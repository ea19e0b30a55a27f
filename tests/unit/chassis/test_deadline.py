"""The deadline: each hop passes on the remaining time, less a margin to report a timeout."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from chassis import deadline


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The monotonic clock: the first item of a list that the test changes."""
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    yield now
    # The tests that follow in this process have no limit.
    deadline.start(None)


def test_without_a_limit_a_call_may_take_what_it_asks_for() -> None:
    deadline.start(None)

    assert deadline.remaining(at_most=5.0) == 5.0


def test_a_call_gets_the_time_left_less_the_shave(clock: list[float]) -> None:
    deadline.start(3.0)
    clock[0] += 1.0

    assert deadline.remaining(at_most=5.0) == pytest.approx(2.0 - deadline.SHAVED_SECONDS)


def test_a_call_never_gets_more_than_it_asks_for(clock: list[float]) -> None:
    deadline.start(60.0)
    clock[0] += 1.0

    assert deadline.remaining(at_most=5.0) == 5.0


def test_no_time_is_left_after_the_deadline(clock: list[float]) -> None:
    deadline.start(1.0)
    clock[0] += 2.0

    assert deadline.remaining(at_most=5.0) == 0.0


async def test_one_request_does_not_see_the_limit_of_another() -> None:
    async def request(seconds: float | None) -> float:
        deadline.start(seconds)
        await asyncio.sleep(0)
        return deadline.remaining(at_most=10.0)

    limited, free = await asyncio.gather(
        asyncio.create_task(request(1.0)), asyncio.create_task(request(None))
    )

    assert limited <= 1.0
    assert free == 10.0
