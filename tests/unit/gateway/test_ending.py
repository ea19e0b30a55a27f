"""Streams end, whatever they are waiting for."""

import asyncio

import pytest

from gateway import events


async def test_a_task_that_misses_its_cancellation_is_ended_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "CANCEL_SECONDS", 0.01)
    missed = []

    async def reading() -> None:
        for _ in range(2):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                missed.append("a result came with the cancellation")
        await asyncio.Event().wait()

    task = asyncio.ensure_future(reading())
    await asyncio.sleep(0)

    async with asyncio.timeout(10):
        await events.end(task)

    assert task.cancelled()
    assert len(missed) == 2


async def test_what_a_task_ends_with_is_nobodys_concern() -> None:
    async def failing() -> None:
        raise ValueError

    task = asyncio.ensure_future(failing())
    await asyncio.sleep(0)

    await events.end(task)
    await events.end()
