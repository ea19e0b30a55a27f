"""A lock of the whole service, held by a session: it ends with the process that holds it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis.database import Database


@asynccontextmanager
async def only_one(database: Database, *, name: str) -> AsyncIterator[None]:
    """Let one process at a time do what is inside; the others wait."""
    connection = await database.dedicated()
    try:
        await connection.execute(
            "select pg_advisory_lock(hashtext('escrow'), hashtext(%s))", (name,)
        )
        yield
    finally:
        await connection.close()
