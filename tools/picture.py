"""The picture of a state machine as SVG, readable in light and dark, for pages of docs/."""

import enum
import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape

from tools.layers import Arrow, Layers, Thing, place

# Of a monospace font: pixels of a letter and of a line.
LETTER, LINE = 7.3, 15
FONT = 'font-family="ui-monospace, monospace" font-size="12"'
BOX, HEAD, EDGE, START = 30, 7, 12, 30
# The colours of the guides. If a browser refuses a picture's styles, the light colours stay.
STYLE = """\
<style>@media (prefers-color-scheme: dark) {
.paper { fill: #14191c } .ways { stroke: #a3b1b8 } .heads, .start { fill: #a3b1b8 }
.boxes { fill: #1d2529; stroke: #7cc3da } text { fill: #e4eaec }
}</style>"""


def draw(table: Mapping[Any, enum.Enum], *, title: str) -> str:
    """Draw a table of transitions. The first state of the enum is the initial one."""
    used = {state for state, _ in table} | set(table.values())
    states = [state.name for state in type(next(iter(used))) if state in used]
    words: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (state, trigger), after in table.items():
        words[state.name, after.name].append(trigger.name.lower())
    ends = [one for one in states if not any(one == before for before, _ in words)]
    boxes = {one: _box(one, words.get((one, one), [])) for one in states}
    labels = {pair: _label(said) for pair, said in words.items() if pair[0] != pair[1]}
    layers = place(boxes, labels)
    width, height = layers.width + 2 * EDGE, layers.height + 2 * EDGE + START
    body = [
        _start(boxes[states[0]]),
        *(
            _arrow(pair, words[pair], label, layers.arrows[pair], layers)
            for pair, label in labels.items()
        ),
        *(_state(one, box, is_end=one in ends) for one, box in boxes.items()),
        *(_loop(one, words[one, one], boxes[one]) for one in states if (one, one) in words),
    ]
    told = f"It begins in {states[0]}, and ends in {' or '.join(ends)}, with two frames. "
    told += " ".join(
        f"{before} goes to {after} on {', '.join(said)}." for (before, after), said in words.items()
    )
    frame = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" aria-labelledby="title told">'
    )
    lines = [
        frame,
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="told">{escape(told)}</desc>',
        STYLE,
        '<rect class="paper" width="100%" height="100%" fill="#ffffff"/>',
        f'<g transform="translate({EDGE} {EDGE + START})" {FONT}>',
        *body,
        "</g>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _box(name: str, loops: list[str]) -> Thing:
    half = (len(name) * LETTER + 24) / 2
    aside = 34 + max(map(len, loops)) * LETTER if loops else 0
    height = max(BOX, LINE * len(loops))
    return Thing(left=half, right=half + aside, height=height, wide=2 * half - 16)


def _label(said: list[str]) -> Thing:
    half = max(map(len, said)) * LETTER / 2
    return Thing(left=half, right=half, height=LINE * len(said) + 2)


def _texts(x: float, y: float, lines: list[str], *, anchor: str = "middle") -> Iterator[str]:
    top = y - LINE * (len(lines) - 1) / 2 + 4
    for number, line in enumerate(lines):
        yield (
            f'<text x="{x:.1f}" y="{top + number * LINE:.1f}" text-anchor="{anchor}" '
            f'fill="#1b2429">{escape(line)}</text>'
        )


def _start(box: Thing) -> str:
    top = box.y - BOX / 2
    return (
        f'<g><circle class="start" cx="{box.x:.1f}" cy="{top - START + 5:.1f}" r="5" '
        f'fill="#55646c"/>{_way(f"M{box.x:.1f} {top - START + 5:.1f}V{top - HEAD:.1f}")}'
        f"{_head(box.x, top, down=True)}</g>"
    )


def _way(path: str) -> str:
    return f'<path class="ways" d="{path}" fill="none" stroke="#55646c" stroke-width="1.3"/>'


def _head(x: float, y: float, *, down: bool) -> str:
    back = -HEAD if down else HEAD
    return f'<path class="heads" d="M{x:.1f} {y:.1f}l-4 {back}h8z" fill="#55646c"/>'


def _arrow(
    pair: tuple[str, str], said: list[str], label: Thing, arrow: Arrow, layers: Layers
) -> str:
    path = []
    for upper, lower in itertools.pairwise(arrow.things):
        x, to = upper.x + upper.port(lower), lower.x + lower.port(upper)
        top = upper.y + (BOX if upper.wide else upper.height) / 2
        bottom = lower.y - (BOX if lower.wide else lower.height) / 2
        above, below = layers.edges[upper][1], layers.edges[lower][0]
        middle = (above + below) / 2
        path.append(
            f"M{x:.1f} {top:.1f}V{above:.1f}"
            f"C{x:.1f} {middle:.1f} {to:.1f} {middle:.1f} {to:.1f} {below:.1f}V{bottom:.1f}"
        )
        if lower is not label and not lower.wide:
            path.append(f"V{layers.edges[lower][1]:.1f}")
    first, last = arrow.things[0], arrow.things[-1]
    if arrow.is_back:
        head = _head(first.x + first.port(arrow.things[1]), first.y + BOX / 2, down=False)
    else:
        head = _head(last.x + last.port(arrow.things[-2]), last.y - BOX / 2, down=True)
    return (
        f"<g><title>{pair[0]} to {pair[1]}</title>{_way(''.join(path))}{head}"
        f"{''.join(_texts(label.x, label.y, said))}</g>"
    )


def _state(name: str, box: Thing, *, is_end: bool) -> str:
    frames = [0, 3] if is_end else [0]
    drawn = "".join(
        f'<rect class="boxes" x="{box.x - box.left + inset:.1f}" y="{box.y - BOX / 2 + inset:.1f}" '
        f'width="{2 * (box.left - inset):.1f}" height="{BOX - 2 * inset}" rx="{7 - inset}" '
        'fill="#f3f6f7" stroke="#1f5f75" stroke-width="1.3"/>'
        for inset in frames
    )
    return f"<g><title>{name}</title>{drawn}{''.join(_texts(box.x, box.y, [name]))}</g>"


def _loop(name: str, said: list[str], box: Thing) -> str:
    x, y = box.x + box.left, box.y
    way = _way(f"M{x:.1f} {y - 8:.1f}c28 -8 28 24 {HEAD} 16")
    head = f'<path class="heads" d="M{x:.1f} {y + 8:.1f}l{HEAD} -4v8z" fill="#55646c"/>'
    texts = "".join(_texts(x + 26, y, said, anchor="start"))
    return f"<g><title>{name} to {name}</title>{way}{head}{texts}</g>"
