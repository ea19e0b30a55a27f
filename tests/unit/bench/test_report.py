"""The report and its picture: every goal and every line of the parts."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench import goals, report
from bench.__main__ import tried
from bench.goals import GOALS, Beside
from bench.measured import Measured
from bench.picture import NOW, draw
from bench.usage import Machine

FIGURES = {"get.floor": 0.6, "create.floor": 0.4, "subscriber.p99": 5.0}
SVG = "{http://www.w3.org/2000/svg}"


def texts(picture: str) -> list[str]:
    return [one.text or "" for one in ET.fromstring(picture).iter(f"{SVG}text")]  # noqa: S314 - ours


def test_the_picture_names_every_goal_and_both_figures() -> None:
    said = texts(draw(FIGURES, commit="abc1234"))

    assert {goal.work for goal in GOALS} <= set(said)
    assert "0.18 → 0.60 x floor, must ≥ 0.45" in said


def test_bars_have_the_colour_of_their_verdict() -> None:
    picture = draw(FIGURES, commit="abc1234", beside=Beside(commit="def5678", figures={}))

    assert picture.count(f'height="10" fill="{NOW[goals.MET]}"') == 2
    assert picture.count(f'height="10" fill="{NOW[goals.MISSED]}"') == 1


def test_the_picture_judges_a_multiple_by_the_commit_of_the_same_run() -> None:
    beside = Beside(commit="def5678", figures={"reserve.floor": 0.2})

    picture = draw({"reserve.floor": 0.31}, commit="abc1234", beside=beside)

    assert "0.20 → 0.31 x floor, must ≥ 0.44" in texts(picture)
    assert picture.count(f'height="10" fill="{NOW[goals.MISSED]}"') == 1


def test_the_report_has_a_row_of_every_goal_and_the_lines_of_every_part(tmp_path: Path) -> None:
    measured = {"rest": Measured(figures=FIGURES, lines=["GET order 2600/s"])}

    report.write(tmp_path, measured, commit="abc1234")

    written = (tmp_path / report.REPORT).read_text(encoding="utf-8")
    assert all(f"| {goal.work} |" in written for goal in GOALS)
    assert "GET order 2600/s" in written
    assert "Commit abc1234" in written
    assert (tmp_path / report.PICTURE).exists()


def test_failing_part_is_reported_and_does_not_end_the_run() -> None:
    said: list[str] = []

    def failing(_say: object) -> Measured:
        raise ValueError("no chain")

    measured = tried(failing, said.append)

    assert measured.failure == "ValueError('no chain')"
    assert not measured.figures
    assert said == ["failed: ValueError('no chain')"]


def test_part_reports_the_machines_load_by_other_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readings = iter([Machine(at=10, busy=100, own=40), Machine(at=20, busy=115, own=50)])
    monkeypatch.setattr(Machine, "now", lambda: next(readings))

    measured = tried(lambda _: Measured(lines=["GET order"]), print)

    assert measured.lines == ["GET order", "other work on the machine meanwhile: 0.50 cores"]


def test_other_work_is_busy_time_less_own_cpu_time() -> None:
    before = Machine(at=10, busy=100, own=40)

    assert Machine(at=20, busy=115, own=50).others(before) == 0.5
    assert Machine(at=20, busy=105, own=50).others(before) == 0
