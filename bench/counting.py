"""PostgreSQL's counters: statements by the role that executed them, and transactions."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

# Servers report their counters to the shared statistics about once a second.
REPORTED_SECONDS = 1.2
_STATEMENTS = r"""
select pg_get_userbyid(userid), sum(calls)::bigint from public.pg_stat_statements
where query !~* '^\s*(begin|commit|rollback|start transaction|savepoint|release)' group by 1
"""
_TRANSACTIONS = """
select sum(xact_commit)::bigint, sum(xact_rollback)::bigint from pg_stat_database
where datname = current_database()
"""
_CONNECTIONS = """
select usename, count(*)::int from pg_stat_activity
where backend_type = 'client backend' and pid <> pg_backend_pid() group by 1 order by 1
"""
COMMITS = "commits"
ROLES = frozenset({"orders", "ledger", "escrow", "disputes", "webhooks", "gateway"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Counters at an instant. statements: by role."""

    at: float
    statements: Counter[str]
    commits: int
    rollbacks: int

    def since(self, before: "Counts", *, idle: Mapping[str, float] | None = None) -> "Counts":
        """Return the counts between two instants.

        idle: the counts of each second without any load, by role and for COMMITS; they are
        subtracted.
        """
        seconds = self.at - before.at
        rates = idle or {}
        statements = Counter(
            {
                role: round(
                    self.statements[role] - before.statements[role] - seconds * rates.get(role, 0)
                )
                for role in self.statements
            }
        )
        commits = self.commits - before.commits - seconds * rates.get(COMMITS, 0)
        return Counts(
            at=seconds,
            statements=statements,
            commits=round(commits),
            rollbacks=self.rollbacks - before.rollbacks,
        )

    def rates(self) -> dict[str, float]:
        """Return the counts of a span per second: by role, and COMMITS."""
        by_role = {role: count / self.at for role, count in self.statements.items()}
        return {**by_role, COMMITS: self.commits / self.at}


def counts(connection: psycopg.Connection[tuple[object, ...]]) -> Counts:
    """Read the counts, after the servers have reported them."""
    time.sleep(REPORTED_SECONDS)
    found = connection.execute(_STATEMENTS).fetchall()
    row = connection.execute(_TRANSACTIONS).fetchone()
    assert row is not None
    statements = Counter({str(role): _whole(calls) for role, calls in found if role in ROLES})
    return Counts(
        at=time.monotonic(), statements=statements, commits=_whole(row[0]), rollbacks=_whole(row[1])
    )


def connections(connection: psycopg.Connection[tuple[object, ...]]) -> dict[str, int]:
    """Return the number of client connections by role, without this one."""
    return {str(role): _whole(count) for role, count in connection.execute(_CONNECTIONS).fetchall()}


def _whole(value: object) -> int:
    return int(str(value))
