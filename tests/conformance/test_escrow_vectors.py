"""What the escrow contract's main-network build answered, replayed on the devnet's rules."""

from pathlib import Path

import pytest

from devnet.conform.replay import differences
from devnet.conform.vectors import Case, read

VECTORS = read(Path(__file__).with_name("escrow_vectors.json"))


@pytest.mark.parametrize("case", VECTORS.cases, ids=lambda case: case.id)
def test_the_devnet_answers_as_the_real_contract(case: Case) -> None:
    """Value, refusal, events, demanded signatures, balances, storage, lifetimes and footprint."""
    assert [str(found) for found in differences(case, VECTORS.defaults)] == []


def test_every_case_has_its_own_name() -> None:
    """A failure names one case."""
    assert len({case.id for case in VECTORS.cases}) == len(VECTORS.cases) == 131
