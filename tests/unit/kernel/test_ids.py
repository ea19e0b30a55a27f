"""Ids: two spellings of one 128-bit value, ordered by time; malformed texts are refused."""

import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.ids import (
    ALPHABET,
    LENGTH,
    derived_id,
    from_public,
    hashed_id,
    is_hashed,
    new_id,
    parse_uuid,
    to_public,
)

AN_ID = uuid.UUID("01989e2a-7b1c-7def-8123-456789abcdef")
SPELLED = to_public("ord", AN_ID)


@given(st.uuids())
def test_either_spelling_names_the_same_id(value: uuid.UUID) -> None:
    assert from_public("ord", to_public("ord", value)) == value
    assert from_public("ord", str(value)) == value
    assert from_public("ord", str(value).upper()) == value


@given(st.uuids(), st.uuids())
def test_public_spellings_sort_as_their_ids_do(one: uuid.UUID, other: uuid.UUID) -> None:
    assert (to_public("x", one) < to_public("x", other)) == (one.int < other.int)


@pytest.mark.parametrize("value", [0, 1, 61, 62, 2**64, 2**128 - 1])
def test_the_public_spelling_is_always_prefix_and_22_characters(value: int) -> None:
    text = to_public("esc", uuid.UUID(int=value))

    assert text.startswith("esc_")
    assert len(text) == len("esc_") + LENGTH
    assert set(text[4:]) <= set(ALPHABET)
    assert from_public("esc", text) == uuid.UUID(int=value)


def test_the_alphabet_is_62_characters_in_ascii_order() -> None:
    assert "".join(sorted(set(ALPHABET))) == ALPHABET
    assert len(ALPHABET) == 62


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ord_",
        "ord",
        SPELLED[:-1],
        SPELLED + "0",
        SPELLED.replace("ord_", "esc_"),
        SPELLED.replace("ord_", "ORD_"),
        SPELLED[4:],
        "ord_" + "z" * LENGTH,  # more than 128 bits
        "ord_" + "-" * LENGTH,
        "ord_" + "\uff10" * LENGTH,  # full-width zeros
        "ord_" + str(AN_ID),
        AN_ID.hex,
        "{" + str(AN_ID) + "}",
        "urn:uuid:" + str(AN_ID),
        str(AN_ID)[:-1],
        str(AN_ID) + " ",
        str(AN_ID).replace("-", "_"),
        "01989e2a7b1c-7def-8123-4567-89abcdef",
        "01989e2a-7b1c-7def-8123-4567_9abcdef",
        "g" * 8 + str(AN_ID)[8:],
        "\uff10" * 36,
    ],
)
def test_a_malformed_id_is_none(text: str) -> None:
    assert from_public("ord", text) is None
    assert parse_uuid(text) is None


@given(st.text(alphabet=ALPHABET + "_-", max_size=40))
def test_a_text_is_read_only_as_the_id_it_spells(text: str) -> None:
    value = from_public("ord", text)

    if value is not None:
        assert text == to_public("ord", value) or text.lower() == str(value)


def test_a_new_id_is_a_uuid_of_version_7() -> None:
    value = new_id()

    assert value.version == 7
    assert value.variant == uuid.RFC_4122


def test_a_new_id_contains_its_millisecond() -> None:
    before = time.time_ns() // 1_000_000
    value = new_id()
    after = time.time_ns() // 1_000_000

    assert before <= value.int >> 80 <= after


def test_ids_made_in_later_milliseconds_sort_later(monkeypatch: pytest.MonkeyPatch) -> None:
    times = [1_700_000_000_000 + step for step in (0, 1, 2, 1_000, 1_000_000)]
    remaining = iter(times)
    monkeypatch.setattr(time, "time_ns", lambda: next(remaining) * 1_000_000)

    made = [new_id() for _ in times]

    assert made == sorted(made)
    assert [to_public("ord", value) for value in made] == sorted(
        to_public("ord", value) for value in made
    )


def test_a_thousand_new_ids_are_a_thousand_ids() -> None:
    assert len({new_id() for _ in range(1_000)}) == 1_000


def test_a_derived_id_is_the_same_for_the_same_purpose_only() -> None:
    assert derived_id(AN_ID, "reserve") == derived_id(AN_ID, "reserve")
    assert derived_id(AN_ID, "reserve") != derived_id(AN_ID, "release")
    assert derived_id(AN_ID, "reserve") != derived_id(uuid.UUID(int=1), "reserve")


@given(st.lists(st.text(max_size=5), max_size=3), st.lists(st.text(max_size=5), max_size=3))
def test_hashed_ids_differ_by_text_and_from_every_other_uuid(
    one: list[str], other: list[str]
) -> None:
    known = hashed_id(*one)

    assert (known == hashed_id(*other)) == (one == other)
    assert is_hashed(known)
    assert not is_hashed(new_id())


def test_a_hashed_id_depends_on_the_boundaries_between_texts() -> None:
    assert len({hashed_id(*parts) for parts in (["ab"], ["a", "b"], ["", "ab"], ["a:1:b"])}) == 4
    assert str(hashed_id("subject", "https://a", "b")) == "f0337ea4-9741-257e-f6e0-a301db6bfda3"
