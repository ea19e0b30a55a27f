"""What an error of PostgreSQL means, by its SQLSTATE.

Source: PostgreSQL manual, appendix A. The first two characters of an SQLSTATE are its class.
"""

from typing import Any

import psycopg


class PoolBusy(Exception):
    """Every connection of the pool is in use, and none was given back in time."""


# Connection failed; rolled back, may be repeated; no resources; operator or limit; system error.
_CLASSES = ("08", "40", "53", "57", "58")
# Read-only (a standby, or a primary set so); idle in a transaction for too long; a transaction that
# took too long; a lock that was not free.
_STATES = frozenset({"25006", "25P03", "25P04", "55P03"})
_READ_ONLY = "25006"
# The transaction had no effect and may be repeated: serialization failure, deadlock.
_REPEATABLE = frozenset({"40001", "40P01"})
# A lock was not free in time; a statement took too long. Another transaction may hold a row.
_BUSY = frozenset({"55P03", "57014"})
# The server does not know a prepared statement, or has one of that name already.
_STATEMENTS_LOST = frozenset({"26000", "42P05"})
_FATAL = frozenset({"FATAL", "PANIC"})


def sqlstate(error: BaseException) -> str | None:
    """Return the five-character SQLSTATE behind an exception, or None."""
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else None


def constraint_name(error: BaseException) -> str | None:
    """Return the name of the constraint that refused a row, or None."""
    name = getattr(_diagnostics(error), "constraint_name", None)
    return name if isinstance(name, str) else None


def is_repeatable(error: BaseException) -> bool:
    """Return whether the transaction was rolled back and may be retried."""
    return sqlstate(error) in _REPEATABLE or is_plan_outdated(error)


def is_busy(error: BaseException) -> bool:
    """Return whether the statement waited too long for another transaction; nothing happened."""
    return sqlstate(error) in _BUSY


def is_of_one(error: BaseException | None) -> bool:
    """Return whether one request among several may be the cause; alone, the others may succeed."""
    return error is not None and (is_repeatable(error) or is_busy(error))


def is_unavailable(error: BaseException) -> bool:
    """Return whether the database is unavailable, rather than the statement wrong."""
    if isinstance(error, PoolBusy):
        return True
    state = sqlstate(error)
    if state is None:
        # An error without a SQLSTATE did not come from the server: the connection failed.
        return isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
    is_of_a_kind = state.startswith(_CLASSES) or state in _STATES
    return is_of_a_kind or _is_fatal(error) or is_plan_outdated(error)


def spoils_connections(error: BaseException) -> bool:
    """Return whether the connection, and all connections opened before it, must not be used again.

    True if the server ends sessions, has become read-only (another server may be the primary now),
    or disagrees about the prepared statements.
    """
    if sqlstate(error) is None:
        return is_unavailable(error) and not isinstance(error, PoolBusy)
    state = sqlstate(error) or ""
    is_lost = state == _READ_ONLY or state.startswith("08")
    return is_lost or _is_fatal(error) or is_plan_outdated(error)


def is_plan_outdated(error: BaseException) -> bool:
    """Return whether a prepared statement is outdated or unknown to the server."""
    function = getattr(_diagnostics(error), "source_function", None)
    return sqlstate(error) in _STATEMENTS_LOST or (
        sqlstate(error) == "0A000" and function == "RevalidateCachedQuery"
    )


def _is_fatal(error: BaseException) -> bool:
    return getattr(_diagnostics(error), "severity_nonlocalized", None) in _FATAL


def _diagnostics(error: BaseException) -> Any:
    return getattr(error, "diag", None)
