"""What reconciliation calls a difference, a surplus, and a command to look at."""

import pytest

from deploy.local.operator import Concerns, Holding, StuckCommand, TransferAside
from deploy.local.reconcile import differing, lines

NOTHING = Concerns(commands=[], transfers=[])


def contract(
    *, ledger: int, chain: int, is_closed: bool = False, in_motion: bool = False
) -> Holding:
    return Holding(
        account="escrow:1", ledger=ledger, chain=chain, in_motion=in_motion, is_closed=is_closed
    )


@pytest.mark.parametrize(
    "holding",
    [
        contract(ledger=0, chain=1, is_closed=True),
        contract(ledger=800, chain=801),
    ],
)
def test_what_strangers_sent_to_a_contract_is_a_surplus_and_hides_nothing(holding: Holding) -> None:
    real = contract(ledger=800, chain=799)

    said = lines([], [holding, real], NOTHING)

    assert differing([holding, real]) == [real]
    assert [line for line in said if line.startswith("surplus")] == [
        f"surplus {holding.describe()}"
    ]


@pytest.mark.parametrize(
    "holding",
    [
        # Funded on chain, and not booked.
        contract(ledger=0, chain=800),
        # Paid out on chain, and still locked in the books: a stranger's money hides nothing.
        contract(ledger=800, chain=0, is_closed=True),
        contract(ledger=800, chain=800 + 1, is_closed=True),
        contract(ledger=800, chain=799),
        Holding(account="user:1", ledger=0, chain=1, in_motion=False),
    ],
)
def test_any_other_difference_is_one(holding: Holding) -> None:
    assert differing([holding]) == [holding]


def test_what_is_in_motion_may_differ_by_that_step() -> None:
    assert differing([contract(ledger=0, chain=800, in_motion=True)]) == []


def test_commands_and_transfers_that_need_a_look_are_named() -> None:
    def command(name: str, state: str) -> StuckCommand:
        return StuckCommand(
            id=name,
            kind="RELEASE",
            state=state,
            step="release_funds",
            account="escrow:1",
            why="CHAIN_FAILED",
            since="now",
        )

    concerns = Concerns(
        commands=[command("a", "QUARANTINED"), command("b", "RUNNING")],
        transfers=[TransferAside(transaction_hash="cafe", to_address="", why="NUL")],
    )

    said = lines([], [], concerns)[1:]

    assert [line.split()[0] for line in said] == ["ASIDE", "STUCK", "waits"]
    assert "cafe" in said[0]
    assert [found.id for found in concerns.quarantined] == ["a"]
