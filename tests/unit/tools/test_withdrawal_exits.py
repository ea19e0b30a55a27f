"""No withdrawal is stuck: each state in which it must not stay has an exit."""

import pytest

from services.orders.withdrawals.domain import TRANSITIONS, State, Trigger
from tools.exits import By
from tools.withdrawal_exits import Machine, Stand


def test_every_state_is_reached_and_has_an_exit() -> None:
    machine = Machine()

    assert machine.stuck() == []
    assert {stand.state for stand in machine.reachable()} == set(State)


def test_no_exit_needs_a_caller() -> None:
    machine = Machine()
    for stand in machine.reachable():
        way = machine.exit(stand) if stand.must_end else []

        assert By.CALLER not in {step.by for step in way}


def test_an_approval_without_an_end_is_found() -> None:
    table = {pair: after for pair, after in TRANSITIONS.items() if pair[1] is not Trigger.LAPSE}

    assert Machine(transitions=table).stuck() == [Stand(state=State.AWAITING_APPROVAL)]


def test_a_payment_that_the_operator_cannot_end_is_found() -> None:
    assert Machine(can_abandon=False).stuck() == [Stand(state=State.PENDING, in_progress=True)]


def test_an_approval_that_the_table_does_not_carry_out_is_found() -> None:
    table = {pair: after for pair, after in TRANSITIONS.items() if pair[1] is not Trigger.APPROVE}

    found = Machine(transitions=table).reachable()

    assert Stand(state=State.AWAITING_APPROVAL, in_progress=True) not in found


@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED, State.CANCELED])
def test_nothing_happens_after_the_end(state: State) -> None:
    assert list(Machine().steps(Stand(state=state))) == []
