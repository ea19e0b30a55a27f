"""The audit trail of a service's own database, as a test reads it."""

import uuid

from chassis import audit
from chassis.audit import Filter, Line
from chassis.database import Database


async def lines(database: Database, marketplace_id: uuid.UUID, **chosen: str) -> list[Line]:
    """Return a marketplace's audit lines, oldest first. chosen: filters by name."""
    async with database.statement() as connection:
        wanted = Filter(marketplace_id=marketplace_id, **chosen)  # type: ignore[arg-type] # texts
        found = await audit.page(connection, wanted, limit=100)
    return found[::-1]


async def actions(database: Database, marketplace_id: uuid.UUID, **chosen: str) -> list[str]:
    """Return the actions of a marketplace's lines, oldest first; chosen as in `lines`."""
    return [line.action for line in await lines(database, marketplace_id, **chosen)]
