"""No withdrawal is stuck: each temporary state has an exit; a missing exit is found."""

import pytest

from services.escrow.domain import CommandState
from services.orders.withdrawals.domain import TRANSITIONS, State, Trigger
from tools.exits import By
from tools.withdrawal_exits import Machine, Stage


def test_every_reachable_temporary_state_has_an_exit() -> None:
    assert Machine().stuck() == []


def test_an_approval_without_an_end_is_found() -> None:
    table = {pair: after for pair, after in TRANSITIONS.items() if pair[1] is not Trigger.LAPSE}

    stuck = Machine(transitions=table).stuck()

    assert Stage(state=State.AWAITING_APPROVAL) in stuck
    assert {stage.state for stage in stuck} == {State.AWAITING_APPROVAL}


@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED, State.CANCELED])
def test_nothing_happens_after_the_end(state: State) -> None:
    assert list(Machine().moves(Stage(state=state))) == []


def test_every_state_transition_and_state_of_the_command_is_reached() -> None:
    reached = Machine().reachable()
    moves = [(stage, move.after) for stage in reached for move in Machine().moves(stage)]
    # A transition to PENDING has a state of its own between, in which the ledger is asked.
    seen = {(before.state, after.state) for before, after in moves}

    assert {stage.state for stage in reached} == set(State)
    assert {stage.command for stage in reached} == {None, *CommandState}
    assert {(before, after) for (before, _), after in TRANSITIONS.items()} <= seen
    held = {trigger for (_, trigger), after in TRANSITIONS.items() if after is State.PENDING}
    assert {stage.to_hold for stage in reached} == {None, *held}


def test_every_exit_is_made_by_the_clock_or_the_operator() -> None:
    machine = Machine()
    for stage in machine.reachable():
        way = machine.exit(stage) if stage.must_end else []

        assert {move.by for move in way} <= {By.CLOCK, By.OPERATOR}


@pytest.mark.parametrize("trigger", [Trigger.COMPLETE, Trigger.FAIL])
def test_an_end_of_the_payment_that_the_table_lacks_is_found(trigger: Trigger) -> None:
    table = {pair: after for pair, after in TRANSITIONS.items() if pair[1] is not trigger}
    ends = {Trigger.COMPLETE: CommandState.SUCCEEDED, Trigger.FAIL: CommandState.FAILED}

    stuck = Machine(transitions=table).stuck()

    assert stuck == [Stage(state=State.PENDING, command=ends[trigger])]


def test_a_command_that_no_operator_can_end_is_found() -> None:
    stuck = {stage.command for stage in Machine(can_rule=False).stuck()}

    assert {CommandState.RUNNING, CommandState.QUARANTINED} <= stuck


def test_work_that_no_process_takes_over_is_found() -> None:
    machine = Machine(is_taken_over=False)

    assert machine.stuck() == [stage for stage in machine.reachable() if stage.has_money]
    assert machine.stuck() != []
