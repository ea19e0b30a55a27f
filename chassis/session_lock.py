"""A lock of one process among all, held by a session of PostgreSQL that keeps proving its life.

A holder that vanishes, is paused, or is cut off in silence says nothing: the server then ends its
session, and the lock with it. A holder that cannot reach its session stops what it does under the
lock, and does so before the server lets another begin.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis.database import Connection, Database
from kernel.errors import Unavailable

ASK_SECONDS = 0.5


@asynccontextmanager
async def only_one(database: Database, *, kind: str, name: str) -> AsyncIterator[Connection]:
    """Let one process at a time do what is inside; the others wait. Yields the lock's connection.

    The block is cancelled when the session is lost. Raises: Unavailable: it was, or none was to be
    had.
    """
    silence = database.silence_seconds
    async with database.dedicated(idle_seconds=1.5 * silence) as connection:
        connection.patience_seconds = silence / 2
        while not await _is_taken(connection, kind, name):  # noqa: ASYNC110 - asks Postgres
            await asyncio.sleep(ASK_SECONDS)
        try:
            async with asyncio.timeout(None) as held:
                beat = asyncio.create_task(_beat(connection, silence / 5, held))
                try:
                    yield connection
                finally:
                    beat.cancel()
                    await asyncio.gather(beat, return_exceptions=True)
        except TimeoutError as error:
            if not held.expired():
                raise
            raise Unavailable("The lock's session is lost") from error


async def _is_taken(connection: Connection, kind: str, name: str) -> bool:
    statement = "select pg_try_advisory_lock(hashtext(%s), hashtext(%s))"
    return await connection.fetchval(statement, (kind, name)) is True


async def _beat(connection: Connection, seconds: float, held: asyncio.Timeout) -> None:
    """Prove the session's life until it fails; then end the block."""
    try:
        while True:
            await asyncio.sleep(seconds)
            await connection.execute("select 1")
    except Exception:  # noqa: BLE001 - whatever it was, the lock is no longer proven
        held.reschedule(asyncio.get_running_loop().time())
