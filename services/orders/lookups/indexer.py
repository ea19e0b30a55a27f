"""The words of new orders are written down, a moment after the orders.

So creating an order costs one short row more, whatever it says. Several processes share the work. A
process that has written an order rings the bell of its own indexer. Nothing else polls, but for a
look from time to time, which finds the orders of a process that died before its words.
"""

import asyncio

from chassis.database import Database
from chassis.waiting import Bell
from services.orders.lookups.word_store import WordStore
from services.orders.lookups.words import words_of

BATCH = 500
# Between two looks for orders, so that those of a busy process are read together.
TOGETHER_SECONDS = 0.5
# Between two looks that nothing asked for.
SELDOM_SECONDS = 15.0


class WordIndexer:
    """Writes down the words of orders whose words are due. bell: rings when there are new ones."""

    def __init__(self, *, database: Database, bell: Bell | None = None) -> None:
        self._database = database
        self._bell = bell or Bell()
        self._words = WordStore()

    async def run(self) -> None:
        """Write words down, until cancelled."""
        while True:
            self._bell.silence()
            if await self.index() < BATCH:
                await asyncio.sleep(TOGETHER_SECONDS)
                await self._bell.wait(seconds=SELDOM_SECONDS)

    async def index(self) -> int:
        """Write down the words of the next orders; returns how many orders there were."""
        async with self._database.transaction() as tx:
            due = await self._words.take(tx, limit=BATCH)
            if due:
                found = [(one, words_of(one.title, one.description)) for one in due]
                await self._words.add(tx, found)
        return len(due)
