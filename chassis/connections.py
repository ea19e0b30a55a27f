"""Connections to PostgreSQL that notice a silent peer.

A client is not told when the other side vanishes. So TCP keepalives run in both directions, and
every wait has its own deadline, because a proxy may acknowledge packets for ever without forwarding
them.
"""

import asyncio
import contextlib
import functools
import os
import select
import socket
import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import generators
from psycopg.abc import PQGen
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.rows import namedtuple_row
from psycopg.waiting import Ready, Wait

from chassis import outages, postgres_settings
from chassis.statements import Answer, Statements, Together, Values

SILENCE_SECONDS = 10
CONNECT_SECONDS = 3
PING_SECONDS = 2.0
# The time limit for a cancelled statement to end.
CANCEL_SECONDS = 5.0
# Session settings that our statements need. A server, database or role may have other defaults.
MEANING = (
    "-c default_transaction_isolation=read\\ committed"
    " -c array_nulls=on -c transform_null_equals=off"
)
_IN_TRANSACTION = frozenset({TransactionStatus.INTRANS, TransactionStatus.INERROR})


class Cursor(psycopg.AsyncCursor[Any]):
    """A cursor that survives a schema change of the tables that its prepared statements read.

    A statement outside a transaction had no effect, so it is prepared anew and executed again.
    Inside a transaction the error is raised, and `Database.retrying` repeats the whole transaction.
    """

    async def execute(self, query: Any, params: Any = None, **how: Any) -> "Cursor":
        """Execute a statement, as psycopg does."""
        try:
            return await super().execute(query, params, **how)
        except psycopg.Error as error:
            status = self.connection.pgconn.transaction_status
            if status != TransactionStatus.IDLE or not outages.is_plan_outdated(error):
                raise
            # When psycopg executes this statement, it forgets its own prepared statements too.
            await super().execute("DEALLOCATE ALL", prepare=False)
            return await super().execute(query, params, **how)


class Connection(psycopg.AsyncConnection[Any]):
    """A connection that closes its socket when the server does not answer in time.

    patience_seconds: the time limit of one round trip, above the server's statement_timeout.
    usual_patience_seconds: patience_seconds is reset to it when the pool takes the connection back.
    has_told: events were written to the outbox since the connection was lent (outbox.py).
    writes_short: events are written in short (outbox.py).
    on_news: called when the server sends a message that is not an answer, such as a notification.
    """

    patience_seconds = usual_patience_seconds = 8.0
    has_told = writes_short = False
    # When the connection was opened, and when the last wait for the server ended (monotonic clock).
    born = used = 0.0
    on_news: Callable[[], object] | None = None
    _ends_at: float | None = None
    _alarm: asyncio.TimerHandle | None = None
    _alarm_at = 0.0
    # The socket that the loop watches for incoming data, and the future that waits for the data.
    _watched = -1
    _reply: asyncio.Future[None] | None = None

    @functools.cached_property
    def _statements(self) -> Statements:
        return Statements(self)

    async def fetch(self, statement: str, values: Values = None) -> list[Any]:
        """Execute a statement; returns its rows, with the columns as attributes."""
        return (await self._answer(statement, values)).rows()

    async def fetchrow(self, statement: str, values: Values = None) -> Any:
        """Execute a statement; returns its first row, or None if there is no row."""
        rows = (await self._answer(statement, values)).rows(1)
        return rows[0] if rows else None

    async def fetchval(self, statement: str, values: Values = None) -> Any:
        """Execute a statement; returns the first column of the first row, or None if no row."""
        row = await self.fetchrow(statement, values)
        return None if row is None else row[0]

    async def run(self, statement: str, values: Values = None) -> int:
        """Execute a statement; returns the number of rows that it affected."""
        return (await self._answer(statement, values)).count

    def together(self) -> Together:
        """Open a block whose statements share one round trip. `Together.add` sends a statement.

        The server executes the statements in order, and none after the first that fails. An answer
        can be read after the block, until the same statement is executed again.
        """
        return Together(self, self._statements)

    async def order(self, text: str) -> None:
        """Execute a statement without parameters and rows, such as BEGIN. It is never prepared."""
        async with self.lock:
            self.pgconn.send_query(text.encode())
            results = await self.wait(generators.execute(self.pgconn))
        for result in results:
            if result.status == ExecStatus.FATAL_ERROR:
                raise psycopg.errors.error_from_result(result, encoding="utf-8")

    async def roll_back(self) -> None:
        """Roll back a failed transaction. If that fails, the pool closes the connection later."""
        if self.pgconn.transaction_status in _IN_TRANSACTION:
            with contextlib.suppress(psycopg.Error):
                await self.order("ROLLBACK")

    async def _answer(self, statement: str, values: Values) -> Answer:
        """Execute a statement; once more if its prepared form was outdated, as Cursor does."""
        try:
            async with self.lock:
                answer: Answer = await self.wait(self._statements.executing(statement, values))
        except psycopg.Error as error:
            is_alone = self.pgconn.transaction_status == TransactionStatus.IDLE
            if not is_alone or not outages.is_plan_outdated(error):
                raise
            await self.execute("DEALLOCATE ALL", prepare=False)
            self.forget_prepared()
            async with self.lock:
                answer = await self.wait(self._statements.executing(statement, values))
        return answer

    def forget_prepared(self) -> None:
        """Forget the prepared statements: the server has dropped them."""
        self._statements.forget()

    def _deallocate(self, name: bytes | None) -> Any:
        """Deallocate a statement that psycopg prepared; without a name, all statements."""
        if name is None:
            self.forget_prepared()
        return super()._deallocate(name)

    async def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        """Wait for the server as psycopg does, for at most patience_seconds.

        psycopg registers and unregisters the socket with the loop, and starts a timer, for each
        answer. Here the socket stays registered, and one timer serves many answers.
        """
        loop = asyncio.get_running_loop()
        self._limit(loop)
        try:
            if args or kwargs:
                self._unwatch()
                return await super().wait(gen, *args, **kwargs)
            state = next(gen)
            while state == Wait.R:
                if self._watched < 0:
                    self._watched = self.pgconn.socket
                    loop.add_reader(self._watched, self._readable)
                self._reply = loop.create_future()
                await self._reply
                state = gen.send(Ready.R)
                if state == Wait.R:
                    # uvloop no longer watches a socket that has had an error.
                    self._unwatch()
            # There is more to send than the socket accepts, or the connection is in pipeline mode.
            self._unwatch()
            return await super().wait(_going_on(gen, state))
        except StopIteration as end:
            return end.value
        except asyncio.CancelledError:
            self._unwatch()
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                await self._end_statement(gen)
            raise
        except BaseException:
            # libpq may have closed the socket.
            self._unwatch()
            raise
        finally:
            self._ends_at = self._reply = None
            self.used = time.monotonic()

    async def _end_statement(self, gen: Any) -> None:
        """Cancel a statement on the server; close the connection if that takes too long."""
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                await self.cancel_safe(timeout=CANCEL_SECONDS)
                await super().wait(gen)
        except psycopg.errors.QueryCanceled:
            pass
        except BaseException:  # noqa: BLE001 - whatever it was, its state is unknown
            self.pgconn.finish()

    def _readable(self) -> None:
        """Wake the waiter. Without a waiter, stop watching; `has_news` then finds the data."""
        if self._reply is None:
            # The loop may call once more for an answer that has been read already.
            if self.has_news():
                self._unwatch()
                if self.on_news is not None:
                    self.on_news()
        elif not self._reply.done():
            self._reply.set_result(None)

    def tell_news(self, _notification: psycopg.Notify) -> None:
        """Call on_news for a notification that arrived with the answer to a statement."""
        if self.on_news is not None:
            self.on_news()

    def _unwatch(self) -> None:
        if self._watched >= 0:
            asyncio.get_running_loop().remove_reader(self._watched)
            self._watched = -1

    def _limit(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the time limit of patience_seconds."""
        self._ends_at = loop.time() + self.patience_seconds
        if self._alarm is None or self._alarm_at > self._ends_at:
            self._set_alarm(loop, self._ends_at)

    def _set_alarm(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = at
        self._alarm = loop.call_at(at, self._ring)

    def _ring(self) -> None:
        """Cut the connection if the current wait has reached its limit, or set the timer again."""
        self._alarm, loop = None, asyncio.get_running_loop()
        if self._ends_at is not None and self._ends_at > loop.time():
            self._set_alarm(loop, self._ends_at)
        elif self._ends_at is not None:
            self._cut()
            if self._reply is not None and not self._reply.done():
                self._reply.set_result(None)

    async def close(self) -> None:
        """Close the connection."""
        self._unwatch()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        await super().close()

    def _cut(self) -> None:
        """Shut down the socket under psycopg, which then reports a closed connection."""
        with (
            contextlib.suppress(OSError, psycopg.Error),
            socket.socket(fileno=os.dup(self.pgconn.socket)) as end,
        ):
            end.shutdown(socket.SHUT_RDWR)

    async def answers(self) -> bool:
        """Ask the server to answer. Returns False if it does not in time."""
        try:
            self.patience_seconds = PING_SECONDS
            await self.execute("select 1")
        except (psycopg.Error, OSError):
            return False
        self.patience_seconds = self.usual_patience_seconds
        return True

    def has_news(self) -> bool:
        """Return whether the server sent data unasked; mostly it announces the session's end."""
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        return bool(poll.poll(0))


def _going_on(gen: PQGen[Any], state: Wait) -> PQGen[Any]:
    """Continue a generator that has already yielded `state`; yields that state first."""
    while True:
        ready = yield state
        try:
            state = gen.send(ready)
        except StopIteration as end:
            return end.value


async def connect(
    url: str, *, options: str, silence_seconds: int, patience_seconds: float, **more: Any
) -> Connection:
    """Connect, with TCP keepalives on both sides.

    options: settings of the session, as `-c name=value`.
    Raises: psycopg.OperationalError: also after the time limit (CONNECT_SECONDS per host, and one
        more).
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
                row_factory=namedtuple_row,
                **more,
            )
    except TimeoutError:
        raise psycopg.OperationalError("no connection in time") from None
    connection.patience_seconds = connection.usual_patience_seconds = patience_seconds
    connection.born = connection.used = time.monotonic()
    connection.add_notify_handler(connection.tell_news)
    return connection


def _looking(silence_seconds: int) -> str:
    """Return the server settings that let the server notice a dead client."""
    idle, interval = max(silence_seconds // 2, 1), max(silence_seconds // 5, 1)
    return (
        f"-c tcp_keepalives_idle={idle} -c tcp_keepalives_interval={interval}"
        f" -c tcp_keepalives_count=3 -c tcp_user_timeout={silence_seconds}s"
    )
