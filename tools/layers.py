"""Places boxes and the labelled arrows between them in layers, from the first box downwards.

A label has its own place in a layer between the two boxes of its arrow, and arrows bend only
between layers. So no text lies on another text, and no arrow crosses a text.
"""

import itertools
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

# Pixels between two things in a layer, between two layers, and between two arrows at a box.
ASIDE, BELOW, PORT = 14.0, 24.0, 12.0
ROUNDS = 24


@dataclass(slots=True, eq=False)
class Thing:
    """A box, a label or a bend. x, y: its middle. left, right: the room it needs on each side.

    above, below: its neighbours in the next layers. wide: where arrows may touch it.
    """

    left: float = 0
    right: float = 0
    height: float = 0
    wide: float = 0
    x: float = 0
    y: float = 0
    # The other things between the same two boxes, which keep the arrow straight.
    along: tuple["Thing", ...] = ()
    above: list["Thing"] = field(default_factory=list)
    below: list["Thing"] = field(default_factory=list)

    def port(self, other: "Thing") -> float:
        """Return where the arrow to a neighbour leaves, relative to the middle."""
        side = self.above if other in self.above else self.below
        return (side.index(other) + 0.5) / len(side) * self.wide - self.wide / 2


@dataclass(frozen=True, slots=True)
class Arrow:
    """An arrow's things from top to bottom, including its two boxes. is_back: it points upwards."""

    things: tuple[Thing, ...]
    is_back: bool


@dataclass(frozen=True, slots=True)
class Layers:
    """The placed things. edges: the upper and the lower edge of each layer."""

    arrows: Mapping[tuple[str, str], Arrow]
    edges: Mapping[Thing, tuple[float, float]]
    width: float
    height: float


def place(boxes: Mapping[str, Thing], labels: Mapping[tuple[str, str], Thing]) -> Layers:
    """Place boxes and labels. labels: (from, to) → the arrow's label. The first box is on top."""
    back = set(_back(next(iter(boxes)), list(labels)))
    levels = _levels(list(boxes), [pair[::-1] if pair in back else pair for pair in labels])
    layers: list[list[Thing]] = [[] for _ in range(2 * max(levels.values()) + 1)]
    for name, box in boxes.items():
        layers[2 * levels[name]].append(box)
    arrows = {}
    for pair, label in labels.items():
        top, bottom = pair[::-1] if pair in back else pair
        between = range(2 * levels[top] + 1, 2 * levels[bottom])
        # The label is next to the box that the arrow leaves.
        at = between[-1] if pair in back else between[0]
        inner = [label if number == at else Thing() for number in between]
        for number, thing in zip(between, inner, strict=True):
            layers[number].append(thing)
            thing.along = tuple(one for one in inner if one is not thing)
        things = (boxes[top], *inner, boxes[bottom])
        for upper, lower in itertools.pairwise(things):
            upper.below.append(lower)
            lower.above.append(upper)
        arrows[pair] = Arrow(things, pair in back)
    _widen(boxes.values())
    _order(layers)
    _spread(layers)
    return Layers(arrows, *_stack(layers))


def _widen(boxes: Iterable[Thing]) -> None:
    """Widen boxes to the width that their arrows need."""
    for box in boxes:
        more = max(0, PORT * max(len(box.above), len(box.below)) - box.wide)
        box.wide += more
        box.left, box.right = box.left + more / 2, box.right + more / 2


def _back(start: str, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield the arrows that lead back to a box on the path from the start."""
    seen: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        seen.add(name)
        for pair in pairs:
            if pair[0] == name and pair[1] in way:
                yield pair
            elif pair[0] == name and pair[1] not in seen:
                yield from visit(pair[1], (*way, pair[1]))

    yield from visit(start, (start,))


def _levels(names: Sequence[str], pairs: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return how many arrows the longest path to each box has."""
    levels = dict.fromkeys(names, 0)
    for _ in names:
        for upper, lower in pairs:
            levels[lower] = max(levels[lower], levels[upper] + 1)
    return levels


def _order(layers: list[list[Thing]]) -> None:
    """Order each layer by its neighbours' mean place; keep the order with the fewest crossings."""
    best = [list(layer) for layer in layers]
    for number in range(ROUNDS):
        is_down = number % 2 == 0
        for layer in layers if is_down else reversed(layers):
            places = _places(layers)
            means = {
                thing: statistics.fmean(
                    [places[one] for one in (thing.above if is_down else thing.below)]
                    or [places[thing]]
                )
                for thing in layer
            }
            layer.sort(key=means.__getitem__)
            _swap(layer, _places(layers))
        if _crossings(layers) < _crossings(best):
            best = [list(layer) for layer in layers]
    layers[:] = best
    places = _places(layers)
    for thing in itertools.chain.from_iterable(layers):
        thing.above.sort(key=places.__getitem__)
        thing.below.sort(key=places.__getitem__)


def _places(layers: list[list[Thing]]) -> dict[Thing, int]:
    return {thing: place for layer in layers for place, thing in enumerate(layer)}


def _crossed(left: list[Thing], right: list[Thing], places: Mapping[Thing, int]) -> int:
    return sum(places[one] > places[other] for one in left for other in right)


def _crossings(layers: list[list[Thing]]) -> int:
    places = _places(layers)
    pairs = (pair for layer in layers for pair in itertools.combinations(layer, 2))
    return sum(_crossed(one.below, other.below, places) for one, other in pairs)


def _swap(layer: list[Thing], places: Mapping[Thing, int]) -> None:
    """Swap neighbours in a layer while that leaves fewer crossings."""
    for _ in layer:
        for at, (one, other) in enumerate(itertools.pairwise(layer)):
            sides = ((one.above, other.above), (one.below, other.below))
            now = sum(_crossed(left, right, places) for left, right in sides)
            then = sum(_crossed(right, left, places) for left, right in sides)
            if then < now:
                layer[at : at + 2] = [other, one]


def _spread(layers: list[list[Thing]]) -> None:
    """Choose each x: near that of the neighbours, with room between the things of a layer."""
    for number in range(4 * ROUNDS):
        for layer in layers if number % 2 else reversed(layers):
            wanted = []
            for thing in layer:
                near = [
                    other.x + other.port(thing) - thing.port(other)
                    for other in (*thing.above, *thing.below)
                    if other not in thing.along
                ]
                near += [other.x for other in thing.along]
                wanted.append((statistics.fmean(near), 1 + len(thing.along) / 2))
            for thing, x in zip(layer, _apart(layer, wanted), strict=True):
                thing.x = x


def _apart(layer: list[Thing], wanted: list[tuple[float, float]]) -> list[float]:
    """Return the places nearest to the wanted ones that leave room, in the same order."""
    offsets = [0.0]
    for one, other in itertools.pairwise(layer):
        offsets.append(offsets[-1] + one.right + ASIDE + other.left)
    # Things that would push each other move as one group: (place, weight, how many).
    groups: list[tuple[float, float, int]] = []
    for (x, weight), offset in zip(wanted, offsets, strict=True):
        group = (x - offset, weight, 1)
        while groups and groups[-1][0] > group[0]:
            before = groups.pop()
            both = before[1] + group[1]
            mean = (before[0] * before[1] + group[0] * group[1]) / both
            group = (mean, both, before[2] + group[2])
        groups.append(group)
    places = [place for place, _, count in groups for _ in range(count)]
    return [place + offset for place, offset in zip(places, offsets, strict=True)]


def _stack(
    layers: list[list[Thing]],
) -> tuple[dict[Thing, tuple[float, float]], float, float]:
    """Choose each y, and move everything so that the picture begins at 0."""
    everything = list(itertools.chain.from_iterable(layers))
    leftmost = min(thing.x - thing.left for thing in everything)
    edges, y = {}, 0.0
    for layer in layers:
        height = max(thing.height for thing in layer)
        for thing in layer:
            thing.x, thing.y = thing.x - leftmost, y + height / 2
            edges[thing] = (y, y + height)
        far = [abs(one.x - leftmost - thing.x) for thing in layer for one in thing.below]
        # Arrows that go far aside need more room.
        y += height + BELOW + min(2 * BELOW, max(far, default=0) / 8)
    return edges, max(thing.x + thing.right for thing in everything), y - BELOW
