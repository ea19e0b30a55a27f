"""Fair shares: nobody takes all, and something is left for who comes next."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from services.escrow.sending.shares import Wanted, divided, may_take

PLACES = st.integers(min_value=1, max_value=200)


def wanted(*wishes: tuple[int, int]) -> list[Wanted]:
    """Return what marketplaces want and hold, in their order."""
    return [
        Wanted(marketplace_id=uuid.UUID(int=number), wants=wants, holds=holds)
        for number, (wants, holds) in enumerate(wishes)
    ]


def test_one_alone_may_have_three_quarters() -> None:
    assert list(divided(wanted((1000, 0)), free=32).values()) == [24]
    assert list(divided(wanted((1000, 0)), free=8).values()) == [6]


def test_the_only_place_is_given_to_who_has_none() -> None:
    assert list(divided(wanted((5, 0)), free=1).values()) == [1]
    assert not may_take(holds=1, free=1)


def test_who_holds_least_comes_first_and_among_equals_who_waits_longest() -> None:
    assert list(divided(wanted((9, 6), (1, 0), (1, 0)), free=2).values()) == [0, 1, 1]
    assert list(divided(wanted((9, 0), (1, 0), (1, 0)), free=2).values()) == [1, 1, 0]


@given(places=PLACES, wishes=st.lists(st.integers(0, 500), min_size=1, max_size=12))
def test_never_more_is_given_than_is_free_or_wanted(places: int, wishes: list[int]) -> None:
    given_ = divided(wanted(*((wants, 0) for wants in wishes)), free=places)

    assert sum(given_.values()) <= places
    assert all(given_[uuid.UUID(int=i)] <= wants for i, wants in enumerate(wishes))


@given(places=PLACES, wishes=st.lists(st.integers(1, 500), min_size=1, max_size=12))
def test_everybody_has_one_before_somebody_has_two(places: int, wishes: list[int]) -> None:
    parts = list(divided(wanted(*((wants, 0) for wants in wishes)), free=places).values())

    assert max(parts) <= 1 or min(parts) >= 1


@given(places=st.integers(min_value=4, max_value=200), wants=st.integers(1, 500))
def test_a_newcomer_finds_a_place_however_much_one_wants(places: int, wants: int) -> None:
    [taken] = divided(wanted((wants, 0)), free=places).values()

    assert may_take(holds=0, free=places - taken)
