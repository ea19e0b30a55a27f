"""The pace of ledgers: configured, and corrected upwards by what is seen."""

import pytest

from services.escrow.evidence import Ledger
from services.escrow.stellar.pace import Pace


def pace(*seen: tuple[int, int]) -> Pace:
    made = Pace(ledgers_per_minute=12)
    for sequence, close_time in seen:
        made.observe(Ledger(sequence=sequence, close_time=close_time))
    return made


@pytest.mark.parametrize(("seconds", "ledgers"), [(0, 0), (1, 1), (5, 1), (6, 2), (60, 12)])
def test_seconds_become_ledgers_rounded_up(seconds: int, ledgers: int) -> None:
    assert pace().ledgers_in(seconds) == ledgers


def test_a_network_that_is_faster_than_configured_is_believed() -> None:
    assert pace((100, 1_000), (140, 1_010)).ledgers_in(60) == 240


def test_a_network_that_is_slower_is_not_waited_for_less() -> None:
    assert pace((100, 1_000), (101, 1_060)).ledgers_in(60) == 12


def test_a_moment_is_too_short_to_judge() -> None:
    assert pace((100, 1_000), (140, 1_004)).ledgers_in(60) == 12


def test_a_fast_stretch_is_remembered() -> None:
    assert pace((100, 1_000), (140, 1_010), (141, 1_100)).ledgers_in(60) == 240
