"""Connections to PostgreSQL that notice silence, and a pool that lends none that is dead.

Nothing tells a client that the other side has vanished. So the kernel is told to look (both ways),
every wait has a deadline of its own (a proxy may acknowledge for ever and pass nothing), and a
connection that waited for its next use is looked at before it is lent.
"""

import asyncio
import contextlib
import os
import select
import socket
import time
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import await_only

from chassis import outages, postgres_settings

SILENCE_SECONDS = 10
CONNECT_SECONDS = 3
# A connection that was used a moment ago is taken for alive unless something came in since.
FRESH_SECONDS = 1.0
PING_SECONDS = 2.0
POOL_WAIT_SECONDS = 5
# What a server, a database or a role may set otherwise, and what statements here take for granted.
MEANING = (
    "-c default_transaction_isolation=read\\ committed"
    " -c array_nulls=on -c transform_null_equals=off"
)


class Cursor(psycopg.AsyncCursor[Any]):
    """A cursor whose prepared statement may meet a table that has changed since.

    What is a transaction of its own has done nothing then, and is done again, prepared anew. Within
    a transaction it is refused, and `Database.retrying` does the whole again.
    """

    async def execute(self, query: Any, params: Any = None, **how: Any) -> "Cursor":
        """Execute a statement, as psycopg does."""
        try:
            return await super().execute(query, params, **how)
        except psycopg.Error as error:
            if not (self.connection.autocommit and outages.is_plan_outdated(error)):
                raise
            # The driver forgets what it has prepared when it sees this.
            await super().execute("deallocate all", prepare=False)
            return await super().execute(query, params, **how)


class Connection(psycopg.AsyncConnection[tuple[Any, ...]]):
    """A connection that is cut when the server lets it wait too long.

    patience_seconds: how long one turn may take; longer than what the server allows a statement.
    usual_patience_seconds: what that is again when the connection is given back to its pool.
    has_told: events were written to the outbox since the connection was lent (outbox.py).
    """

    patience_seconds = usual_patience_seconds = 8.0
    has_told = False

    async def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        """Wait for the server, as psycopg does in every turn, but not longer than the patience."""
        cut = asyncio.get_running_loop().call_later(self.patience_seconds, self._cut)
        try:
            return await super().wait(gen, *args, **kwargs)
        finally:
            cut.cancel()

    def _cut(self) -> None:
        """End the connection below the driver, which then meets what it knows: a closed socket."""
        with contextlib.suppress(OSError, psycopg.Error):
            end = socket.socket(fileno=os.dup(self.pgconn.socket))
            try:
                end.shutdown(socket.SHUT_RDWR)
            finally:
                end.close()

    async def answers(self) -> bool:
        """Ask the server for a sign of life, outside of any transaction."""
        try:
            self.patience_seconds = PING_SECONDS
            await self.set_autocommit(True)
            await self.execute("select 1")
            await self.set_autocommit(False)
        except (psycopg.Error, OSError):
            return False
        self.patience_seconds = self.usual_patience_seconds
        return True

    def has_news(self) -> bool:
        """Tell whether something came in unasked: mostly the server's last word, or the end."""
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        return bool(poll.poll(0))


async def connect(
    url: str, *, options: str, silence_seconds: int, patience_seconds: float, **more: Any
) -> Connection:
    """Connect, with the kernel told on both sides to look for the other.

    options: settings of the session, as `-c name=value`. Raises: psycopg.OperationalError.
    """
    look = max(silence_seconds // 5, 1)
    try:
        async with asyncio.timeout((1 + postgres_settings.count_hosts(url)) * CONNECT_SECONDS):
            connection = await Connection.connect(
                postgres_settings.conninfo(url),
                client_encoding="UTF8",
                options=f"{options} {MEANING} {_looking(silence_seconds)}",
                connect_timeout=CONNECT_SECONDS,
                keepalives=1,
                keepalives_idle=max(silence_seconds // 2, 1),
                keepalives_interval=look,
                keepalives_count=3,
                tcp_user_timeout=silence_seconds * 1000,
                cursor_factory=Cursor,
                **more,
            )
    except TimeoutError:
        raise psycopg.OperationalError("no connection in time") from None
    connection.patience_seconds = connection.usual_patience_seconds = patience_seconds
    return connection


def _looking(silence_seconds: int) -> str:
    """Return the server's settings that let it notice that we are gone."""
    idle, interval = max(silence_seconds // 2, 1), max(silence_seconds // 5, 1)
    return (
        f"-c tcp_keepalives_idle={idle} -c tcp_keepalives_interval={interval}"
        f" -c tcp_keepalives_count=3 -c tcp_user_timeout={silence_seconds}s"
    )


class Pool:
    """SQLAlchemy's pool, which lends only connections that are alive."""

    def __init__(self, *, size: int, **how: Any) -> None:
        """Make the pool; it connects at the first use. how: of `connect`, with its url."""
        self._spoiled_at = 0.0
        self.size = size

        async def make() -> Connection:
            return await connect(**how)

        self.engine: AsyncEngine = create_async_engine(
            "postgresql+psycopg://",
            async_creator=make,
            pool_size=size,
            max_overflow=0,
            pool_timeout=POOL_WAIT_SECONDS,
            # The one used last: the fewer are in use, the more of those are fresh.
            pool_use_lifo=True,
        )
        pool = self.engine.sync_engine.pool
        sa.event.listen(pool, "connect", _note_birth)
        sa.event.listen(pool, "checkin", _note_use)
        sa.event.listen(pool, "checkout", self._look_at)

    @property
    def lent(self) -> int:
        """Return how many connections are in use."""
        pool = self.engine.sync_engine.pool
        return pool.checkedout() if isinstance(pool, sa.QueuePool) else 0

    def spoil(self) -> None:
        """Lend none of the connections any more that were made before now."""
        self._spoiled_at = time.monotonic()

    def _look_at(self, adapted: Any, record: Any, _lent: Any) -> None:
        """Refuse to lend a connection that is of no use: the pool then makes a new one."""
        connection: Connection = adapted.driver_connection
        if record.info["born"] <= self._spoiled_at or connection.closed or connection.autocommit:
            raise sa.exc.DisconnectionError("spoiled")
        is_fresh = time.monotonic() - record.info["used"] < FRESH_SECONDS
        if is_fresh and not connection.has_news():
            return
        if not await_only(connection.answers()):
            self.spoil()
            raise sa.exc.DisconnectionError("dead")


def _note_birth(_adapted: Any, record: Any) -> None:
    record.info["born"] = record.info["used"] = time.monotonic()


def _note_use(adapted: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()
    if adapted is not None:  # None: it was found broken, and is thrown away
        connection: Connection = adapted.driver_connection
        connection.patience_seconds = connection.usual_patience_seconds
