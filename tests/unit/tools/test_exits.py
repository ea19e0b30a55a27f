"""No money is stuck: each state with resting money has an exit; a missing exit is found."""

import pytest

from services.orders.order.deadlines import RULES
from services.orders.order.domain import TRANSITIONS, State, Trigger
from services.orders.order.use_cases import Kind
from tools.exits import By, Machine, Rest


def test_money_has_an_exit_from_every_reachable_state() -> None:
    assert Machine().stuck() == []


def test_every_state_and_operation_is_reached() -> None:
    reached = Machine().reachable()

    # An order passes through these within one transaction.
    passed = {State.ESCROW_FUNDED, State.RELEASED, State.REFUNDED}
    assert {rest.order for rest in reached} == set(State) - passed
    assert {rest.operation for rest in reached} == {None, *Kind}


def test_every_exit_is_made_by_the_clock_support_or_the_operator() -> None:
    machine = Machine()
    for rest in machine.reachable():
        way = machine.exit(rest) if rest.has_money else []

        assert By.CALLER not in {move.by for move in way}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_state_without_its_deadline_is_found(rule: object) -> None:
    machine = Machine(rules=[one for one in RULES if one is not rule])

    assert machine.stuck() != []
    assert all(rest.operation is None or rest.has_money for rest in machine.stuck())


def test_a_reservation_that_the_clock_cannot_cancel_is_found() -> None:
    machine = Machine(rules=[one for one in RULES if one.name != "reservation"])

    assert Rest(order=State.FUNDS_RESERVED) in machine.stuck()


def test_a_payout_that_the_operator_cannot_end_is_found() -> None:
    stuck = {rest.order for rest in Machine(can_abandon=False).stuck()}

    assert {State.RELEASE_REQUESTED, State.REFUND_REQUESTED, State.DISPUTED} <= stuck


def test_an_unfunded_escrow_that_cannot_expire_is_found() -> None:
    table = {pair: after for pair, after in TRANSITIONS.items() if pair[1] is not Trigger.EXPIRE}

    with pytest.raises(KeyError):
        Machine(transitions=table).stuck()
