"""The arithmetic of flows: idle counts are subtracted, and failures are reported."""

from collections import Counter

import pytest

from bench import flows
from bench.counting import COMMITS, Counts
from bench.flows import Taken
from bench.purchases import Purchases


def counted(*, at: float, orders: int, commits: int) -> Counts:
    return Counts(at=at, statements=Counter(orders=orders), commits=commits, rollbacks=0)


def test_counts_exclude_the_idle_rate() -> None:
    resting = counted(at=0, orders=10, commits=5)
    before = counted(at=2, orders=30, commits=15)
    idle = before.since(resting).rates()

    found = counted(at=12, orders=330, commits=115).since(before, idle=idle)

    assert idle == {"orders": 10, COMMITS: 5}
    assert found == counted(at=10, orders=200, commits=50)


def test_flows_have_a_rate_and_the_cpu_without_the_load_process() -> None:
    def taken(count: int) -> Taken:
        done = Purchases(
            orders=["ord_1"] * count, seconds=[0.5] * count, failures=["refused"], elapsed=10
        )
        cpu = {"escrow": 0.06 * count, "load": 0.01 * count}
        return Taken(flows=done, cpu=cpu, counts=counted(at=10, orders=40 * count, commits=count))

    told = flows.told(taken(100), taken(150))

    assert told.figures["flows.rate"] == 10
    assert told.figures["flows.cpu"] == pytest.approx(60)
    assert told.figures["flows.two"] == 1.5
    assert told.figures["flows.statements"] == 40
    assert "100 flows, 1 failed" in "\n".join(told.lines)
