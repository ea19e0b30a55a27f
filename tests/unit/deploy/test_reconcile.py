"""Which holdings and commands reconciliation reports, and what counts as surplus."""

import uuid

import pytest

from deploy.operator.findings import (
    Blindness,
    ChainHold,
    Concerns,
    ForeignChange,
    Holding,
    StuckCommand,
    TransferAside,
)
from deploy.operator.marketplaces import Named
from deploy.operator.reconcile import Look, differing, lines

SHOP = Named(id=uuid.uuid4(), name="shop", environment="live")


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
def test_surplus_from_third_parties_hides_no_difference(
    holding: Holding,
) -> None:
    real = contract(ledger=800, chain=799)

    said = lines(Look(marketplace=SHOP, holdings=[holding, real]))

    assert differing([holding, real]) == [real]
    assert [line for line in said if line.startswith("surplus")] == [
        f"surplus {holding.describe()}  [shop]"
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
        # Out of the buyer's own wallet: a second funding, and no stranger's money.
        Holding(account="escrow:1", ledger=800, chain=1600, in_motion=False, is_overfunded=True),
    ],
)
def test_every_other_difference_is_reported(holding: Holding) -> None:
    assert differing([holding]) == [holding]


def test_an_account_with_a_command_in_progress_may_differ() -> None:
    assert differing([contract(ledger=0, chain=800, in_motion=True)]) == []


def test_a_hold_of_the_chain_is_listed_as_a_problem() -> None:
    hold = ChainHold(why="forgotten", since="2026-02-18T10:00:00Z", unclaimed=["ab" * 32])
    found = Look(marketplace=SHOP, concerns=Concerns(commands=[], transfers=[], hold=hold))

    assert [line for line in lines(found) if line.startswith("HELD")] == [
        f"HELD    {hold.describe()}  [shop]"
    ]
    assert "ab" * 32 in hold.describe()
    assert (found.is_well, found.figures()["held"]) == (False, True)


@pytest.mark.parametrize("why", ["ChainBehind: the cursor is in ledger 9", ""])
def test_a_blind_watcher_is_listed_as_a_problem(why: str) -> None:
    blindness = Blindness(why=why, since="2026-02-18T10:00:00Z")
    found = Look(
        marketplace=SHOP, concerns=Concerns(commands=[], transfers=[], blindness=blindness)
    )

    assert [line for line in lines(found) if line.startswith("BLIND")] == [
        f"BLIND   {blindness.describe()}  [shop]"
    ]
    assert why in blindness.describe()
    assert (found.is_well, found.figures()["blind"]) == (False, True)


def test_a_change_of_a_contract_by_others_is_listed_as_a_problem() -> None:
    change = ForeignChange(
        event_id="evt",
        order_id="1",
        contract_id="CABC",
        name="tw_dispute",
        transaction_hash="ab" * 32,
        since="2026-02-18T10:00:00Z",
    )
    found = Look(marketplace=SHOP, concerns=Concerns(commands=[], transfers=[], changes=[change]))

    assert [line for line in lines(found) if line.startswith("FOREIGN")] == [
        f"FOREIGN {change.describe()}  [shop]"
    ]
    assert "tw_dispute on CABC of order 1" in change.describe()
    assert (found.is_well, found.figures()["foreign"]) == (False, 1)


def test_quarantined_commands_and_transfers_put_aside_are_listed() -> None:
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
        transfers=[
            TransferAside(event_id="evt", transaction_hash="cafe", to_address="", why="NUL")
        ],
    )

    said = lines(Look(marketplace=SHOP, concerns=concerns))[1:]

    assert [line.split()[0] for line in said] == ["ASIDE", "STUCK", "waits"]
    assert "cafe" in said[0]
    assert [found.id for found in concerns.quarantined] == ["a"]


def test_a_marketplace_that_cannot_be_checked_is_a_problem() -> None:
    found = Look(marketplace=SHOP, refusal="PROVIDER_UNAVAILABLE: The node is away")

    assert lines(found) == ["UNKNOWN PROVIDER_UNAVAILABLE: The node is away  [shop]"]
    assert (found.is_well, Look(marketplace=SHOP).is_well) == (False, True)


def test_an_alarm_has_the_figures_of_each_marketplace() -> None:
    found = Look(
        marketplace=Named(id=uuid.uuid4(), name="shop", environment="test"),
        holdings=[contract(ledger=800, chain=799), contract(ledger=1, chain=0, in_motion=True)],
        deposits_in_suspense=3,
    )

    figures = found.figures()

    assert (figures["marketplace"], figures["accounts"]) == ("shop:test", 2)
    assert (figures["differ"], figures["inMotion"], figures["suspense"]) == (1, 1, 3)
