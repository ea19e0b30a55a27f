"""A pool of connections to PostgreSQL that lends only connections that answer.

A connection that has been idle for a while is checked before it is lent.
"""

import asyncio
import time
from typing import Any

from psycopg.pq import TransactionStatus

from chassis import connections
from chassis.connections import Connection
from chassis.outages import PoolBusy

# A connection used this recently counts as alive, unless the server has sent data since.
FRESH_SECONDS = 6.0
# A connection that was not needed for this time is closed.
UNUSED_SECONDS = 30.0
POOL_WAIT_SECONDS = 5


class Pool:
    """A pool of connections in autocommit. It lends only connections that answer."""

    def __init__(self, *, size: int, **how: Any) -> None:
        """Create the pool; it connects at the first use. how: the arguments of `connect`."""
        self.size = size
        self.lent = 0
        self._how = how
        self._free = asyncio.Semaphore(size)
        # A stack: the most recently used connection is lent first, so few stay in use and they stay
        # fresh. The first of the list has been idle the longest.
        self._idle: list[Connection] = []
        self._spoiled_at = 0.0
        self._is_closed = False

    async def take(self) -> Connection:
        """Lend a connection that answers. Raises: PoolBusy; psycopg.OperationalError."""
        if self._free.locked():
            try:
                async with asyncio.timeout(POOL_WAIT_SECONDS):
                    await self._free.acquire()
            except TimeoutError:
                raise PoolBusy("every connection is in use") from None
        else:
            await self._free.acquire()
        try:
            connection = await self._living()
            connection = connection or await connections.connect(**self._how, autocommit=True)
        except BaseException:
            self._free.release()
            raise
        self.lent += 1
        return connection

    async def give_back(self, connection: Connection) -> None:
        """Take a connection back. It is closed if it has an open transaction or a running query.

        Also closes the connection that has been idle the longest, if it was not used for
        UNUSED_SECONDS: each connection occupies a process of the server.
        """
        self.lent -= 1
        self._free.release()
        is_idle = connection.pgconn.transaction_status == TransactionStatus.IDLE
        if self._is_closed or not is_idle or connection.born <= self._spoiled_at:
            await connection.close()
            return
        connection.patience_seconds = connection.usual_patience_seconds
        self._idle.append(connection)
        if time.monotonic() - self._idle[0].used > UNUSED_SECONDS:
            await self._idle.pop(0).close()

    def spoil(self) -> None:
        """Never again lend the connections that were opened before now."""
        self._spoiled_at = time.monotonic()

    async def close(self) -> None:
        """Close the idle connections now, and the lent ones when they are given back."""
        self._is_closed = True
        while self._idle:
            await self._idle.pop().close()

    async def _living(self) -> Connection | None:
        """Return an idle connection that answers; None: there is none."""
        while self._idle:
            connection = self._idle.pop()
            if connection.born > self._spoiled_at and not connection.closed:
                is_fresh = time.monotonic() - connection.used < FRESH_SECONDS
                try:
                    if (is_fresh and not connection.has_news()) or await connection.answers():
                        return connection
                except asyncio.CancelledError:
                    await connection.close()
                    raise
                self.spoil()
            await connection.close()
        return None
