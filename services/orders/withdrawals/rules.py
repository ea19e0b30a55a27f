"""The rules of a marketplace for withdrawals: what each refuses. Pure.

A withdrawal is checked against them when it is created, committed, and approved. The `details` of a
refusal name the rule as `GET /marketplace` does, with its value.
"""

import datetime as dt
from dataclasses import dataclass

from kernel.clock import to_milliseconds_text
from kernel.errors import FailedPrecondition
from kernel.money import to_text
from services.orders.order.withdrawal_rules import WithdrawalRules
from services.orders.withdrawals.domain import Withdrawal

DAY = dt.timedelta(hours=24)


class AmountNotAllowed(FailedPrecondition):
    """The amount is less than the least or more than the most that the marketplace allows."""

    reason = "WITHDRAWAL_AMOUNT_NOT_ALLOWED"


class DestinationNotListed(FailedPrecondition):
    """The destination is not on the marketplace's list."""

    reason = "WITHDRAWAL_DESTINATION_NOT_LISTED"


class DestinationTooNew(FailedPrecondition):
    """The user named this destination too recently; details.usableAt says when it can be paid."""

    reason = "WITHDRAWAL_DESTINATION_TOO_NEW"


class DailyLimitExceeded(FailedPrecondition):
    """The user would withdraw more in 24 hours than the marketplace allows."""

    reason = "WITHDRAWAL_DAILY_LIMIT_EXCEEDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A user's earlier withdrawals. at: the present time by the marketplace's clock.

    counted: the sum of the user's other withdrawals in the last 24 hours, in minor units. named_at:
    when the user first named this destination with this memo; None: never.
    """

    at: dt.datetime
    counted: int
    named_at: dt.datetime | None


def require_allowed(rules: WithdrawalRules, withdrawal: Withdrawal) -> None:
    """Check the amount and the destination. Raises: AmountNotAllowed; DestinationNotListed."""
    amount = withdrawal.amount
    if rules.least is not None and amount < rules.least:
        details = {"rule": "least", "value": to_text(rules.least)}
        raise AmountNotAllowed("The amount is less than the least allowed", details=details)
    if rules.most is not None and amount > rules.most:
        details = {"rule": "most", "value": to_text(rules.most)}
        raise AmountNotAllowed("The amount is more than the most allowed", details=details)
    require_listed(rules, withdrawal.destination)


def require_listed(rules: WithdrawalRules, destination: str) -> None:
    """Check that a destination is on the marketplace's list. Raises: DestinationNotListed."""
    if rules.destinations is not None and destination not in rules.destinations:
        listed = {"rule": "destinations", "value": list(rules.destinations)}
        raise DestinationNotListed(
            "The destination is not on the marketplace's list",
            details={**listed, "destination": destination},
        )


def require_payable(rules: WithdrawalRules, withdrawal: Withdrawal, history: History) -> None:
    """Check a withdrawal that is about to be paid, with the user's other withdrawals.

    Raises: as `require_allowed`; DestinationTooNew; DailyLimitExceeded.
    """
    require_allowed(rules, withdrawal)
    require_old_enough(rules, withdrawal.destination, history)
    most = rules.most_per_day
    if most is not None and history.counted + withdrawal.amount > most:
        raise DailyLimitExceeded(
            "The user would withdraw more in 24 hours than the marketplace allows",
            details={
                "rule": "mostPerDay",
                "value": to_text(most),
                "counted": to_text(history.counted),
                "requested": to_text(withdrawal.amount),
            },
        )


def require_old_enough(rules: WithdrawalRules, destination: str, history: History) -> None:
    """Check that a user first named a destination long enough ago. Raises: DestinationTooNew."""
    if rules.new_destination_hours is not None:
        hours = rules.new_destination_hours
        usable_at = (history.named_at or history.at) + dt.timedelta(hours=hours)
        if history.at < usable_at:
            raise DestinationTooNew(
                "A new destination cannot be paid yet: create the withdrawal without committing it,"
                " and commit it later",
                details={
                    "rule": "newDestinationHours",
                    "value": hours,
                    "destination": destination,
                    "usableAt": to_milliseconds_text(usable_at),
                },
            )


def needs_approval(rules: WithdrawalRules, withdrawal: Withdrawal) -> bool:
    """Tell whether a second key must approve a withdrawal before it is paid."""
    return rules.approval_above is not None and withdrawal.amount > rules.approval_above
