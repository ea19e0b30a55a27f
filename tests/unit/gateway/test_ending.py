"""Ending tasks: cancelled until they end, whatever they wait for."""

import asyncio

from gateway import stream
from tests.patience import PATIENCE_SECONDS


async def test_a_task_that_misses_its_cancellation_is_cancelled_again() -> None:
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

    async with asyncio.timeout(PATIENCE_SECONDS):
        await stream.end(task, again_seconds=0.01)

    assert task.cancelled()
    assert len(missed) == 2


async def test_the_result_of_an_ended_task_is_ignored() -> None:
    async def failing() -> None:
        raise ValueError

    task = asyncio.ensure_future(failing())
    await asyncio.sleep(0)

    await stream.end(task)
    await stream.end()


async def test_a_task_that_ends_its_own_tasks_is_not_cancelled_again() -> None:
    own: list[asyncio.Task[None]] = []

    async def late() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    async def outer() -> None:
        own.append(asyncio.create_task(late()))
        try:
            await asyncio.Event().wait()
        finally:
            await stream.end(*own, again_seconds=0.05)

    task = asyncio.create_task(outer())
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    async with asyncio.timeout(PATIENCE_SECONDS):
        await stream.end(task)

    assert [one.done() for one in (task, *own)] == [True, True]


async def test_a_cancelled_caller_ends_its_tasks_first() -> None:
    async def late() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    own = asyncio.create_task(late())
    await asyncio.sleep(0)
    ending = asyncio.create_task(stream.end(own, again_seconds=0.05))
    await asyncio.sleep(0)

    ending.cancel()

    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.wait({ending})
    assert ending.cancelled()
    assert own.done()
