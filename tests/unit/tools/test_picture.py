"""The pictures of the state machines: each shows its whole table, and no texts overlap."""

import enum
import itertools
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

import pytest

from tools import draw, picture

SVG = "{http://www.w3.org/2000/svg}"
TABLES = [pytest.param(table, id=title) for title, _, _, table in draw.MACHINES]


class State(enum.Enum):
    FIRST = 1
    SECOND = 2
    LAST = 3
    UNUSED = 4


class Trigger(enum.Enum):
    GO = 1
    STAY = 2


STEPS: Mapping[Any, enum.Enum] = {
    (State.FIRST, Trigger.GO): State.SECOND,
    (State.SECOND, Trigger.GO): State.LAST,
    (State.SECOND, Trigger.STAY): State.SECOND,
}


def groups(drawn: str) -> dict[str, ET.Element]:
    """Map the title of each state and each arrow to its drawn element."""
    root = ET.fromstring(drawn)  # noqa: S314 - ours
    found = [one for one in root.iter(f"{SVG}g") if one.find(f"{SVG}title") is not None]
    return {one.findtext(f"{SVG}title", ""): one for one in found}


def texts(group: ET.Element) -> list[str]:
    return [one.text or "" for one in group.findall(f"{SVG}text")]


@pytest.mark.parametrize("table", TABLES)
def test_every_state_and_every_change_is_drawn(table: Mapping[Any, enum.Enum]) -> None:
    found = groups(picture.draw(table, title="A machine"))

    wanted: dict[str, list[str]] = {}
    for (state, trigger), after in table.items():
        wanted.setdefault(f"{state.name} to {after.name}", []).append(trigger.name.lower())
        wanted[state.name], wanted[after.name] = [state.name], [after.name]
    assert {title: texts(group) for title, group in found.items()} == wanted
    arrows = [group for title, group in found.items() if " to " in title]
    assert all(len(one.findall(f"{SVG}path")) == 2 for one in arrows)


@pytest.mark.parametrize("table", TABLES)
def test_no_text_covers_another_and_all_are_inside(table: Mapping[Any, enum.Enum]) -> None:
    root = ET.fromstring(picture.draw(table, title="A machine"))  # noqa: S314 - ours
    places = []
    for one in root.iter(f"{SVG}text"):
        width = len(one.text or "") * picture.LETTER
        left = float(one.attrib["x"]) - (width / 2 if one.attrib["text-anchor"] == "middle" else 0)
        places.append((left, left + width, float(one.attrib["y"]), one.text))

    for this, that in itertools.combinations(places, 2):
        beside = this[1] < that[0] or that[1] < this[0]
        below = abs(this[2] - that[2]) >= picture.LINE - 0.1
        assert beside or below, (this, that)
    right, bottom = float(root.attrib["width"]), float(root.attrib["height"])
    assert all(left + picture.EDGE >= 0 and end + picture.EDGE <= right for left, end, *_ in places)
    assert all(0 < y < bottom for _, _, y, _ in places)


def test_ends_have_two_frames_and_the_start_a_dot() -> None:
    drawn = picture.draw(STEPS, title="Steps & more")
    found = groups(drawn)

    assert [len(found[one.name].findall(f"{SVG}rect")) for one in list(State)[:3]] == [1, 1, 2]
    assert "UNUSED" not in drawn
    dot = ET.fromstring(drawn).find(f".//{SVG}circle")  # noqa: S314 - ours
    box = found["FIRST"].find(f"{SVG}text")
    assert dot is not None
    assert box is not None
    assert dot.attrib["cx"] == box.attrib["x"]


def test_picture_has_a_text_description_and_dark_colours() -> None:
    root = ET.fromstring(picture.draw(STEPS, title="Steps & more"))  # noqa: S314 - ours

    named = {one.attrib["id"]: one.text for one in root if "id" in one.attrib}
    assert list(named) == root.attrib["aria-labelledby"].split()
    assert named == {
        "title": "Steps & more",
        "told": "It begins in FIRST, and ends in LAST, with two frames. FIRST goes to SECOND on go."
        " SECOND goes to LAST on go. SECOND goes to SECOND on stay.",
    }
    assert "prefers-color-scheme: dark" in root.findtext(f"{SVG}style", "")
