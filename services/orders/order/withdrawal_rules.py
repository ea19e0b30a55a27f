"""What a marketplace has chosen about withdrawals. Pure; withdrawals/rules.py holds to it."""

from collections.abc import Sequence
from dataclasses import dataclass

APPROVAL_HOURS = 72


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalRules:
    """The rules of one marketplace; None: the rule is off. Amounts in minor units.

    least, most: of one withdrawal. most_per_day: of one user in 24 hours. destinations: those that
    may be paid. new_destination_hours: from a destination's first mention to its first payment.
    approval_above: more than this must be approved by a second key, within approval_hours.
    """

    least: int | None = None
    most: int | None = None
    most_per_day: int | None = None
    destinations: Sequence[str] | None = None
    new_destination_hours: int | None = None
    approval_above: int | None = None
    approval_hours: int = APPROVAL_HOURS
