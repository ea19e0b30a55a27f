"""Looks for transactions are made just after ledgers close, and seldom before."""

import math
import random

import pytest

from services.escrow.sending.ledger_times import NEAR_SECONDS, LedgerTimes

LEDGER, IDLE = 5.0, 37.3


class Looking:
    """Looks at a network whose ledgers close at given times."""

    def __init__(self, closes: list[float], *, poll_seconds: float) -> None:
        self.now, self.closes = 0.0, closes
        self.times = LedgerTimes(poll_seconds=poll_seconds, clock=lambda: self.now)

    def look(self) -> int:
        """Look now; return the newest ledger."""
        newest = sum(close <= self.now for close in self.closes)
        self.times.saw(newest)
        return newest

    def next_ledger(self) -> tuple[float, int]:
        """Look until a ledger has closed; return how long after that it is seen, and the looks."""
        before, looks = self.look(), 1
        while True:
            self.now += self.times.pause(seen=before)
            looks += 1
            if (newest := self.look()) > before:
                return self.now - self.closes[newest - 1], looks


def regular(count: int) -> list[float]:
    return [LEDGER * (number + 1) for number in range(count)]


@pytest.mark.parametrize("poll_seconds", [NEAR_SECONDS, 1.0])
def test_a_close_is_seen_at_once_with_few_looks(poll_seconds: float) -> None:
    looking = Looking(regular(60), poll_seconds=poll_seconds)
    for _ in range(6):
        looking.next_ledger()

    found = [looking.next_ledger() for _ in range(40)]

    assert max(late for late, _ in found) <= NEAR_SECONDS + 1e-9
    assert sum(looks for _, looks in found) / len(found) <= 4


@pytest.mark.parametrize("idle", [IDLE + part * LEDGER / 8 for part in range(8)])
def test_after_an_idle_time_a_close_is_soon_expected_again(idle: float) -> None:
    looking = Looking(regular(60), poll_seconds=1.0)
    for _ in range(6):
        looking.next_ledger()
    looking.now += idle
    # A transaction is sent, and nobody has looked since.
    looking.now += looking.times.pause(seen=0)

    first, _ = looking.next_ledger()
    second, _ = looking.next_ledger()

    assert first <= 2 * NEAR_SECONDS
    assert second <= 1.1 * NEAR_SECONDS


def test_ledgers_that_vary_are_seen_within_half_a_second() -> None:
    rnd, closes = random.Random(7), [LEDGER]
    for _ in range(200):
        closes.append(closes[-1] + rnd.uniform(5.0, 6.2))
    looking = Looking(closes, poll_seconds=1.0)
    for _ in range(6):
        looking.next_ledger()

    found = [looking.next_ledger() for _ in range(100)]

    assert max(late for late, _ in found) <= 2 * NEAR_SECONDS
    assert sum(looks for _, looks in found) / len(found) <= 7


def test_a_network_that_stands_still_is_asked_ever_more_seldom() -> None:
    looking = Looking(regular(8), poll_seconds=0.25)
    for _ in range(7):
        looking.next_ledger()
    still, pauses = looking.now + 120, list[float]()

    while looking.now < still:
        pauses.append(looking.times.pause(seen=looking.look()))
        looking.now += pauses[-1]
        looking.look()

    assert pauses[-1] == pytest.approx(2.0)
    assert len(pauses) < 120


def test_a_node_behind_moves_nothing_and_is_soon_asked_again() -> None:
    looking = Looking(regular(60), poll_seconds=1.0)
    for _ in range(6):
        looking.next_ledger()
    newest = looking.look()
    before = looking.times.pause(seen=newest)

    looking.times.saw(newest - 1)

    assert looking.times.pause(seen=newest) == pytest.approx(before)
    assert before > 4
    assert looking.times.pause(seen=newest - 1) == pytest.approx(NEAR_SECONDS)


@pytest.mark.parametrize("seconds", [0.02, 1.0, 5.0])
def test_after_an_idle_time_the_first_look_comes_soon(seconds: float) -> None:
    looking = Looking([seconds * (number + 1) for number in range(60)], poll_seconds=seconds / 4)
    for _ in range(6):
        looking.next_ledger()
    looking.now += 1000

    assert looking.times.pause(seen=0) <= seconds / 4


def test_a_node_that_stays_behind_is_asked_ever_more_seldom() -> None:
    looking = Looking(regular(60), poll_seconds=1.0)
    for _ in range(6):
        looking.next_ledger()
    newest = looking.look()

    looking.now += 60

    assert looking.times.pause(seen=newest - 1) == pytest.approx(2.0)


def test_two_ledgers_shown_at_once_do_not_hide_the_time_between_ledgers() -> None:
    looking = Looking(regular(60), poll_seconds=1.0)
    for _ in range(6):
        looking.next_ledger()
    looking.now = 40 * LEDGER - 0.01
    looking.look()
    looking.now += 0.02
    looking.look()

    assert looking.next_ledger()[1] <= 6
    assert looking.next_ledger()[1] <= 6


def test_the_pause_is_the_polls_while_nothing_is_known() -> None:
    times = LedgerTimes(poll_seconds=0.7)
    assert math.isclose(times.pause(seen=0), 0.7)
