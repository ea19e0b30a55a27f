"""Strict reading of JSON bodies."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.body import DEPTH_MAX, BodyNotValid, is_storable, parse

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(TEXT, VALUES, max_size=4))
def test_json_is_read_as_it_was_written(value: dict[str, Any]) -> None:
    assert parse(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1e400}',
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 1}}',
        b'{"a": "\xff"}',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": "\\ud800"}',
        b'{"a": "\\u0000"}',
        b'{"a\\u0000": 1}',
        b'{"a": "\x01"}',
        b'{"a": 9223372036854775808}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": 01}',
        b'{"a": 1} {"a": 1}',
        b"[" * 60_000,
        b"[" * 9 + b"]" * 9,
    ],
)
def test_ambiguous_json_is_refused(raw: bytes) -> None:
    with pytest.raises(BodyNotValid):
        parse(raw)


def test_eight_levels_are_the_deepest() -> None:
    deepest = b"[" * DEPTH_MAX + b"]" * DEPTH_MAX

    assert parse(deepest) is not None
    with pytest.raises(BodyNotValid, match="8 levels"):
        parse(b"[" + deepest + b"]")


@pytest.mark.parametrize(
    ("text", "expected"), [("", True), ("ü€😀", True), ("a\x00", False), ("\ud800", False)]
)
def test_storable_text_has_no_nul_and_no_unpaired_surrogate(text: str, expected: bool) -> None:  # noqa: FBT001 - a column of the table
    assert is_storable(text) is expected
