"""The rules of a marketplace for withdrawals: what each refuses, and what a refusal says."""

import datetime as dt

import pytest

from kernel.errors import FailedPrecondition
from kernel.money import UNIT
from services.orders.order.withdrawal_rules import WithdrawalRules
from services.orders.withdrawals import rules
from services.orders.withdrawals.rules import (
    AmountNotAllowed,
    DailyLimitExceeded,
    DestinationNotListed,
    DestinationTooNew,
    History,
)
from tests.unit.orders.test_withdrawals import NOON, a_withdrawal

# The withdrawal of these tests is 5.00 to GOUTSIDE.
FIVE = 5 * UNIT
HOUR = dt.timedelta(hours=1)


def history(counted: int = 0, named_at: dt.datetime | None = None) -> History:
    """Return what a user did before noon."""
    return History(at=NOON, counted=counted, named_at=named_at)


def test_without_rules_everything_is_allowed() -> None:
    off = WithdrawalRules()

    rules.require_payable(off, a_withdrawal(), history(counted=10**15))
    assert not rules.needs_approval(off, a_withdrawal())


@pytest.mark.parametrize(
    "chosen",
    [
        WithdrawalRules(least=FIVE),
        WithdrawalRules(most=FIVE),
        WithdrawalRules(most_per_day=FIVE),
        WithdrawalRules(destinations=["GOTHER", "GOUTSIDE"]),
    ],
)
def test_the_limit_itself_is_allowed(chosen: WithdrawalRules) -> None:
    rules.require_payable(chosen, a_withdrawal(), history())


@pytest.mark.parametrize(
    ("chosen", "kind", "details"),
    [
        (
            WithdrawalRules(least=FIVE + 1),
            AmountNotAllowed,
            {"rule": "least", "value": "5.0000001"},
        ),
        (WithdrawalRules(most=FIVE - 1), AmountNotAllowed, {"rule": "most", "value": "4.9999999"}),
        (
            WithdrawalRules(destinations=["GOTHER"]),
            DestinationNotListed,
            {"rule": "destinations", "value": ["GOTHER"], "destination": "GOUTSIDE"},
        ),
        (
            WithdrawalRules(destinations=[]),
            DestinationNotListed,
            {"rule": "destinations", "value": [], "destination": "GOUTSIDE"},
        ),
    ],
)
def test_a_refusal_names_the_rule_and_its_value(
    chosen: WithdrawalRules, kind: type[FailedPrecondition], details: dict[str, object]
) -> None:
    with pytest.raises(kind) as at_creation:
        rules.require_allowed(chosen, a_withdrawal())
    with pytest.raises(kind) as at_commit:
        rules.require_payable(chosen, a_withdrawal(), history())

    assert at_creation.value.details == at_commit.value.details == details


def test_what_was_withdrawn_in_the_last_day_counts_against_its_limit() -> None:
    chosen = WithdrawalRules(most_per_day=12 * UNIT)
    rules.require_payable(chosen, a_withdrawal(), history(counted=7 * UNIT))

    with pytest.raises(DailyLimitExceeded) as refused:
        rules.require_payable(chosen, a_withdrawal(), history(counted=7 * UNIT + 1))

    assert refused.value.details == {
        "rule": "mostPerDay",
        "value": "12.00",
        "counted": "7.0000001",
        "requested": "5.00",
    }


@pytest.mark.parametrize("named_at", [None, NOON, NOON - 23 * HOUR])
def test_a_new_destination_waits_from_the_time_it_was_named_first(
    named_at: dt.datetime | None,
) -> None:
    chosen = WithdrawalRules(new_destination_hours=24)

    with pytest.raises(DestinationTooNew) as refused:
        rules.require_payable(chosen, a_withdrawal(), history(named_at=named_at))

    usable_at = "2026-03-01T13:00:00.000Z" if named_at == NOON - 23 * HOUR else None
    assert refused.value.details == {
        "rule": "newDestinationHours",
        "value": 24,
        "destination": "GOUTSIDE",
        "usableAt": usable_at or "2026-03-02T12:00:00.000Z",
    }


def test_a_destination_that_waited_long_enough_is_paid() -> None:
    chosen = WithdrawalRules(new_destination_hours=24)

    rules.require_payable(chosen, a_withdrawal(), history(named_at=NOON - 24 * HOUR))


@pytest.mark.parametrize(("above", "needed"), [(FIVE, False), (FIVE - 1, True), (0, True)])
def test_more_than_an_amount_needs_an_approval(above: int, *, needed: bool) -> None:
    chosen = WithdrawalRules(approval_above=above)

    assert rules.needs_approval(chosen, a_withdrawal()) is needed
