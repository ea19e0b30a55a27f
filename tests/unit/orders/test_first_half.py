"""From a new order to a funded contract: the changes and events of each decision; no database."""

import datetime as dt
from dataclasses import replace

import pytest

from kernel.money import CENT
from services.orders.order import domain
from services.orders.order.domain import AmountDiffersFromOrder, OrderInWrongState, State
from tests.unit.orders.test_domain import EIGHTY, NOW, an_order

LATER = NOW + dt.timedelta(minutes=5)


@pytest.mark.parametrize("amount", [None, EIGHTY])
def test_orders_own_amount_or_no_amount_is_accepted(amount: int | None) -> None:
    domain.require_amount(an_order(), amount)


@pytest.mark.parametrize("amount", [0, EIGHTY - 1, EIGHTY + CENT])
def test_any_other_amount_is_refused_with_both_figures(amount: int) -> None:
    with pytest.raises(AmountDiffersFromOrder) as refusal:
        domain.require_amount(an_order(), amount)

    assert refusal.value.details["orderAmount"] == "80.00"


def test_reservation_event_states_the_buyers_reserved_balance() -> None:
    order = an_order(State.ORDER_CREATED)

    after, (fact,) = domain.reserved(order, reserved_balance=2 * EIGHTY, at=LATER)

    assert (after.state, after.reserved_at, after.updated_at) == (
        State.FUNDS_RESERVED,
        LATER,
        LATER,
    )
    assert fact.event_type == "order.funds_reserved"
    assert fact.payload == {
        "orderId": order.public_id,
        "amount": "80.00",
        "buyerId": "usr_buyer123",
        "reservedBalance": "160.00",
    }


def test_recording_a_contract_changes_no_state_and_has_no_event() -> None:
    order = an_order(State.ESCROW_CREATING)

    after = domain.escrow_known(order, contract_id="C2", status="DEPLOYED", at=LATER)

    assert after.escrow is not None
    assert (after.escrow.contract_id, after.escrow.status) == ("C2", "DEPLOYED")
    assert (after.state, after.updated_at) == (order.state, LATER)


@pytest.mark.parametrize("state", [State.ESCROW_CREATING, State.ESCROW_FUNDING])
def test_failed_escrow_keeps_the_money_reserved_and_states_the_reason(state: State) -> None:
    after, (fact,) = domain.escrow_failed(an_order(state), reason="no trustline", at=LATER)

    assert after.state is State.FUNDS_RESERVED
    assert after.escrow is not None
    assert (after.escrow.status, after.escrow.last_error) == ("FAILED", "no trustline")
    assert (fact.event_type, fact.payload["reason"]) == ("order.escrow_failed", "no trustline")


def test_funded_escrow_moves_the_order_to_in_progress_at_once() -> None:
    after, facts = domain.escrow_funded(an_order(State.ESCROW_FUNDING), at=LATER)

    assert (after.state, after.funded_at) == (State.IN_PROGRESS, LATER)
    assert after.escrow is not None
    assert (after.escrow.status, after.escrow.funded_at) == ("FUNDED", LATER)
    assert [fact.event_type for fact in facts] == ["order.escrow_funded", "order.in_progress"]
    assert facts[0].payload["fundedAt"] == "2026-02-18T10:05:00.000Z"


def test_decisions_about_a_contract_are_refused_without_one() -> None:
    bare = replace(an_order(State.ESCROW_FUNDING), escrow=None)

    for decide in (
        lambda: domain.escrow_known(bare, contract_id="C2", status="DEPLOYED", at=LATER),
        lambda: domain.escrow_failed(bare, reason="", at=LATER),
        lambda: domain.escrow_funded(bare, at=LATER),
    ):
        with pytest.raises(OrderInWrongState, match="has no escrow"):
            decide()
