"""A picture of the goals: how much of each requirement was reached at first, and now."""

from collections.abc import Iterator, Mapping
from xml.sax.saxutils import escape

from bench.goals import (
    AT_FIRST,
    FIRST,
    GOALS,
    MET,
    MISSED,
    OPEN,
    Beside,
    Goal,
    required,
    spelled,
    verdict,
)

WIDTH, LEFT, RIGHT, TOP = 1000, 290, 250, 64
BAR, GAP = 11, 12
# The line of the requirement is at half of the width: a result twice as good fills the width.
MOST = 2.0
BEFORE = "#b8bec6"
NOW = {MET: "#2e7d32", MISSED: "#b3261e", OPEN: "#7b5ea7"}
DARK = "#444444"


def draw(figures: Mapping[str, float], *, commit: str, beside: Beside | None = None) -> str:
    """Return an SVG document. commit: of the figures. beside: None for the recorded figures."""
    before = AT_FIRST if beside is None else beside.figures
    title = f"{FIRST}, recorded" if beside is None else beside.commit
    row = 2 * BAR + GAP
    height = TOP + len(GOALS) * row + 36
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">',
        "<style>text{font:12px sans-serif}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        *_legend(commit, title),
    ]
    for number, goal in enumerate(required(beside)):
        lines += _row(goal, figures, before, top=TOP + number * row)
    must, bottom = _x(1), TOP + len(GOALS) * row
    lines += [
        f'<path d="M{must:.1f} {TOP - 14}V{bottom}" stroke="{DARK}" stroke-dasharray="4 3"/>',
        _text(must, TOP - 18, "must", anchor="middle"),
        *(
            _text(_x(share), bottom + 18, f"{share:g}", anchor="middle")
            for share in (0, 0.5, 1, 1.5, 2)
        ),
        _text(LEFT - 10, bottom + 18, "share of what is required", anchor="end"),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _x(share: float) -> float:
    return LEFT + min(share, MOST) / MOST * (WIDTH - LEFT - RIGHT)


def _legend(commit: str, title: str) -> Iterator[str]:
    marks = (
        (BEFORE, title),
        (NOW[MET], f"{commit}: met"),
        (NOW[MISSED], f"{commit}: not met"),
        (NOW[OPEN], f"{commit}: too few cores"),
    )
    for number, (colour, words) in enumerate(marks):
        x = 20 + number * 200
        yield f'<rect x="{x}" y="14" width="12" height="12" fill="{colour}"/>'
        yield _text(x + 18, 24, words)


def _row(
    goal: Goal, figures: Mapping[str, float], before: Mapping[str, float], *, top: float
) -> Iterator[str]:
    sign = "≤" if goal.is_upper else "≥"
    yield _text(LEFT - 10, top + BAR + 1, goal.work, anchor="end")
    bars = ((before, BEFORE, 0), (figures, NOW[verdict(goal, figures)], 1))
    for values, colour, place in bars:
        if goal.key not in values:
            continue
        share, y = goal.share(values[goal.key]), top + place * BAR
        yield (
            f'<rect x="{LEFT}" y="{y:.1f}" width="{_x(share) - LEFT:.1f}" height="{BAR - 1}" '
            f'fill="{colour}"/>'
        )
        if share > MOST:
            # An arrow: the bar would continue.
            half = (BAR - 1) / 2
            yield f'<path d="M{_x(share)} {y}l6 {half}l-6 {half}z" fill="{colour}"/>'
    said = [spelled(values.get(goal.key), "").strip() for values in (before, figures)]
    words = f"{said[0]} → {said[1]} {goal.unit}, must {sign} {spelled(goal.must, '')}".strip()
    yield _text(WIDTH - RIGHT + 14, top + BAR + 1, words)


def _text(x: float, y: float, words: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
