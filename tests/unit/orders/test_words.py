"""The words of a text: any script, any case, and no more than can be kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.orders.lookups.words import LONGEST, MOST, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        ("-- !?", ()),
        ("Logo design", ("logo", "design")),
        ("logo, LOGO; Logo.", ("logo",)),
        ("A-4 sheet_2", ("a", "4", "sheet", "2")),
        ("Straße FAÇADE", ("strasse", "façade")),
        ("Fac\N{COMBINING CEDILLA}ade", ("façade",)),
        ("ロゴ設計 №5", ("ロゴ設計", "no5")),
        ("x" * 99, ("x" * LONGEST,)),
    ],
)
def test_words_are_runs_of_letters_and_digits_in_any_case(
    text: str, words: tuple[str, ...]
) -> None:
    assert words_of(text) == words


def test_the_first_hundred_words_of_all_texts_are_kept() -> None:
    title = " ".join(f"a{number}" for number in range(MOST - 1))

    assert words_of(title, "b c") == (*words_of(title), "b")


@given(st.text(max_size=150))
def test_an_order_is_found_by_any_part_of_its_text(text: str) -> None:
    words = words_of(text)

    assert len(set(words)) == len(words)
    assert all(set(words_of(part)) <= set(words) for part in text.split())
