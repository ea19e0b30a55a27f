"""A stream rebuilt after a restore: webhooks keeps no event that the outboxes have lost."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from orchestrator.webhooks.v1 import webhooks_pb2

from chassis.database import Database
from chassis.rebuild import rebuild
from kernel.clock import SystemClock
from kernel.errors import Unavailable
from kernel.ids import new_id
from services.webhooks.event_store import EventStore
from services.webhooks.recording import Recording
from tests.conftest import TestDatabase
from tests.patience import PATIENCE_SECONDS, until

from .conftest import House, Receiver, never
from .test_events import ids, listed, recorded

_ADD = """
insert into orders.outbox (event_id, marketplace_id, event_type, aggregate_type, aggregate_id,
    version, occurred_at, correlation_id, causation_id, user_id, payload, body, trace)
values (%(id)s, %(marketplaceId)s, %(eventType)s, %(aggregateType)s, %(aggregateId)s, %(version)s,
    %(occurredAt)s, '', '', '', '{}', '', '')
"""


def keep(house: House, *events: dict[str, Any]) -> None:
    """Write events to an outbox."""
    with psycopg.connect(house.database.url()) as connection:
        for event in events:
            connection.execute(_ADD, {**event, **event["metadata"], "id": new_id()})


async def rebuilt(house: House, nats_url: str) -> None:
    await rebuild(database_url=house.database.url(), nats_url=nats_url)


async def test_rebuild_drops_events_that_no_outbox_has_from_the_list(
    house: House, nats_url: str
) -> None:
    lost, kept = house.event(), [house.event() for _ in range(3)]
    keep(house, *kept)
    await recorded(house, kept[0], lost, *kept[1:])

    await rebuilt(house, nats_url)

    assert await listed(house) == ids(kept)


async def test_event_that_was_done_again_is_listed_as_it_is_kept(
    house: House, nats_url: str
) -> None:
    before = house.event(occurredAt="2096-02-18T10:00:00.000Z", payload={"amount": "1.00"})
    again = {**before, "occurredAt": "2096-02-18T10:00:00.001Z", "payload": {"amount": "2.00"}}
    keep(house, again)
    await recorded(house, before)

    await rebuilt(house, nats_url)
    await recorded(house, again)

    request = webhooks_pb2.GetEventRequest(event_id=again["eventId"])
    assert json.loads((await house.client.call("GetEvent", request)).event_json) == again


async def test_lost_event_of_the_same_moment_as_a_kept_one_is_dropped(
    house: House, nats_url: str
) -> None:
    kept = house.event()
    lost = {**kept, "eventId": house.event()["eventId"], "version": 2}
    keep(house, kept)
    await recorded(house, kept, lost)

    await rebuilt(house, nats_url)
    await recorded(house, kept)

    assert await listed(house) == [kept["eventId"]]


async def test_rebuild_drops_waiting_deliveries_of_lost_events(
    house: House, nats_url: str, receiver: Receiver
) -> None:
    receiver.answer = never
    webhook = await house.register(receiver.url)
    lost, before, kept = house.event(), house.event(), house.event()
    keep(house, {**before, "occurredAt": "2096-02-18T10:00:00.001Z"}, kept)
    await recorded(house, lost, before, kept)

    async def all_wait() -> bool:
        return len(await house.deliveries(webhook)) == 3

    await until(all_wait)

    await rebuilt(house, nats_url)

    assert [one.event_id for one in await house.deliveries(webhook)] == [kept["eventId"]]


async def test_event_taken_from_the_old_stream_is_not_stored_after_the_rebuild(
    database: TestDatabase, nats_url: str
) -> None:
    with psycopg.connect(database.url()) as connection:
        connection.execute("update webhooks.recording set made = 'old', sequence = 1")
    own = Database.open(url=database.url("webhooks"), schema="webhooks")
    try:
        recording = Recording(database=own, events=EventStore(), clock=SystemClock())
        place = await recording.start()
        await recording.take([], replace(place, sequence=2))

        await rebuild(database_url=database.url(), nats_url=nats_url)

        with pytest.raises(Unavailable):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await recording.keep_writing()
    finally:
        await own.close()


async def test_events_are_published_again_although_lost_ones_could_not_be_dropped(
    database: TestDatabase, nats_url: str
) -> None:
    with psycopg.connect(database.url(), autocommit=True) as connection:
        connection.execute("update orders.outbox_published set ids = '{[1,5)}'")
        connection.execute("alter table webhooks.deliveries rename to others")

        with pytest.raises(psycopg.Error):
            await rebuild(database_url=database.url(), nats_url=nats_url)

        marked = connection.execute("select ids::text from orders.outbox_published").fetchall()
    assert marked == [("{}",)]
