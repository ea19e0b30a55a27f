"""The goals: the measurements at the first commit, and the requirements of a run."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

FIRST = "acc6bed"
MET, MISSED, OPEN = "met", "not met", "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One requirement on one figure. before: None if it was not measured at the first commit.

    also: a figure that is printed beside it, with its unit. cores: a machine with fewer cores
    cannot reach the goal, so it is not judged there. times: the requirement is this many times the
    figure of the first commit. If that was measured in the same run, `must` is replaced.
    """

    work: str
    key: str
    unit: str
    before: float | None
    must: float
    is_upper: bool = False
    also: tuple[str, str] | None = None
    cores: int = 1
    times: float | None = None

    def is_met(self, value: float) -> bool:
        """Tell whether a value fulfils the requirement."""
        return value <= self.must if self.is_upper else value >= self.must

    def share(self, value: float) -> float:
        """Return the share of the requirement that a value reaches: 1 is exactly enough."""
        if self.is_upper:
            return self.must / value if value else float("inf")
        return value / self.must


GOALS: tuple[Goal, ...] = (
    Goal(
        work="GET order, 16 connections",
        key="get.floor",
        unit="x floor",
        before=0.18,
        must=0.45,
        also=("get.rate", "/s"),
    ),
    Goal(
        work="create with key",
        key="create.floor",
        unit="x floor",
        before=0.30,
        must=0.55,
        also=("create.rate", "/s"),
    ),
    # The first commit's 268/s beside a floor of 2,180/s, times 2.2.
    Goal(
        work="reserve",
        key="reserve.floor",
        unit="x floor",
        before=0.123,
        must=0.27,
        also=("reserve.rate", "/s"),
        times=2.2,
    ),
    Goal(work="flow to refund, 16 workers", key="flows.rate", unit="/s", before=4.6, must=20),
    Goal(
        work="flow to refund: CPU", key="flows.cpu", unit="ms", before=320, must=90, is_upper=True
    ),
    Goal(
        work="flows by two escrow processes / by one",
        key="flows.two",
        unit="x",
        before=None,
        must=1.7,
        cores=4,
    ),
    Goal(work="ledger, 64 x 1", key="ledger.single", unit="x TPC-B", before=0.55, must=0.9),
    Goal(work="ledger, lists of 500", key="ledger.listed", unit="x TPC-B", before=1.7, must=3.5),
    Goal(
        work="list routes, a million / ten thousand",
        key="lookups.ratio",
        unit="x",
        before=None,
        must=3.0,
        is_upper=True,
    ),
    Goal(
        work="commit to a webhook's receiver, p99",
        key="webhook.p99",
        unit="ms",
        before=None,
        must=100.0,
        is_upper=True,
    ),
    Goal(
        work="commit to subscriber, p99",
        key="subscriber.p99",
        unit="ms",
        before=52,
        must=15,
        is_upper=True,
    ),
    Goal(
        work="release, one order, ledgers of 5 s",
        key="release.seconds",
        unit="s",
        before=20,
        must=15.3,
        is_upper=True,
        also=("release.ledgers", " ledgers"),
    ),
    Goal(
        work="64 releases at once: median",
        key="release.median",
        unit="ledgers",
        before=22,
        must=17,
        is_upper=True,
        also=("release.last", " the last"),
    ),
    Goal(
        work="idle: CPU of the whole stack",
        key="idle.cpu",
        unit="% of a core",
        before=6.1,
        must=1.5,
        is_upper=True,
    ),
    Goal(
        work="idle: transactions",
        key="idle.transactions",
        unit="/s",
        before=87,
        must=10,
        is_upper=True,
    ),
    Goal(
        work="idle: memory (PSS)",
        key="idle.memory",
        unit="MiB",
        before=572,
        must=450,
        is_upper=True,
    ),
    Goal(
        work="an order create … release: PostgreSQL",
        key="size.postgres",
        unit="KB",
        before=56,
        must=25,
        is_upper=True,
    ),
    Goal(
        work="an order create … release: NATS",
        key="size.nats",
        unit="KB",
        before=15,
        must=8,
        is_upper=True,
    ),
    Goal(
        work="start with data kept", key="start.kept", unit="s", before=5, must=3.5, is_upper=True
    ),
)


def verdict(goal: Goal, figures: Mapping[str, float], *, cores: int | None = None) -> str:
    """Tell whether a goal is met; OPEN if it was not measured or the machine is too small."""
    available = cores or os.cpu_count() or 1
    if goal.key not in figures or available < goal.cores:
        return OPEN
    return MET if goal.is_met(figures[goal.key]) else MISSED


# The measurements at the first commit, on a machine without other work.
AT_FIRST = {goal.key: goal.before for goal in GOALS if goal.before is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """The measurements of another commit in the same run."""

    commit: str
    figures: Mapping[str, float]


def required(beside: Beside | None) -> tuple[Goal, ...]:
    """Return the goals with the requirements that follow from the other commit's figures."""
    figures = {} if beside is None else beside.figures
    return tuple(
        goal
        if goal.times is None or goal.key not in figures
        else replace(goal, must=goal.times * figures[goal.key])
        for goal in GOALS
    )


def titles(beside: Beside | None = None) -> tuple[str, ...]:
    """Return the titles of the columns."""
    measured = () if beside is None else (f"{beside.commit}, this run",)
    return ("work", f"{FIRST}, recorded", "must", *measured, "this run", "")


def rows(figures: Mapping[str, float], beside: Beside | None = None) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each goal, below the titles."""
    for goal in required(beside):
        sign = "≤" if goal.is_upper else "≥"
        measured = () if beside is None else (_cell(goal, beside.figures),)
        yield (
            goal.work,
            spelled(goal.before, goal.unit),
            f"{sign} {spelled(goal.must, goal.unit)}",
            *measured,
            _cell(goal, figures),
            verdict(goal, figures),
        )


def _cell(goal: Goal, figures: Mapping[str, float]) -> str:
    now = spelled(figures.get(goal.key), goal.unit)
    if goal.also and goal.also[0] in figures:
        now += f" ({number(figures[goal.also[0]])}{goal.also[1]})"
    return now


def spelled(value: float | None, unit: str) -> str:
    """Return a figure with its unit as text; a dash if there is none."""
    if value is None:
        return OPEN
    return f"{number(value)}{'' if unit.startswith('/') else ' '}{unit}"


def number(value: float) -> str:
    """Return a number as text: two decimals below 10, one below 100, none above."""
    size = abs(value)
    if size < 10:  # noqa: PLR2004 - as the sentence says
        return f"{value:.2f}"
    return f"{value:.1f}" if size < 100 else f"{value:,.0f}"  # noqa: PLR2004 - the same


def table(
    figures: Mapping[str, float], beside: Beside | None = None, *, whole: bool = True
) -> list[str]:
    """Return the table for a terminal. whole: include goals that were not measured."""
    found = zip(GOALS, rows(figures, beside), strict=True)
    lines = [titles(beside), *(row for goal, row in found if whole or goal.key in figures)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
