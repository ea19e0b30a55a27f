"""Fair shares: no marketplace takes every slot, and a newcomer finds a free slot."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from services.escrow.sending.shares import Wanted, divided, may_take

PLACES = st.integers(min_value=1, max_value=200)


def wanted(*wishes: tuple[int, int]) -> list[Wanted]:
    """Return one marketplace for each pair of slots (wanted, held), in the given order."""
    return [
        Wanted(marketplace_id=uuid.UUID(int=number), wants=wants, holds=holds)
        for number, (wants, holds) in enumerate(wishes)
    ]


def test_single_marketplace_may_take_three_quarters() -> None:
    assert list(divided(wanted((1000, 0)), free=32).values()) == [24]
    assert list(divided(wanted((1000, 0)), free=8).values()) == [6]


def test_only_free_slot_goes_to_a_marketplace_that_holds_none() -> None:
    assert list(divided(wanted((5, 0)), free=1).values()) == [1]
    assert not may_take(holds=1, free=1)


def test_slot_goes_to_who_holds_least_and_among_equals_to_who_waits_longest() -> None:
    assert list(divided(wanted((9, 6), (1, 0), (1, 0)), free=2).values()) == [0, 1, 1]
    assert list(divided(wanted((9, 0), (1, 0), (1, 0)), free=2).values()) == [1, 1, 0]


@given(places=PLACES, wishes=st.lists(st.integers(0, 500), min_size=1, max_size=12))
def test_division_never_exceeds_free_or_wanted_slots(places: int, wishes: list[int]) -> None:
    given_ = divided(wanted(*((wants, 0) for wants in wishes)), free=places)

    assert sum(given_.values()) <= places
    assert all(given_[uuid.UUID(int=i)] <= wants for i, wants in enumerate(wishes))


@given(places=PLACES, wishes=st.lists(st.integers(1, 500), min_size=1, max_size=12))
def test_every_marketplace_gets_one_slot_before_any_gets_two(
    places: int, wishes: list[int]
) -> None:
    parts = list(divided(wanted(*((wants, 0) for wants in wishes)), free=places).values())

    assert max(parts) <= 1 or min(parts) >= 1


@given(places=st.integers(min_value=4, max_value=200), wants=st.integers(1, 500))
def test_newcomer_finds_a_free_slot_whatever_another_marketplace_wants(
    places: int, wants: int
) -> None:
    [taken] = divided(wanted((wants, 0)), free=places).values()

    assert may_take(holds=0, free=places - taken)
