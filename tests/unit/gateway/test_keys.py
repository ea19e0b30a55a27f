"""The format of API keys."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import keys

PATTERN = re.compile(r"ohk_(live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}")


@pytest.mark.parametrize("environment", ["live", "test"])
def test_a_key_shows_its_environment_and_id(environment: str) -> None:
    key_id, text = keys.make(environment)

    assert PATTERN.fullmatch(text)
    assert text.startswith(f"ohk_{environment}_{key_id}_")
    assert keys.id_of(text) == key_id


def test_no_two_keys_are_the_same() -> None:
    made = {keys.make("live")[1] for _ in range(100)}

    assert len(made) == 100


@given(st.integers(0, 60), st.sampled_from(string.ascii_letters + string.digits + "_- "))
def test_any_single_typing_error_is_found_without_a_database(place: int, character: str) -> None:
    _, text = keys.make("live")
    place %= len(text)
    mistyped = text[:place] + character + text[place + 1 :]

    found = keys.id_of(mistyped)

    assert (found is None) == (mistyped != text)


@given(st.text(max_size=80))
def test_a_text_that_is_not_a_key_has_no_id(text: str) -> None:
    assert keys.id_of(text) is None


def test_the_digest_depends_on_the_key_and_on_the_pepper() -> None:
    _, text = keys.make("live")
    _, other = keys.make("live")

    digests = {
        keys.digest(text, pepper="one"),
        keys.digest(text, pepper="two"),
        keys.digest(other, pepper="one"),
    }

    assert len(digests) == 3
    assert all(len(digest) == 32 for digest in digests)
    assert keys.digest(text, pepper="one") in digests
