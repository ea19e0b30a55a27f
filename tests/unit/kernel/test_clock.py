"""The clock: UTC, whole milliseconds, in the format of the events and the APIs."""

import datetime as dt

import pytest

from kernel.clock import SystemClock, to_milliseconds_text


def test_the_system_clock_tells_utc_in_whole_milliseconds() -> None:
    before = dt.datetime.now(dt.UTC) - dt.timedelta(milliseconds=1)
    now = SystemClock().now()
    after = dt.datetime.now(dt.UTC)

    assert now.tzinfo is dt.UTC
    assert now.microsecond % 1000 == 0
    assert before <= now <= after


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (dt.datetime(2026, 2, 18, 10, 0, tzinfo=dt.UTC), "2026-02-18T10:00:00.000Z"),
        (dt.datetime(2026, 2, 18, 10, 0, 0, 999_999, tzinfo=dt.UTC), "2026-02-18T10:00:00.999Z"),
        (
            dt.datetime(2026, 2, 18, 10, 0, tzinfo=dt.timezone(dt.timedelta(hours=5.5))),
            "2026-02-18T04:30:00.000Z",
        ),
    ],
)
def test_an_instant_is_spelled_in_utc_with_milliseconds(at: dt.datetime, text: str) -> None:
    assert text == to_milliseconds_text(at)
