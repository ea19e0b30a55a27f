"""Recording: a write that failed loses no event of the list."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress

import pytest

from chassis.database import Database, Transaction
from chassis.following import Followed, Place
from kernel.clock import SystemClock, to_milliseconds_text
from kernel.errors import Unavailable
from kernel.ids import new_id, to_public
from services.webhooks.event_store import EventStore
from services.webhooks.reading import Heard, heard_in
from services.webhooks.recording import Recording
from tests.conftest import TestDatabase
from tests.patience import until


class Store(EventStore):
    """A store that can be made unavailable."""

    is_away = False

    async def add(self, tx: Transaction, new: Iterable[Sequence[object]]) -> int:
        """Insert events, or raise Unavailable while the store is away."""
        if self.is_away:
            raise Unavailable("The database is unavailable")
        return await super().add(tx, new)


@pytest.fixture
async def own(database: TestDatabase) -> AsyncIterator[Database]:
    """The database, opened as webhooks does."""
    opened = Database.open(url=database.url("webhooks"), schema="webhooks")
    yield opened
    await opened.close()


def heard(sequence: int) -> Heard:
    """Return an event of the stream."""
    event = {
        "eventId": to_public("evt", new_id()),
        "eventType": "order.created",
        "occurredAt": to_milliseconds_text(SystemClock().now()),
        "aggregateId": "ord_1",
        "aggregateType": "Order",
        "version": sequence,
        "payload": {},
        "metadata": {"marketplaceId": str(uuid.UUID(int=1))},
    }
    body = json.dumps(event).encode()
    found = heard_in(
        Followed(subject="order.created", body=body, sequence=sequence, marketplace_id="")
    )
    assert found is not None
    return found


def at(sequence: int) -> Place:
    return Place(made="a stream", sequence=sequence)


async def written_in_turn(recording: Recording, own: Database, *, to: int) -> None:
    """Keep writing until the saved place is reached."""
    writing = asyncio.create_task(recording.keep_writing())
    try:

        async def is_there() -> bool:
            async with own.statement() as connection:
                return (await EventStore().place(connection))[0] == at(to)

        await until(is_there)
    finally:
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing


async def test_events_of_a_failed_write_are_read_again_before_anything_else_is_written(
    own: Database,
) -> None:
    store = Store()
    recording = Recording(database=own, events=store, clock=SystemClock())
    first, second = heard(1), heard(2)
    await recording.start()
    await recording.take([first], at(1))
    store.is_away = True
    with pytest.raises(Unavailable):
        await recording.keep_writing()
    store.is_away = False
    # What follows the failed write may be taken before its follower is stopped.
    await recording.take([second], at(2))

    writing = asyncio.create_task(recording.keep_writing())
    # The writer of the next attempt runs first.
    await asyncio.sleep(0)
    place = await recording.start()
    writing.cancel()
    await asyncio.wait([writing])
    assert place.sequence == 0

    await recording.take([first], at(1))
    await recording.take([second], at(2))
    await written_in_turn(recording, own, to=2)

    async with own.statement() as connection:
        rows = await connection.fetch("select id from events order by sequence", {})
    assert [row.id for row in rows] == [first.event.event_id, second.event.event_id]
