"""Connections to PostgreSQL that notice a silent peer.

Nothing tells a client that the other side has vanished. So the kernel is told to look (both ways),
and every wait has a deadline of its own (a proxy may acknowledge for ever and pass nothing).
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
# How long a statement may take to end after it was cancelled.
CANCEL_SECONDS = 5.0
# Settings that our statements rely on, and that a server, a database or a role may change.
MEANING = (
    "-c default_transaction_isolation=read\\ committed"
    " -c array_nulls=on -c transform_null_equals=off"
)
_IN_TRANSACTION = frozenset({TransactionStatus.INTRANS, TransactionStatus.INERROR})


class Cursor(psycopg.AsyncCursor[Any]):
    """A cursor that survives a change of the tables that its prepared statements read.

    What is a transaction of its own has done nothing then, and is done again, prepared anew. Within
    a transaction it is refused, and `Database.retrying` does the whole again.
    """

    async def execute(self, query: Any, params: Any = None, **how: Any) -> "Cursor":
        """Execute a statement, as psycopg does."""
        try:
            return await super().execute(query, params, **how)
        except psycopg.Error as error:
            status = self.connection.pgconn.transaction_status
            if status != TransactionStatus.IDLE or not outages.is_plan_outdated(error):
                raise
            # psycopg forgets its prepared statements when it executes this.
            await super().execute("DEALLOCATE ALL", prepare=False)
            return await super().execute(query, params, **how)


class Connection(psycopg.AsyncConnection[Any]):
    """A connection that closes its socket when the server does not answer in time.

    patience_seconds: the limit of one round trip, above the server's statement_timeout.
    usual_patience_seconds: the value it gets back when the pool takes the connection back.
    has_told: events were written to the outbox since the connection was lent (outbox.py).
    on_news: is called when the server sends something unasked, such as a notification.
    """

    patience_seconds = usual_patience_seconds = 8.0
    has_told = False
    # When it was opened, and when it last ended to wait for the server, by the monotonic clock.
    born = used = 0.0
    on_news: Callable[[], object] | None = None
    _ends_at: float | None = None
    _alarm: asyncio.TimerHandle | None = None
    _alarm_at = 0.0
    # The socket whose incoming data the loop looks for, and what waits for it.
    _watched = -1
    _reply: asyncio.Future[None] | None = None

    @functools.cached_property
    def _statements(self) -> Statements:
        return Statements(self)

    async def fetch(self, statement: str, values: Values = None) -> list[Any]:
        """Execute a statement; returns its rows, whose columns are attributes by name."""
        return (await self._answer(statement, values)).rows()

    async def fetchrow(self, statement: str, values: Values = None) -> Any:
        """Execute a statement; returns its first row, None where it has none."""
        rows = (await self._answer(statement, values)).rows(1)
        return rows[0] if rows else None

    async def fetchval(self, statement: str, values: Values = None) -> Any:
        """Execute a statement; returns the first column of its first row, None without a row."""
        row = await self.fetchrow(statement, values)
        return None if row is None else row[0]

    async def run(self, statement: str, values: Values = None) -> int:
        """Execute a statement; returns how many rows it touched."""
        return (await self._answer(statement, values)).count

    def together(self) -> Together:
        """Open a block whose statements share one round trip: `add` sends each.

        The server executes them in their order, and none after one that fails. An answer can be
        read after the block, and before the statement is executed again.
        """
        return Together(self, self._statements)

    async def order(self, text: str) -> None:
        """Execute a statement without parameters or rows, such as BEGIN; it is never prepared."""
        async with self.lock:
            self.pgconn.send_query(text.encode())
            results = await self.wait(generators.execute(self.pgconn))
        for result in results:
            if result.status == ExecStatus.FATAL_ERROR:
                raise psycopg.errors.error_from_result(result, encoding="utf-8")

    async def roll_back(self) -> None:
        """Roll back a transaction that has failed; one that cannot be is closed by the pool."""
        if self.pgconn.transaction_status in _IN_TRANSACTION:
            with contextlib.suppress(psycopg.Error):
                await self.order("ROLLBACK")

    async def _answer(self, statement: str, values: Values) -> Answer:
        """Execute a statement; again where its preparation was outdated, as Cursor does."""
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
        """Prepare statements anew: the server has forgotten them."""
        self._statements.forget()

    def _deallocate(self, name: bytes | None) -> Any:
        """Deallocate what psycopg has prepared; without a name, all that anybody has."""
        if name is None:
            self.forget_prepared()
        return super()._deallocate(name)

    async def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        """Wait for the server as psycopg does, for at most patience_seconds.

        psycopg starts and stops to look at the socket for each answer, and takes a timer for it.
        Here the loop looks all the time, and one timer serves many answers.
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
                    # uvloop no longer looks at a socket that has had an error.
                    self._unwatch()
            # It has more to send than the socket takes, or is in pipeline mode.
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
        """Cancel a statement on the server, or close the connection where that takes too long."""
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                await self.cancel_safe(timeout=CANCEL_SECONDS)
                await super().wait(gen)
        except psycopg.errors.QueryCanceled:
            pass
        except BaseException:  # noqa: BLE001 - whatever it was, its state is unknown
            self.pgconn.finish()

    def _readable(self) -> None:
        """Go on with what waits; where nothing does, look no longer (`has_news` finds it)."""
        if self._reply is None:
            # The loop may call once more for an answer that was read meanwhile.
            if self.has_news():
                self._unwatch()
                if self.on_news is not None:
                    self.on_news()
        elif not self._reply.done():
            self._reply.set_result(None)

    def tell_news(self, _notification: psycopg.Notify) -> None:
        """Tell of a notification that came with the answer to a statement."""
        if self.on_news is not None:
            self.on_news()

    def _unwatch(self) -> None:
        if self._watched >= 0:
            asyncio.get_running_loop().remove_reader(self._watched)
            self._watched = -1

    def _limit(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to count patience_seconds."""
        self._ends_at = loop.time() + self.patience_seconds
        if self._alarm is None or self._alarm_at > self._ends_at:
            self._set_alarm(loop, self._ends_at)

    def _set_alarm(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = at
        self._alarm = loop.call_at(at, self._ring)

    def _ring(self) -> None:
        """Cut what has taken too long; what has begun since then has longer."""
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
        """Shut the socket down below psycopg, which then reports a closed connection."""
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
        """Return whether the server has sent something unasked: mostly that it ends the session."""
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
    """Return the server's settings by which it notices a dead client."""
    idle, interval = max(silence_seconds // 2, 1), max(silence_seconds // 5, 1)
    return (
        f"-c tcp_keepalives_idle={idle} -c tcp_keepalives_interval={interval}"
        f" -c tcp_keepalives_count=3 -c tcp_user_timeout={silence_seconds}s"
    )
