"""Which events are published is noted as ranges of ids; gaps stay open while they may be filled."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress

import psycopg
import pytest

from chassis import outbox, published
from chassis import relay as relay_module
from chassis.database import Connection
from chassis.outbox import Outbox
from chassis.published import Gaps
from deploy.local.nats import NatsServer
from tests.integration.chassis.conftest import SCHEMA, Shop
from tests.integration.chassis.test_relay import (
    an_event,
    append,
    is_published,
    relaying,
    until,
    versions,
)
from tests.integration.chassis.test_relay import published as on_the_bus

WAITS_FOR_LOCK = "select from pg_locks where not granted and relation = 'outbox'::regclass"
WAITING = "select count(*) from outbox_waiting"
RANGES = "select ids::text from outbox_published"


@pytest.fixture
async def relay(shop: Shop) -> AsyncIterator[Connection]:
    """A connection as the relay has it."""
    async with shop.database.statement() as connection:
        yield connection


async def ids(relay: Connection) -> list[int]:
    """Return the ids of the events that wait."""
    return [row.id for row in await published.waiting(relay, limit=100)]


async def roll_back(shop: Shop, marketplace_id: uuid.UUID) -> None:
    """Use an id for an event that is never committed."""
    with suppress(KeyError):
        async with shop.database.transaction() as tx:
            await Outbox().append(tx, [an_event(marketplace_id, version=9, thing="undone")])
            raise KeyError


async def test_published_events_are_noted_as_id_ranges_without_changing_their_rows(
    shop: Shop, relay: Connection, marketplace_id: uuid.UUID
) -> None:
    await append(shop, *(an_event(marketplace_id, version=v) for v in range(1, 6)))
    before = shop.rows("select xmin::text, ctid::text from outbox order by id")

    await published.mark(relay, [1, 2, 4])

    assert await ids(relay) == [3, 5]
    assert shop.rows(RANGES) == [("{[0,3),[4,5)}",)]
    assert shop.rows("select xmin::text, ctid::text from outbox order by id") == before


async def test_a_gap_that_a_running_transaction_may_fill_stays_open(
    shop: Shop, relay: Connection, marketplace_id: uuid.UUID
) -> None:
    gaps = Gaps()
    async with shop.database.transaction() as late:
        await Outbox().append(late, [an_event(marketplace_id, version=1, thing="late")])
        await append(shop, an_event(marketplace_id, version=1, thing="early"))
        await published.mark(relay, await ids(relay))
        for _ in range(3):
            await gaps.close(relay)
        assert shop.rows(RANGES) == [("{[0,1),[2,3)}",)]

    await gaps.close(relay)

    # The transaction has filled the gap. Its event is not lost, and not noted as published.
    assert await ids(relay) == [1]


async def test_a_gap_that_no_transaction_can_fill_is_closed(
    shop: Shop, relay: Connection, marketplace_id: uuid.UUID
) -> None:
    await append(shop, an_event(marketplace_id, version=1))
    await roll_back(shop, marketplace_id)
    await append(shop, an_event(marketplace_id, version=2))
    await published.mark(relay, await ids(relay))
    before, gaps = shop.rows(RANGES), Gaps()

    await gaps.close(relay)
    seen = shop.rows(RANGES)
    await gaps.close(relay)

    assert before == seen == [("{[0,2),[3,4)}",)]
    assert shop.rows(RANGES) == [("{[0,4)}",)]


async def test_unpublished_event_is_not_a_gap(
    shop: Shop, relay: Connection, marketplace_id: uuid.UUID
) -> None:
    await append(shop, *(an_event(marketplace_id, version=v) for v in range(1, 4)))
    await published.mark(relay, [3])
    gaps = Gaps()

    await gaps.close(relay)
    await gaps.close(relay)

    assert await ids(relay) == [1, 2]


async def test_only_gaps_below_a_limit_are_closed(
    shop: Shop, relay: Connection, marketplace_id: uuid.UUID
) -> None:
    for version in (1, 2, 3):
        await append(shop, an_event(marketplace_id, version=version))
        await roll_back(shop, marketplace_id)
    await published.mark(relay, [1, 3])
    gaps = Gaps()

    await gaps.close(relay, below=3)
    await gaps.close(relay, below=3)

    assert shop.rows(RANGES) == [("{[0,4)}",)]
    assert await ids(relay) == [5]


async def test_a_relay_that_always_has_events_closes_gaps(
    shop: Shop, nats: NatsServer, marketplace_id: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "GAPS_SECONDS", 0)
    monkeypatch.setattr(relay_module, "BATCH", 1)
    for version in range(1, 9):
        await roll_back(shop, marketplace_id)
        await append(shop, an_event(marketplace_id, version=version))
    counts: list[object] = []
    close = Gaps.close

    async def counted(self: Gaps, connection: Connection, *, below: int | None = None) -> bool:
        more = await close(self, connection, below=below)
        counts.extend(shop.rows("select count(*) from outbox_published, unnest(ids)"))
        return more

    monkeypatch.setattr(Gaps, "close", counted)
    async with relaying(shop, nats):
        await until(is_published(shop))
        # The last event is published before the gap below it is closed.
        await until(lambda: len(counts) >= 8)

    assert max(counts) <= (3,)  # type: ignore[type-var, operator] # rows of one number


async def test_no_event_is_lost_however_commits_and_rollbacks_overlap(
    shop: Shop, nats: NatsServer, marketplace_id: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "GAPS_SECONDS", 0)
    chance = random.Random(7)

    async def write(thing: str) -> None:
        for version in range(1, 31):
            if chance.random() < 0.4:
                await roll_back(shop, marketplace_id)
            async with shop.database.transaction() as tx:
                await Outbox().append(tx, [an_event(marketplace_id, version=version, thing=thing)])
                # Others take ids, and commit before this one.
                for _ in range(chance.randrange(6)):
                    await tx.fetchval("select pg_sleep(0.002)")

    async with relaying(shop, nats):
        await asyncio.gather(*(write(f"thing-{n}") for n in range(6)))
        await until(is_published(shop))

    events = await on_the_bus(nats, marketplace_id)
    assert len(events) == 6 * 30
    for n in range(6):
        assert versions(events, f"thing-{n}") == list(range(1, 31))


async def test_no_gap_is_closed_without_track_activities(
    shop: Shop, relay: Connection, marketplace_id: uuid.UUID
) -> None:
    await roll_back(shop, marketplace_id)
    await append(shop, an_event(marketplace_id, version=1))
    await published.mark(relay, await ids(relay))
    gaps = Gaps()
    await gaps.close(relay)
    await relay.execute("set track_activities = off")

    await gaps.close(relay)

    assert shop.rows(RANGES) == [("{[0,1),[2,3)}",)]


async def test_event_published_by_the_previous_version_is_not_published_again(
    shop: Shop, nats: NatsServer, marketplace_id: uuid.UUID
) -> None:
    await append(shop, an_event(marketplace_id, version=1, thing="theirs"))
    shop.run("update outbox set published_at = now()")

    async with relaying(shop, nats):
        await append(shop, an_event(marketplace_id, version=1, thing="ours"))
        await until(is_published(shop))

    events = await on_the_bus(nats, marketplace_id)
    assert [event["aggregateId"] for event in events] == ["ours"]
    assert versions(events, "ours") == [1]


async def test_the_migration_waits_for_events_that_are_being_written(empty_database: str) -> None:
    row = (
        "insert into outbox (event_id, marketplace_id, event_type, aggregate_type, aggregate_id,"
        " version, occurred_at, correlation_id, body, published_at) values (gen_random_uuid(),"
        " gen_random_uuid(), 'a.b', 'A', 'a', 1, now(), '', '{}', "
    )
    options = f"-c search_path={SCHEMA}"
    ddl = published.DDL.replace("{schema}", SCHEMA)
    with psycopg.connect(empty_database, autocommit=True, options=options) as connection:
        connection.execute(f"create schema {SCHEMA}")
        connection.execute(outbox.DDL.replace("{schema}", SCHEMA))
        connection.execute(row + "now())")
        connection.execute(row + "null)")
        with psycopg.connect(empty_database, options=options) as late:
            late.execute(row + "null)")
            connection.execute(row + "now())")
            with psycopg.connect(empty_database, autocommit=True, options=options) as migrating:
                migration = asyncio.create_task(asyncio.to_thread(migrating.execute, ddl))

                def waits_for_the_table() -> bool:
                    return connection.execute(WAITS_FOR_LOCK).rowcount == 1

                await until(waits_for_the_table)
                late.commit()
                await migration

        found = connection.execute("select ids::text from outbox_published").fetchall()
        waits = connection.execute("select id from outbox_waiting order by id").fetchall()

    assert found == [("{[0,2),[4,5)}",)]
    assert waits == [(2,), (3,)]
