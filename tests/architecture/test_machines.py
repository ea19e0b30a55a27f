"""State machines are tables: every state is reachable, and an end is reachable from it."""

import enum
import importlib
from collections.abc import Mapping

import pytest

Table = Mapping[tuple[enum.Enum, enum.Enum], enum.Enum]
# The module with the table of each service's aggregate.
DOMAINS = {
    "orders": "services.orders.order.domain",
    "escrow": "services.escrow.domain",
    "disputes": "services.disputes.domain",
    "withdrawals": "services.orders.withdrawals.domain",
}
SERVICES = tuple(DOMAINS)


def table_of(service: str) -> Table:
    """The table of a service's aggregate; the first state is the first of its enum."""
    table: Table = importlib.import_module(DOMAINS[service]).TRANSITIONS
    return table


def states_of(table: Table) -> type[enum.Enum]:
    (states,) = {type(state) for state, _ in table} | {type(state) for state in table.values()}
    return states


def reachable(table: Table, first: enum.Enum) -> set[enum.Enum]:
    """Return the states that are reachable."""
    seen, waiting = {first}, [first]
    while waiting:
        here = waiting.pop()
        ahead = {after for (before, _), after in table.items() if before is here} - seen
        seen |= ahead
        waiting += ahead
    return seen


@pytest.mark.parametrize("service", SERVICES)
def test_every_state_can_be_reached_from_the_first(service: str) -> None:
    table = table_of(service)
    states = list(states_of(table))

    assert set(states) == reachable(table, states[0])


@pytest.mark.parametrize("service", SERVICES)
def test_from_every_state_an_end_can_be_reached(service: str) -> None:
    table = table_of(service)
    ends = set(states_of(table)) - {before for before, _ in table}

    assert ends
    for state in states_of(table):
        assert reachable(table, state) & ends, f"no way out of {state.name}"


def test_transitions_of_the_order_match_the_documents() -> None:
    documented = {
        "ORDER_CREATED": {"FUNDS_RESERVED", "CLOSED"},
        "FUNDS_RESERVED": {"ESCROW_CREATING", "CLOSED"},
        # Back to FUNDS_RESERVED: the chain refused for good. To CLOSED: nobody funded it in time.
        "ESCROW_CREATING": {"ESCROW_FUNDING", "FUNDS_RESERVED", "CLOSED"},
        "ESCROW_FUNDING": {"ESCROW_FUNDED", "FUNDS_RESERVED"},
        "ESCROW_FUNDED": {"IN_PROGRESS"},
        # To itself: the work was delivered.
        "IN_PROGRESS": {"IN_PROGRESS", "RELEASE_REQUESTED", "REFUND_REQUESTED", "DISPUTED"},
        # Back to IN_PROGRESS, and to itself: an operator has abandoned the payout.
        "RELEASE_REQUESTED": {"RELEASED", "IN_PROGRESS"},
        "REFUND_REQUESTED": {"REFUNDED", "IN_PROGRESS"},
        "DISPUTED": {"RELEASED", "REFUNDED", "DISPUTED"},
        "RELEASED": {"CLOSED"},
        "REFUNDED": {"CLOSED"},
    }
    edges: dict[str, set[str]] = {}
    for (before, _), after in table_of("orders").items():
        edges.setdefault(before.name, set()).add(after.name)

    assert documented == edges


def test_planted_unreachable_state_is_found() -> None:
    class Lamp(enum.Enum):
        OFF = "off"
        ON = "on"
        BROKEN = "broken"

    class Press(enum.Enum):
        BUTTON = "button"

    table: Table = {(Lamp.OFF, Press.BUTTON): Lamp.ON, (Lamp.ON, Press.BUTTON): Lamp.OFF}

    assert reachable(table, Lamp.OFF) == {Lamp.OFF, Lamp.ON}
