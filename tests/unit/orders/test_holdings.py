"""Differences of chain and ledger: the orders service and the operator's command agree."""

import itertools

import pytest

from deploy.operator import findings
from services.orders.reconciliation.holdings import Difference, Holding, difference

CASES = list(
    itertools.product(
        ("user:1", "escrow:1"),
        (0, 799, 800, 801),
        (0, 800, 1600),
        (False, True),
        (False, True),
        (False, True),
    )
)


def holding(
    account: str, chain: int, *, is_busy: bool, is_closed: bool, is_overfunded: bool
) -> Holding:
    return Holding(
        account=account,
        chain=chain,
        is_busy=is_busy,
        is_closed=is_closed,
        is_overfunded=is_overfunded,
    )


def test_orders_and_the_operators_command_agree_on_every_difference() -> None:
    for account, chain, ledger, is_busy, is_closed, is_overfunded in CASES:
        found = difference(
            holding(
                account,
                chain,
                is_busy=is_busy,
                is_closed=is_closed,
                is_overfunded=is_overfunded,
            ),
            ledger=ledger,
        )
        other = findings.Holding(
            account=account,
            ledger=ledger,
            chain=chain,
            in_motion=is_busy,
            is_closed=is_closed,
            is_overfunded=is_overfunded,
        )
        assert (found is not None) == other.differs, other


@pytest.mark.parametrize(("ledger", "chain"), [(0, 800), (800, 799), (801, 800)])
def test_a_difference_has_both_figures(ledger: int, chain: int) -> None:
    found = difference(Holding(account="escrow:1", chain=chain), ledger=ledger)

    assert found == Difference(account="escrow:1", ledger=ledger, chain=chain)


def test_money_sent_by_third_parties_is_not_a_difference() -> None:
    assert difference(Holding(account="escrow:1", chain=801), ledger=800) is None
    assert difference(Holding(account="escrow:1", chain=1, is_closed=True), ledger=0) is None
