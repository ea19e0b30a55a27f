"""The use case of the books: return the last check, and begin a new one if it is due.

A check reads the whole ledger of its marketplace, so a request waits for it at most WAIT_SECONDS.
Only a request begins a check. Each process runs one check at a time.
"""

import asyncio
import time

from chassis.database import Database
from chassis.telemetry import logger
from kernel.errors import DomainError
from kernel.ids import MarketplaceId
from services.ledger import invariants
from services.ledger.books.domain import Checked, Known
from services.ledger.books.store import BooksStore

# How long a request waits for a check. The check of a small ledger ends within this time.
WAIT_SECONDS = 2
log = logger()


class Books:
    """Reads and checks the books of marketplaces."""

    def __init__(self, *, database: Database, store: BooksStore) -> None:
        self._database = database
        self._store = store
        self._checks: dict[MarketplaceId, asyncio.Task[None]] = {}
        self._one_at_a_time = asyncio.Lock()

    async def read(self, marketplace_id: MarketplaceId) -> tuple[Known, bool]:
        """Return the last check, and whether another one runs.

        A check that is due is begun, and waited for at most WAIT_SECONDS.
        """
        async with self._database.statement() as connection:
            known = await self._store.known(connection, marketplace_id)
        running = self._checks.get(marketplace_id)
        if running is None and known.is_due:
            running = asyncio.create_task(self._check(marketplace_id))
            self._checks[marketplace_id] = running
            running.add_done_callback(lambda _: self._checks.pop(marketplace_id, None))
        if running is None:
            return known, False
        await asyncio.wait([running], timeout=WAIT_SECONDS)
        async with self._database.statement() as connection:
            known = await self._store.known(connection, marketplace_id)
        return known, not running.done()

    async def close(self) -> None:
        """Cancel the running checks."""
        running = list(self._checks.values())
        for check in running:
            check.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _check(self, marketplace_id: MarketplaceId) -> None:
        """Check the books in one snapshot and store the result. A failure is logged."""
        try:
            async with self._one_at_a_time:
                async with self._database.statement() as connection:
                    # Another process may have finished a check in the meantime.
                    if not (await self._store.known(connection, marketplace_id)).is_due:
                        return
                began = time.monotonic_ns()
                async with self._database.transaction() as tx:
                    held = await invariants.check(tx, marketplace_id=marketplace_id)
                    money = await self._store.money(tx, marketplace_id)
                    at = await self._store.now(tx)
                took = (time.monotonic_ns() - began) // 1_000_000
                found = Checked(at=at, took_milliseconds=took, money=money, invariants=held)
                async with self._database.transaction() as tx:
                    await self._store.keep(tx, marketplace_id, found)
        except (DomainError, TimeoutError) as error:
            log.warning(
                "books.not_checked", marketplace_id=str(marketplace_id), error=type(error).__name__
            )
            return
        broken = [one.name for one in held if not one.holds]
        if broken:
            log.error("books.broken", marketplace_id=str(marketplace_id), invariants=broken)
