"""The table of deadlines, state by state, and their events; no database."""

import datetime as dt
import itertools

import pytest

from services.orders.order import deadlines, endings, use_cases
from services.orders.order.deadlines import RULES, Action, Rule
from services.orders.order.domain import FinalStatus, Order, OrderInWrongState, Party, State
from services.orders.order.marketplace_rules import MarketplaceRules
from services.orders.order.settlement import Settlement
from services.orders.order.use_cases import Accepted
from tests.unit.orders.test_use_cases import EIGHTY, NOW, an_order

# NO_MONEY: no money rests in these states. OPERATED: an operation runs until the state changes.
NO_MONEY = {State.ORDER_CREATED, State.CLOSED, State.RELEASED, State.REFUNDED}
OPERATED = {
    State.ESCROW_FUNDING,
    State.ESCROW_FUNDED,
    State.RELEASE_REQUESTED,
    State.REFUND_REQUESTED,
}


def _released(order: Order) -> Accepted:
    return use_cases.release(
        order, by=Party.SYSTEM, delta_score_tenths=None, is_forced=True, at=NOW
    )


@pytest.mark.parametrize(("state", "is_delivered"), list(itertools.product(State, (False, True))))
def test_state_with_resting_money_has_exactly_one_deadline(
    state: State, *, is_delivered: bool
) -> None:
    found = [rule for rule in RULES if rule.covers(state, is_delivered=is_delivered)]

    assert len(found) == (0 if state in NO_MONEY | OPERATED else 1)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_default_deadline_is_in_days_and_its_warning_is_earlier(rule: Rule) -> None:
    rules = MarketplaceRules()

    assert rules.days[rule.setting] == rule.days
    assert 0 < rules.warning_hours <= rule.days * 24


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("state", State)
def test_deadline_action_is_accepted_only_in_the_state_of_its_rule(
    rule: Rule, state: State
) -> None:
    order = an_order(state)
    if rule.action is Action.CANCEL and state is rule.state:
        accepted = use_cases.expire(order, reason=rule.why)
        after, facts = endings.canceled(order, by=Party.SYSTEM, reason=rule.why, at=NOW)
        assert accepted.work is not None
        assert accepted.work.context == {"by": "SYSTEM", "reason": rule.why}
        assert after.final_status is FinalStatus.CANCELED
        assert [fact.event_type for fact in facts] == ["order.canceled", "order.closed"]
    elif rule.action is Action.RELEASE and state is rule.state:
        after = _released(order).order
        paid = Settlement(
            share=EIGHTY, to_seller=EIGHTY, to_buyer=0, provider_fee=0, outflow=EIGHTY
        )
        done, _ = endings.released(after, paid=paid, escrow_status="RELEASED", at=NOW)
        assert done.final_status is FinalStatus.RELEASED
    elif rule.action is Action.RELEASE:
        with pytest.raises(OrderInWrongState):
            _released(order)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_deadline_events_name_the_deadline_and_change_no_state(rule: Rule) -> None:
    order, due_at = an_order(rule.state), NOW + dt.timedelta(days=1)

    near, [warning] = deadlines.warned(order, rule, due_at=due_at, at=NOW)
    over, [fact] = deadlines.passed(order, rule, at=NOW)

    named = {"orderId": order.public_id, "deadline": rule.name, "action": rule.action.value}
    assert warning.payload == {**named, "dueAt": "2026-02-19T10:00:00.000Z"}
    assert fact.payload == named
    assert near.state is over.state is rule.state


def test_order_that_changed_since_the_check_is_left_unchanged() -> None:
    order = an_order(State.FUNDS_RESERVED)

    assert use_cases.unchanged(order, version=order.version) is order
    with pytest.raises(OrderInWrongState):
        use_cases.unchanged(order, version=order.version - 1)
