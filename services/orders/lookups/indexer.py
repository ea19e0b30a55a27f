"""The indexer: inserts the search words of new orders, shortly after the orders.

Creating an order therefore inserts only one more short row, whatever its texts are. Several
processes share the work. A process that has created an order wakes its own indexer. An occasional
poll finds the orders of a process that died before it inserted their words.
"""

import asyncio

from chassis.database import Database
from chassis.waiting import Bell
from services.orders.lookups.word_store import WordStore
from services.orders.lookups.words import words_of

BATCH = 500
# The pause after each batch, so that a busy process indexes several orders at once.
TOGETHER_SECONDS = 0.5
# The longest pause between two polls without a ring of the bell.
SELDOM_SECONDS = 15.0


class WordIndexer:
    """Inserts the search words of orders. bell: rings when there are new orders."""

    def __init__(self, *, database: Database, bell: Bell | None = None) -> None:
        self._database = database
        self._bell = bell or Bell()
        self._words = WordStore()

    async def run(self) -> None:
        """Index new orders until cancelled."""
        while True:
            self._bell.silence()
            if await self.index() < BATCH:
                await asyncio.sleep(TOGETHER_SECONDS)
                await self._bell.wait(seconds=SELDOM_SECONDS)

    async def index(self) -> int:
        """Insert the words of the next batch of orders; return the number of orders."""
        async with self._database.transaction() as tx:
            due = await self._words.take(tx, limit=BATCH)
            if due:
                found = [(one, words_of(one.title, one.description)) for one in due]
                await self._words.add(tx, found)
        return len(due)
