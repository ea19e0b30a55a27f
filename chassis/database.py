"""PostgreSQL: the pool and `transaction()`. Decisions are made on the primary, READ COMMITTED.

Rows are locked in sorted order, updates are guarded, and constraints are the second defence; no
code relies on SERIALIZABLE. No network call may be awaited inside a transaction.
"""

import asyncio
import datetime as dt
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg.errors import InFailedSqlTransaction, LockNotAvailable
from psycopg.pq import TransactionStatus

from chassis import connections, outages
from chassis.connections import Connection
from chassis.outages import PoolBusy, constraint_name, sqlstate
from chassis.pool import Pool
from chassis.statements import Answer, Together
from kernel.errors import Unavailable

__all__ = [
    "Answer",
    "Connection",
    "Cursor",
    "Database",
    "Health",
    "LockNotAvailable",
    "Together",
    "Transaction",
    "allow_seconds",
    "constraint_name",
    "expect_one",
    "sqlstate",
]

# A connection inside a transaction.
Transaction = Connection
Cursor = psycopg.AsyncCursor[Any]
ResultT = TypeVar("ResultT")

ATTEMPTS = 5
SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
# Services look rows up by key. PostgreSQL may plan a sequential scan while a table is small, and
# keep that plan after the table has grown. With these settings it scans sequentially only where no
# index fits. Parallel workers are off: they cost more than they save in a lookup.
BY_INDEX = (
    "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
    " -c max_parallel_workers_per_gather=0"
)
# One generic plan per statement, whatever its values: for services whose statements all read by
# index. Other services have lists whose best plan depends on the filter.
PLANNED_ONCE = "-c plan_cache_mode=force_generic_plan"
# The client waits this much longer than the server's statement_timeout.
ANSWER_SECONDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether the database accepts writes. now: the time of its clock."""

    is_writable: bool
    now: dt.datetime


class Database:
    """A pool of connections whose search path is one schema."""

    def __init__(
        self, pool: Pool, *, schema: str, how: dict[str, Any], begin: str = "BEGIN"
    ) -> None:
        """Take an existing pool. begin: the statement that begins a transaction."""
        self._pool = pool
        self._how = how
        self._begin = begin
        self.schema = schema
        self.silence_seconds: int = how["silence_seconds"]
        # Set when there may be new events: the relay (relay.py) then reads the outbox.
        self.told = asyncio.Event()
        # From then on events are written in short (outbox.py). None: not read yet.
        self.short_from: dt.datetime | None = None
        # Set when a connection was lost or refused: the watch (watch.py) then checks at once.
        self.troubled = asyncio.Event()

    @classmethod
    def open(
        cls,
        *,
        url: str,
        schema: str,
        pool_size: int = 10,
        beside: int = 0,
        statement_timeout_seconds: int = 5,
        silence_seconds: int = connections.SILENCE_SECONDS,
        is_planned_once: bool = False,
    ) -> "Database":
        """Create the pool; it connects at the first use.

        url: postgresql://role@host:port/database, with the service's own role. pool_size: all
        connections. beside: how many of them are kept outside the pool (see `dedicated`).
        silence_seconds: after this time without a sign of life the other side counts as gone.
        is_planned_once: each statement has one plan, see PLANNED_ONCE.
        """
        planned = PLANNED_ONCE if is_planned_once else ""
        how = {
            "url": url,
            "silence_seconds": silence_seconds,
            "patience_seconds": float(statement_timeout_seconds + ANSWER_SECONDS),
        }
        pool = Pool(
            size=pool_size - beside,
            options=(
                f"-c search_path={schema}"
                f" -c statement_timeout={statement_timeout_seconds}s -c lock_timeout=3s"
                f" -c idle_in_transaction_session_timeout=10s {BY_INDEX} {planned}"
            ),
            application_name=schema,
            # Statements that have one plan are planned once in each session.
            prepare_threshold=0 if is_planned_once else 2,
            **how,
        )
        return cls(pool, schema=schema, how=how)

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction: commits at the end of the block, rolls back on any exception.

        Raises: Unavailable: PostgreSQL is unavailable or busy. If the connection was lost at the
            commit, the outcome is unknown; retry with the same request id.
        """
        return _Lent(self, self._pool, self._begin)

    def snapshot(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a read-only transaction: each statement sees what the first statement saw.

        For answers that combine several reads of one moment. Raises: as `transaction`.
        """
        return _Lent(self, self._pool, SNAPSHOT)

    def read_only(self) -> "Database":
        """Return the same database, where PostgreSQL refuses every write and lock of a transaction.

        For use cases that are rehearsed, not carried out. Each transaction is a snapshot.
        """
        return Database(self._pool, schema=self.schema, how=self._how, begin=SNAPSHOT)

    def statement(self) -> AbstractAsyncContextManager[Connection]:
        """Lend a connection on which each statement is a transaction of its own.

        For requests of one statement: one round trip instead of three or more.
        Raises: as `transaction`.
        """
        return _Lent(self, self._pool, "" if self._begin == "BEGIN" else self._begin)

    def explain(self, error: BaseException | None, *, is_closed: bool = False) -> None:
        """Raise Unavailable if an error means that the database is unavailable.

        is_closed: whether the connection is closed. Any other error is left to the caller.
        """
        if not isinstance(error, (psycopg.Error, PoolBusy)):
            return
        if is_closed or outages.spoils_connections(error):
            self._pool.spoil()
        if is_closed or outages.is_unavailable(error):
            self.troubled.set()
            raise Unavailable("The database is unavailable") from error

    async def retrying(self, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Retry whole transactions that PostgreSQL rolled back: SQLSTATE 40001 or 40P01."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await work()
            except (psycopg.Error, Unavailable) as error:
                cause = error.__cause__ if isinstance(error, Unavailable) else error
                if attempt == ATTEMPTS or cause is None or not outages.is_repeatable(cause):
                    raise
                await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - jitter
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def health(self) -> Health | None:
        """Return the state of the database and its clock; None: it did not answer.

        Raises: TimeoutError: every connection is in use.
        """
        try:
            async with self.statement() as connection:
                row = await connection.fetchrow(_HEALTH)
        except Unavailable as error:
            if isinstance(error.__cause__, PoolBusy):
                raise TimeoutError("every connection is in use") from error
            return None
        return None if row is None else Health(is_writable=row[0], now=row[1])

    async def is_ready(self) -> bool:
        """Return whether the database answers and accepts writes."""
        try:
            health = await self.health()
        except TimeoutError:
            return True
        return health is not None and health.is_writable

    @asynccontextmanager
    async def dedicated(self, *, idle_seconds: float) -> AsyncIterator[Connection]:
        """Open a connection outside the pool, in autocommit, for a session lock.

        idle_seconds: the server ends the session after this time without a statement.
        Raises: Unavailable: also from within the block.
        """
        try:
            connection = await connections.connect(
                **self._how,
                options=(
                    f"-c search_path={self.schema} {BY_INDEX}"
                    f" -c idle_session_timeout={round(idle_seconds * 1000)}ms"
                ),
                application_name=f"{self.schema}-listener",
                autocommit=True,
            )
            try:
                yield connection
            finally:
                await connection.close()
        except psycopg.Error as error:
            self.explain(error)
            raise

    @property
    def writes_short(self) -> bool:
        """Return whether events are written in short (outbox.py)."""
        return self.short_from is not None and dt.datetime.now(dt.UTC) >= self.short_from

    @property
    def connections_lent(self) -> int:
        """Return how many connections of the pool are lent."""
        return self._pool.lent

    @property
    def connections_most(self) -> int:
        """Return how many connections the pool may have."""
        return self._pool.size

    async def close(self) -> None:
        """Close the pool."""
        await self._pool.close()


class _Lent:
    """A connection of the pool for one block.

    begin: the statement that begins its transaction; empty: each statement is its own transaction.
    """

    __slots__ = ("_begin", "_connection", "_database", "_pool")

    def __init__(self, database: Database, pool: Pool, begin: str) -> None:
        self._database = database
        self._pool = pool
        self._begin = begin
        self._connection: Connection | None = None

    async def __aenter__(self) -> Connection:
        """Take the connection. Raises: Unavailable."""
        connection = None
        try:
            connection = await self._pool.take()
            connection.has_told = False
            connection.writes_short = self._database.writes_short
            if self._begin:
                await connection.order(self._begin)
        except BaseException as error:
            if connection is not None:
                await self._pool.give_back(connection)
            self._database.explain(error, is_closed=connection is not None and connection.closed)
            raise
        self._connection = connection
        return connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        """Commit or roll back, and give the connection back.

        Raises: Unavailable; InFailedSqlTransaction: the block continued after a failed statement.
        """
        connection = self._connection
        assert connection is not None  # noqa: S101 - it was entered
        failed = error
        try:
            if self._begin and error is None:
                await _check_intact(connection)
                await connection.order("COMMIT")
            elif self._begin:
                await connection.roll_back()
            if connection.has_told and not (self._begin and error):
                # Before the connection is given back, because its next user resets `has_told`.
                self._database.told.set()
        except BaseException as lost:
            failed = lost
            raise
        finally:
            await self._pool.give_back(connection)
            self._database.explain(failed, is_closed=connection.closed)


async def _check_intact(connection: Connection) -> None:
    """Refuse to commit after a failed statement: PostgreSQL would roll back and report no error."""
    if connection.pgconn.transaction_status == TransactionStatus.INERROR:
        await connection.roll_back()
        raise InFailedSqlTransaction("a statement failed, so nothing was committed")


async def allow_seconds(tx: Transaction, seconds: int) -> None:
    """Set the time limit of each statement of a transaction, on the server and in the client."""
    await tx.run("select set_config('statement_timeout', %s, true)", (f"{seconds}s",))
    tx.patience_seconds = seconds + ANSWER_SECONDS


def expect_one(cursor: Cursor, refusal: Exception) -> None:
    """Raise `refusal` unless the statement affected exactly one row."""
    if cursor.rowcount != 1:
        raise refusal


_HEALTH = """
select not pg_is_in_recovery() and not current_setting('transaction_read_only')::boolean,
    clock_timestamp()
"""
