"""A marketplace's rules for withdrawals, which withdrawals/rules.py applies. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

APPROVAL_HOURS = 72


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalRules:
    """The rules of one marketplace; None: the rule is off. Amounts in minor units.

    least, most: limits of one withdrawal. most_per_day: limit of one user in 24 hours.
    destinations: the only destinations that may be paid. new_destination_hours: the wait between
    the first request for a destination and its first payment. approval_above: a larger withdrawal
    must be approved by a second key within approval_hours.
    """

    least: int | None = None
    most: int | None = None
    most_per_day: int | None = None
    destinations: Sequence[str] | None = None
    new_destination_hours: int | None = None
    approval_above: int | None = None
    approval_hours: int = APPROVAL_HOURS
