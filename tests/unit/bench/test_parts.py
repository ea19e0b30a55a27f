"""The arithmetic of the parts: sizes, releases, delays."""

import pytest

from bench import release, size, subscriber
from bench.size import Sizes


def test_sizes_are_the_growth_of_one_order() -> None:
    before = Sizes(tables={"orders.orders": 8192}, wal=1024, nats=1024)
    after = Sizes(
        tables={"orders.orders": 8192 + 20480, "escrow.steps": 10240}, wal=103424, nats=11264
    )

    told = size.told(before, after, count=10)

    assert told.figures == {"size.postgres": 3.0, "size.nats": 1.0, "size.wal": 10.0}
    assert told.lines[1].strip() == "orders.orders 2.0, escrow.steps 1.0"


def test_releases_are_counted_in_ledgers() -> None:
    together = [5.0 * number for number in range(1, 65)]

    told = release.told([15.2, 15.1], together)

    assert told.figures["release.seconds"] == 15.2
    assert told.figures["release.ledgers"] == pytest.approx(3.04)
    assert told.figures["release.first"] == 1
    assert told.figures["release.median"] == 32
    assert told.figures["release.last"] == 64


def test_delays_are_reported_in_milliseconds() -> None:
    told = subscriber.told([0.002] * 98 + [0.02, 0.03])

    assert told.figures == {"subscriber.p50": 2.0, "subscriber.p99": 20.0}
