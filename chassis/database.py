"""Postgres: the engine and `transaction()`. Decisions are made on the primary, READ COMMITTED.

Rows are locked in sorted order, updates are guarded, constraints are the second wall; nothing
here relies on SERIALIZABLE. No network call may be awaited inside a transaction.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg.errors import LockNotAvailable
from psycopg_pool import AsyncConnectionPool
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from kernel.errors import Unavailable

__all__ = [
    "Connection",
    "Cursor",
    "Database",
    "LockNotAvailable",
    "Transaction",
    "constraint_name",
    "driver",
    "expect_one",
    "sqlstate",
]

Transaction = AsyncConnection
Cursor = psycopg.AsyncCursor[Any]
Connection = psycopg.AsyncConnection[tuple[Any, ...]]
ResultT = TypeVar("ResultT")

# Serialisation failure and deadlock: the transaction did nothing, and may be tried again whole.
RETRYABLE = frozenset({"40001", "40P01"})
ATTEMPTS = 5
# The server stops or is full, a lock was not free, a statement took too long: come back later.
BUSY = frozenset({"57P01", "57P02", "57P03", "53300", "55P03", "57014"})
CONNECTION_CLASS = "08"
# Services look rows up by key. A plan that reads a table whole is made while the table is small, or
# by statistics of that time, and is kept: so it is chosen only where no index serves.
BY_INDEX = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"


class Database:
    """A pool of connections whose search path is one schema."""

    def __init__(
        self,
        engine: AsyncEngine,
        statements: AsyncConnectionPool[Connection],
        *,
        url: str,
        schema: str,
    ) -> None:
        self._engine = engine
        # The same pool; psycopg says the level in the BEGIN, so it costs no turn of its own.
        self._snapshots = engine.execution_options(isolation_level="REPEATABLE READ")
        self._statements = statements
        self._url = url
        self.schema = schema

    @classmethod
    def open(
        cls, *, url: str, schema: str, pool_size: int = 10, statement_timeout_seconds: int = 5
    ) -> "Database":
        """Make the pool; connects at the first use.

        url: postgresql://role@host:port/database, of the service's own role.
        """
        options = (
            f"-c search_path={schema}"
            f" -c statement_timeout={statement_timeout_seconds}s -c lock_timeout=3s"
            f" -c idle_in_transaction_session_timeout=10s {BY_INDEX}"
        )
        engine = create_async_engine(
            _sqlalchemy_url(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=5,
            pool_pre_ping=False,
            connect_args={
                "options": options,
                "application_name": schema,
                "connect_timeout": 5,
                "prepare_threshold": 2,
            },
        )
        statements = AsyncConnectionPool(
            url,
            min_size=0,
            max_size=pool_size,
            timeout=5,
            open=False,
            kwargs={
                "autocommit": True,
                "options": options,
                "application_name": schema,
                "connect_timeout": 5,
                "prepare_threshold": 2,
            },
        )
        return cls(engine, statements, url=url, schema=schema)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open a transaction: commits at the end of the block, rolls back on any exception.

        Raises: Unavailable: Postgres is away or busy. Where it went away at the commit the outcome
            is unknown, so that what is tried again must carry the same request id.
        """
        async with self._begun(self._engine) as connection:
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Transaction]:
        """Open a transaction that only reads: each statement sees what the first one saw.

        For answers that say several things about one moment. Raises: as `transaction`.
        """
        async with self._begun(self._snapshots) as connection:
            yield connection

    @asynccontextmanager
    async def _begun(self, engine: AsyncEngine) -> AsyncIterator[Transaction]:
        try:
            async with engine.begin() as connection:
                yield connection
        except (DBAPIError, psycopg.Error, PoolTimeoutError) as error:
            if _is_away(error):
                raise Unavailable("The database is away") from error
            raise

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[Connection]:
        """Lend a connection on which each statement is a transaction of its own.

        For hot paths that do all they must in one statement: one turn instead of three or more.
        Raises: as `transaction`.
        """
        try:
            if self._statements.closed:
                await self._statements.open()
            async with self._statements.connection() as connection:
                yield connection
        except psycopg.Error as error:
            if _is_away(error):
                raise Unavailable("The database is away") from error
            raise

    async def retrying(self, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Run whole transactions again where Postgres says that they did nothing (40001, 40P01)."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await work()
            except (DBAPIError, psycopg.Error) as error:
                if attempt == ATTEMPTS or sqlstate(error) not in RETRYABLE:
                    raise
                await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - jitter
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def is_ready(self) -> bool:
        """Tell whether a statement succeeds now."""
        try:
            async with self._engine.connect() as connection:
                await connection.execute(sa.text("select 1"))
        except (DBAPIError, PoolTimeoutError, OSError, TimeoutError):
            return False
        return True

    async def dedicated(self) -> psycopg.AsyncConnection[tuple[object, ...]]:
        """Open a connection of one's own, in autocommit, for LISTEN and session locks."""
        return await psycopg.AsyncConnection.connect(
            self._url,
            autocommit=True,
            application_name=f"{self.schema}-listener",
            options=f"-c search_path={self.schema} {BY_INDEX}",
            connect_timeout=5,
        )

    async def close(self) -> None:
        """Close the pools."""
        await self._engine.dispose()
        await self._statements.close()


async def driver(tx: Transaction) -> psycopg.AsyncConnection[tuple[object, ...]]:
    """Return the psycopg connection under a transaction, for hot paths.

    What it executes belongs to the same transaction.
    """
    raw = await tx.get_raw_connection()
    connection = raw.driver_connection
    if not isinstance(connection, psycopg.AsyncConnection):
        raise TypeError("the engine is not on psycopg's async driver")
    return connection


def expect_one(cursor: Cursor, refusal: Exception) -> None:
    """Raise `refusal` unless the statement hit exactly one row."""
    if cursor.rowcount != 1:
        raise refusal


def sqlstate(error: BaseException) -> str | None:
    """Return the five-character SQLSTATE behind an exception, or None."""
    original = getattr(error, "orig", error)
    state = getattr(original, "sqlstate", None)
    return state if isinstance(state, str) else None


def constraint_name(error: BaseException) -> str | None:
    """Return the name of the constraint that refused a row, or None."""
    diagnostics = getattr(getattr(error, "orig", error), "diag", None)
    name = getattr(diagnostics, "constraint_name", None)
    return name if isinstance(name, str) else None


def _is_away(error: BaseException) -> bool:
    state = sqlstate(error)
    if state is not None:
        return state in BUSY or state.startswith(CONNECTION_CLASS)
    # Without a SQLSTATE it was no answer of the server: the connection failed.
    original = getattr(error, "orig", error)
    lost = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeoutError)
    return isinstance(original, lost)


def _sqlalchemy_url(url: str) -> str:
    _, rest = url.split("://", 1)
    return f"postgresql+psycopg://{rest}"
