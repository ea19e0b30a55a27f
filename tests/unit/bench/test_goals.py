"""The table of goals: verdicts and printed figures."""

from dataclasses import replace

import pytest

from bench import goals
from bench.goals import GOALS, MET, MISSED, OPEN, Beside, Goal

RATE = Goal(work="reads", key="reads", unit="/s", before=100, must=200)
TIME = Goal(work="delay", key="delay", unit="ms", before=50, must=15, is_upper=True)


@pytest.mark.parametrize(
    ("goal", "value", "expected"),
    [(RATE, 200, MET), (RATE, 199.9, MISSED), (TIME, 15, MET), (TIME, 15.1, MISSED)],
)
def test_a_goal_is_met_at_its_limit_and_missed_beyond_it(
    goal: Goal, value: float, expected: str
) -> None:
    assert goals.verdict(goal, {goal.key: value}) == expected


def test_a_figure_that_was_not_measured_has_no_verdict() -> None:
    assert goals.verdict(RATE, {}) == OPEN


def test_a_goal_that_needs_more_cores_is_not_judged() -> None:
    goal = replace(RATE, cores=4)

    assert goals.verdict(goal, {"reads": 1000}, cores=2) == OPEN
    assert goals.verdict(goal, {"reads": 1000}, cores=4) == MET


def test_share_above_one_is_better_than_required_for_rates_and_times() -> None:
    assert RATE.share(400) == 2
    assert TIME.share(7.5) == 2
    assert TIME.share(0) == float("inf")


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.184, "x floor", "0.18 x floor"),
        (52.04, "ms", "52.0 ms"),
        (2512.4, "/s", "2,512/s"),
        (None, "ms", OPEN),
    ],
)
def test_figures_are_printed_with_significant_digits(
    value: float | None, unit: str, expected: str
) -> None:
    assert goals.spelled(value, unit) == expected


def test_every_goal_has_a_row_even_without_a_figure() -> None:
    rows = list(goals.rows({"get.floor": 0.5, "get.rate": 2600}))

    assert [row[0] for row in rows] == [goal.work for goal in GOALS]
    assert rows[0] == (
        "GET order, 16 connections",
        "0.18 x floor",
        "≥ 0.45 x floor",
        "0.50 x floor (2,600/s)",
        MET,
    )
    assert {row[4] for row in rows[1:]} == {OPEN}


def test_compared_commit_has_its_own_column_before_this_run() -> None:
    beside = Beside(commit="abc1234", figures={"get.floor": 0.2})

    row = next(goals.rows({"get.floor": 0.5}, beside))

    assert goals.titles(beside)[3:] == ("abc1234, this run", "this run", "")
    assert row[3:] == ("0.20 x floor", "0.50 x floor", MET)
    assert len(goals.titles()) == len(next(goals.rows({}))) == 5


def test_goal_that_is_a_multiple_is_judged_by_the_commit_of_the_same_run() -> None:
    figures = {"reserve.floor": 0.31}

    def last_cells(beside: Beside | None) -> tuple[str, str, str]:
        row = next(row for row in goals.rows(figures, beside) if row[0] == "reserve")
        return row[2], row[-2], row[-1]

    assert last_cells(None) == ("≥ 0.27 x floor", "0.31 x floor", MET)
    beside = Beside(commit="abc1234", figures={"reserve.floor": 0.2})
    assert last_cells(beside) == ("≥ 0.44 x floor", "0.31 x floor", MISSED)
    beside = Beside(commit="abc1234", figures={"get.floor": 0.2})
    assert last_cells(beside) == ("≥ 0.27 x floor", "0.31 x floor", MET)


def test_no_goal_was_met_at_the_first_commit() -> None:
    assert not [goal for goal in GOALS if goal.before is not None and goal.is_met(goal.before)]


def test_goals_have_unique_keys() -> None:
    assert len({goal.key for goal in GOALS}) == len(GOALS)


def test_a_part_of_the_measurement_prints_only_its_own_goals() -> None:
    assert len(goals.table({"get.floor": 0.5}, whole=False)) == 2
    assert len(goals.table({"get.floor": 0.5})) == len(GOALS) + 1
