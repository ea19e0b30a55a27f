"""A lock that one process of all replicas holds: a PostgreSQL session lock with a heartbeat.

If the holder vanishes, is paused, or loses its network, the heartbeat stops; the server then ends
the session and releases the lock. A holder that cannot reach its session stops its work under the
lock before the server gives the lock to another process.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis.database import Connection, Database
from kernel.errors import Unavailable

ASK_SECONDS = 0.5
# The pause between heartbeats, as a share of silence_seconds. An answer may take 0.5 of
# silence_seconds, and the server waits for 1.5 of it. The holder therefore stops first.
BEAT_SHARE = 0.45


@asynccontextmanager
async def only_one(database: Database, *, kind: str, name: str) -> AsyncIterator[Connection]:
    """Run the block in one process at a time; the others wait. Yields the lock's connection.

    The block is cancelled when the session is lost. Raises: Unavailable: the session was lost, or
    could not be opened.
    """
    silence = database.silence_seconds
    async with database.dedicated(idle_seconds=1.5 * silence) as connection:
        connection.patience_seconds = silence / 2
        while not await _is_taken(connection, kind, name):  # noqa: ASYNC110 - asks Postgres
            await asyncio.sleep(ASK_SECONDS)
        try:
            async with asyncio.timeout(None) as held:
                beat = asyncio.create_task(_beat(connection, BEAT_SHARE * silence, held))
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
    """Send heartbeats until one fails; then cancel the block.

    Any statement counts as a heartbeat.
    """
    try:
        while True:
            silent = time.monotonic() - connection.used
            if silent < seconds:
                await asyncio.sleep(seconds - silent)
            else:
                await connection.run("select 1")
    except Exception:  # noqa: BLE001 - whatever it was, the lock is no longer proven
        held.reschedule(asyncio.get_running_loop().time())
