"""Waiting for commands to end, and telling the worker of new ones, within and across processes.

The end of a command carried out here rings at once; one carried out by another replica is seen
by a look at the database, one statement for everybody who waits.
"""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from chassis.database import Database
from services.escrow.commands.store import CommandStore

LOOK_SECONDS = 0.1
Name = tuple[uuid.UUID, uuid.UUID]


class Waiting:
    """Who waits for which command."""

    def __init__(self, *, database: Database, store: CommandStore) -> None:
        self._database = database
        self._store = store
        self._waiters: defaultdict[Name, set[asyncio.Event]] = defaultdict(set)
        self._work = asyncio.Event()
        self._someone = asyncio.Event()
        # Nobody is waited with any more: the process is about to stop.
        self.is_over = False

    def work(self) -> None:
        """Tell the worker that there may be something to do."""
        self._work.set()

    async def stop(self) -> None:
        """Wake everybody who waits for a command, and let nobody wait from now on."""
        self.is_over = True
        for events in self._waiters.values():
            for event in events:
                event.set()

    def work_is_seen(self) -> None:
        """Forget what was told before a claim looks for itself."""
        self._work.clear()

    async def for_work(self, *, seconds: float) -> None:
        """Wait until there may be something to do, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._work.wait()
        except TimeoutError:
            return

    def ended(self, marketplace_id: uuid.UUID, command_id: uuid.UUID) -> None:
        """Wake those who wait for a command."""
        for event in self._waiters.get((marketplace_id, command_id), ()):
            event.set()

    @contextmanager
    def registered(
        self, marketplace_id: uuid.UUID, command_id: uuid.UUID
    ) -> Iterator[asyncio.Event]:
        """Give an event that is set when the command ends, from now on; read the row after."""
        event, name = asyncio.Event(), (marketplace_id, command_id)
        self._waiters[name].add(event)
        self._someone.set()
        try:
            yield event
        finally:
            self._waiters[name].discard(event)
            if not self._waiters[name]:
                del self._waiters[name]

    async def for_ring(self, event: asyncio.Event, *, seconds: float) -> None:
        """Wait for an event of `registered`, at most so long."""
        if self.is_over:
            return
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return

    async def for_end(
        self, *, marketplace_id: uuid.UUID, command_id: uuid.UUID, seconds: float
    ) -> None:
        """Wait until a command has ended, at most so long; the database is asked first."""
        if seconds <= 0:
            return
        with self.registered(marketplace_id, command_id) as event:
            await self.look()
            await self.for_ring(event, seconds=seconds)

    async def watch(self) -> None:
        """Look for ends in the database until cancelled, while somebody waits."""
        while True:
            if not self._waiters:
                self._someone.clear()
                await self._someone.wait()
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Wake those whose command has ended, by whomever."""
        names = list(self._waiters)
        if not names:
            return
        async with self._database.transaction() as tx:
            ended = await self._store.ended_among(tx, names)
        for marketplace_id, command_id in ended:
            self.ended(marketplace_id, command_id)
