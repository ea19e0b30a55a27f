"""How much of its fees the platform may withdraw."""

import pytest

from services.ledger.book import BORNE, FEES, TransferStatus
from tests.unit.ledger.asking import ANN, BOB, WORLD, Ledger, pending, single

CREATED = TransferStatus.CREATED


@pytest.fixture
def ledger() -> Ledger:
    """Ann has 100, Bob nothing."""
    made = Ledger()
    made.open(ANN, BOB)
    made.ask(single(0, WORLD, ANN, 100))
    return made


def test_fees_can_be_withdrawn_up_to_fees_earned_less_fees_borne(ledger: Ledger) -> None:
    ledger.ask(single(1, ANN, FEES, 10), single(2, BORNE, ANN, 3))

    short = ledger.ask_one(pending(3, FEES, WORLD, 8))
    [held, borne, more] = ledger.ask(
        pending(4, FEES, WORLD, 6), single(5, BORNE, BOB, 1), single(6, FEES, WORLD, 1)
    )

    assert (short.reason, short.available, short.requested) == ("INSUFFICIENT_FUNDS", 7, 8)
    assert held.status is borne.status is CREATED
    assert (more.reason, more.available) == ("INSUFFICIENT_FUNDS", 0)


def test_positive_fees_borne_account_adds_nothing_to_the_available_fees(ledger: Ledger) -> None:
    ledger.ask(single(1, ANN, FEES, 10), single(2, ANN, BORNE, 5))

    [once, again] = ledger.ask(single(3, ANN, BORNE, 5), single(4, FEES, WORLD, 11))

    assert once.status is CREATED
    assert (again.reason, again.available) == ("INSUFFICIENT_FUNDS", 10)
