"""The progress line of a running measurement."""

import io

from bench.progress import Progress, clock


def test_progress_line_has_the_part_and_the_remaining_time() -> None:
    said = io.StringIO()
    progress = Progress({"rest": 60, "flows": 90}, to=said)

    progress.begin("rest")
    progress.begin("flows")
    progress.say("by one escrow process")

    lines = said.getvalue().splitlines()
    assert lines[0] == "[0:00, about 2:30 left] 1/2 rest: begins"
    assert lines[2] == "[0:00, about 1:30 left] 2/2 flows: by one escrow process"


def test_seconds_are_printed_as_minutes() -> None:
    assert [clock(5), clock(65.4), clock(600)] == ["0:05", "1:05", "10:00"]
