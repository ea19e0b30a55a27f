"""What the chain must show before a step counts as done that no transaction of ours did."""

from dataclasses import replace

import pytest

from services.escrow.contracts import kinds
from services.escrow.contracts.contract import Contradiction
from services.escrow.contracts.plan import PlannedStep
from services.escrow.contracts.steps import StepName
from tests.unit.escrow.test_fees_on_chain import escrow, step, view


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
