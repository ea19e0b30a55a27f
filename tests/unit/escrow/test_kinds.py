"""What the chain must show before a step counts as done that no transaction of ours did."""

from dataclasses import replace

import pytest

from services.escrow.contracts import contract, kinds
from services.escrow.contracts.contract import Contradiction
from services.escrow.contracts.evidence import MilestoneView
from services.escrow.contracts.plan import PlannedStep
from services.escrow.contracts.steps import StepName
from tests.unit.escrow.test_fees_on_chain import PARTIES, escrow, step, view


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": escrow().terms.amount - 1},
        {"amount": escrow().terms.amount + 1},
        {"engagement_id": "ord_0000000000000000000000"},
        {"engagement_id": ""},
        {"milestones": ()},
        {"milestones": view(escrow()).milestones * 2},
        {"milestones": (MilestoneView(description="Other", status="", approved=False),)},
        {"title": "Another title"},
        {"description": "Another description"},
        {"wasm_hash": "00" * 32},
        {"roles": contract.roles(replace(PARTIES, buyer="GTHIEF"))},
        {"roles": contract.roles(replace(PARTIES, seller="GTHIEF"))},
        {"roles": contract.roles(replace(PARTIES, platform="GTHIEF"))},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_contract_that_differs_in_anything_is_not_the_one_that_was_meant(
    changed: dict[str, object],
) -> None:
    meant = escrow()
    contract.check_deployed(view(meant), escrow=meant, parties=PARTIES)

    with pytest.raises(Contradiction, match="not the one"):
        contract.check_deployed(view(meant, **changed), escrow=meant, parties=PARTIES)


def test_a_contract_that_says_what_an_older_version_sent_is_the_one_that_was_meant() -> None:
    meant = escrow()
    own = [
        MilestoneView(description=text, status="", approved=False)
        for text in meant.terms.milestones
    ]
    shown = view(meant, title=meant.terms.title, description="", milestones=tuple(own))

    contract.check_deployed(shown, escrow=meant, parties=PARTIES)


def test_a_freeze_is_skipped_where_it_is_ours_and_contradicts_where_it_is_not() -> None:
    freeze, shown = step(PlannedStep(name=StepName.DISPUTE)), view(escrow())

    assert kinds.may_be_skipped(freeze, view=shown, was_frozen_by_us=True)
    with pytest.raises(Contradiction, match="no step of ours"):
        kinds.may_be_skipped(freeze, view=shown, was_frozen_by_us=False)
    thawed = replace(shown, disputed=False)
    assert not kinds.may_be_skipped(freeze, view=thawed, was_frozen_by_us=False)


@pytest.mark.parametrize("name", [StepName.FUND, StepName.RELEASE_FUNDS, StepName.RESOLVE_DISPUTE])
def test_money_that_moved_without_us_skips_nothing(name: StepName) -> None:
    shown = replace(view(escrow()), released=True, resolved=True)

    planned = PlannedStep(name=name)

    assert not kinds.may_be_skipped(step(planned), view=shown, was_frozen_by_us=True)
