"""The arithmetic of runs: rates, latencies, CPU a request, ratios to the floor."""

from collections import Counter

import pytest

from bench import rest
from bench.load import Run, quantile
from bench.measured import per_process


def a_run(*, count: int, elapsed: float, **cpu: float) -> Run:
    seconds = [0.001 * (number + 1) for number in range(count)]
    return Run(seconds=seconds, elapsed=elapsed, cpu=cpu, statuses=Counter({200: count}))


def test_quantile_is_one_of_the_measured_values() -> None:
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile(range(1, 101), 0.99) == 99
    assert quantile(range(1, 101), 0.07) == 7
    assert quantile([7], 0.99) == 7


def test_a_run_has_a_rate_and_the_cpu_of_a_request() -> None:
    run = a_run(count=10, elapsed=2, orders=0.5)

    assert run.rate == 5
    assert run.cpu_each == {"orders": 0.05}


def test_cpu_is_printed_by_process_without_tiny_values() -> None:
    said = per_process({"gateway": 0.1, "orders": 0.2, "devnet": 0.0001}, count=100)

    assert said == "3.00 ms: orders 2.00, gateway 1.00"


def test_figures_are_medians_relative_to_their_floor() -> None:
    def line(*rates: int) -> rest.Line:
        return rest.Line(runs=[a_run(count=rate, elapsed=1, orders=rate / 1000) for rate in rates])

    told = rest.told(
        {
            "floor, GET order": line(1000, 4000, 900),
            "GET order": line(100, 500, 450),
            "floor, create with key": line(1000),
            "create with key": line(500),
            "reserve": line(200),
            "reserve, 64 connections": line(300),
        }
    )

    assert told.figures["get.floor"] == pytest.approx(0.45)
    assert told.figures["get.rate"] == 450
    assert told.figures["get.cpu"] == pytest.approx(1)
    assert told.figures["get.floor.cpu"] == pytest.approx(1)
    assert told.figures["reserve.floor"] == pytest.approx(0.2)
    assert told.figures["reserve.many.floor"] == pytest.approx(0.3)
    assert len(told.lines) == 6
