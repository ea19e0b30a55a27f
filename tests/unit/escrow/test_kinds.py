"""When a step may be skipped because the chain already shows its effect."""

from dataclasses import replace

import pytest

from services.escrow.contracts import kinds
from services.escrow.contracts.contract import Contradiction
from services.escrow.contracts.plan import PlannedStep
from services.escrow.contracts.steps import StepName
from tests.unit.escrow.test_fees_on_chain import escrow, step, view


def test_freeze_is_skipped_if_we_froze_the_contract_and_contradicts_otherwise() -> None:
    freeze, shown = step(PlannedStep(name=StepName.DISPUTE)), view(escrow())

    assert kinds.may_be_skipped(freeze, view=shown, was_frozen_by_us=True)
    with pytest.raises(Contradiction, match="no step of ours"):
        kinds.may_be_skipped(freeze, view=shown, was_frozen_by_us=False)
    thawed = replace(shown, disputed=False)
    assert not kinds.may_be_skipped(freeze, view=thawed, was_frozen_by_us=False)


@pytest.mark.parametrize("name", [StepName.FUND, StepName.RELEASE_FUNDS, StepName.RESOLVE_DISPUTE])
def test_money_step_is_never_skipped_even_if_the_money_has_moved(name: StepName) -> None:
    shown = replace(view(escrow()), released=True, resolved=True)

    planned = PlannedStep(name=name)

    assert not kinds.may_be_skipped(step(planned), view=shown, was_frozen_by_us=True)
