"""The cache with shared lookups: what is shared, what is cached, and for how long."""

import asyncio

import pytest

from gateway.single_flight import SingleFlight


class Source:
    """Answers when it is released, and counts the lookups."""

    def __init__(self, value: str | None = "value") -> None:
        self.value = value
        self.lookups = 0
        self.released = asyncio.Event()
        self.released.set()

    async def look_up(self) -> str | None:
        self.lookups += 1
        await self.released.wait()
        return self.value


async def test_concurrent_callers_share_one_lookup() -> None:
    cache, source = SingleFlight[str, str](maximum=10), Source()

    found = await asyncio.gather(*(cache.get("a", source.look_up) for _ in range(5)))

    assert (found, source.lookups) == (["value"] * 5, 1)


async def test_a_value_is_looked_up_again_when_it_is_too_old() -> None:
    cache, source = SingleFlight[str, str](maximum=10), Source()
    await cache.get("a", source.look_up)

    await cache.get("a", source.look_up, seconds=60)
    assert source.lookups == 1
    await cache.get("a", source.look_up, seconds=0)
    assert source.lookups == 2


async def test_none_is_not_cached() -> None:
    cache, source = SingleFlight[str, str](maximum=10), Source(value=None)

    assert [await cache.get("a", source.look_up) for _ in range(2)] == [None, None]
    assert source.lookups == 2


async def test_a_failed_lookup_fails_every_caller_and_is_not_cached() -> None:
    cache = SingleFlight[str, str](maximum=10)
    failures = 0

    async def fail() -> str:
        nonlocal failures
        failures += 1
        raise LookupError

    found = await asyncio.gather(*(cache.get("a", fail) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in found] == [LookupError] * 3
    with pytest.raises(LookupError):
        await cache.get("a", fail)
    assert failures == 2


async def test_lookup_continues_when_its_first_caller_is_cancelled() -> None:
    cache, source = SingleFlight[str, str](maximum=10), Source()
    source.released.clear()
    first = asyncio.ensure_future(cache.get("a", source.look_up))
    second = asyncio.ensure_future(cache.get("a", source.look_up))
    await asyncio.sleep(0)

    first.cancel()
    source.released.set()

    assert await second == "value"
    assert source.lookups == 1


async def test_a_disowned_lookup_is_neither_cached_nor_shared() -> None:
    cache, source = SingleFlight[str, str](maximum=10), Source()
    source.released.clear()
    stale = asyncio.ensure_future(cache.get("a", source.look_up))
    await asyncio.sleep(0)

    cache.disown()
    fresh = asyncio.ensure_future(cache.get("a", source.look_up))
    await asyncio.sleep(0)
    source.released.set()
    await asyncio.gather(stale, fresh)

    assert source.lookups == 2


async def test_the_value_that_was_used_least_recently_is_dropped() -> None:
    cache, source = SingleFlight[str, str](maximum=2), Source()
    for key in ("a", "b", "a", "c"):
        await cache.get(key, source.look_up)
    assert source.lookups == 3

    await cache.get("a", source.look_up)
    assert source.lookups == 3
    await cache.get("b", source.look_up)
    assert source.lookups == 4


async def test_dropped_values_are_looked_up_again() -> None:
    cache, source = SingleFlight[str, str](maximum=10), Source()
    cache.put("a", "other")
    cache.put("b", "value")

    cache.drop_all(lambda value: value == "other")

    assert await cache.get("a", source.look_up) == "value"
    assert await cache.get("b", source.look_up) == "value"
    assert source.lookups == 1
    cache.drop("b")
    await cache.get("b", source.look_up)
    assert source.lookups == 2
