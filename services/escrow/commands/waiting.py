"""Waiting for commands to end, whichever process carries them out."""

from collections.abc import Collection

from chassis.database import Database
from chassis.waiting import Ends
from services.escrow.commands.store import CommandStore, Name


def ends(database: Database, store: CommandStore) -> Ends[Name]:
    """Return what waits for the ends of commands, by marketplace and id."""

    async def ended_among(names: Collection[Name]) -> Collection[Name]:
        async with database.statement() as connection:
            return await store.ended_among(connection, names)

    return Ends(ended_among)
