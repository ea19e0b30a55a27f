"""A picture of a run: orders ended over time, and below them the disturbances."""

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from tests.prove.disturbing import Done
from tests.prove.plan import Kind

WIDTH, LEFT, RIGHT, TOP = 1000, 150, 20, 40
CHART, LANE, GAP = 150, 22, 10
BINS = 80
COLOURS = {
    Kind.KILL: "#b3261e",
    Kind.PAUSE: "#7b5ea7",
    Kind.NETWORK: "#c77700",
    Kind.CHAIN: "#1f6f8b",
    Kind.LIE: "#3d5a1e",
    Kind.RESTORE: "#000000",
}
ORDERS = "#8fb5d9"


def draw(ended: Sequence[float], done: Sequence[Done], *, at: tuple[float, float]) -> str:
    """Return an SVG document. ended, at: instants of the wall's clock."""
    height = TOP + CHART + 30 + len(Kind) * (LANE + GAP) + 30
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">',
        "<style>text{font:12px sans-serif}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        *_chart(ended, at),
        *_lanes(done, at),
        *_axis(at, height),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _x(instant: float, at: tuple[float, float]) -> float:
    share = (instant - at[0]) / max(1.0, at[1] - at[0])
    return LEFT + min(1.0, max(0.0, share)) * (WIDTH - LEFT - RIGHT)


def _bins(instants: Sequence[float], at: tuple[float, float]) -> list[int]:
    counts = [0] * BINS
    for instant in instants:
        share = (_x(instant, at) - LEFT) / (WIDTH - LEFT - RIGHT)
        counts[min(BINS - 1, int(share * BINS))] += 1
    return counts


def _bars(counts: Sequence[int], *, bottom: float, height: float, colour: str) -> Iterator[str]:
    most, width = max(*counts, 1), (WIDTH - LEFT - RIGHT) / BINS
    for number, count in enumerate(counts):
        if count:
            tall = height * count / most
            yield (
                f'<rect x="{LEFT + number * width:.1f}" y="{bottom - tall:.1f}" '
                f'width="{width - 1:.1f}" height="{tall:.1f}" fill="{colour}"/>'
            )


def _chart(ended: Sequence[float], at: tuple[float, float]) -> Iterator[str]:
    counts = _bins(ended, at)
    seconds = (at[1] - at[0]) / BINS
    yield _text(LEFT, TOP - 16, f"orders ended, at most {max(counts)} in {seconds:.0f} s")
    yield from _bars(counts, bottom=TOP + CHART, height=CHART, colour=ORDERS)
    yield f'<path d="M{LEFT} {TOP + CHART}H{WIDTH - RIGHT}" stroke="#444444"/>'


def _lanes(done: Sequence[Done], at: tuple[float, float]) -> Iterator[str]:
    for number, kind in enumerate(Kind):
        bottom = TOP + CHART + 30 + number * (LANE + GAP) + LANE
        found = [one for one in done if one.what.kind is kind]
        count = sum(one.what.count for one in found)
        yield _text(LEFT - 8, bottom - 6, f"{kind}: {count}", anchor="end")
        yield f'<path d="M{LEFT} {bottom}H{WIDTH - RIGHT}" stroke="#dddddd"/>'
        if kind in {Kind.KILL, Kind.CHAIN}:
            instants = [one.at[0] for one in found for _ in range(one.what.count)]
            yield from _bars(_bins(instants, at), bottom=bottom, height=LANE, colour=COLOURS[kind])
        else:
            yield from (_span(one, at, bottom) for one in found)


def _span(one: Done, at: tuple[float, float], bottom: float) -> str:
    begin, end = _x(one.at[0], at), _x(one.at[1], at)
    return (
        f'<rect x="{begin:.1f}" y="{bottom - LANE}" width="{max(1.5, end - begin):.1f}" '
        f'height="{LANE}" fill="{COLOURS[one.what.kind]}" fill-opacity="0.6"/>'
    )


def _axis(at: tuple[float, float], height: float) -> Iterator[str]:
    minutes = int((at[1] - at[0]) // 60)
    step = max(1, minutes // 8)
    for minute in range(0, minutes + 1, step):
        x = _x(at[0] + minute * 60, at)
        yield f'<path d="M{x:.1f} {TOP}V{height - 26}" stroke="#eeeeee"/>'
        yield _text(x, height - 10, f"{minute} min", anchor="middle")


def _text(x: float, y: float, words: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
