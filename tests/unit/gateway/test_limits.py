"""Rate limits, and limits on concurrent requests and streams."""

import pytest

from gateway import limits
from gateway.errors import Overloaded
from gateway.limits import Places, RateLimiter, StreamPlaces, TooManyRequests


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A list whose only item is the time in seconds."""
    now = [1000.0]
    monkeypatch.setattr("gateway.limits.time.monotonic", lambda: now[0])
    return now


def test_a_full_bucket_holds_a_minutes_requests(clock: list[float]) -> None:
    limiter = RateLimiter(per_minute=60)

    left = [limiter.take("a") for _ in range(60)]

    assert left == list(range(59, -1, -1))
    with pytest.raises(TooManyRequests) as caught:
        limiter.take("a")
    assert caught.value.details == {"retryAfter": 1, "limit": 60, "window": 60}
    assert clock == [1000.0]


def test_a_bucket_fills_evenly(clock: list[float]) -> None:
    limiter = RateLimiter(per_minute=60)
    for _ in range(60):
        limiter.take("a")

    clock[0] += 2

    assert [limiter.take("a"), limiter.take("a")] == [1, 0]
    with pytest.raises(TooManyRequests):
        limiter.take("a")


def test_a_bucket_never_holds_more_than_a_minutes_requests(clock: list[float]) -> None:
    limiter = RateLimiter(per_minute=60)
    limiter.take("a")

    clock[0] += 3600

    assert limiter.take("a") == 59


@pytest.mark.usefixtures("clock")
def test_one_account_does_not_empty_anothers_bucket() -> None:
    limiter = RateLimiter(per_minute=1)
    limiter.take("noisy")
    with pytest.raises(TooManyRequests):
        limiter.take("noisy")

    assert limiter.take("quiet") == 0


def test_an_empty_bucket_says_how_long_to_wait(clock: list[float]) -> None:
    limiter = RateLimiter(per_minute=2)
    limiter.take("a")
    limiter.take("a")

    clock[0] += 10

    with pytest.raises(TooManyRequests) as caught:
        limiter.take("a")
    assert caught.value.details["retryAfter"] == 20


def test_full_buckets_are_dropped_and_used_buckets_are_kept(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ACCOUNTS_MAX", 2)
    limiter = RateLimiter(per_minute=2)
    limiter.take("old")
    clock[0] += 31
    for _ in range(2):
        limiter.take("busy")

    limiter.take("new")

    assert sorted(limiter._buckets) == ["busy", "new"]
    with pytest.raises(TooManyRequests):
        limiter.take("busy")


def test_slot_freed_twice_counts_once() -> None:
    places = Places(2)
    first, _second = places.take(), places.take()
    with pytest.raises(Overloaded):
        places.take()

    first.free()
    first.free()

    places.take()
    with pytest.raises(Overloaded):
        places.take()


def test_the_stream_limit_is_per_account() -> None:
    places = StreamPlaces(per_account=2, in_all=10)
    held = [places.take("a") for _ in range(2)]

    with pytest.raises(TooManyRequests) as caught:
        places.take("a")
    places.take("b")
    held[0].free()
    places.take("a")

    assert caught.value.details == {"retryAfter": 5, "limit": 2, "window": 0}


def test_streams_are_limited_in_total() -> None:
    places = StreamPlaces(per_account=2, in_all=3)
    held = [places.take(account) for account in "aab"]

    with pytest.raises(Overloaded):
        places.take("c")
    held[0].free()

    places.take("c")
