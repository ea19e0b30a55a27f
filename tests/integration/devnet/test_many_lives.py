"""Two thousand random lives of a contract, all by the rules of money."""

from pathlib import Path

import pytest

from devnet.conform.lives import play
from devnet.conform.vectors import read

FILE = Path(__file__).parents[2] / "conformance" / "escrow_vectors.json"


@pytest.mark.slow
def test_the_rules_of_money_hold_in_two_thousand_lives() -> None:
    found = play(read(FILE).defaults, lives=2_000, seed=10_000)

    assert (found.lives, found.faults) == (2_000, [])
