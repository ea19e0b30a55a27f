"""The words of new orders are written down, a moment after the orders.

So creating an order costs one short row more, whatever it says. Several processes share the work.
"""

import asyncio

from chassis.database import Database
from services.orders.lookups.word_store import WordStore
from services.orders.lookups.words import words_of

BATCH = 500
POLL_SECONDS = 2.0


class WordIndexer:
    """Writes down the words of orders whose words are due."""

    def __init__(self, *, database: Database) -> None:
        self._database = database
        self._words = WordStore()

    async def run(self) -> None:
        """Write words down, until cancelled."""
        while True:
            if await self.index() < BATCH:
                await asyncio.sleep(POLL_SECONDS)

    async def index(self) -> int:
        """Write down the words of the next orders; returns how many orders there were."""
        async with self._database.transaction() as tx:
            due = await self._words.take(tx, limit=BATCH)
            await self._words.add(tx, [(one, words_of(one.title, one.description)) for one in due])
        return len(due)
