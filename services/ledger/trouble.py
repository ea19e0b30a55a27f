"""Classify the exceptions of the ledger's transactions: retry, refuse, or report a fault."""

import enum

from chassis.database import constraint_name, sqlstate
from chassis.outages import is_busy, is_repeatable, is_unavailable
from kernel.errors import Unavailable

# Constraints at which two transactions insert the same row. The second transaction finds the row at
# its next attempt.
_MEETING_POINTS = frozenset(
    {
        "accounts_pkey",
        "barred_holds_pkey",
        "idempotency_pkey",
        "transfers_pending_resolved_once",
        "transfers_pkey",
    }
)
_UNIQUE_VIOLATION = "23505"


class StaleBookError(Exception):
    """The rows that were loaded have changed since; nothing was written."""


class Trouble(enum.Enum):
    """The cause of a transaction's failure."""

    RACE = "another transaction was quicker; the next attempt sees what it wrote"
    AWAY = "the database is unavailable"
    BUSY = "a lock was not free in time; nothing happened"
    FAULT = "a request, or the program, is wrong"


def trouble_of(error: BaseException) -> Trouble:
    """Return the cause of a transaction's exception."""
    if isinstance(error, Unavailable):  # as chassis.database raises it
        error = error.__cause__ or error
    if isinstance(error, StaleBookError) or is_repeatable(error):
        return Trouble.RACE
    if sqlstate(error) == _UNIQUE_VIOLATION:
        is_race = constraint_name(error) in _MEETING_POINTS
        return Trouble.RACE if is_race else Trouble.FAULT
    if is_busy(error):
        return Trouble.BUSY
    return Trouble.AWAY if is_unavailable(error) or isinstance(error, OSError) else Trouble.FAULT
